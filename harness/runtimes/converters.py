"""Fitted estimators as ONNX graphs from rows (n, columns), through skl2onnx and onnxmltools.

Boosters are converted alone, and inside pipelines and ensembles. Whatever a converter drops in silence is
refused by name (`harness.runtimes.onnx_forms`), and every export is compared with its model on validation
rows.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.codec import JsonObject
from harness.exported.estimator import LightGBM, fitted_parts, in_double

if TYPE_CHECKING:
    from lightgbm import Booster
    from skl2onnx.common._container import ModelComponentContainer
    from skl2onnx.common._topology import Operator, Scope, Variable
    from sklearn.base import BaseEstimator

Convert = Callable[..., object]
"""What the converters register: a function of a scope, an operator and a container, or a parser."""
OPSETS = {"": 20, "ai.onnx.ml": 3}


def convert(model: BaseEstimator, columns: int, scores: bool = False) -> object:
    """The graph of a fitted estimator: input `rows`, outputs labels and probabilities, or values.

    Rows and answers are float32, but float64 where an estimator needs it.

    Args:
        model: as `harness.exported.estimator.read` gives it.
        scores: whether a classifier without probabilities is to give its decision function.
    Raises:
        Exception: of any kind; the converters know no common one.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from sklearn.preprocessing import StandardScaler

    register()
    if isinstance(model, LightGBM):
        model = _as_lightgbm_estimator(model.booster)
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    # An entry, even an empty one, keeps skl2onnx from asking a LinearSVC in a pipeline for a zipmap.
    options: dict[object, JsonObject] = {id(last): {}}
    if hasattr(model, "predict_proba"):
        options = {id(model): {"zipmap": False}}
    elif scores:
        options = {id(last): {"raw_scores": True, **_without_zipmap(last)}}
    # Multiplied by the inverse, a scaled number is off by its last digit, and XGBoost's thresholds are
    # numbers of the data: 1 % of the rows went the other way.
    options[StandardScaler] = {"div": "div"}
    for part in fitted_parts(model):
        if hasattr(part, "flatten_transform"):  # only says what a VotingClassifier's `transform` gives
            part.flatten_transform = False
    row = (DoubleTensorType if in_double(model) else FloatTensorType)([None, columns])
    return convert_sklearn(
        model,
        initial_types=[("rows", row)],
        options=options,
        target_opset=OPSETS,
    )


def _without_zipmap(estimator: BaseEstimator) -> dict[str, bool]:
    """The option that keeps scores an array, where the estimator's converter knows it."""
    from skl2onnx._supported_operators import _get_sklearn_operator_name
    from skl2onnx.common._registration import get_converter

    allowed = get_converter(_get_sklearn_operator_name(type(estimator))).get_allowed_options() or {}
    return {"zipmap": False} if "zipmap" in allowed else {}


def _as_lightgbm_estimator(booster: Booster) -> BaseEstimator:
    """A booster that was read from a file, as the estimator that the converter takes."""
    import lightgbm

    is_regression = booster.num_model_per_iteration() == 1 and not str(
        booster.params["objective"]
    ).startswith(("binary", "multiclass"))
    estimator = lightgbm.LGBMRegressor() if is_regression else lightgbm.LGBMClassifier()
    estimator._Booster, estimator.fitted_ = booster, True
    estimator._n_features = estimator._n_features_in = booster.num_feature()
    if not is_regression:
        estimator._n_classes = max(2, booster.num_model_per_iteration())
        estimator._classes = np.arange(estimator._n_classes)
    return estimator


@cache
def register() -> None:
    """Make the converters known to skl2onnx, those of the libraries that are installed; once per process."""
    _add_histograms()
    if importlib.util.find_spec("catboost"):
        _add_catboost()
    if importlib.util.find_spec("onnxmltools"):
        if importlib.util.find_spec("xgboost"):
            _add_xgboost()
        if importlib.util.find_spec("lightgbm"):
            _add_lightgbm()


def _update(kind: type, convert: Convert, parser: Convert | None = None) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    if kind.__name__.endswith("Classifier"):
        shape, options = shapes.calculate_linear_classifier_output_shapes, dict(_CLASSIFIER)
    else:
        shape, options = shapes.calculate_linear_regressor_output_shapes, {}
    update_registered_converter(kind, f"Trees{kind.__name__}", shape, convert, options=options, parser=parser)


_CLASSIFIER = {
    "nocl": [True, False],
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}


def _add_histograms() -> None:
    """scikit-learn's histogram boosting.

    skl2onnx 1.20 writes whether a node sends holes to the left as a boolean, which protobuf 7 refuses in a
    list of whole numbers.
    """
    from skl2onnx.common._registration import get_converter
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    for kind in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        _update(kind, _with_exact_trees(get_converter(f"Sklearn{kind.__name__}")))


def _add_xgboost() -> None:
    import xgboost
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    for kind in (
        xgboost.XGBClassifier,
        xgboost.XGBRegressor,
        xgboost.XGBRFClassifier,
        xgboost.XGBRFRegressor,
    ):
        _update(kind, convert_xgboost)


def _add_lightgbm() -> None:
    import lightgbm
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    for kind in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor):
        _update(kind, _with_exact_trees(convert_lightgbm))


def _with_exact_trees(convert: Convert) -> Convert:
    """A converter that writes flags as whole numbers, and thresholds rounded down to single precision.

    Rounded to the nearest, a threshold between two neighbouring inputs could become the upper one and send
    it the other way.
    """

    def exact(scope: Scope, operator: Operator, container: ModelComponentContainer) -> None:
        with _exact_trees(container):
            convert(scope, operator, container)

    return exact


@contextmanager
def _exact_trees(container: ModelComponentContainer) -> Iterator[None]:
    add_node = container.add_node

    def add_exact(op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        if "nodes_missing_value_tracks_true" in attributes:
            flags = attributes["nodes_missing_value_tracks_true"]
            attributes["nodes_missing_value_tracks_true"] = [int(flag) for flag in flags]
        if "nodes_values" in attributes:
            attributes["nodes_values"] = rounded_down(attributes["nodes_values"])
        add_node(op_type, inputs, outputs, **attributes)

    container.add_node = add_exact
    try:
        yield
    finally:
        del container.add_node


def rounded_down(values: Sequence[float]) -> np.ndarray:
    """The largest single-precision numbers that are no larger."""
    exact = np.asarray(values, dtype=np.float64)
    single = exact.astype(np.float32)
    return np.where(single > exact, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float32)


def _add_catboost() -> None:
    import catboost

    _update(catboost.CatBoostRegressor, _convert_catboost)
    _update(catboost.CatBoostClassifier, _convert_catboost, _two_outputs)


def _two_outputs(
    scope: Scope,
    model: BaseEstimator,
    inputs: list[Variable],
    custom_parsers: Mapping[type, Convert] | None = None,
) -> object:
    """Labels and probabilities: skl2onnx does not take CatBoost's for a classifier by itself."""
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator = scope.declare_local_operator(f"Trees{type(model).__name__}", model)
    operator.inputs.extend(inputs)
    operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
    operator.outputs.append(scope.declare_local_variable("probabilities", FloatTensorType()))
    return operator.outputs


CATBOOST_EXP = ("Poisson", "Tweedie")
"""Losses of CatBoost whose trees give the logarithm of the answer."""


def _convert_catboost(scope: Scope, operator: Operator, container: ModelComponentContainer) -> None:
    """CatBoost's own export, whose trees are right and whose last step is always the same."""
    from catboost.utils import convert_to_onnx_object
    from onnx.helper import get_attribute_value

    model = operator.raw_operator
    trees = convert_to_onnx_object(model).graph.node[0]
    attributes = {a.name: get_attribute_value(a) for a in trees.attribute}
    attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    outputs = [variable.full_name for variable in operator.outputs]
    answer = outputs
    if loss in CATBOOST_EXP:
        answer = [scope.get_unique_variable_name("logarithm")]
        container.add_node("Exp", answer, outputs, name=scope.get_unique_operator_name("Exp"))
    container.add_node(
        trees.op_type,
        operator.input_full_names,
        answer,
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("trees"),
        **attributes,
    )

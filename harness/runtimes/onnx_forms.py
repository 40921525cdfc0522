"""Which estimators have no ONNX form: by the options that converters drop in silence, and by what skl2onnx
has no converter for; imports no library.

What is named here was seen with onnxmltools 1.16, skl2onnx 1.20, XGBoost 3.2, LightGBM 4.7 and CatBoost 1.2:
the converter raised, or wrote a graph that answers otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.codec import JsonObject
from harness.runtimes.without_converter import is_reference, without_converter
from harness.suite.model_ref import ModelRef, parse_model

ON_WORDS = frozenset(
    {
        "LinearSVC",
        "LogisticRegression",
        "LogisticRegressionCV",
        "MultinomialNB",
        "Perceptron",
        "RidgeClassifier",
        "RidgeClassifierCV",
    }
)
"""Estimators of scikit-learn that have an ONNX form over weighed words (TF-IDF)."""

DROPPED: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "xgboost": {
        "booster": ("dart", "gblinear"),
        "multi_strategy": ("multi_output_tree",),
        "objective": ("multi:softmax", "reg:logistic", "binary:logitraw"),
    },
    "lightgbm": {
        "linear_tree": (True, 1),
        "reg_sqrt": (True, 1),
        "zero_as_missing": (True, 1),
        "boosting": ("rf", "random_forest"),
        "objective": ("multiclassova", "cross_entropy", "cross_entropy_lambda", "mape", "fair"),
    },
    "catboost": {
        "grow_policy": ("Lossguide", "Depthwise"),
        "loss_function": ("MultiClassOneVsAll", "RMSEWithUncertainty"),
    },
}
"""Library → option → the values that have no ONNX form."""

ALIASES: Mapping[str, str] = {
    "boosting_type": "boosting",
    "boost": "boosting",
    "linear_trees": "linear_tree",
    "application": "objective",
    "app": "objective",
    "loss": "objective",
    "objective_type": "objective",
}
"""LightGBM's other names of these options."""


def no_form(model: ModelRef, task: str, args: JsonObject) -> str:
    """Why an estimator has no ONNX form, with the cure; empty where nothing speaks against it."""
    if model.about.fitted != "sklearn":
        return ""
    if task == "text_classification" and model.name.rpartition(".")[2] not in ON_WORDS:
        return f"over words only {', '.join(sorted(ON_WORDS))} have an ONNX form"
    reason = without_onnx(model.kind, args) or without_converter(model, args)
    return f"{reason}; it is served by {model.about.native} itself" if reason else ""


def without_onnx(library: str, args: JsonObject) -> str | None:
    """Why an estimator with these arguments cannot be exported to ONNX; None where nothing is known.

    Args:
        args: of the estimator; those that are references to further estimators are looked through too.
    """
    for found, given in _with_nested(library, args):
        for option, value in given.items():
            name = ALIASES.get(option, option) if found == "lightgbm" else option
            if _is_dropped(found, name, value):
                return f"{found}'s {option}: {value} has no ONNX form"
    return None


def _is_dropped(library: str, option: str, value: object) -> bool:
    if isinstance(value, (list, dict)):
        return False
    if (library, option) == ("lightgbm", "sigmoid"):
        return not isinstance(value, (int, float)) or value != 1.0
    if (library, option) == ("xgboost", "num_parallel_tree"):
        return isinstance(value, (int, float)) and value > 1
    if (library, option) == ("xgboost", "missing"):
        return bool(value == value)  # only NaN, the default, is unlike itself
    return value in DROPPED.get(library, {}).get(option, ())


def _with_nested(library: str, args: object) -> Iterator[tuple[str, JsonObject]]:
    if library in DROPPED and isinstance(args, Mapping):
        yield library, args
    if is_reference(args):
        yield from _with_nested(parse_model(str(args["model"])).kind, args.get("args") or {})
    elif isinstance(args, (Mapping, list)):
        for value in args.values() if isinstance(args, Mapping) else args:
            yield from _with_nested("", value)

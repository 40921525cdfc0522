"""Estimators from references: scikit-learn's, XGBoost's, LightGBM's, CatBoost's, and those made of others.

`build` gives an object with `fit` and `predict` (and `predict_proba` where it has one), not yet fitted. Its
arguments may name further estimators, at any depth:

    sklearn:CalibratedClassifierCV  {estimator: "sklearn:LinearSVC"}
    sklearn:Pipeline                {steps: {scale: "sklearn:StandardScaler", boost: "xgboost:XGBClassifier"}}
    sklearn:StackingClassifier      {estimators: {a: {model: "lightgbm:LGBMClassifier", args: {…}}, …}}

Every part gets the trial's seed where it takes one and was given none, and the threads that the trial claims.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from harness.codec import Json, JsonObject
from harness.models.names import nearest
from harness.models.own import find_function
from harness.protocols import Task
from harness.suite.model_ref import OWN_ESTIMATOR, ModelRef, parse_model

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "sklearn": (
        "linear_model", "ensemble", "svm", "tree", "neighbors", "naive_bayes", "neural_network",
        "discriminant_analysis", "gaussian_process", "kernel_ridge", "calibration", "dummy", "isotonic",
        "cluster", "pipeline", "compose", "preprocessing", "impute", "feature_selection",
        "feature_extraction.text", "decomposition", "kernel_approximation", "random_projection",
        "multiclass", "multioutput", "model_selection",
    ),
    "xgboost": ("",),
    "lightgbm": ("",),
    "catboost": ("",),
}  # fmt: skip
"""Library → its modules that define estimators, in the order in which a short name is looked up."""

EXTRA = "boosting"
"""The extra of this package that brings the boosting libraries."""

BOOSTERS = ("xgboost", "lightgbm", "catboost")

STOPPING = ("early_stopping_rounds", "early_stopping_round", "n_iter_no_change", "od_wait")
"""Arguments of the boosting libraries that end training by a validation part. (`n_iter_no_change` is also
scikit-learn's, which cuts a part off by itself.)"""

REFERENCE = re.compile(rf"({'|'.join(LIBRARIES)}):[A-Za-z_][\w.]*")


def build(
    ref: str, args: Mapping[str, object], seed: int, threads: int, *, task: Task | None = None,
    search: Path | None = None,
) -> BaseEstimator:  # fmt: skip
    """An estimator of a model reference, not fitted.

    Args:
        ref: a class by its name, alone or dotted (`sklearn:linear_model.Ridge`, `xgboost:XGBClassifier`),
            or a user's own builder (`estimator:my_models:build`), which is called with the task.
        search: the folder of the suite file, where the user's own modules are looked for first.
    Raises:
        ValueError: there is none of this name, it has no such argument, or it cannot learn by itself; the
            message names the cure.
    """
    model = parse_model(ref)
    if model.kind == OWN_ESTIMATOR:
        estimator = _own(model, task, args, search)
    else:
        estimator = _made(model.kind, model.name, args)
    if not _predicts(estimator):
        raise ValueError(
            f"{ref} predicts nothing: a candidate is a classifier or a regressor; put a "
            "transformer before one: sklearn:Pipeline with args: {steps: {scale: …, model: …}}"
        )
    prepare(estimator, seed, threads)
    return estimator


def _own(ref: ModelRef, task: Task | None, args: Mapping[str, object], search: Path | None) -> BaseEstimator:
    function = find_function(ref, search)
    estimator = function(**args) if inspect.isclass(function) else function(task, **args)
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise ValueError(
            f"{ref.package}:{ref.function} returned a {type(estimator).__name__}: an estimator has fit, "
            "predict and get_params (derive it from sklearn.base.BaseEstimator), a network is a torch Module"
        )
    named = f"{ref.package}:{ref.function} returned a {type(estimator).__name__}"
    if is_a("clusterer", estimator):
        raise ValueError(f"{named}, whose clusters are no classes: put it before a classifier, in a Pipeline")
    kinds = ("classifier", "regressor")
    wants, other = kinds if task is None or task.num_classes else kinds[::-1]
    if task is not None and is_a(other, estimator):
        raise ValueError(f"{named}, which is a {other}, and the task wants a {wants}")
    return estimator


def is_a(kind: str, estimator: BaseEstimator) -> bool:
    """Whether scikit-learn takes an estimator for a `classifier`, a `regressor` or a `clusterer`."""
    from sklearn.base import is_classifier, is_clusterer, is_regressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of estimators that know nothing of tags yet
        try:
            asks = {"classifier": is_classifier, "regressor": is_regressor, "clusterer": is_clusterer}
            return bool(asks[kind](estimator))
        except AttributeError:  # a class that is not derived from scikit-learn's says nothing of itself
            return False


def _predicts(estimator: BaseEstimator) -> bool:
    """Asked of the class: what is made of others has `predict` only once these are fitted."""
    if type(estimator).__name__ == "Pipeline":
        return bool(estimator.steps) and _predicts(estimator.steps[-1][1])
    return hasattr(type(estimator), "fit") and hasattr(type(estimator), "predict")


def find(library: str, name: str) -> type[BaseEstimator]:
    """The class of an estimator.

    Raises:
        ValueError: the library is not installed, or has none of this name; the nearest is named.
    """
    room, _, short = name.removeprefix("sklearn.").rpartition(".")
    names: set[str] = set()
    for place in (room,) if room else LIBRARIES[library]:
        module = _imported(library, place)
        if module is None:
            continue
        found = getattr(module, short, None)
        if isinstance(found, type) and hasattr(found, "get_params"):
            return found
        names |= {n for n, value in vars(module).items() if isinstance(value, type) and n[0] != "_"}
    raise ValueError(
        f"{library} has no estimator {name}{nearest(short, names)}: write its class name, as in "
        f"{EXAMPLES[library]}"
    )


EXAMPLES = {
    "sklearn": "sklearn:LogisticRegression",
    "xgboost": "xgboost:XGBClassifier",
    "lightgbm": "lightgbm:LGBMClassifier",
    "catboost": "catboost:CatBoostClassifier",
}


def _imported(library: str, place: str) -> ModuleType | None:
    """A module of a library, None where there is no such module in it."""
    name = f"{library}.{place}" if place else library
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == library:
            raise ValueError(f"{library} is not installed: pip install -e '.[{EXTRA}]'") from error
        return None


def _made(library: str, name: str, args: Mapping[str, object]) -> BaseEstimator:
    kind = find(library, name)
    known = inspect.signature(kind).parameters
    is_open = any(p.kind is p.VAR_KEYWORD for p in known.values())
    names = [n for n, p in known.items() if p.kind is not p.VAR_KEYWORD]
    if is_open:
        names += _open_arguments(library)
    for given in args:
        if given not in names:
            hint = nearest(given, names) or f": it takes {', '.join(names[:40])}"
            raise ValueError(f"{library}:{name} has no argument {given}{hint}")
    return kind(**{key: _value(value, known.get(key)) for key, value in args.items()})


def _open_arguments(library: str) -> list[str]:
    """What a library takes through `**kwargs`: it would only warn of a misspelt one, or not even that."""
    if library == "xgboost":
        from xgboost import XGBModel

        return [*inspect.signature(XGBModel).parameters, *_XGBOOST_MORE]
    if library == "lightgbm":
        from lightgbm.basic import _ConfigAliases

        aliases = _ConfigAliases._get_all_param_aliases()
        return sorted({name for names in aliases.values() for name in names} | set(aliases))
    return []


_XGBOOST_MORE = (
    "num_class", "tweedie_variance_power", "huber_slope", "quantile_alpha", "expectile_alpha",
    "max_cached_hist_node", "refresh_leaf", "process_type", "updater", "rate_drop", "skip_drop", "one_drop",
    "sample_type", "normalize_type", "feature_selector", "top_k", "disable_default_eval_metric",
    "seed_per_iteration",
)  # fmt: skip
"""Parameters of XGBoost 3 that its estimators pass on without naming them."""


def _value(value: object, parameter: inspect.Parameter | None) -> object:
    """An argument of a suite as an estimator wants it: references become estimators, lists may be tuples."""
    if (made := _nested(value)) is not None:
        return made
    if isinstance(value, Mapping):
        if value and all(_nested(v) is not None or v in ("passthrough", "drop") for v in value.values()):
            return [(name, _value(v, None)) for name, v in value.items()]
        if value and all(isinstance(v, Mapping) and "columns" in v for v in value.values()):
            return [(name, _value(_without_columns(v), None), v["columns"]) for name, v in value.items()]
        return {key: _value(v, None) for key, v in value.items()}
    if isinstance(value, list):
        values = [_value(v, None) for v in value]
        is_step = len(value) in (2, 3) and isinstance(value[0], str) and _is_estimator(values[1])
        wants_tuple = parameter is not None and isinstance(parameter.default, tuple)
        return tuple(values) if is_step or wants_tuple else values
    return value


def _nested(value: object) -> BaseEstimator | None:
    """The estimator that a reference, or `{model: …, args: …}`, stands for; None where it is neither."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        ref = parse_model(value)
        return _made(ref.kind, ref.name, {})
    if _is_reference(value):
        if not REFERENCE.fullmatch(str(value["model"])):
            raise ValueError(
                f"{value['model']!r} inside an estimator's arguments: write one of "
                f"{', '.join(f'{library}:NAME' for library in LIBRARIES)}"
            )
        ref = parse_model(value["model"])
        return _made(ref.kind, ref.name, value.get("args") or {})
    return None


def _is_reference(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a mapping is `{model: …, args: …}`, and not steps of which one is called `model`."""
    if not isinstance(value, Mapping) or not set(value) <= {"model", "args"}:
        return False
    return "model" in value and not isinstance(value["model"], Mapping)


def _without_columns(step: JsonObject) -> object:
    """A step of a ColumnTransformer without its columns: what transforms them."""
    if "model" in step:
        return {key: v for key, v in step.items() if key != "columns"}
    return step.get("transformer", "passthrough")


def _is_estimator(value: object) -> bool:
    return value in ("passthrough", "drop") if isinstance(value, str) else hasattr(value, "get_params")


def library_of(estimator: BaseEstimator) -> str:
    """The package that an estimator's class comes from: `sklearn`, `xgboost`, a user's module."""
    return type(estimator).__module__.partition(".")[0]


def parts(estimator: BaseEstimator) -> Iterator[BaseEstimator]:
    """An estimator and those that its arguments hold, the outer ones first."""
    yield estimator
    for value in estimator.get_params(deep=False).values():
        for each in _leaves(value):
            if hasattr(each, "get_params") and not isinstance(each, type):
                yield from parts(each)


def check_values(estimator: BaseEstimator) -> None:
    """What `fit` asks of scikit-learn's arguments before it looks at any data.

    Raises:
        ValueError: one has a value or a type that its estimator does not take.
    """
    for part in parts(estimator):
        if library_of(part) == "sklearn" and hasattr(part, "_validate_params"):
            part._validate_params()


def _leaves(value: object) -> Iterator[BaseEstimator]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def prepare(estimator: BaseEstimator, seed: int, threads: int) -> None:
    """Give every part the seed where it has none of its own, the threads that may be used, and silence.

    Of an estimator that holds others, these get the threads and it runs one after the other.
    """
    for part in parts(estimator):
        params, known = part.get_params(deep=False), _settable(part)
        changes: dict[str, Json] = {}
        if library_of(part) == "catboost":
            changes = _for_catboost(params, seed, threads)
        else:
            if params.get("random_state", 0) is None:
                changes["random_state"] = seed
            if "n_jobs" in params:
                changes["n_jobs"] = None if any(True for p in parts(part) if p is not part) else threads
            if "thread_count" in params:
                changes["thread_count"] = threads
            if library_of(part) == "lightgbm" and not {"verbose", "verbosity"} & set(params):
                changes["verbose"] = -1
        if changes:
            part.set_params(
                **{k: v for k, v in changes.items() if k in known or library_of(part) in BOOSTERS}
            )


def _settable(part: BaseEstimator) -> set[str]:
    return set(part.get_params(deep=False))


def _for_catboost(params: JsonObject, seed: int, threads: int) -> dict[str, Json]:
    changes: dict[str, Json] = {"thread_count": threads}
    if not {"random_seed", "random_state"} & set(params):
        changes["random_seed"] = seed
    if not {"verbose", "silent", "logging_level", "verbose_eval"} & set(params):
        changes["logging_level"] = "Silent"
    return {**changes, "allow_writing_files": False}


def stopping(estimator: BaseEstimator) -> bool:
    """Whether a boosting library's estimator was asked to stop by a validation part."""
    if library_of(estimator) not in BOOSTERS:
        return False
    params = estimator.get_params(deep=False)
    return any(params.get(name) not in (None, 0) for name in STOPPING)

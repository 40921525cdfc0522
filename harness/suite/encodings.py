"""How columns of categories become numbers: what `encoding` of a candidate names, and who needs none."""

from __future__ import annotations

from harness.suite.model_ref import ModelRef

AUTO, NATIVE, ONE_HOT, ORDINAL, TARGET, HASHED = "auto", "native", "one_hot", "ordinal", "target", "hashed"

MOST_ONE_HOT = 32
"""A column of more values than this gets means of the target instead of a column for each, with `auto`."""

_HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def takes_categories(model: ModelRef) -> bool:
    """Whether a model takes categories and holes itself."""
    if model.kind == "sklearn":
        return model.name.rpartition(".")[2] in _HISTOGRAM
    return model.kind in ("xgboost", "lightgbm", "catboost")


def is_histogram(model: ModelRef) -> bool:
    """Whether it is scikit-learn's histogram boosting."""
    return model.kind == "sklearn" and takes_categories(model)


def settled(encoding: str, model: ModelRef, runtimes: list[str]) -> str:
    """What `auto` is for a model that is to be served so: trees over categories have no ONNX form."""
    if encoding != AUTO or not takes_categories(model):
        return encoding
    return AUTO if any(name.startswith("onnx") for name in runtimes) else NATIVE

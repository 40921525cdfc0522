"""What was meant by a value of another form than its key takes, written as it is to be written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.codec import Json
from harness.figures import share_of
from harness.reading.durations import duration
from harness.suite.model_ref import parse_model
from harness.suite.source import Node, flow

MAIN_KEY = {
    "data": "name", "traffic": "qps", "server": "latency_p99_ms", "machine": "price", "optimizer": "name",
    "schedule": "name", "tuning": "trials", "threshold": "goal", "retrieval": "model", "ranking": "model",
}  # fmt: skip
"""Key whose mapping is often written as one value → the key in it that is meant."""
READERS = {
    "tabular": "tabular_csv", "text": "text_csv", "image": "image_folder", "recommendation":
    "interactions_csv", "multilabel": "text_csv",
}  # fmt: skip
"""First word of a task → the data set that reads files of one's own."""
OF_LIBRARIES = {
    "sklearn": "sklearn:LogisticRegression", "xgboost": "xgboost:XGBClassifier", "timm": "timm:resnet50",
    "lightgbm": "lightgbm:LGBMClassifier", "catboost": "catboost:CatBoostClassifier",
}  # fmt: skip
"""Library → one of its models."""
ENCODER = re.compile(
    r"(distil|xlm-|mod)?(ro)?bert|albert|deberta|electra|mpnet|minilm|bge-|e5-", re.IGNORECASE
)
"""How pretrained encoders are called on the Hub."""
OF_BOOSTING = {"XGB": "xgboost", "LGBM": "lightgbm", "CatBoost": "catboost"}
"""How the classes of the boosting libraries begin."""
_FIGURE = re.compile(
    r"\s*[$€]?\s*(?P<number>[-+]?\d+(?:\.\d+|,\d{1,2})?(?:[eE][-+]?\d+)?)(?P<unit>[\sA-Za-z/%$]*)", re.ASCII
)
"""A number as people write it beside what it is of: `10ms`, `$0.1`, `1k`, `5 %`."""
LONGEST = 140
"""Of a proposal; a longer one would be no help."""


def as_list(key: str, node: Node) -> str:
    """How one value is written where a list is wanted; empty where that is not clear."""
    value = node.plain
    if isinstance(value, Mapping):
        return 'write each as a text, ["accuracy >= 0.9"]' if key == "constraints" else ""
    if key == "seeds" and isinstance(value, int) and not isinstance(value, bool) and 1 < value <= 10:
        return f"write {list(range(value))} for {value} seeds"
    return _short(f"write it in brackets: {flow([value])}") if value is not None else ""


def as_mapping(path: Sequence[str], node: Node, task: str) -> str:
    """How a value is written where a mapping is wanted; empty where that is not clear.

    Args:
        path: of the key. task: the suite's.
    """
    key, value = path[-1], node.plain
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str | int | float) and not isinstance(name, bool) for name in names):
        return ""
    if path[0] == "data" and len(path) == 1 and isinstance(value, str) and re.search(r"[./\\]", value):
        reader = READERS.get(task.partition("_")[0], "tabular_csv")
        return _short(f"write `data: {{name: {reader}, path: {flow(value)}, …}}`")
    if key == "candidates":
        return _short(f"write each with a name: {flow({_named(str(name)): name for name in names})}")
    if key == "machines":
        return _short(f"write each with a name: {flow({_named(str(n)): {'price': n} for n in names})}")
    if key in ("scenarios", "track"):
        needed = {"server": {"latency_p99_ms": 10}}
        return _short(f"write `{key}: {flow({str(name): needed.get(str(name), {}) for name in names})}`")
    if len(path) > 3 and path[-2] == "space":
        return _short(f"write `{key}: {flow({'choice': names})}`")
    if isinstance(value, list) or key not in MAIN_KEY:
        return ""
    return _short(f"write `{key}: {flow({MAIN_KEY[key]: value})}`")


def as_number(key: str, node: Node) -> str:
    """How a number is written where a text or a list stands; empty where that is not clear."""
    if key == "threads" and isinstance(node.plain, list):
        return f"name them with the runtimes: `runtimes: {flow([f'onnx@{n}' for n in node.plain])}`"
    if not isinstance(node.value, str):
        return ""
    if key == "threads" and node.value == "auto":
        return "write how many, 1; `workers: auto` serves on all cores"
    seconds = duration(node.value)
    if seconds is not None and key == "seconds":
        return f"write seconds as a number, {seconds:.12g}"
    found = _FIGURE.fullmatch(node.value)
    factor = _factor(key, found["unit"].strip().lower()) if found is not None else None
    if found is None or factor is None or found["number"] == node.value.strip():
        return ""
    return f"write {float(found['number'].replace(',', '.')) * factor:.12g}"


def _factor(key: str, unit: str) -> float | None:
    """What a figure with a unit behind it is multiplied with for a key; None where that is not clear."""
    if unit == "%":
        return 0.01
    if unit in ("s", "sec", "seconds") and key.endswith("_ms"):
        return 1000.0
    if unit in ("k", "thousand"):
        return 1000.0
    is_own = unit == "" or unit.rstrip("s") == key.rstrip("s") or key.endswith(f"_{unit}")
    is_rate = key.endswith("qps") and unit in ("/s", "/sec", "per second", "qps", "rps", "requests/s")
    is_price = key.startswith("usd") and unit in ("usd", "$", "/h", "/hour", "usd/h", "per hour")
    return 1.0 if is_own or is_rate or is_price else None


def as_share(value: Json) -> str:
    """How a percentage is written where a share is wanted; empty for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 < value < 100:
        return ""
    return f"write {share_of(value)}"


def as_reference(name: str) -> str:
    """How a library, or a model of one, that stands alone is written: `xgboost:XGBClassifier` for `xgboost`;
    empty for what is called otherwise."""
    if ENCODER.match(name):
        return f"hf:{name}"
    if name in OF_LIBRARIES or not re.fullmatch(r"[A-Z]\w*[a-z]\w*[A-Z]\w*|(?:XGB|LGBM)\w+", name):
        return OF_LIBRARIES.get(name, "")
    library = next((lib for begins, lib in OF_BOOSTING.items() if name.startswith(begins)), "sklearn")
    return f"{library}:{name}"


def _named(model: str) -> str:
    """A name for a candidate by its model."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", parse_model(model).function).lstrip("._-") or "mine"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else ""

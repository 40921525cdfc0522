"""Which runtimes a candidate can have: the columns of the grid that its variants stand in."""

from __future__ import annotations

from collections.abc import Iterable


def runtimes_of(model: str, runtimes: Iterable[str]) -> list[str]:
    """The runtimes of a suite that a model reference can be served on, in the suite's order.

    Estimators have no torch form: they run on `sklearn` where the suite says `torch`. Finished ONNX
    files run on ONNX runtimes only.
    """
    kind = model.partition(":")[0] if ":" in model else ""
    if kind == "onnx":
        return [r for r in runtimes if r.startswith("onnx")]
    if kind == "sklearn":
        named = dict.fromkeys("sklearn" if r == "torch" else r for r in runtimes)
        return [r for r in named if not r.startswith("torch")]
    return [r for r in runtimes if r != "sklearn"]

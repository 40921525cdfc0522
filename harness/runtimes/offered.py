"""Which of a suite's runtimes a candidate is served on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.codec import JsonObject
from harness.kinds import KINDS
from harness.runtimes import RUNTIMES, Runtime
from harness.suite.model_ref import ModelRef
from harness.suite.variants import parse_deployment

REFERENCE = "torch"
"""What a suite writes for the models' own libraries, whichever they are."""


def of_deployment(name: str) -> Runtime | None:
    """The runtime of a deployment, `onnx` of `onnx@1x2`; None where this version knows it not."""
    return RUNTIMES.get(parse_deployment(name).runtime)


def is_reference(name: str) -> bool:
    """Whether a deployment runs on the models' own library."""
    found = of_deployment(name)
    return found is not None and found.is_reference


def reference_of(runtimes: Sequence[str | None]) -> str | None:
    """The models' own library among a candidate's runtimes, else the first; None where there is none."""
    return next((r for r in runtimes if r and is_reference(r)), next(iter(runtimes), None))


def runtimes_of(
    model: ModelRef, runtimes: Iterable[str], task: str = "", args: JsonObject | None = None
) -> list[str]:
    """The runtimes of a suite that a model can be served on, in the suite's order.

    Estimators run on their own library's runtime (`sklearn`, `xgboost`, …) where the suite says `torch`. A
    runtime that could only fail is left out (`left_out` says why).

    Args:
        args: the candidate's, where they are known: some options have no ONNX form.
    """
    named = dict.fromkeys(own_name(model, r) for r in runtimes)
    never = left_out(model, named, task, args)
    return [
        name
        for name in named
        if (found := of_deployment(name)) and model.about.fitted in found.accepts and name not in never
    ]


def own_name(model: ModelRef, name: str) -> str:
    """What a suite's `torch` is for a model: of an estimator its own library's, with the same threads."""
    if model.about.native == REFERENCE or not is_reference(name):
        return name
    return str(replace(parse_deployment(name), runtime=model.about.native))


def left_out(
    model: ModelRef, runtimes: Iterable[str], task: str = "", args: JsonObject | None = None
) -> Mapping[str, str]:
    """Runtimes of a suite that a model could only fail on → why, with the cure."""
    found = {}
    only = KINDS[task].runtimes if task in KINDS else ()
    for name in runtimes:
        if (runtime := of_deployment(name)) is None:
            continue
        reason = f"{task} runs on {', '.join(only)}" if only and runtime.name not in only else ""
        reason = reason or runtime.refuses.get(model.about.fitted) or runtime.unfit(model, task, args or {})
        if reason:
            found[name] = reason
    return found

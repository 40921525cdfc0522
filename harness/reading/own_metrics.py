"""Metrics of the user's own, which a suite declares: what reads them needs no table but the suite's word.

    metrics:
      within_two: {function: "my_metrics:within_two", unit: fraction, better: higher}

The function is called by score trials alone. What reads records (table, decision, report) runs nobody's code:
it takes the unit and the direction from the suite.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.kinds import KINDS
from harness.metrics.called import misunderstanding
from harness.reading.components import is_metric, parse_source
from harness.reading.references import find_function
from harness.reading.signature import find_definition
from harness.suite.model_ref import OWN, parse_model

if TYPE_CHECKING:
    from harness.reading.draft import Draft

NAME = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)
LESS = frozenset(
    {"loss", "losses", "error", "errors", "err", "wer", "cer", "ter", "eer", "mae", "mse", "rmse", "rmsle",
     "mape", "smape", "mase", "msle", "perplexity", "ppl", "brier", "ece", "nll", "fid", "kid", "lpips",
     "deviance", "cost", "costs", "latency", "regret", "mistakes", "misses", "missed", "fpr", "fnr", "hinge",
     "pinball", "crps", "distance", "wrong", "logloss"}
)  # fmt: skip
"""Words in the name of a metric of which less is better, as far as a name tells."""
MORE = frozenset({"saved", "saving", "savings", "reduction", "avoided", "gain", "skill", "improvement"})
TAKEN = ("value", "id", "target", "prediction", "group")


def check_metrics(draft: Draft) -> None:
    """Names that are free, functions that exist, a task whose predictions they can read."""
    task = draft.get(str, "task")
    for name in draft.items("metrics"):
        place = draft.key_place("metrics", name)
        if is_metric(name) or name in TAKEN or re.fullmatch(r"[psct]_\d+", name):
            draft.wrong(("metrics", name), f"`{name}` is taken: choose another name", place)
        elif not NAME.fullmatch(name):
            text = "a metric's name has small letters, digits and `_`, and begins with a letter"
            draft.wrong(("metrics", name), f"`{name[:40]}`: {text}", place)
        elif task in KINDS and not KINDS[task].has_predictions:
            text = f"own metrics read a prediction for each example, which {task} has not: drop it"
            draft.wrong(("metrics", name), text, place)
        _check_function(draft, name)
        _check_better(draft, name)


def _check_better(draft: Draft, name: str) -> None:
    """More is taken for better, unless it is said: not of a metric that is minimised, or called a loss."""
    if draft.given("metrics", name, "better") or draft.node("metrics", name, "function") is None:
        return
    words = set(name.split("_"))
    is_minimised = (draft.get(str, "decision", "objective") or "").split() == ["minimize", name]
    if is_minimised or (words & LESS and not words & MORE):
        text = (
            f"`{name}` does not say which way is an improvement: add `better: lower`, or `better: higher` if "
            "more of it is better"
        )
        draft.wrong(("metrics", name), text, draft.key_place("metrics", name))


def _check_function(draft: Draft, name: str) -> None:
    path = ("metrics", name, "function")
    reference = draft.get(str, *path)
    if reference is None:
        return
    ref = parse_model(reference)
    try:
        if ref.kind != OWN:
            raise LookupError(f"`{reference}` is not a function: write my_metrics:{reference or 'my_metric'}")
        file = find_function(ref.package, ref.name, draft.folder)
        if wrong := _misunderstood(file, ref.name):
            raise LookupError(f"`{reference}`: {wrong}")
    except LookupError as error:
        draft.wrong(path, str(error.args[0]))


def _misunderstood(file: Path, name: str) -> str:
    """What is wrong with the arguments of a function whose source is there; of others its trial says it."""
    found = find_definition(parse_source(file), name)
    if not isinstance(found, ast.FunctionDef) or found.args.vararg or found.decorator_list:
        return ""
    names = [argument.arg for argument in (*found.args.posonlyargs, *found.args.args)]
    return misunderstanding(names, len(names) - len(found.args.defaults))


def metric_file(reference: str, folder: Path) -> Path | None:
    """The source file of a metric's function; None where it has vanished since the suite was read."""
    ref = parse_model(reference)
    try:
        return find_function(ref.package, ref.name, folder)
    except LookupError:
        return None

"""The sizes of the scaling scenario: what each candidate's network must be able to take."""

from __future__ import annotations

from dataclasses import replace

from harness.kinds import KINDS
from harness.models.rules import check as check_rules
from harness.protocols import Task
from harness.reading.data_checks import task_info
from harness.reading.draft import Draft, Path_
from harness.record import DataError
from harness.suite.model_ref import parse_model

SIZES: Path_ = ("serving", "scenarios", "scaling", "sizes")
SIZED = ("text", "image")
"""Inputs that have a size to vary."""


def check_sizes(draft: Draft) -> None:
    """A task whose inputs have a size; sizes that stand once and that every network's own rules allow."""
    node = draft.node(*SIZES)
    if node is None or not node.sequence:
        return
    task = draft.get(str, "task")
    known = _task(draft)
    takes = KINDS[task].inputs if task in KINDS else SIZED
    if known is not None and known.takes in takes:
        takes = (known.takes,)
    if not set(takes) & set(SIZED):
        sized = " and ".join(f"{takes}_classification" for takes in SIZED)
        text = f"an input of {task} has no size to vary: drop scaling (it is for {sized})"
        draft.wrong(SIZES, text)
        return
    seen = []
    for item in node.sequence:
        if item.plain in seen:
            draft.wrong(SIZES, f"{item.shown} stands twice: keep one", item.place)
        seen.append(item.plain)
    if known is None or known.takes != "image":
        return
    for name in draft.items("candidates"):
        model = parse_model(draft.get(str, "candidates", name, "model", default=""))
        args = draft.get(dict, "candidates", name, "args", default={})
        for item in node.sequence:
            if not isinstance(item.plain, int) or item.plain < 1:
                continue
            try:
                check_rules(
                    model, replace(known, input_shape=(known.input_shape[0], item.plain, item.plain)), args
                )
            except (ValueError, TypeError) as error:
                draft.wrong(SIZES, f"{name} cannot be built at {item.plain}: {error}", item.place)


def _task(draft: Draft) -> Task | None:
    try:
        return task_info(draft)
    except DataError:
        return None  # reported where the data is checked

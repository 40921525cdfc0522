"""Kinds of task by name: everything that is particular to one stands in its object.

A new kind is a folder with a `TaskKind`, and a line here.
"""

from __future__ import annotations

from harness.kinds.classification import IMAGES, TABLES, TEXTS
from harness.kinds.kind import TaskKind
from harness.kinds.multilabel import MULTILABEL
from harness.kinds.recommendation import RECOMMENDATION
from harness.kinds.regression import REGRESSION

__all__ = ["KINDS", "TaskKind", "kind_of"]

KINDS: dict[str, TaskKind] = {
    "image_classification": IMAGES,
    "text_classification": TEXTS,
    "tabular_classification": TABLES,
    "tabular_regression": REGRESSION,
    "multilabel_classification": MULTILABEL,
    "recommendation": RECOMMENDATION,
}


def kind_of(task: str) -> TaskKind:
    """The kind of a task's name, which a suite's reader has checked."""
    return KINDS[task]

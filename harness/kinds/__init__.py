"""Kinds of task by name: everything that is particular to one stands in its object.

A new kind is a folder with a `TaskKind`, and a line in the table.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from harness.kinds.kind import TaskKind

__all__ = ["KINDS", "TaskKind", "kind_of"]

_HOMES: Mapping[str, str] = {
    "image_classification": "classification:IMAGES",
    "text_classification": "classification:TEXTS",
    "tabular_classification": "classification:TABLES",
    "tabular_regression": "regression:REGRESSION",
    "multilabel_classification": "multilabel:MULTILABEL",
    "recommendation": "recommendation:RECOMMENDATION",
}
"""Name → module here, and its object in it."""


def _found(home: str) -> TaskKind:
    module, _, name = home.partition(":")
    return cast(TaskKind, getattr(importlib.import_module(f"{__name__}.{module}"), name))


KINDS: Mapping[str, TaskKind] = {name: _found(home) for name, home in _HOMES.items()}


def kind_of(task: str) -> TaskKind:
    """The kind of a task's name, which a suite's reader has checked."""
    return KINDS[task]

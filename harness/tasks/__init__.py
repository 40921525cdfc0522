"""Who trains and scores: each module has `train`, `score` and `load_variant` (`protocols.TaskModule`)."""

from __future__ import annotations

import importlib
from typing import cast

from harness.kinds import kind_of
from harness.protocols import TaskModule

PIPELINES: dict[str, str] = {
    "supervised": "harness.tasks.supervised",
    "recommendation": "harness.tasks.recommendation.task",
}


def task_module(task: str) -> TaskModule:
    """The module that trains and scores a task."""
    return cast(TaskModule, importlib.import_module(PIPELINES[kind_of(task).pipeline]))

"""What one check found, and what every check looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from harness.codec import JsonObject
from harness.datasets.splits import strata, stratified_order, take
from harness.protocols import Dataset, Split, Task
from harness.streams import generator

Name = str | int
"""Of a column; its place where a data set names none."""
Level = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """One check and what it found.

    Args:
        level: `good`, `note` (worth knowing), `warning` (a comparison on this data may be wrong).
        message: a sentence with its figures, and the cure where there is one.
        figures: the same figures, JSON-able.
        rows: ids of rows to look at, the worst first.
    """

    check: str
    level: Level
    message: str
    figures: JsonObject = field(default_factory=dict)
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class AuditedData:
    """A data set under audit.

    Args:
        plain: its rows as they were read: what is equal is asked of these.
        dataset: those of a table as numbers, where rare words and categories are one.
        columns: of a table: a column's name → the places of the inputs that are made from it.
        table: the user's own file as it stands, a row for each id; None for all other data.
        apart: columns of it that already keep rows together, or that are the answer.
        limit: rows of each part that the cheap models see. seed: of the samples.
    """

    plain: Dataset
    dataset: Dataset
    columns: Mapping[Name, list[int]]
    table: pd.DataFrame | None
    apart: frozenset[str]
    limit: int
    seed: int

    @property
    def task(self) -> Task:
        return self.dataset.task

    @property
    def is_table(self) -> bool:
        return self.task.name.startswith("tabular")

    @cached_property
    def train(self) -> Split:
        """A stratified sample of the training rows."""
        return sample(self.dataset.train, self.limit, self.seed)


def sample(split: Split, limit: int, seed: int) -> Split:
    """At most `limit` rows, stratified, in their order."""
    order = stratified_order(strata(split.targets), generator(seed, "audit"))
    return take(split, np.sort(order[:limit]))


def named(column: Name) -> str:
    """A column as a sentence names it; files with an index have one without a name."""
    return f"column {column!r}" if column != "" else "the column without a name"

"""What plans and audits ask of a data set that is a file of the user's own, whatever its rows are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.codec import Json
from harness.datasets.arguments import complete, taken_by
from harness.datasets.columns import times_of
from harness.datasets.frames import (
    Source,
    UserTable,
    check_trained,
    class_targets,
    marks_of,
    read_table,
    source_of,
)
from harness.datasets.labels import check_no_scores, raise_all
from harness.datasets.multilabel import check_labels_trained, label_targets
from harness.datasets.splits import counts_of
from harness.protocols import Dataset, Task

LEAST_SEVERAL, SEVERAL = 5, 0.05
"""So many examples under several labels, and such a share of all, are told."""
Loaded = tuple[Dataset, tuple[str, ...]]
"""A data set, and what is worth knowing of how its files were read."""


@dataclass(frozen=True)
class UserFile:
    """The functions of a data set's module that are alike for all kinds of rows.

    Args:
        load: the module's own, whose signature declares the arguments. opened: arguments → what they load.
    """

    load: Callable[..., Dataset]
    opened: Callable[[Mapping[str, Json]], Loaded]

    def source(self, args: Mapping[str, object]) -> Source:
        return source_of(**taken_by(source_of, complete(self.load, args)))

    def task(self, **args: Json) -> Task:
        return self.opened(args)[0].task

    def notes(self, **args: Json) -> tuple[str, ...]:
        """What is worth knowing of how the files were read."""
        return self.opened(args)[1]

    def class_counts(self, **args: Json) -> dict[str, int]:
        """Rows of each class or label, in both parts; empty for numbers."""
        dataset = self.opened(args)[0]
        return counts_of(dataset.task, dataset.train.targets, dataset.test.targets)

    def marks(self, column: str, **args: Json) -> tuple[np.ndarray, np.ndarray]:
        """(rows,) what a column says of each row, as text, and the targets."""
        table = read_table(self.source(args), [column], as_text=[column])
        return marks_of(table, column, self.opened(args)[0])

    def times(self, column: str, **args: Json) -> np.ndarray:
        """(rows,) when each row is of."""
        source = self.source(args)
        return times_of(read_table(source, [column]), column, source.how, {})

    def checksum(self, *, path: str, test_path: str | None = None, **_: object) -> str:
        return Source(path, test_path).checksum()


@dataclass(frozen=True)
class ColumnAnswers:
    """What a file says of its rows: a class of each, or its labels.

    Args:
        names: of classes or labels. targets: (n,) int64 indices into them, or (n, k) of 0 and 1.
    """

    names: tuple[str, ...]
    targets: np.ndarray
    notes: tuple[str, ...]
    has_labels: bool

    def task_name(self, of_classes: str) -> str:
        return "multilabel_classification" if self.has_labels else of_classes

    def check(self, table: UserTable, train_rows: np.ndarray, test_rows: np.ndarray) -> None:
        """Refuse what there is nothing to learn of.

        Raises:
            DataError: a class without training rows; a label that none of them has, or all.
        """
        if self.has_labels:
            check_labels_trained(table, self.names, self.targets, train_rows)
        else:
            check_trained(table, self.names, self.targets, train_rows, test_rows)


def said_of_several(groups: np.ndarray, answers: ColumnAnswers, what: str) -> list[str]:
    """That examples stand in several rows under other labels, as in tables of a row for each label.

    Args:
        groups: (n,) int64, equal examples. what: they are called.
    """
    if answers.has_labels:
        return []
    pairs = np.unique(np.stack([groups, answers.targets], axis=1), axis=0)
    several, known = int((np.bincount(pairs[:, 0]) > 1).sum()), len(np.unique(groups))
    if several < max(LEAST_SEVERAL, SEVERAL * known):
        return []
    return [
        f"{several:,} of {known:,} {what} stand in several rows under other labels, of which an answer can "
        f"meet one: where {what} have several labels write these in one cell, `cat|dog`, with "
        '`label_separator: "|"` and `task: multilabel_classification`'
    ]


def answers_of(
    table: UserTable, column: str, source: Source, label_separator: str | None, of_numbers: str
) -> ColumnAnswers:
    """The classes of a column, or where a sign separates them, its labels.

    Args:
        of_numbers: how numbers are predicted from such rows.
    Raises:
        DataError: they are no classes.
    """
    if label_separator is None:
        found = ColumnAnswers(*class_targets(table, column, source, of_numbers), has_labels=False)
        raise_all(check_no_scores(found.names, f"{table.path}: column {column!r}", of_numbers))
        return found
    return ColumnAnswers(*label_targets(table, column, source, label_separator), has_labels=True)

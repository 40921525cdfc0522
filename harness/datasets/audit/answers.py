"""How well something tells the answer: one column alone, or all columns but some.

A column that gives the answer away stands out against the others: where these tell the answer nearly as
well, it is a strong column of an easy problem, not one that was written after the fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from harness.datasets.audit.models import (
    class_aucs,
    linear_probabilities,
    probabilities,
    r2,
    ranks,
    ridge,
    values,
)
from harness.datasets.splits import take
from harness.protocols import Split, Task

LEAST_ROWS = 5
"""Five folds need five rows of a class."""
TREES = 50
STANDS_OUT = 3.0
"""What is left to explain without a column must be so many times what the column leaves."""
GAP = 0.005
"""And so much more of the score."""
MANY = 100
"""Rows without an error that are no luck."""
FEW_VALUES = 20
LEAST_SHARE = 0.3
"""Of the ranks' variance, that a column of few values must be able to explain to be looked at as one."""


@dataclass(frozen=True)
class Answers:
    """What is to be told, of a sample of rows.

    Args:
        rows: (n, …) training rows whose class has five rows or more.
        targets: (n,) classes 0…k−1, or ranks of a number from 0 to 1.
        names: of the classes scored: each against the rest, of two the second; empty for a number.
    """

    rows: Split
    targets: np.ndarray
    names: tuple[str, ...]
    seed: int

    @property
    def are_classes(self) -> bool:
        return bool(self.names)

    @cached_property
    def scale(self) -> str:
        return "AUC" if self.are_classes else "R² of ranks"

    def alone(self, column: np.ndarray) -> np.ndarray:
        """(scores,) of a small tree on few inputs; of a number also of their rank correlation.

        Args:
            column: (n, inputs) what one column of the file became.
        """
        if self.are_classes:
            return class_aucs(probabilities(self._tree(), column, self.targets, self.seed), self.targets)
        explained = r2(values(self._tree(), column, self.targets, self.seed), self.targets)
        for one in column.T:
            explained = max(explained, _rank_correlation(one, self.targets) ** 2, self._of_few(one))
        return np.array([min(1.0, explained)])

    def exactly(self, column: np.ndarray) -> bool:
        """Whether a small tree on few inputs is never wrong on rows that it has not seen."""
        if not self.are_classes:
            return False
        told = probabilities(self._tree(), column, self.targets, self.seed).argmax(axis=1)
        return len(told) >= MANY and bool((told == self.targets).all())

    def _tree(self) -> BaseEstimator:
        if self.are_classes:
            leaves = max(8, 4 * len(self.names))
            return DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=3, random_state=self.seed)
        return DecisionTreeRegressor(max_leaf_nodes=64, min_samples_leaf=3, random_state=self.seed)

    def _of_few(self, column: np.ndarray) -> float:
        """What a column of few values explains, as a share of the most that so many rows of each can:
        each value a stretch of its own of the answers. One that is filled in for the upper half alone
        explains 0.75 of the ranks, and gives that half away.
        """
        found, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
        if not 2 <= len(found) <= FEW_VALUES:
            return 0.0
        means = np.bincount(codes, self.targets) / counts
        stretches = np.repeat(np.arange(len(found)), counts[np.argsort(means)])
        ordered = np.sort(self.targets)
        best = np.bincount(stretches, ordered) / np.bincount(stretches)
        most = r2(best[stretches], ordered)
        return r2(means[codes], self.targets) / most if most > LEAST_SHARE else 0.0

    def without(self, inputs: np.ndarray) -> np.ndarray:
        """(scores,) of the better of a linear model and a forest on many inputs."""
        if not inputs.shape[1]:
            return np.full(max(1, len(self.names)), 0.5 if self.are_classes else 0.0)
        standard = (inputs - inputs.mean(axis=0)) / np.where(inputs.std(axis=0) > 1e-9, inputs.std(axis=0), 1)
        if self.are_classes:
            linear = class_aucs(linear_probabilities(standard, self.targets, self.seed), self.targets)
            forest = probabilities(self._forest(), inputs, self.targets, self.seed)
            return np.asarray(np.maximum(linear, class_aucs(forest, self.targets)))
        scores = [
            r2(values(model, columns, self.targets, self.seed), self.targets)
            for model, columns in ((ridge(), standard), (self._forest(), inputs))
        ]
        return np.array([max(scores)])

    def _forest(self) -> BaseEstimator:
        kind = RandomForestClassifier if self.are_classes else RandomForestRegressor
        return kind(TREES, min_samples_leaf=2, max_features="sqrt", random_state=self.seed)


def answers_of(rows: Split, task: Task, seed: int) -> Answers | None:
    """What is to be told of a sample; None where too few rows of two classes are in it."""
    if not task.num_classes:
        if len(rows) < 4 * LEAST_ROWS or len(np.unique(rows.targets)) < 2:
            return None
        return Answers(rows, ranks(rows.targets), (), seed)
    counts = np.bincount(rows.targets, minlength=task.num_classes)
    rows = take(rows, np.flatnonzero(counts[rows.targets] >= LEAST_ROWS))
    present, targets = np.unique(rows.targets, return_inverse=True)
    if len(present) < 2:
        return None
    names = tuple(task.class_names[c] for c in present)
    return Answers(rows, targets, names[1:] if len(names) == 2 else names, seed)


def stands_out(alone: np.ndarray, without: np.ndarray) -> np.ndarray:
    """(scores,) where what a column leaves open is little beside what all others leave open."""
    open_with, open_without = 1 - alone, 1 - without
    return np.asarray((open_without >= STANDS_OUT * open_with) & (open_without - open_with >= GAP))


def _rank_correlation(column: np.ndarray, targets: np.ndarray) -> float:
    a, b = ranks(column) - 0.5, targets - targets.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0

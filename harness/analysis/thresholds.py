"""Two-class answers at a threshold: over all of them, at the one that serves a goal, and with what certainty.

All functions take `positive` (n,), the probability of class 1, and `targets` (n,) of 0 and 1. At a threshold
the answer is class 1 where the probability is at or above it; it is chosen on validation answers, and judged
on others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from harness.analysis.aggregates import rows_of_one
from harness.analysis.clusters import wider_than_normal
from harness.analysis.stats import Array
from harness.suite.schema import Threshold

REPEATS = 400
"""Resamples behind an interval that has no formula: its ends move by about a tenth of its width."""


DRAWS = 4_000
"""Of the posterior behind an interval where few are wrong."""

LARGE = 50_000
FEWEST_GROUPS = 15
"""Groups below which what follows from resampling them has no interval."""


@dataclass(frozen=True)
class Sweep:
    """Counts at every threshold that changes an answer, from the highest (nothing is class 1) down.

    Args:
        thresholds: (m,) between two answers; the first is above all of them.
        hits, alarms: (m,) examples of class 1 and of class 0 that count as class 1.
        positives, negatives: how many there are of each class.
    """

    thresholds: Array
    hits: Array
    alarms: Array
    positives: int
    negatives: int

    @property
    def recall(self) -> Array:
        """(m,) also the true positive rate; NaN without an example of class 1."""
        return _share(self.hits, self.positives)

    @property
    def false_positive_rate(self) -> Array:
        """(m,) NaN without an example of class 0."""
        return _share(self.alarms, self.negatives)

    @property
    def precision(self) -> Array:
        """(m,) 1 where nothing counts as class 1, as in scikit-learn's curve."""
        said = self.hits + self.alarms
        precision: Array = np.where(said > 0, self.hits / np.maximum(said, 1), 1.0)
        return precision

    @property
    def f1(self) -> Array:
        """(m,) 0 where nothing is found."""
        f1: Array = 2 * self.hits / np.maximum(1, self.hits + self.alarms + self.positives)
        return f1


def sweep(positive: Array, targets: Array) -> Sweep:
    """All thresholds of some answers."""
    order = np.argsort(-positive, kind="stable")
    values = positive[order].astype(float)
    last_of_tie = np.append(np.diff(values) != 0, True)
    found = np.cumsum(targets[order] == 1)[last_of_tie]
    said = np.flatnonzero(last_of_tie) + 1
    cuts = values[last_of_tie]
    between = (cuts + np.append(cuts[1:], 0.0)) / 2
    # Above every answer, in single precision too: an answer of exactly 1 must not reach it.
    nobody = max((1 + cuts[0]) / 2, float(np.nextafter(np.float32(cuts[0]), np.float32(2))))
    positives = int((targets == 1).sum())
    return Sweep(
        np.concatenate([[nobody], between]),
        np.concatenate([[0], found]),
        np.concatenate([[0], said - found]),
        positives,
        len(targets) - positives,
    )


def choose(positive: Array, targets: Array, goal: Threshold) -> float | None:
    """The threshold that serves a goal best on these answers; of equals the nearest to 0.5.

    Returns:
        None where no threshold reaches the precision that the goal asks for.
    """
    s = sweep(positive, targets)
    if goal.goal == "cost":
        merit = -(goal.false_alarm * s.alarms + goal.miss * (s.positives - s.hits)).astype(float)
    elif goal.goal == "recall_at_precision":
        reached = (s.precision >= goal.precision) & (s.hits > 0)
        if not reached.any():
            return None
        merit = np.where(reached, s.hits, -1).astype(float)
    else:
        merit = s.f1
    best = np.flatnonzero(merit >= merit.max() - 1e-12)
    return float(s.thresholds[best[np.argmin(np.abs(s.thresholds[best] - 0.5))]])


@dataclass(frozen=True)
class Figure:
    """A value with the 95 % interval over test examples; NaN where it is not estimable.

    Args:
        why: there is a value and no interval.
    """

    value: float
    low: float
    high: float
    why: str = ""


def measured_at(
    positive: Array, targets: Array, threshold: float, goal: Threshold, groups: Array | None = None
) -> dict[str, Figure]:
    """Precision, recall, F1 and the cost per 1,000 examples at a threshold, over resampled examples.

    Where few are wrong, or none, hardly a resample has more: intervals are no shorter than the posterior by
    counts leaves them (Jeffreys' prior): five right of five do not show that all are.

    Args:
        groups: (n,) whose each example is: they are drawn whole.
    """
    found = _resampled(positive, targets, threshold, goal, groups)
    drawn, most = _posterior(positive >= threshold, targets == 1, goal, groups), {"cost": np.inf}
    result = {}
    for name, values in found.items():
        result[name] = plain = figure(values, groups, 0.0, most.get(name, 1.0))
        if not plain.why and np.isfinite(plain.value):
            low, high = np.quantile(drawn[name], [0.025, 0.975])
            ends = (plain.low, plain.high, plain.value, float(low), float(high))
            result[name] = replace(plain, low=min(ends), high=max(ends))
    return result


def _posterior(said: Array, real: Array, goal: Threshold, groups: Array | None) -> dict[str, Array]:
    """(DRAWS,) of each figure; rows of one group count as what they tell together."""
    random = np.random.Generator(np.random.Philox(0))

    def share(rows: Array) -> Array:
        hits = (said & real)[rows]
        alike = rows_of_one(hits.astype(float), None if groups is None else groups[rows])
        right, wrong = (float(kind.sum()) / alike for kind in (hits, ~hits))
        return np.asarray(random.beta(right + 0.5, wrong + 0.5, size=DRAWS))

    alarms, missed = said & ~real, ~said & real
    costs = goal.false_alarm * alarms + goal.miss * missed
    counts = np.array([alarms.sum(), missed.sum(), (said == real).sum()])
    rates = random.dirichlet(counts / rows_of_one(costs, groups) + 0.5, size=DRAWS)
    either = share(said | real)  # F1 is 2q / (1 + q) of the share q of hits among all that is said or real
    return {
        "precision": share(said),
        "recall": share(real),
        "f1": 2 * either / (1 + either),
        "cost": 1000 * (goal.false_alarm * rates[:, 0] + goal.miss * rates[:, 1]),
    }


def gained(
    positive: Array, targets: Array, threshold: float, goal: Threshold, groups: Array | None = None
) -> dict[str, Figure]:
    """What the threshold changes of those, against 0.5, on the same resamples."""
    at, plain = (_resampled(positive, targets, cut, goal, groups) for cut in (threshold, 0.5))
    return {name: figure(at[name] - plain[name], groups) for name in at}


def _resampled(
    positive: Array, targets: Array, threshold: float, goal: Threshold, groups: Array | None
) -> dict[str, Array]:
    """(1 + REPEATS,) of each figure: as it is, then on resamples, the same ones for every threshold."""
    said, real = positive >= threshold, targets == 1
    kinds = np.stack([said & real, said & ~real, ~said & real], axis=1).astype(float)
    each = weights(len(targets), groups)
    hits, alarms, missed = (each @ kinds).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": hits / (hits + alarms),
            "recall": hits / (hits + missed),
            "f1": 2 * hits / (2 * hits + alarms + missed),
            "cost": 1000 * (goal.false_alarm * alarms + goal.miss * missed) / each.sum(1),
        }


def weights(n: int, groups: Array | None = None) -> Array:
    """(1 + REPEATS, n) how often each example counts: once each, then as drawn with replacement.

    Args:
        groups: (n,) whose each example is: those of one are drawn together; rows need not add up to n.
    """
    if groups is None:
        return _drawn(n)
    _, label = np.unique(groups, return_inverse=True)
    return np.asarray(_drawn(int(label.max()) + 1)[:, label])


@lru_cache(maxsize=2)
def _drawn(n: int) -> Array:
    """(1 + REPEATS, n) how often each is drawn.

    The draws are the same at every call: what is compared is compared on the same resamples. Of more than
    `LARGE` examples there are fewer, since their intervals are narrow anyway.
    """
    random = np.random.Generator(np.random.Philox(0))
    repeats = REPEATS if n <= LARGE else max(50, REPEATS * LARGE // n)
    drawn = [np.bincount(random.integers(n, size=n), minlength=n) for _ in range(repeats)]
    return np.stack([np.ones(n), *drawn]).astype(np.float32)


def figure(
    values: Array, groups: Array | None = None, least: float = -np.inf, most: float = np.inf
) -> Figure:
    """The first of resampled values, with the middle 95 % of the others.

    Resamples of few groups vary less than new groups would: their interval is as much wider as that of t is
    (`wider_than_normal`), and of fewer than `FEWEST_GROUPS` there is none.

    Args:
        groups: (n,) whose each example is. least, most: between which a value lies by its nature.
    """
    if not np.isfinite(values[0]):
        return Figure(np.nan, np.nan, np.nan)
    value = float(values[0])
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    if groups is not None:
        count = len(np.unique(groups))
        if count < FEWEST_GROUPS:
            return Figure(value, np.nan, np.nan, f"not estimable: {count} groups")
        wider = wider_than_normal(groups)
        low, high = value + wider * (low - value), value + wider * (high - value)
    return Figure(value, max(float(low), least), min(float(high), most))


def _share(counts: Array, total: int) -> Array:
    return counts / total if total else np.full(len(counts), np.nan)

"""Rows that come in groups, as many of one patient do: are equal candidates told apart no more often than
claimed, and do intervals hold the truth, of slices, of McNemar's test and at thresholds?

    python -m benchmarks.groups [--worlds 800] [--out benchmarks/results/groups.json]

Each group has a difficulty of its own, and each candidate a view of its own on every group, so that rows of
one group are right together. Half of the rows lie in a slice: whole groups, or rows of every group. Beside it
stands what is found where each row is taken for a unit.

Gate: with groups as units equal candidates are told apart in 5 % and four standard errors of it at most, and
intervals hold the truth in 90 % at least (of fewer than 15 groups those at a threshold are not given).
"""

from __future__ import annotations

import numpy as np

from benchmarks.worlds import asked, kept
from harness.analysis import errors
from harness.analysis.aggregates import rows_of_one
from harness.analysis.stats import Array, wilson
from harness.analysis.thresholds import FEWEST_GROUPS, measured_at
from harness.suite.schema import Threshold

VIEW = 0.15
GOAL = Threshold(goal="cost", miss=5.0)
CUT = 0.4
TRUTH_GROUPS = 100_000


def rates(rng: np.random.Generator, groups: int, size: int) -> tuple[Array, Array]:
    """(2, groups) probability that a candidate is right in a group, and (rows,) whose each row is."""
    hard = rng.beta(6, 2, groups) * 0.6 + 0.2
    return np.clip(hard + VIEW * rng.standard_normal((2, groups)), 0.01, 0.99), np.repeat(
        np.arange(groups), size
    )


def compared(worlds: int, groups: int, size: int, whole: bool, by_group: bool) -> dict[str, float]:
    """Shares of worlds in which equal candidates are told apart.

    Args:
        whole: whether the slice is of whole groups. by_group: whether these are the units.
    """
    rng = np.random.default_rng([groups, size, whole])
    found = {"slice": 0, "excess": 0, "mcnemar": 0, "all": 0}
    for _ in range(worlds):
        rate, label = rates(rng, groups, size)
        right = rng.random((2, len(label))) < rate[:, label]
        mask = (label % 2 == 0) if whole else (np.arange(len(label)) % size < size // 2)
        units = label if by_group else None
        (gap,) = errors.gaps(right[:1], right[1:], {"half": mask}, units)
        answers = [np.stack([1.0 - r, 1.0 * r], axis=1) for r in right]
        test = errors.compare_answers(answers[0], answers[1], np.ones(len(label), int), units)
        every = errors.difference(right[:1], right[1:], units)
        found["slice"] += not gap.inside.low <= 0 <= gap.inside.high
        found["excess"] += gap.p_value < 0.05
        found["mcnemar"] += test.p_value < 0.05
        found["all"] += not every.low <= 0 <= every.high
    return {name: round(count / worlds, 3) for name, count in found.items()}


def classified(rng: np.random.Generator, groups: int, size: int) -> tuple[Array, Array, Array]:
    """Probabilities of the positive class, targets, and whose each row is."""
    label = np.repeat(np.arange(groups), size)
    common, skill = rng.normal(-0.8, 1.0, groups)[label], rng.normal(0, 0.7, groups)[label]
    targets = (rng.random(len(label)) < 1 / (1 + np.exp(-common))).astype(int)
    score = 1.5 * (2 * targets - 1) + skill + rng.normal(0, 1.2, len(label))
    return 1 / (1 + np.exp(-score)), targets, label


def held(worlds: int, groups: int, size: int, by_group: bool) -> dict[str, float]:
    """Shares of worlds whose intervals at a threshold, and of the share right, hold the truth."""
    rng = np.random.default_rng([groups, size, 7])
    positive, targets, label = classified(np.random.default_rng(0), TRUTH_GROUPS, size)
    true = _figures(positive, targets)
    share = float(((positive >= 0.5) == targets).mean())
    inside = dict.fromkeys([*true, "share"], 0)
    for _ in range(worlds):
        positive, targets, label = classified(rng, groups, size)
        units = label if by_group else None
        for name, f in measured_at(positive, targets, CUT, GOAL, units).items():
            inside[name] += f.low <= true[name] <= f.high
        right = (positive >= 0.5) == targets
        alike = rows_of_one(right.astype(float), units)
        low, high = wilson(float(right.mean()), max(1, int(len(right) / alike)))
        inside["share"] += low <= share <= high
    return {name: round(count / worlds, 3) for name, count in inside.items()}


def _figures(positive: Array, targets: Array) -> dict[str, float]:
    said, real = positive >= CUT, targets == 1
    hits, alarms, missed = (int(x.sum()) for x in (said & real, said & ~real, ~said & real))
    cost = 1000 * (GOAL.false_alarm * alarms + GOAL.miss * missed) / len(targets)
    precision, recall = hits / (hits + alarms), hits / (hits + missed)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / (2 * hits + alarms + missed),
        "cost": cost,
    }


def main() -> int:
    args = asked(__doc__, "groups", worlds=800)
    apart, coverage = {}, {}
    for groups, size in ((10, 30), (20, 15), (30, 10), (100, 5), (300, 1)):
        name = f"{groups} groups of {size}"
        for units in (True, False):
            of = "groups as units" if units else "rows as units"
            for whole in (True, False) if size > 1 else (True,):
                part = "whole groups" if whole else "rows of every group"
                key = f"{name}, slice of {part}, {of}"
                apart[key] = compared(args.worlds, groups, size, whole, units)
            if groups >= FEWEST_GROUPS:
                coverage[f"{name}, {of}"] = held(args.worlds // 2, groups, size, units)
    passed = all(
        max(found.values()) <= 0.08 for name, found in apart.items() if name.endswith("groups as units")
    ) and all(
        min(found.values()) >= 0.9 for name, found in coverage.items() if name.endswith("groups as units")
    )
    return kept({"worlds": args.worlds, "told_apart": apart, "held": coverage, "passed": passed}, args.out)


if __name__ == "__main__":
    raise SystemExit(main())

"""Rows that come in groups, as many of one patient do: are equal candidates told apart no more often than
claimed, and do intervals hold the truth, of slices, of McNemar's test and at thresholds?

    python -m benchmarks.groups [--worlds 2000] [--out benchmarks/results/groups.json]

Each group has a difficulty of its own, and each candidate a view of its own on every group, so that rows of
one group are right together. Groups are of equal size, or vary in it by a factor of e (a log-normal), or
have a few giants among them (the k-th has a share of 1/k). A slice has half of the groups, a few whole ones,
or half of the rows of each. `seen` is how often a lead of 15 points over all rows is told. Beside it stands
what is found where each row is taken for a unit.

Gate: with groups as units equal candidates are told apart in 5 % and four standard errors of it at most, in
7.5 % where groups vary in size, and intervals hold the truth in 90 % at least (of fewer than 15 groups those
at a threshold are not given).
"""

from __future__ import annotations

import numpy as np

from benchmarks.worlds import asked, kept
from harness.analysis import errors
from harness.analysis.aggregates import rows_of_one
from harness.analysis.stats import Array, wilson
from harness.analysis.thresholds import FEWEST_GROUPS, measured_at
from harness.suite.schema import Threshold

VIEW, LEAD = 0.15, 0.15
GOAL = Threshold(goal="cost", miss=5.0)
CUT = 0.4
TRUTH_GROUPS = 100_000
UNEQUAL = 0.075
"""How often equals may be told apart where groups vary in size."""


def owners(rng: np.random.Generator, groups: int, size: int, sizes: str) -> Array:
    """(rows,) whose each row is."""
    if sizes == "giants":
        counts = groups * size / np.arange(1, groups + 1) / np.log(groups)
    else:
        counts = np.full(groups, float(size))
        if sizes == "unequal":
            counts *= np.exp(rng.normal(-0.5, 1.0, groups))
    return np.repeat(np.arange(groups), np.maximum(np.round(counts), 1).astype(int))


def right_of(rng: np.random.Generator, label: Array, behind: float = 0.0) -> Array:
    """(2, rows) whether each candidate is right; the second is so much behind the first."""
    groups = int(label.max()) + 1
    hard = rng.beta(6, 2, groups) * 0.6 + 0.2 - np.array([[0.0], [behind]])
    rate = np.clip(hard + VIEW * rng.standard_normal((2, groups)), 0.01, 0.99)
    return np.asarray(rng.random((2, len(label))) < rate[:, label])


def slice_of(rng: np.random.Generator, label: Array, of: str) -> Array:
    """(rows,) bool: half of the groups, every other row, or so many groups."""
    groups = int(label.max()) + 1
    if of == "rows of every group":
        return np.asarray(np.arange(len(label)) % 2 == 0)
    few = groups // 2 if of == "half of the groups" else int(of.split()[0])
    return np.isin(label, rng.permutation(groups)[:few])


def compared(worlds: int, groups: int, size: int, sizes: str, of: str, by_group: bool) -> dict[str, float]:
    """Shares of worlds in which equal candidates are told apart, and in which the lead is seen.

    Args:
        sizes: of the groups, `owners`. of: what the slice is of, `slice_of`. by_group: whether groups are
            the units.
    """
    # The same worlds for whole groups as units and for rows.
    rng = np.random.default_rng([groups, size, *f"{sizes}, {of}".encode()])
    found = {"slice": 0, "excess": 0, "mcnemar": 0, "all": 0, "seen": 0}
    for _ in range(worlds):
        label = owners(rng, groups, size, sizes)
        right, mask = right_of(rng, label), slice_of(rng, label, of)
        units = label if by_group else None
        (gap,) = errors.gaps(right[:1], right[1:], {"part": mask}, units)
        answers = [np.stack([1.0 - r, 1.0 * r], axis=1) for r in right]
        test = errors.compare_answers(answers[0], answers[1], np.ones(len(label), int), units)
        every = errors.difference(right[:1], right[1:], units)
        found["slice"] += not gap.inside.low <= 0 <= gap.inside.high
        found["excess"] += gap.p_value < 0.05
        found["mcnemar"] += test.p_value < 0.05
        found["all"] += not every.low <= 0 <= every.high
        leading = right_of(rng, label, LEAD)
        found["seen"] += errors.difference(leading[:1], leading[1:], units).low > 0
    return {name: round(count / worlds, 4) for name, count in found.items()}


def classified(rng: np.random.Generator, groups: int, label: Array) -> tuple[Array, Array]:
    """Probabilities of the positive class, and targets."""
    common, skill = rng.normal(-0.8, 1.0, groups)[label], rng.normal(0, 0.7, groups)[label]
    targets = (rng.random(len(label)) < 1 / (1 + np.exp(-common))).astype(int)
    score = 1.5 * (2 * targets - 1) + skill + rng.normal(0, 1.2, len(label))
    return 1 / (1 + np.exp(-score)), targets


def held(worlds: int, groups: int, size: int, sizes: str, by_group: bool) -> dict[str, float]:
    """Shares of worlds whose intervals at a threshold, and of the share right, hold the truth."""
    rng = np.random.default_rng([groups, size, *sizes.encode()])
    positive, targets = classified(
        np.random.default_rng(0), TRUTH_GROUPS, np.repeat(np.arange(TRUTH_GROUPS), 5)
    )
    true = _figures(positive, targets)
    share = float(((positive >= 0.5) == targets).mean())
    inside = dict.fromkeys([*true, "share"], 0)
    for _ in range(worlds):
        label = owners(rng, groups, size, sizes)
        positive, targets = classified(rng, groups, label)
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


WHOLE, ROWS, FEW = "half of the groups", "rows of every group", "3 of the groups"
SETTINGS = (
    (10, 30, "equal", (WHOLE, ROWS, FEW)),
    (10, 30, "unequal", (WHOLE, ROWS)),
    (20, 15, "equal", (WHOLE, ROWS)),
    (30, 10, "equal", (WHOLE, ROWS, FEW)),
    (30, 10, "unequal", (WHOLE, ROWS, FEW)),
    (30, 10, "giants", (WHOLE, ROWS)),
    (100, 5, "equal", (WHOLE, ROWS, FEW)),
    (100, 5, "unequal", (WHOLE, ROWS)),
    (300, 1, "equal", (WHOLE, FEW)),
)
"""Groups, rows of each, how their sizes vary, slices."""


def main() -> int:
    args = asked(__doc__, "groups", worlds=2000)
    apart, coverage = {}, {}
    for groups, size, sizes, slices in SETTINGS:
        name = f"{groups} groups of {size}, {sizes}"
        for units in (True, False):
            by = "groups as units" if units else "rows as units"
            worlds = args.worlds if units else args.worlds // 5
            for of in slices:
                key = f"{name}, slice of {of}, {by}"
                apart[key] = compared(worlds, groups, size, sizes, of, units)
            if groups >= FEWEST_GROUPS:
                coverage[f"{name}, {by}"] = held(worlds // 2, groups, size, sizes, units)
    most = 0.05 + 4 * (0.05 * 0.95 / args.worlds) ** 0.5
    passed = all(
        max(v for k, v in found.items() if k != "seen") <= (most if ", equal," in name else UNEQUAL)
        for name, found in apart.items()
        if name.endswith("groups as units")
    ) and all(
        min(found.values()) >= 0.9 for name, found in coverage.items() if name.endswith("groups as units")
    )
    return kept({"worlds": args.worlds, "told_apart": apart, "held": coverage, "passed": passed}, args.out)


if __name__ == "__main__":
    raise SystemExit(main())

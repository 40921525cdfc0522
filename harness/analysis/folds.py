"""Folds and repeats of `data.split` as units of statistics of their own, beside seeds.

Training parts of folds overlap, so that their scores are correlated and the plain t interval over them is
far too narrow. The variance of the mean over J parts is corrected by what the parts share (C. Nadeau and
Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003):

    Var = (1/J + n_test/n_train) · s²,      df = J − 1
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness import facts
from harness.analysis.example_draws import Behind
from harness.analysis.predictions import Scores
from harness.analysis.stats import Array, Interval, t_interval
from harness.record import Record
from harness.suite.schema import DataSplit


def corrected_interval(values: Array, test_to_train: float, level: float = 0.95) -> Interval:
    """Interval for a mean over parts.

    Args:
        values: (J,) one score, or difference of two candidates, for each part.
        test_to_train: rows tested on for each row trained on.
    """
    values = np.asarray(values, dtype=float)
    parts = len(values)
    if parts < 2:
        return t_interval(float(values.mean()), np.nan, 0, level)
    se = float(np.sqrt((1 / parts + test_to_train) * values.var(ddof=1)))
    return t_interval(float(values.mean()), se, parts - 1, level)


def widened(table: Array, test_to_train: float) -> Array:
    """Scores whose plain variance over parts is the corrected one: the two-way formulas then hold.

    Args:
        table: (S, J) one score for each seed and part.
    """
    over_seeds = table.mean(0)
    factor = np.sqrt(1 + table.shape[1] * test_to_train)
    return np.asarray(table + (factor - 1) * (over_seeds - over_seeds.mean()))


def behind_folds(parts: Sequence[Scores], split: DataSplit | None) -> Behind:
    """What stands behind the scores of parts: few of them may be equal, or all without an error, by chance.

    Repeats test the same rows again, and count once.

    Args:
        parts: of each part, one seed's scores; those that were stored.
    """
    if not parts:
        return Behind()
    repeats = split.repeats if split is not None else 1
    units = sum(part.independent for part in parts) // repeats
    if not all(part.per_example and len(part.values) > 1 for part in parts):
        return Behind(units)
    of_parts = [float(part.values.var(ddof=1)) / len(part.values) for part in parts]
    return Behind(units, float(np.mean(of_parts)) * repeats / len(parts))


def behind_parts(seeds: Sequence[Scores]) -> Behind:
    """What stands behind scores of parts of a jackknife: few examples of a class may all be right by chance.

    Args:
        seeds: their scores, of the same test examples.
    """
    units, answers = min(s.units for s in seeds), float(np.mean([s.few.answers for s in seeds]))
    variance = float(np.mean([s.few.variance for s in seeds]))
    return Behind(min(units, round(answers)) if answers else units, variance, answers)


def test_to_train(records: Sequence[Record]) -> float:
    """Rows tested on for each row trained on, the mean over the parts, as their trainings stored them."""
    found = [
        sizes["test"] / sizes["train"]
        for r in records
        if (data := r.facts_as(facts.TrainFacts).data) and (sizes := data.sizes).get("train")
    ]
    return float(np.mean(found)) if found else 0.25


FALLEN = 3.0
"""Standard errors by which the last block of time is worse than those before where that is said."""


def fallen(parts: Mapping[int, Scores], lower_is_better: bool) -> tuple[float, ...] | None:
    """Values of the blocks of a split by time, the oldest first, where the last is clearly worse than those
    before: what comes in use is nearer to it than to the mean. None where it is not, or of two blocks alone.

    Args:
        parts: block → one seed's scores.
    """
    blocks = [parts[k].values for k in sorted(parts)]
    if len(blocks) < 3 or min(map(len, blocks)) < 2:
        return None
    means = [float(values.mean()) for values in blocks]
    variances = [float(values.var(ddof=1)) / len(values) for values in blocks]
    lost = (means[-1] - float(np.mean(means[:-1]))) * (1 if lower_is_better else -1)
    se = math.sqrt(variances[-1] + sum(variances[:-1]) / (len(blocks) - 1) ** 2)
    return tuple(means) if lost > FALLEN * se else None


def fallen_words(name: str, variant: str, values: Sequence[float]) -> str:
    """The warning that the latest block of time is worse than those before."""
    said = ", ".join(f"{value:.3g}" for value in values)
    return (
        f"{name} of {variant} is {said} from the oldest to the latest block: the last is nearer to what "
        "comes in use than the mean, which stands in the table"
    )


def corrected_difference(
    new: Mapping[tuple[int, int], float],
    old: Mapping[tuple[int, int], float],
    test_to_train: float,
    paired: bool,
) -> Interval | None:
    """Difference new − old of a metric's means over parts, as far as both have these.

    Args:
        new, old: (seed, part) → value. paired: a part of one holds the rows of the same part of the other.
    Returns:
        None with fewer than two parts in common.
    """
    tables, parts = common_tables({0: new, 1: old})
    if len(parts) < 2:
        return None
    a, b = (tables[k].mean(0) for k in (0, 1))
    if paired:
        return corrected_interval(a - b, test_to_train)
    se = math.hypot(*(corrected_interval(values, test_to_train).se for values in (a, b)))
    return t_interval(float(a.mean() - b.mean()), se, len(parts) - 1)


def by_seed_and_part(found: Sequence[tuple[Record, float]]) -> dict[tuple[int, int], float]:
    """(seed, part) → value."""
    return {(r.trial.seed or 0, r.trial.part): value for r, value in found}


def common_tables(
    values: Mapping[int, Mapping[tuple[int, int], float]],
) -> tuple[dict[int, Array], list[int]]:
    """Row → (seeds, parts), over the parts that every row has for every seed of its own; and which those are.

    Args:
        values: row → (seed, part) → value.
    """
    kept: set[int] | None = None
    for own in values.values():
        seeds = {seed for seed, _ in own}
        whole = {part for _, part in own if all((seed, part) in own for seed in seeds)}
        kept = whole if kept is None else kept & whole
    parts = sorted(kept or ())
    tables = {
        k: np.array([[own[seed, part] for part in parts] for seed in sorted({s for s, _ in own})])
        for k, own in values.items()
    }
    return tables, parts

"""Folds and repeats of `data.split` as units of statistics of their own, beside seeds.

Training parts of folds overlap, so that their scores are correlated and the plain t interval over them is
far too narrow. The variance of the mean over J parts is corrected by what the parts share (C. Nadeau and
Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003):

    Var = (1/J + n_test/n_train) · s²,      df = J − 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.stats import Array, Interval, t_interval
from harness.facts import TrainFacts
from harness.record import Record


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


def test_to_train(records: Sequence[Record]) -> float:
    """Rows tested on for each row trained on, the mean over the parts, as their trainings stored them."""
    found = [
        sizes["test"] / sizes["train"]
        for r in records
        if (data := r.facts_as(TrainFacts).data) and (sizes := data.sizes).get("train")
    ]
    return float(np.mean(found)) if found else 0.25


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

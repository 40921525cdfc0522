"""What is known of each variant and metric: estimates with intervals, and joint draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.analysis.stats import Array, num_draws
from harness.reasons import of_failure
from harness.record import Record, Variant
from harness.results import Estimate
from harness.spread import Spread

ALONE = "one seed, no interval"
"""The note of a figure of quality whose spread nothing tells."""


@dataclass
class Beliefs:
    """What is known, by metric.

    Args:
        draws: metric → (num_draws, rows), NaN without a number.
        race: (rows,) `in_the_race`, less those that `still_racing` takes out.
    """

    rows: tuple[Variant, ...]
    train_size: int | None
    estimates: dict[str, list[Estimate]] = field(default_factory=dict)
    draws: dict[str, Array] = field(default_factory=dict)
    failures: dict[Variant, tuple[str, ...]] = field(default_factory=dict)
    training_failures: dict[Variant, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    one_launch: list[str] = field(default_factory=list)
    machine_class: str = ""
    race: tuple[bool, ...] = ()
    spreads: dict[str, Spread] = field(default_factory=dict)

    def spread(self, name: str, found: Spread | None) -> None:
        """Keep how far a metric's figures scatter among those in the race."""
        if found is not None:
            self.spreads[name] = found

    @property
    def num_draws(self) -> int:
        return num_draws(sum(self.race), len(self.rows))

    def racing_first(self, rows: Iterable[int]) -> tuple[list[int], int]:
        """Rows in the race before the others, and how many those are; all learn from all where none is."""
        order = sorted(rows, key=lambda k: (not self.race[k], k))
        return order, sum(self.race[k] for k in order) or len(order)


def store_with_zero(
    beliefs: Beliefs, name: str, k: int, values: Array, rng: np.random.Generator, units: str = "rounds"
) -> None:
    """A row of which some launches are zero: mean and t, of which nothing is below zero; `units`: what the
    values are of."""
    mean, df = float(values.mean()), len(values) - 1
    se = float(values.std(ddof=1)) / math.sqrt(len(values)) if df else 0.0
    draw = np.maximum(mean + se * rng.standard_t(max(df, 1), beliefs.num_draws), 0.0)
    beliefs.draws[name][:, k] = draw
    if se > 0:
        low, high = np.quantile(draw, [0.025, 0.975])
        note = f"zero in {int((values == 0).sum())} of {len(values)} {units}"
        cell = beliefs.estimates[name][k]
        beliefs.estimates[name][k] = replace(
            cell,
            low=float(low),
            high=float(high),
            se=se,
            df=float(df),
            note="; ".join(n for n in (cell.note, note) if n),
        )


def store(
    beliefs: Beliefs,
    name: str,
    cells: dict[int, Estimate],
    columns: Sequence[int],
    draw: Array,
    dfs: Mapping[int, tuple[float | None, str]],
    log: bool = False,
) -> None:
    """Put a metric's cells and draws in place; intervals are the draws' quantiles."""
    full = np.full((beliefs.num_draws, len(beliefs.rows)), np.nan)
    if len(columns):
        full[:, list(columns)] = draw
        low, high = np.quantile(draw, [0.025, 0.975], axis=0)
        spread = np.std(np.log(draw) if log else draw, axis=0)
        for column, k in enumerate(columns):
            df, note = dfs[k]
            cell = replace(cells[k], log=log, note="; ".join(n for n in (cells[k].note, note) if n))
            if df is not None:
                cell = replace(
                    cell,
                    low=float(low[column]),
                    high=float(high[column]),
                    se=float(spread[column]),
                    df=df,
                )
            cells[k] = cell
    beliefs.estimates[name] = [cells[k] for k in range(len(beliefs.rows))]
    beliefs.draws[name] = full


def missing(groups: Sequence[Sequence[Record]], notes: Iterable[str]) -> Estimate:
    """A cell without a number: the note of the measurement, the failure behind it, or not measured."""
    note = next((n for n in notes if n), "")
    if note:
        return Estimate(None, note=note)
    for group in groups:
        for record in group:
            if record.status == "failed" and record.failure:
                return Estimate(None, note=of_failure(record.failure.reason))
    return Estimate(None, note="not measured")

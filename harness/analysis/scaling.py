"""How cost grows with size: exponents of power laws, and where one candidate overtakes another.

Pure functions over arrays; the round (launch) is the unit of statistics, as for every speed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.analysis.stats import Array, Interval, t_interval
from harness.record import Record, Variant

SCENARIO = "scaling"


@dataclass(frozen=True)
class Curve:
    """A metric of a variant against size.

    Args:
        sizes: (S,) ascending. values: (R, S), a row for each round, all positive.
        rounds: (R,) their numbers, by which two curves are paired.
    """

    variant: Variant
    sizes: Array
    values: Array
    rounds: Array

    @property
    def middle(self) -> Array:
        """(S,) geometric mean over rounds."""
        return np.asarray(np.exp(np.log(self.values).mean(0)))

    @property
    def half(self) -> Curve:
        """The upper half of the sizes, the middle one included: a fixed cost hides the law below."""
        keep = slice((len(self.sizes) - 1) // 2, None)
        return Curve(self.variant, self.sizes[keep], self.values[:, keep], self.rounds)


def curves(records: Iterable[Record], metric: str) -> list[Curve]:
    """One curve for each variant measured at two sizes or more; rounds that miss a size are left out."""
    found: dict[Variant, dict[int, dict[int, float]]] = {}
    for record in records:
        if record.trial.scenario != SCENARIO or record.status != "finished" or record.trial.variant is None:
            continue
        points = {
            int(m.at["size"]): m.value
            for m in record.measurements
            if m.metric == metric and "size" in m.at and m.value is not None and m.value > 0
        }
        found.setdefault(record.trial.variant, {})[record.trial.round or 0] = points
    result = []
    for variant, rounds in sorted(found.items()):
        sizes = sorted(set().union(*rounds.values()))
        whole = {
            number: [points[s] for s in sizes]
            for number, points in sorted(rounds.items())
            if len(points) == len(sizes)
        }
        if len(sizes) > 1 and whole:
            values = np.array(list(whole.values()))
            result.append(Curve(variant, np.array(sizes, float), values, np.array(list(whole))))
    return result


def exponent(curve: Curve) -> Interval:
    """b of cost ∝ size^b: the least-squares slope on logarithms, a t interval over rounds.

    One round: the slope alone, its ends NaN.
    """
    x = np.log(curve.sizes)
    slopes = np.polyfit(x, np.log(curve.values).T, 1)[0]
    return _over_rounds(slopes)


def ratio(a: Curve, b: Curve) -> tuple[Array, Array]:
    """How many times as much a costs, paired over the rounds and sizes that both have.

    Returns:
        (S,) the shared sizes, ascending, and (R, S) the ratio's logarithms.
    """
    sizes = np.intersect1d(a.sizes, b.sizes)
    rounds = np.intersect1d(a.rounds, b.rounds)
    logs = [np.log(c.values)[np.isin(c.rounds, rounds)][:, np.isin(c.sizes, sizes)] for c in (a, b)]
    return sizes, logs[0] - logs[1]


def crossing(a: Curve, b: Curve) -> Interval | None:
    """The size from which a costs more than b (interpolated on logarithms), with its interval over rounds.

    Where a round has no such size, the value is the mean ratio's and the ends are NaN: the rounds that do
    have one are not all there is.

    Returns:
        None where it does not within the measured sizes: b does not cost more at the smallest, or a does not
        at the largest.
    """
    sizes, gap = ratio(a, b)
    if not gap.size or gap.mean(0)[0] >= 0 or gap.mean(0)[-1] <= 0:
        return None
    x = np.log(sizes)
    places = [_zero(x, row) for row in gap if row[0] < 0 < row[-1]]
    if len(places) == len(gap):
        on_log = _over_rounds(np.array(places))
    else:
        on_log = t_interval(_zero(x, gap.mean(0)), np.nan, 0.0)
    value, low, high = (float(np.exp(v)) for v in (on_log.value, on_log.low, on_log.high))
    return Interval(value, low, high, on_log.se, on_log.df)


def sides(logs: Array) -> Array:
    """At which sizes the first of two costs surely more (1), surely less (−1), or is not separated (0).

    Args:
        logs: (R, S) as `ratio` has them, R > 0. One round tells no spread: there the sign alone stands.
    Returns:
        (S,) whole numbers.
    """
    if len(logs) < 2:
        return np.asarray(np.sign(logs[0]).astype(int))
    found = [_over_rounds(column) for column in logs.T]
    return np.array([int(i.low > 0) - int(i.high < 0) for i in found])


def _zero(x: Array, gap: Array) -> float:
    """Where a gap that begins below zero and ends above it rises through zero for the last time."""
    up = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
    i = int(up[-1])
    return float(x[i] - gap[i] * (x[i + 1] - x[i]) / (gap[i + 1] - gap[i]))


def _over_rounds(values: Array) -> Interval:
    mean = float(values.mean())
    if len(values) < 2:
        return t_interval(mean, np.nan, 0.0)
    return t_interval(mean, float(values.std(ddof=1) / np.sqrt(len(values))), len(values) - 1)

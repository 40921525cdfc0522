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
    """

    variant: Variant
    sizes: Array
    values: Array

    @property
    def middle(self) -> Array:
        """(S,) geometric mean over rounds."""
        return np.asarray(np.exp(np.log(self.values).mean(0)))

    @property
    def half(self) -> Curve:
        """The upper half of the sizes, the middle one included: a fixed cost hides the law below."""
        keep = slice((len(self.sizes) - 1) // 2, None)
        return Curve(self.variant, self.sizes[keep], self.values[:, keep])


def curves(records: Iterable[Record], metric: str) -> list[Curve]:
    """One curve for each variant measured at two sizes or more; rounds that miss a size are left out."""
    found: dict[Variant, list[dict[int, float]]] = {}
    for record in records:
        if record.trial.scenario != SCENARIO or record.status != "finished" or record.trial.variant is None:
            continue
        points = {
            int(m.at["size"]): m.value
            for m in record.measurements
            if m.metric == metric and "size" in m.at and m.value is not None and m.value > 0
        }
        found.setdefault(record.trial.variant, []).append(points)
    result = []
    for variant, rounds in sorted(found.items()):
        sizes = sorted(set.union(*(set(points) for points in rounds)))
        whole = [[points[s] for s in sizes] for points in rounds if len(points) == len(sizes)]
        if len(sizes) > 1 and whole:
            result.append(Curve(variant, np.array(sizes, float), np.array(whole)))
    return result


def exponent(curve: Curve) -> Interval:
    """b of cost ∝ size^b: the least-squares slope on logarithms, a t interval over rounds.

    One round: the slope alone, its ends NaN.
    """
    x = np.log(curve.sizes)
    slopes = np.polyfit(x, np.log(curve.values).T, 1)[0]
    return _over_rounds(slopes)


def crossing(a: Curve, b: Curve) -> Interval | None:
    """The size from which a costs more than b (interpolated on logarithms), with its interval over rounds.

    Returns:
        None where it does not within the measured sizes: one of them costs more at both ends.
    """
    shared = np.intersect1d(a.sizes, b.sizes)
    rounds = min(len(a.values), len(b.values))
    gap = np.log(_at(a, shared)[:rounds]) - np.log(_at(b, shared)[:rounds])
    if len(shared) < 2 or gap.mean(0)[0] >= 0 or gap.mean(0)[-1] <= 0:
        return None
    places = [_zero(np.log(shared), row) for row in gap]
    found = [place for place in places if place is not None]
    if not found:
        return None
    on_log = _over_rounds(np.array(found))
    value, low, high = (float(np.exp(v)) for v in (on_log.value, on_log.low, on_log.high))
    return Interval(value, low, high, on_log.se, on_log.df)


def _at(curve: Curve, sizes: Array) -> Array:
    return curve.values[:, np.isin(curve.sizes, sizes)]


def _zero(x: Array, gap: Array) -> float | None:
    """Where a gap rises through zero for the last time."""
    up = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
    if len(up) == 0:
        return None
    i = int(up[-1])
    return float(x[i] - gap[i] * (x[i + 1] - x[i]) / (gap[i + 1] - gap[i]))


def _over_rounds(values: Array) -> Interval:
    mean = float(values.mean())
    if len(values) < 2:
        return t_interval(mean, np.nan, 0.0)
    return t_interval(mean, float(values.std(ddof=1) / np.sqrt(len(values))), len(values) - 1)

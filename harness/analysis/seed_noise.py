"""How far another training of each of two candidates might move their difference.

Two or three seeds tell little of a variance. What is left of it without the examples' residual may be small
by luck, and degrees of freedom counted by that told two equal candidates apart in 9 % of comparisons; counted
by the whole of it, they may be so few that a lead of seven standard errors is not seen.

So the two variances are taken as the trade-off table takes them (`harness.analysis.joint`): sample variances
of a common law, a scale of which nothing is known and d0 degrees of freedom, integrated over. Here there are
two rows and no draws: with the scale integrated out, what is left of the law is that the ratio of the two
variances follows F(d0, d0), and the posterior is summed on a grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

Array = np.ndarray

PRIOR_DF = (2.0, 4.0, 8.0, 16.0, 64.0, 1e4)
"""Degrees of freedom of what variances have in common, equally likely: each on its own to one for all."""

STEP = 0.25
BELOW, ABOVE = 4.0, 8.0
"""The grid on the log scale, and how far it goes beyond the smaller and the larger sample variance."""

BINS = 120
FAR_OUT = 0.999
"""A second level at which half-widths are found, so that small p-values are those of the posterior too."""


@dataclass(frozen=True)
class Seeds:
    """What the seeds of one candidate showed.

    Args:
        between: sample variance of the seeds' mean scores, above 0. residual: what examples put into it.
        count: seeds, two or more.
    """

    between: float
    residual: float
    count: int


def posterior_t(examples: float, sides: Sequence[Seeds], level: float) -> tuple[float, float]:
    """Standard error and degrees of freedom of the t interval whose half-widths, at `level` and far out, are
    those of the posterior.

    Args:
        examples: variance of the difference due to which test examples were drawn, residual included.
    """
    shares, variances = _posterior(examples, sides)
    inner, outer = (_half_width(shares, np.sqrt(variances), wanted) for wanted in (level, FAR_OUT))
    df = _df_of_ratio(outer / inner, level)
    return inner / _t(level, df), df


def _posterior(examples: float, sides: Sequence[Seeds]) -> tuple[Array, Array]:
    """(bins,) shares, and the variances of the difference that have them."""
    seen = [math.log(side.between) for side in sides]
    places = np.arange(min(seen) - BELOW, max(seen) + ABOVE, STEP)
    true = np.exp(places)
    first, second = (
        -(side.count - 1) / 2 * (places + side.between / true) for side in sides
    )  # log of χ² densities
    steps = np.arange(len(places))
    ratio = _log_ratio_density(STEP * np.arange(1 - len(places), len(places)))
    log_share = first[:, None] + second + ratio[steps[:, None] - steps + len(places) - 1]
    share = np.exp(log_share - log_share.max())
    parts = [np.maximum(true - side.residual, 0.0) / side.count for side in sides]
    variance = examples + parts[0][:, None] + parts[1]
    # Where all examples are alike nothing would be left of a variance below its residual.
    least = 1e-3 * (examples + sum(side.between / side.count for side in sides))
    return _binned(share.ravel(), np.maximum(variance, least).ravel())


def _log_ratio_density(log_ratio: Array) -> Array:
    """Of the logarithm of an F(d0, d0) variable, over `PRIOR_DF`."""
    from scipy.special import betaln

    d0 = np.array(PRIOR_DF)[:, None]
    parts = d0 / 2 * log_ratio - d0 * np.logaddexp(0.0, log_ratio) - betaln(d0 / 2, d0 / 2)
    return np.asarray(np.logaddexp.reduce(parts, axis=0))


def _binned(share: Array, variance: Array) -> tuple[Array, Array]:
    """Bins of the logarithm of a variance: their shares and mean variances."""
    logs = np.log(variance)
    low, width = float(logs.min()), max(float(np.ptp(logs)), 1e-9) / BINS
    place = np.minimum(((logs - low) / width).astype(int), BINS - 1)
    weight = np.bincount(place, share, BINS)
    held = weight > 0
    mean = np.bincount(place, share * variance, BINS)[held] / weight[held]
    return weight[held] / weight.sum(), mean


def _half_width(shares: Array, deviations: Array, level: float) -> float:
    """How far from its middle the mixture of normals has so much of its probability."""
    from scipy.special import ndtr

    outside, normal = (1 - level) / 2, _t(level, math.inf)
    low, high = normal * float(deviations.min()), normal * float(deviations.max())
    while high > low * (1 + 1e-5):
        middle = math.sqrt(low * high)
        if float(shares @ ndtr(-middle / deviations)) > outside:
            low = middle
        else:
            high = middle
    return high


def _df_of_ratio(ratio: float, level: float) -> float:
    """Degrees of freedom at which t's half-widths, far out and at `level`, have this ratio."""
    dfs, ratios = _ratios(level)
    if ratio <= ratios[-1]:
        return math.inf
    return float(np.exp(np.interp(-math.log(ratio), -np.log(ratios), np.log(dfs))))


@cache
def _ratios(level: float) -> tuple[Array, Array]:
    """Rising degrees of freedom, and the ratio at each."""
    from scipy.special import stdtrit

    dfs = np.geomspace(0.3, 1e5, 600)
    return dfs, stdtrit(dfs, 0.5 + FAR_OUT / 2) / stdtrit(dfs, 0.5 + level / 2)


def _t(level: float, df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(0.5 + level / 2) if math.isinf(df) else stdtrit(df, 0.5 + level / 2))

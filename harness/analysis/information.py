"""The value of a result that is not known yet: how much better the choice becomes on average by it."""

from __future__ import annotations

import numpy as np

from harness.analysis.stats import Array

BINS = np.array([0.5, 1, 2, 4, 8, 14, 22, 32, 44, 56, 68, 78, 86, 92, 96, 98, 99, 99.5]) / 100
"""E[U | result] is the mean of a bin; these are their ends, finer where a nearly settled choice would turn.
(Where few draws break a limit, a cubic rises above what anybody is worth: rounds that could change nothing
were worth their price.)"""

CHANCES, SURELY = 8, 3.0
"""How often it is tried what a signal without information gives, and from how many standard deviations of it
on a gain is one: the largest of dozens that are nothing by themselves is about two."""


def value_of_information(outcome: Array, signal: Array, rng: np.random.Generator) -> float:
    """E[max_k E[U_k | signal]] − max_k E[U_k].

    Args:
        outcome: (num_draws, K) utilities, the fallback where a limit is broken.
        signal: (num_draws,) the hypothetical result under each draw.
    Returns:
        at least 0; what a signal without information gives by chance is taken off, and what is no more
        than that is 0.
    """

    best = float(outcome.mean(0).max())
    orders = np.argsort(signal)
    ends = np.unique([0, *(BINS * len(signal)).astype(int)])

    def gain(order: Array) -> float:
        return float(np.add.reduceat(outcome[order], ends).max(1).sum()) / len(signal) - best

    chance = np.array([gain(rng.permutation(orders)) for _ in range(CHANCES)])
    found = gain(orders) - float(chance.mean())
    return found if found > SURELY * float(chance.std(ddof=1)) else 0.0


def signal_of(draws: Array, resolved: float, rng: np.random.Generator) -> Array:
    """A hypothetical result that explains the share `resolved` of the draws' variance; (num_draws,)."""
    spread = draws.std()
    standard = (draws - draws.mean()) / spread if spread > 0 else np.zeros(len(draws))
    share = float(np.clip(resolved, 0.0, 1.0))
    return np.asarray(np.sqrt(share) * standard + np.sqrt(1 - share) * rng.standard_normal(len(draws)))


def resolved_share(units: int, unit_variance: float, total_variance: float, more: int = 1) -> float:
    """Share of a mean's posterior variance that more units take away: (v/n − v/(n+more)) / V."""
    if units < 1 or total_variance <= 0:
        return 0.0
    return min((unit_variance / units - unit_variance / (units + more)) / total_variance, 1.0)

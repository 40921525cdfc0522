"""The value of a result that is not known yet: how much better the choice becomes on average by it."""

from __future__ import annotations

import math

import numpy as np

from harness.analysis.shrink import MIDDLE
from harness.analysis.stats import Array

BINS = np.array([0.5, 1, 2, 4, 8, 14, 22, 32, 44, 56, 68, 78, 86, 92, 96, 98, 99, 99.5]) / 100
"""E[U | result] is the mean of a bin; these are their ends, finer where a nearly settled choice would turn.
(Where few draws break a limit, a cubic rises above what anybody is worth: rounds that could change nothing
were worth their price.)"""

HALVES = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))
"""Quarters of the draws that choose and those that tell what the choice is worth, and the other way round."""

SURELY = 1.5
"""Standard errors of a gain from which on it is one: who looks at a dozen results finds luck in some."""


def value_of_information(outcome: Array, signal: Array) -> float:
    """E[max_k E[U_k | signal]] − max_k E[U_k].

    Who would be chosen by a result is found on one half of the draws, what that gains on the other: chosen
    and valued on the same ones, a result that tells nothing is worth the luck of its bins. Utilities after
    two seeds have so long tails that rounds of a settled load were worth half of all there was to lose, and
    no comparison with shuffled results showed it: what falls into a small bin by chance is rarely shuffled
    into one.

    Args:
        outcome: (num_draws, K) utilities, the fallback where a limit is broken.
        signal: (num_draws,) the hypothetical result under each draw.
    Returns:
        at least 0; 0 too where the gain is no more than luck.
    """
    quarter = len(signal) // 4
    best = int(outcome.mean(0).argmax())
    gain = (outcome - outcome[:, [best]])[np.argsort(signal)[: 4 * quarter]].reshape(quarter, 4, -1)
    ends = np.unique([0, *(BINS * quarter).astype(int)])
    sums = np.add.reduceat(gain, ends)  # (bins, 4, K): neighbours are dealt to the quarters in turn
    bins = np.repeat(np.arange(len(ends)), np.diff([*ends, quarter]))
    found = np.zeros((quarter, 4))
    for half, other in HALVES:
        for chooses, tells in ((half, other), (other, half)):
            chosen = sums[:, chooses].sum(1).argmax(1)[bins]
            found[:, tells] += np.take_along_axis(gain[:, tells], chosen[:, None, None], 2)[..., 0]
    found /= len(HALVES)
    value, error = float(found.mean()), float(found.std()) / math.sqrt(found.size)
    return value if value > SURELY * error else 0.0


def signal_of(draws: Array, resolved: float, rng: np.random.Generator) -> Array:
    """A hypothetical result that explains the share `resolved` of what is not known; (num_draws,).

    By places, not by figures: the draws of two seeds have tails beside which nothing else would be seen.
    """
    from scipy.special import ndtri  # scipy.stats takes 0.5 s to import

    places = np.empty(len(draws))
    places[np.argsort(draws)] = np.arange(len(draws))
    standard = ndtri((places + 0.5) / len(draws)) if np.ptp(draws) > 0 else np.zeros(len(draws))
    share = float(np.clip(resolved, 0.0, 1.0))
    return np.asarray(np.sqrt(share) * standard + np.sqrt(1 - share) * rng.standard_normal(len(draws)))


def middle_variance(draws: Array) -> float:
    """The variance of a normal whose middle 68 % are as wide as the draws' are."""
    low, high = np.quantile(draws, MIDDLE)
    return float(((high - low) / 2) ** 2)


def resolved_share(units: int, unit_variance: float, total_variance: float, more: int = 1) -> float:
    """Share of a mean's posterior variance that more units take away: (v/n − v/(n+more)) / V."""
    if units < 1 or total_variance <= 0:
        return 0.0
    return min((unit_variance / units - unit_variance / (units + more)) / total_variance, 1.0)

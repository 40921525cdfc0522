"""The best of several noisy figures looks better than it is: draws pulled together as far as their spread is
noise.

True worths of the rows that may be the best are taken as normal around a common centre. Their spread τ is
integrated over a grid, with a half-Cauchy prior whose scale is `PRIOR` times the rows' noise; so two
candidates are pulled together about half-way where they differ by no more than their noise, and rows that
differ by many times their noise stay where they are. Rows far below the leader neither pull nor are pulled.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.stats import Array

PRIOR = 3.0
"""Scale of the prior on the spread of true worths, in units of the noise."""

MIDDLE = 0.16, 0.84
"""Quantiles between which the noise of a row is judged: two standard errors of a normal one. With two seeds
draws have tails so heavy that their mean square is up to twice as much."""

ENDS = 2.5
"""Standard errors within which the noise of a shrunk row stays: a normal prior leaves no heavy tails."""

FAR = 4.0
"""Standard errors below the leader from which a row is no near rival."""

SPREADS = np.concatenate([[0.0], np.geomspace(0.05, 50.0, 31)])
"""The grid of spreads, in units of the noise."""


def shrink_draws(draws: Array) -> Array:
    """Draws of true worths, with what selecting the best of them would add taken off.

    Args:
        draws: (num_draws, rows), finite, around the measured means.
    Returns:
        (num_draws, rows); rows that are alike stay alike, and a single near rival leaves all as they are.
    """
    if draws.shape[1] < 2:
        return draws
    means = draws.mean(0)
    near, same = _once_each(draws, _near_rivals(draws, means))
    if len(near) < 2:
        return draws
    noise = draws[:, near] - means[near]
    variance = np.square(noise).mean(0)
    rounding = 1e-14 * float(np.square(means[near]).max())
    if variance.max() <= rounding:
        return draws
    common, own, variance = _split(noise, variance)
    if variance.max() <= rounding:
        return draws  # the same models twice: what they differ by is known
    scale = float(np.median(variance)) ** 0.5 or float(variance.max()) ** 0.5
    spread = _spread_of_each_draw(means[near], variance, scale, len(draws))[:, None]
    with np.errstate(invalid="ignore"):
        # A row without noise is known: nothing pulls it.
        kept = np.where(variance > 0, spread**2 / (spread**2 + variance), 1.0)
    weight = 1 / (spread**2 + np.maximum(variance, 1e-12 * scale**2))
    centre = (weight * means[near]).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
    result = draws.copy()
    shrunk = centre + kept * (means[near] - centre) + common + np.sqrt(kept) * own
    for column, rows in enumerate(same):
        result[:, rows] = shrunk[:, [column]]
    return result


def _near_rivals(draws: Array, means: Array) -> Array:
    """Rows that are not far below the leader, the leader among them."""
    leader = int(means.argmax())
    behind = means[leader] - means
    error = (draws[:, [leader]] - draws).std(0)
    return np.flatnonzero(behind <= FAR * error + 1e-9 * abs(means[leader]))


def _once_each(draws: Array, rows: Array) -> tuple[Array, list[list[int]]]:
    """The first of each set of rows that are the same, and the sets.

    One model that two runtimes serve alike is one opinion, not two that agree: counted twice it would say
    that candidates hardly differ.
    """
    sets: list[list[int]] = []
    heads, first = np.empty(len(rows)), draws[0]
    for row in rows.tolist():
        # The first draw tells most rows apart: of hundreds of sets hardly any is compared whole.
        known = heads[: len(sets)]
        near = np.flatnonzero(np.abs(known - first[row]) <= _rounding(known)).tolist()
        found = next((sets[k] for k in near if _is_same(draws[:, sets[k][0]], draws[:, row])), None)
        if found is None:
            heads[len(sets)] = first[row]
            sets.append([row])
        else:
            found.append(row)
    return np.array([s[0] for s in sets], dtype=int), sets


def _is_same(one: Array, other: Array) -> bool:
    return bool(np.abs(one - other).max() <= _rounding(one[0]))


def _rounding(head: Array) -> Array:
    """By how much draws of the same row differ, from the first draw of one."""
    return np.asarray(1e-6 * np.abs(head) + 1e-12)


def _split(noise: Array, variance: Array) -> tuple[Array, Array, Array]:
    """What all rows have in common (the test examples, the machine's drift), each row's own noise, and its
    variance.

    The common part is the mean weighted by precision, so that one noisy row does not blur the others. Own
    noise is as wide as its middle, and ends where a normal one nearly does.
    """
    precision = 1 / np.maximum(variance, 1e-6 * variance.max())
    weight = precision / precision.sum()
    common = noise @ weight[:, None]
    own = noise - common
    low, high = np.quantile(own, MIDDLE, axis=0)
    square = np.square(own).mean(0)
    # Of costs, that take few values, the middle may be a single one.
    width = np.sqrt(np.clip(((high - low) / 2) ** 2, square / 4, square))
    return common, np.clip(own, -ENDS * width, ENDS * width), np.asarray(width**2 / (1 - weight))


def _spread_of_each_draw(means: Array, variance: Array, scale: float, num_draws: int) -> Array:
    """(num_draws,) spreads with the frequencies of their posterior; the centre is integrated out."""
    spreads = SPREADS * scale
    total = spreads[:, None] ** 2 + np.maximum(variance, 1e-12 * scale**2)
    weight = 1 / total
    centre = (weight * means).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
    log_posterior = (
        0.5 * np.log(weight).sum(1)
        - 0.5 * np.log(weight.sum(1))
        - 0.5 * (weight * (means - centre) ** 2).sum(1)
        + np.log(np.gradient(SPREADS) / (1 + (SPREADS / PRIOR) ** 2))
    )
    share = np.exp(log_posterior - log_posterior.max())
    until = np.cumsum(share / share.sum())
    place = np.searchsorted(until, (np.arange(num_draws) + 0.5) / num_draws)
    return np.asarray(spreads[np.minimum(place, len(spreads) - 1)])

"""Pareto fronts, of one table of costs and of many draws of it."""

from __future__ import annotations

import numpy as np

from harness.analysis.order import runs
from harness.analysis.stats import Array


def pareto_front(costs: Array) -> Array:
    """Mark the candidates that no other dominates (no worse anywhere, better somewhere).

    Args:
        costs: (num_candidates, num_metrics), lower is better, finite.
    Returns:
        (num_candidates,) bool; equal rows are all kept.
    Raises:
        ValueError: a cost is NaN; failed trials must be dropped first.
    """
    costs = np.asarray(costs, dtype=float)
    if np.isnan(costs).any():
        raise ValueError("a cost is NaN: drop failed and missing trials before asking for the front")
    return np.asarray(_fronts(costs[None])[0])


def pareto_probability(draws: Array, max_work: float = 1e8) -> Array:
    """P(on the front) of every candidate.

    Args:
        draws: (num_draws, num_candidates, num_metrics), lower is better, finite.
        max_work: comparisons to spend; with hundreds of candidates fewer draws are used (at least 200).
    Returns:
        (num_candidates,).
    """
    if np.isnan(draws).any():
        raise ValueError("a draw is NaN: drop failed and missing trials before asking for the front")
    num_draws, num_rows, num_metrics = draws.shape
    if num_metrics > 2:
        num_draws = min(num_draws, max(200, int(max_work / (num_rows**2 * num_metrics))))
    block = max(1, int(4e6 / (num_rows**2 if num_metrics > 2 else num_rows)))
    hits = np.zeros(num_rows)
    for start in range(0, num_draws, block):
        hits += _fronts(draws[start : min(start + block, num_draws)]).sum(0)
    return np.asarray(hits / num_draws)


def _fronts(costs: Array) -> Array:
    """(draws, rows, metrics) → (draws, rows) bool."""
    if costs.shape[2] == 1:
        return np.asarray(costs[:, :, 0] == costs[:, :, 0].min(1, keepdims=True))
    if costs.shape[2] == 2:
        return _fronts_of_two(costs[:, :, 0], costs[:, :, 1])
    no_worse = np.ones((len(costs), costs.shape[1], costs.shape[1]), dtype=bool)
    for metric in np.moveaxis(costs, 2, 0):
        no_worse &= metric[:, :, None] <= metric[:, None, :]
    # Who is no worse, and not the other way round too, is better somewhere.
    return np.asarray(~(no_worse & ~no_worse.transpose(0, 2, 1)).any(1))


def _fronts_of_two(first: Array, second: Array) -> Array:
    """Sorted by the first cost, a row is on the front when it is the best of its equals in the second, and
    nothing before them is as good."""
    order = np.argsort(first, axis=1)
    x, y = np.take_along_axis(first, order, 1), np.take_along_axis(second, order, 1)
    best = np.minimum.accumulate(y, 1)
    start, end = runs(x)
    before = np.concatenate([np.full((len(y), 1), np.inf), best], 1)
    on_front = (y < np.take_along_axis(before, start, 1)) & (y == np.take_along_axis(best, end, 1))
    result = np.empty(y.shape, dtype=bool)
    np.put_along_axis(result, order, on_front, 1)
    return result

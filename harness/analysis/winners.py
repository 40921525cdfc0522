"""Who is the best in how many draws: P(best) of the rows that keep the limits."""

from __future__ import annotations

import numpy as np

from harness.analysis.stats import Array

FIRST = 64
"""How many of the highest of each draw a ranking knows: one of them keeps the limits nearly always."""


def best_probability(utility: Array, keeps: Array) -> Array:
    """P(best) of every row: the highest utility among those that keep the limits.

    Args:
        utility, keeps: (num_draws, rows). Equal ones share a draw; a draw in which no row keeps the limits
            counts for nobody.
    Returns:
        (rows,), sums to P(some row keeps the limits).
    """
    if not utility.shape[1]:
        return np.zeros(0)
    return _shares(*_winners(utility, keeps), keeps.shape)


def _winners(utility: Array, keeps: Array) -> tuple[Array, Array]:
    """Draws, ascending for each row, and the rows that are the best in them."""
    masked = np.where(keeps, utility, -np.inf)
    best = masked >= _least(masked.max(1))[:, None]
    # Few of many: what is flat is searched in a tenth of the time.
    rows, draws = np.divmod(np.flatnonzero((keeps & best).T), len(utility))
    return draws, rows


def _least(top: Array) -> Array:
    """Equal rows differ by rounding; that must not name a winner."""
    return np.asarray(top - 1e-6 * np.maximum(np.abs(top), 1e-9))


def _shares(draws: Array, rows: Array, shape: tuple[int, ...]) -> Array:
    parts = 1 / np.bincount(draws, minlength=shape[0])[draws]
    return np.asarray(np.bincount(rows, weights=parts, minlength=shape[1]) / shape[0])


class Ranking:
    """`best_probability` of many rows under one set of limits after another: who is high in a draw is found
    once.

    Of 833 rows in 500 draws a table of 3 MB was gone through five times for each of 48 limits.

    Args:
        utility: (rows, num_draws), more than FIRST rows.
    """

    def __init__(self, utility: Array) -> None:
        self._utility = utility
        columns = np.ascontiguousarray(utility.T)
        first = np.argpartition(columns, -FIRST, axis=1)[:, -FIRST:]
        values = np.take_along_axis(columns, first, axis=1)
        order = np.argsort(-values, axis=1)
        self._rows, self._values = (np.take_along_axis(x, order, axis=1) for x in (first, values))

    def best_probability(self, keeps: Array) -> Array:
        """(rows,) P(best); keeps: (rows, num_draws) bool."""
        kept = keeps[self._rows, np.arange(len(self._rows))[:, None]]
        top = np.take_along_axis(self._values, kept.argmax(1)[:, None], axis=1)[:, 0]
        least = _least(top)
        # Elsewhere one that is not among the first might be as good.
        told = kept.any(1) & (self._values[:, -1] < least)
        draws, places = np.nonzero(kept & (self._values >= least[:, None]) & told[:, None])
        rows = self._rows[draws, places]
        if not told.all():
            others = np.flatnonzero(~told)
            more = _winners(self._utility[:, others].T, keeps[:, others].T)
            draws, rows = np.append(draws, others[more[0]]), np.append(rows, more[1])
            order = np.argsort(draws, kind="stable")
            draws, rows = draws[order], rows[order]
        return _shares(draws, rows, keeps.T.shape)

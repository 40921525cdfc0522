"""Draws of an objective, and what of them no limit changes: decisions under several limits share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from harness.analysis.shrink import Shrinking
from harness.analysis.stats import Array, row_quantiles
from harness.analysis.winners import FIRST, Ranking

MANY = 4 * FIRST
"""Rows from which ranking them pays."""

APART = 0.975
"""Two rows are told apart where one is ahead in more than so many draws: the 95 % interval of what they
differ by leaves out zero."""


class Worths:
    """What each row is worth.

    Args:
        utility: (draws, rows), higher is better; NaN where undefined.
        in_parts: some rows → (draws, len(rows)) of their utility, its parts pulled together one by one
            (`harness.analysis.parts`); what a utility that holds a bill needs.
        models: (rows,) of what model each is a runtime; without it only rows that are the same are of one.
        by_share: utilities scatter by a share of themselves (`harness.analysis.parts.scatters_by_share`):
            where all are of one sign, they are pulled together on a logarithmic scale.

    Attributes:
        defined: (draws, rows) bool. known: (rows,) bool, defined in some draw.
        means: (rows,) over the draws in which it is defined; NaN where it is in none.
        utility: with the row's mean where it is undefined.
    """

    def __init__(
        self,
        utility: Array,
        in_parts: Callable[[Array], Array] | None = None,
        models: Sequence[str] = (),
        by_share: bool = False,
    ) -> None:
        defined = ~np.isnan(utility)
        self.all_defined = bool(defined.all())
        self.known = defined.any(0)
        self.means = _mean_where_defined(utility, defined)
        self.utility = utility if self.all_defined else np.where(defined, utility, self.means)
        # A row's draws side by side, as where limits hold.
        self.defined = np.asfortranarray(defined)
        self._in_parts, self._models = in_parts, np.array(models)
        self._sign = _shared_sign(utility) if by_share else 0
        self._twins: dict[int, Array] = {}
        self._intervals: dict[int, tuple[float, float]] = {}
        self._ranked: tuple[bytes, Ranking] | None = None

    def interval(self, row: int) -> tuple[float, float]:
        """The 95 % interval of a row's draws."""
        if row not in self._intervals:
            low, high = row_quantiles(self.utility[None, :, row], [0.025, 0.975])[:, 0].tolist()
            self._intervals[row] = low, high
        return self._intervals[row]

    def shrunk(self, rows: Array) -> Array:
        """(draws, len(rows)) of some rows, ascending and known, without what selecting the best adds."""
        result, near = np.array(self.utility[:, rows]), self.shrinking.near_rivals(rows)
        if len(near) > 1:
            pulled, places = (self._in_parts or self._together)(near), np.searchsorted(rows, near)
            result[:, places] = np.where(np.isfinite(pulled), pulled, result[:, places])
            for k, twin in self.shrinking.twins_of(near, rows):
                result[:, np.searchsorted(rows, k)] = self._beside(
                    result[:, np.searchsorted(rows, twin)], k, twin
                )
        return result

    def _beside(self, pulled: Array, row: int, twin: int) -> Array:
        """What a row is worth whose twin was pulled: it stays as far behind. A runtime that cost $28 more
        than its model on another was the best with .66, since the other alone was pulled."""
        ours, theirs = self.utility[:, row], self.utility[:, twin]
        return np.asarray(pulled * (ours / theirs) if self._sign else pulled + (ours - theirs))

    def ranking(self, rows: Array) -> Ranking | None:
        """Who is high in each draw, of some rows as `shrunk` has them; None of few, where it does not pay."""
        if len(rows) < MANY:
            return None
        near = self.shrinking.near_rivals(rows)
        asked = near.tobytes()
        if self._ranked is None or self._ranked[0] != asked:
            every = np.array(self.utility.T, order="C")
            every[near] = self.shrunk(near).T
            for k, twin in self.shrinking.twins_of(near, np.flatnonzero(self.known)) if len(near) > 1 else ():
                every[k] = self._beside(every[twin], k, twin)
            every[np.isnan(every)] = -np.inf  # rows without a number, which are never asked for
            self._ranked = asked, Ranking(every)
        return self._ranked[1]

    def twins(self, row: int) -> Array:
        """A row, those that are the same, and its model's other runtimes that are not told apart from it.

        Whoever surely loses to its own twin, if only a cent, has no part in what the twin is likely to be.
        """
        if row not in self._twins:
            self._twins[row] = self._twins_of(row)
        return self._twins[row]

    def _twins_of(self, row: int) -> Array:
        alike = self.shrinking.same == self.shrinking.same[row]
        if len(self._models):
            others = np.flatnonzero((self._models == self._models[row]) & self.known & ~alike)
            lead = self.utility[:, [row]] - self.utility[:, others]
            rounding = 1e-6 * np.abs(self.means[row])
            apart = np.maximum((lead > rounding).mean(0), (lead < -rounding).mean(0)) > APART
            alike[others[~apart]] = True
        return np.flatnonzero(alike)

    @cached_property
    def shrinking(self) -> Shrinking:
        """Of the rows that are known; on a logarithmic scale where worths scatter by shares."""
        scaled = self._sign * np.log(self._sign * self.utility) if self._sign else self.utility
        return Shrinking(scaled, self._models)

    def _together(self, rows: Array) -> Array:
        pulled = self.shrinking.together(rows).T
        return self._sign * np.exp(self._sign * pulled) if self._sign else pulled


def _shared_sign(utility: Array) -> int:
    """1 where all is above zero, −1 where all is below, 0 otherwise."""
    known = utility[~np.isnan(utility)]
    return int(np.sign(known[0])) if known.size and (known * np.sign(known[0]) > 0).all() else 0


def _mean_where_defined(utility: Array, defined: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, utility, 0.0).sum(0) / defined.sum(0))

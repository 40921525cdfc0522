"""Draws of an objective, and what of them no limit changes: decisions under several limits share it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from harness.analysis.shrink import Shrinking
from harness.analysis.stats import Array


class Worths:
    """What each row is worth.

    Args:
        utility: (draws, rows), higher is better; NaN where undefined.
        in_parts: some rows → (draws, len(rows)) of their utility, its parts pulled together one by one
            (`harness.analysis.parts`); what a utility that holds a bill needs.

    Attributes:
        defined: (draws, rows) bool. known: (rows,) bool, defined in some draw.
        means: (rows,) over the draws in which it is defined; NaN where it is in none.
        utility: with the row's mean where it is undefined.
    """

    def __init__(self, utility: Array, in_parts: Callable[[Array], Array] | None = None) -> None:
        self.defined = ~np.isnan(utility)
        self.all_defined = bool(self.defined.all())
        self.known = self.defined.any(0)
        self.means = _mean_where_defined(utility, self.defined)
        self.utility = utility if self.all_defined else np.where(self.defined, utility, self.means)
        self._in_parts = in_parts

    def shrunk(self, rows: Array) -> Array:
        """(draws, len(rows)) of some rows, ascending and known, without what selecting the best adds."""
        if self._in_parts is None:
            return self.shrinking.of(rows).T
        result, near = np.array(self.utility[:, rows]), self.shrinking.near_rivals(rows)
        if len(near) > 1:
            pulled, places = self._in_parts(near), np.searchsorted(rows, near)
            result[:, places] = np.where(np.isfinite(pulled), pulled, result[:, places])
        return result

    @cached_property
    def shrinking(self) -> Shrinking:
        """Of the rows that are known."""
        return Shrinking(self.utility)


def _mean_where_defined(utility: Array, defined: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, utility, 0.0).sum(0) / defined.sum(0))

"""Numbers that programs write where nothing is known: -1, -999, 99.9, what fills rasters."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from harness.exported.tables import single

FEW_ROWS = 3
"""Of a number in fewer rows nothing is said."""
HUGE = 1e20
_USUAL = re.compile(r"-?9+(\.9+)?|-1").fullmatch
_ENDS = frozenset({-32768.0, -(2.0**31), -(2.0**63), 32767.0, 2.0**31 - 1})
"""Of whole numbers of 16, 32 and 64 bits."""


def fillers(known: np.ndarray) -> Iterator[tuple[float, int]]:
    """The least and the largest number where it may stand for nothing, and its rows: several, and it is alone
    below zero or farther from the others than these lie apart.

    Args:
        known: (n,) finite, one or more.
    """
    for end in dict.fromkeys((float(known.min()), float(known.max()))):
        if end not in _ENDS and abs(end) < HUGE and not _USUAL(f"{end:.7g}"):
            continue
        others = known[known != end]
        rows = len(known) - len(others)
        if rows < FEW_ROWS or len(others) < FEW_ROWS:
            continue
        low, high = float(others.min()), float(others.max())
        is_far = max(low - end, end - high) > high - low and end != -1
        if is_far or (end < 0 <= low and high > 1):
            yield end, rows


def shortest(value: float) -> str:
    """A number as it can be typed: in fewer digits where 32 bits hold it, -99.9 for -99.9000015258789."""
    small = single(np.array([value]))[0]
    return (str(small) if float(small) == value else repr(value)).removesuffix(".0")

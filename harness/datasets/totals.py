"""Rows of totals, as spreadsheets write them below or between rows: they are no examples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

LEAST_ABOVE = 10
"""Under fewer numbers, zeros left aside, one may be their sum by chance."""
HUGE = 1e20
"""Larger numbers fill holes, and their sums are beyond what is kept."""
CLOSE = 1e-5
LARGE = 100.0
"""A sum is written with fewer digits than it has, a large one as a whole number."""
_WORDS = re.compile(
    r"\b(?:(?:grand|sub)?[ -]?totals?|sum|(?:zwischen|gesamt)?summe|gesamt|insgesamt|sous-total|totale|totaal"
    r"|somme|suma|итого|всего)\b|总计|合计|小计|合計|小計|総計",
    re.IGNORECASE,
)
"""What stands in such a row, in some languages."""


def totals_among(numbers: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[int]:
    """The rows that hold totals, in order, told by their figures.

    Of one that says so in words most numbers are the sum of the rows since the last such row, or of all above
    that say nothing; of another two or more, or the only cell that is not empty, are the sum of all rows
    above, or of all others, and larger than each of these.

    Args:
        numbers: columns (n,) of float64, NaN where there is none. others: columns (n,) of texts or moments.
    """
    if not numbers or len(numbers[0]) <= LEAST_ABOVE:
        return []
    numbers = [np.where(np.abs(column) < HUGE, column, np.nan) for column in numbers]
    found = {(row, column[row]) for column in numbers for row in _sums(np.nan_to_num(column))}
    sums = Counter(row for row, _ in found)  # a column that stands there twice says it once
    columns = [*numbers, *others]
    silent = [
        row for row, count in sums.items()
        if count > 1 or (len(columns) > 1 and sum(not pd.isna(column[row]) for column in columns) == 1)
    ]  # fmt: skip
    return sorted({*silent, *_said(numbers, [column for column in others if column.dtype.kind == "O"])})


def _sums(column: np.ndarray) -> list[int]:
    """Rows that hold the sum of all rows above, or of all others, and more than each of these."""
    size = np.abs(column)
    rows = 1 + np.flatnonzero(size[1:] > np.maximum.accumulate(size)[:-1])
    rows = rows[np.cumsum(size > 0)[rows] > LEAST_ABOVE]
    found = rows[_close(column[rows], np.cumsum(column)[rows - 1])].tolist()
    largest = int(size.argmax())
    rest = column.sum() - column[largest]
    if (
        (size > 0).sum() > LEAST_ABOVE
        and (size == size[largest]).sum() == 1
        and bool(_close(column[largest], rest))
    ):
        found.append(largest)
    return sorted(set(found))


def _said(numbers: Sequence[np.ndarray], texts: Sequence[np.ndarray]) -> list[int]:
    """Rows that say so in words, and of which most numbers are sums; empty where most of them are none."""
    says = np.zeros(len(numbers[0]), dtype=bool)
    for column in texts:
        words = {text for text in set(column.tolist()) if text and _WORDS.search(text)}
        if words:
            says |= np.array([text in words for text in column.tolist()], dtype=bool)
    marked = np.flatnonzero(says)
    if not len(marked):
        return []
    first = np.concatenate([[0], marked[:-1] + 1])[: len(marked)]
    filled = right = np.zeros(len(marked), dtype=np.int64)
    for column in numbers:
        above, plain = _Above(column), _Above(np.where(says, np.nan, column))
        value, rest = column[marked], np.zeros_like(first)
        filled = filled + np.isfinite(value)
        right = right + (above.add_up_to(value, first, marked) | plain.add_up_to(value, rest, marked))
    found = marked[2 * right > filled]
    return found.tolist() if 2 * len(found) >= len(marked) else []


class _Above:
    """Sums of a column from one row up to another."""

    def __init__(self, column: np.ndarray) -> None:
        self.sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(column))])
        self.rows = np.concatenate([[0], np.cumsum(np.isfinite(column))])

    def add_up_to(self, values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Whether each value is the sum of two rows or more, from `first` up to and without `last`."""
        sums, rows = (ends[last] - ends[first] for ends in (self.sums, self.rows))
        return np.asarray((rows > 1) & (values != 0) & _close(values, sums))


def _close(values: Any, sums: Any) -> Any:
    rounded = np.where((np.abs(values) >= LARGE) & (np.mod(values, 1) == 0), 0.5, 0.0)
    return np.abs(values - sums) <= np.maximum(rounded, CLOSE * np.abs(sums))

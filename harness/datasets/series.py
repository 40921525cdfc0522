"""Tables of series: a row for each time, or for each time of each of several things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from harness.datasets import moments

MOST_CLASSES = 50
"""Different answers that may be classes."""
LEAST_TIMES = 10
"""Different times of several series, from which on the latest fifth is worth a test."""
LEAST_ROWS = 30
"""Of one series."""
FILLED = 0.5
"""The share of all times × things that have a row: rows drawn by chance would meet twice long before."""
EVEN, REGULAR = 0.15, 0.7
"""Steps between times differ by so much at most, in such a share: of working days four in five do."""
_COUNTS_ON = re.compile(
    r"(?:fiscal|calendar|obs|data)?(?:year|yr|period|yearmonth|yearweek|timestamp|unixtime|epoch|unix)"
)
"""What columns of whole numbers are called that go on and do not come round as months and hours do."""
_THING = re.compile(r"store|device|account|household", re.IGNORECASE)
"""In the name of a group whose own next days are asked for; patients and customers to come are others."""


@dataclass(frozen=True)
class TimeSeries:
    """By what rows are told apart.

    Args:
        time: the column of times. of: those that say which series a row is of; none where there is one.
    """

    time: str
    of: tuple[str, ...] = ()


def series_of(frame: pd.DataFrame, names: Sequence[str], known: str = "") -> TimeSeries | None:
    """The columns by which a table is one of series, None where it is none.

    Args:
        names: columns that may say when a row is of, and of which series. known: one that says when.
    """
    read = {name: _when(frame[name], name, name == known) for name in names}
    when = {name: ordered for name, ordered in read.items() if ordered is not None}
    things = [name for name in names if name not in when and _may_name(frame[name])]
    for time, ordered in when.items():
        times = len(np.unique(ordered))
        if times == len(frame):
            if times >= LEAST_ROWS and _is_regular(ordered):
                return TimeSeries(time)
        elif times >= LEAST_TIMES and (of := _names(frame, time, times, things)) is not None:
            return TimeSeries(time, of)
    return None


def has_later_classes(frame: pd.DataFrame, time: str, target: str) -> bool:
    """Whether the latest fifth has a class that is not before it, or one alone: it tests nothing."""
    answers = frame[target]
    if not 2 <= answers.nunique() <= MOST_CLASSES or pd.api.types.is_float_dtype(answers):
        return False
    when = frame[time].to_numpy() if frame[time].dtype.kind in "iu" else moments.days_of(frame[time])
    if when is None:
        return False
    order = np.argsort(when, kind="stable")
    cut = len(order) - max(1, round(0.2 * len(order)))
    before, after = (set(answers.iloc[rows].dropna()) for rows in (order[:cut], order[cut:]))
    return bool(after - before) or len(after) < 2


def is_asked_on(group: str) -> bool:
    """Whether of a group what comes next is asked, and not what others do."""
    return not group or bool(_THING.search(group))


def _names(frame: pd.DataFrame, time: str, times: int, things: Iterable[str]) -> tuple[str, ...] | None:
    """The fewest columns that, with the time, have another value in each row and hardly leave one out."""
    sizes = {name: int(frame[name].nunique()) for name in things}
    for many in (1, 2):
        for some in combinations(sizes, many):
            product = times * int(np.prod([sizes[name] for name in some]))
            if len(frame) <= product <= len(frame) / FILLED and not frame.duplicated([time, *some]).any():
                return some
    return None


def _may_name(column: pd.Series) -> bool:
    """Whether a column may say which of several series a row is of."""
    return not pd.api.types.is_float_dtype(column) and not column.isna().any() and column.nunique() > 1


def _when(column: pd.Series, name: str, is_known: bool) -> np.ndarray | None:
    """(n,) the times of a column of days, or of numbers such as 20240115 or of years; None of others."""
    if column.isna().any() or pd.api.types.is_float_dtype(column) or not len(column):
        return None
    if not pd.api.types.is_integer_dtype(column):
        return moments.days_of(column)
    numbers = column.to_numpy(np.float64)
    if numbers.min() > 10**7 and numbers.max() < 10**8:
        return moments.days_of_numbers(numbers)
    is_time = is_known or _COUNTS_ON.fullmatch(re.sub(r"[\W\d_]+", "", name.casefold()))
    return numbers if is_time else None


def _is_regular(when: np.ndarray) -> bool:
    """Whether times follow each other in equal steps, as measurements and not events do."""
    steps = np.diff(np.sort(when))
    middle = np.median(steps)
    return bool((np.abs(steps - middle) <= EVEN * middle).mean() >= REGULAR)

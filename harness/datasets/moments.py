"""Moments of a column: texts in one way of writing, counts since 1970, or refused with what to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from harness.datasets.cells import FEW_WORDS, SHOWN, in_quotes
from harness.exported.tables import seconds_of_clock
from harness.record import DataError

_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?"
)
_YEAR = re.compile(r"\d{4}")
FORMATS = (
    "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%b-%d-%Y",
    "%d %b %Y %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%b %Y", "%B %Y", "%b-%Y", "%Y-%m-%d_%H-%M-%S",
)  # fmt: skip
"""Ways to write a moment that can be read in one way only, beside ISO 8601."""
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DAY_FIRST = tuple(f"%d{sign}%m{sign}%Y{hours}" for sign in "/-" for hours in _HOURS)
UNREAD = (
    "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y", "%y-%m-%d", "%y/%m/%d",
    "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S %z", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%d %b %y", "%d-%b-%y",
    "%Y-%m-%d %H", "%a %b %d %H:%M:%S %z %Y", "%Y-%m",
)  # fmt: skip
"""Ways to write a moment that are proposed, not taken: a year of two digits, days of a language."""
_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|juni|juli|okt|dez|fév|avr|juil|aoû|déc|ene|abr|"
    "ago|dic"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATELIKE = re.compile(
    rf"(?:(?:19|20|99|00)\d\d[-/.]\d{{1,2}}[-/.]\d{{1,2}}|{_DAY}[-/.]{_DAY}[-/.](?:19|20)?\d\d)(?!\d)(?:\D.*)?"
    r"|\d{8}T\d{4,6}.*|(?=.*\d)(?=.*(?:19|20)\d\d)"
    rf"(?:\w+,? )?\d{{0,2}}[. /-]*(?:{_MONTHS})\w*[., /-].*",
    re.IGNORECASE,
)
"""What looks like a moment, in whatever way it is written."""
MONTH_FIRST = tuple(
    pattern.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m") for pattern in DAY_FIRST
)
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "days": 86400.0}
"""Unit of a number of time → seconds."""
BANDS = (("s", 1e8, 4.2e9), ("ms", 1e11, 4.2e12), ("us", 1e14, 4.2e15), ("ns", 1e17, 4.2e18))
"""What a count since 1970 lies between, from 1973 to 2103: no number is in two of them."""
EXCEL = (20000, 60000)
"""Counts of days as Excel has them, from 1954 to 2064."""
_CLOCKS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_SINCE, _UNTIL = 9.46e8, 2.21e9
"""Seconds since 1970 in which counts of several units are looked for: 2000 to 2040."""
COMPACT = {6: None, 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Digits of a moment written as one number → its format."""


class UnclearTimeError(DataError):
    """Moments that can be read in more than one way, or in none; the message has the cure."""


def days_of_stamps(stamps: pd.Series) -> np.ndarray:
    """Days since 1970 of pandas's own moments, those without a zone taken as UTC; NaN where there is none."""
    return _since_1970(stamps.dt.tz_localize("UTC") if stamps.dt.tz is None else stamps)


def _time_format(pattern: str) -> str:
    return f'time_format: "{pattern}"'


def days_of_texts(
    cells: Sequence[str], pattern: str | None = None, written: Callable[[str], str] = _time_format
) -> np.ndarray | None:
    """Days since 1970 (UTC) of texts, (n,) float64; None where they are no moments.

    Args:
        pattern: as of `strptime`; none: ISO 8601, and what can be read in one way only.
        written: how a suite names a pattern.
    Raises:
        UnclearTimeError: day and month could be either, some have a zone and some none, or they do not fit
            the pattern.
    """
    series = pd.Series(list(cells), dtype=object)
    if pattern is not None:
        days = _parsed(series, pattern)
        if np.isnan(days).any():
            bad = str(series[int(np.flatnonzero(np.isnan(days))[0])])
            raise UnclearTimeError(f"{bad!r} does not fit `{written(pattern)}`: correct it")
        return days
    zones = [found["zone"] for text in cells if (found := _ISO.fullmatch(text))]
    if len(zones) == len(cells):
        if any(zones) and not all(zone or len(text) == 10 for zone, text in zip(zones, cells, strict=True)):
            bare = next(t for z, t in zip(zones, cells, strict=True) if not z)
            raise UnclearTimeError(
                f"some times name their zone and some do not, for instance {bare!r}: write them all alike"
            )
        plain = series.str.replace(r"\s?(UTC|GMT)$", "Z", regex=True).str.replace(",", ".", regex=False)
        days = _since_1970(pd.to_datetime(plain, utc=True, format="ISO8601", errors="coerce"))
        if never := list(dict.fromkeys(text for text, day in zip(cells, days, strict=True) if np.isnan(day))):
            raise UnclearTimeError(
                f"{', '.join(map(repr, never[:SHOWN]))} is no day or hour that there is: correct it, or "
                f"write `missing: [{', '.join(map(in_quotes, never[:FEW_WORDS]))}]` if it stands for nothing"
            )
        return days
    if not all(map(_YEAR.search, cells)):  # each pattern below has a year; trying them takes 15 ms a column
        return None
    for known in FORMATS:
        if not np.isnan(days := _parsed(series, known)).any():
            return days
    return _with_slashes(series, written)


def is_datelike(text: str) -> bool:
    """Whether a text looks like a moment, be it one that is read or not."""
    return bool(_DATELIKE.fullmatch(text))


def patterns_of(cells: Sequence[str]) -> list[str]:
    """The patterns by which all of some texts are moments; empty where none of those known fits."""
    series = pd.Series(list(cells), dtype=object)
    known = (*FORMATS, *DAY_FIRST, *MONTH_FIRST, *UNREAD)
    return [pattern for pattern in known if len(series) and not np.isnan(_parsed(series, pattern)).any()]


def two_ways(cells: Sequence[str]) -> tuple[str, str] | None:
    """Two moments that no way of writing has in common, where there are."""
    series = pd.Series(list(cells), dtype=object)
    ways = [~np.isnan(_parsed(series, pattern)) for pattern in (*FORMATS, *DAY_FIRST, *MONTH_FIRST, *UNREAD)]
    fits = np.stack([*ways, [_ISO.fullmatch(text) is not None for text in cells]], axis=1)
    known = np.flatnonzero(fits.any(axis=1))
    different, places = np.unique(fits[known], axis=0, return_index=True)
    apart = np.argwhere(different.astype(int) @ different.T.astype(int) == 0)
    pairs = [sorted(int(known[places[i]]) for i in pair) for pair in apart]
    return None if not pairs else (cells[min(pairs)[0]], cells[min(pairs)[1]])


def shape_of(cells: Sequence[str], days: np.ndarray) -> str:
    """The pattern by which texts are these days; empty for ISO 8601."""
    series = pd.Series(list(cells), dtype=object)
    if all(_ISO.fullmatch(text) for text in cells):
        return ""
    known = (*FORMATS, *DAY_FIRST, *MONTH_FIRST)
    return next((shape for shape in known if np.array_equal(_parsed(series, shape), days)), "")


def _with_slashes(series: pd.Series, written: Callable[[str], str]) -> np.ndarray | None:
    for first, second in zip(DAY_FIRST, MONTH_FIRST, strict=True):
        either = [not np.isnan(_parsed(series, pattern)).any() for pattern in (first, second)]
        if all(either) and not (_parsed(series, first) == _parsed(series, second)).all():
            raise UnclearTimeError(
                f"{series[0]!r} may begin with the day or with the month: write "
                f"`{written(first)}` or `{written(second)}`"
            )
        if any(either):
            return _parsed(series, first if either[0] else second)
    return None


def days_of_numbers(values: np.ndarray, unit: str | None = None) -> np.ndarray | None:
    """Days since 1970 of counts: seconds, milli-, micro- or nanoseconds since 1970, or days as 20240115.

    Args:
        values: (n,) finite float64 or int64. unit: of `SECONDS`; none: what only one unit can mean.
    Returns:
        (n,) float64; None where they mean no moment (an order, a year, …).
    Raises:
        UnclearTimeError: they are of different units.
    """
    if unit is not None:
        return np.asarray(values, dtype=np.float64) * SECONDS[unit] / 86400
    if (days := days_of_compact(values)) is not None:
        return days
    bands = [name for name, low, high in BANDS if ((values >= low) & (values < high)).any()]
    inside = [name for name, low, high in BANDS if ((values >= low) & (values < high)).all()]
    if inside:
        return np.asarray(values, dtype=np.float64) * SECONDS[inside[0]] / 86400
    if len(bands) > 1:
        low, high = values.min(), values.max()
        raise UnclearTimeError(
            f"times go from {low:.0f} to {high:.0f}: counts of different units ({', '.join(bands)}) since "
            "1970; write them in one"
        )
    return None


def days_of_compact(values: np.ndarray) -> np.ndarray | None:
    """Days of whole numbers that are all written as 20240115 (or with hour, minute and second)."""
    if not len(values) or not (np.mod(values, 1) == 0).all() or values.min() <= 0:
        return None
    pattern = COMPACT.get(len(str(int(values.max()))))
    if pattern is None or len(str(int(values.min()))) != len(str(int(values.max()))):
        return None
    digits = pd.Series(values).astype(np.int64).astype(str)
    years = digits.str[:4].astype(int)
    if not years.between(1900, 2100).all():
        return None
    days = _parsed(digits, pattern)
    return None if np.isnan(days).any() else days


def clocks_of(values: np.ndarray) -> list[str]:
    """The units by which all of some numbers are times between 2000 and 2040; empty where one is none.

    Zeros, and what is below, may stand for no time.
    """
    counts = values[values > 0]
    inside = {unit: (counts >= _SINCE * scale) & (counts < _UNTIL * scale) for unit, scale in _CLOCKS.items()}
    if not len(counts) or not np.logical_or.reduce(list(inside.values())).all():
        return []
    return [unit for unit, some in inside.items() if some.any()]


def day_of_excel(count: float) -> str:
    """The day of a spreadsheet's count, in ISO 8601."""
    return str(np.datetime64("1899-12-30", "D") + int(count))


def excel_day(texts: Sequence[str]) -> str | None:
    """The day of the first of some counts of a spreadsheet; None where they are others."""
    numbers = pd.to_numeric(pd.Series(list(texts), dtype=object), errors="coerce").to_numpy(np.float64)
    inside = (numbers >= EXCEL[0]) & (numbers < EXCEL[1])
    return day_of_excel(float(numbers[0])) if len(numbers) and inside.all() else None


def _parsed(series: pd.Series, pattern: str) -> np.ndarray:
    """Days since 1970, NaN where a text does not fit: pandas would read `now` and `today` by its clock."""
    known = series.mask(series.isin(["now", "today"]), None)
    return _since_1970(pd.to_datetime(known, format=pattern, errors="coerce", utc=True))


def _since_1970(stamps: pd.Series) -> np.ndarray:
    """Days of moments with a zone, NaN where there is none.

    Through microseconds: nanoseconds end in 2262, and 9999-12-31 stands for never in many databases.
    """
    counts = stamps.dt.tz_convert(None).to_numpy().astype("M8[us]")
    days = counts.astype(np.int64) / 86400e6
    return np.where(np.isnat(counts), np.nan, days)


def read_clock(cells: Sequence[str]) -> np.ndarray | None:
    """Seconds of durations and times of day, (n,) float64; None where some text is neither.

    Raises:
        UnclearTimeError: some have two parts and some three, so that `59:30` may be minutes or hours.
    """
    seconds = [seconds_of_clock(text) for text in cells]
    if not cells or any(value is None for value in seconds):
        return None
    short = [text for text in cells if text.count(":") == 1]
    if short and len(short) < len(cells):
        long = next(text for text in cells if text.count(":") > 1)
        raise UnclearTimeError(f"{short[0]!r} may be minutes or hours beside {long!r}: write all as h:mm:ss")
    return np.array(seconds, dtype=np.float64)


def days_of(column: pd.Series) -> np.ndarray | None:
    """Days since 1970 of a column of dates, None for any other."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return days_of_stamps(column.dropna())
    some = _maybe_dates(column)
    try:
        return days_of_texts(some) if some else None
    except UnclearTimeError:
        return None  # the data set says how to write it


def _maybe_dates(column: pd.Series) -> list[str]:
    """The texts of a column whose first one may be a date, else none."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return []
    some = [text.strip() for text in column.dropna().astype(str) if text.strip()]
    may_be = some and any(sign in some[0] for sign in "-/.: ") and some[0][:1].isalnum()
    return some if may_be else []


def holds_dates(column: pd.Series) -> bool:
    """Whether a column holds dates, also where only the user knows which of two notations it has."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    some = _maybe_dates(column)
    try:
        return bool(some) and days_of_texts(some) is not None
    except UnclearTimeError:
        return True

"""What the cells of a column say: numbers in the notation of their country, moments, yes and no.

Nothing is guessed in silence: a column that is neither all numbers nor all something else is refused, its
cells named, with what to write in the suite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.datasets import units
from harness.exported.tables import seconds_of_clock
from harness.record import DataError
from harness.suite.source import quoted

CURRENCY = (
    "[€$£¥₹₽₩₺₴₫฿]|US\\$|A\\$|C\\$|R\\$|EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|"
    "kr\\.?|zł|Kč|Ft|Fr\\."
)
"""Signs and codes of money, before or after a number."""
_SPACES = " \u00a0\u202f\u2009'’"
"""What stands between thousands in some countries: blanks of four kinds, apostrophes."""
_MARKED = re.compile(
    rf"(?P<minus>[-+]?)\s*(?P<before>{CURRENCY})?\s*(?P<sign>[-+]?)(?P<number>[0-9.,{_SPACES}]*[0-9][0-9.,]*"
    rf"(?:[eE][-+]?[0-9]+)?)\s*(?P<after>{CURRENCY}|[%‰]|{units.PATTERN})?"
)
_PLAIN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_BOTH_COMMA_LAST = re.compile(rf"[-+]?[0-9]{{1,3}}(?:([.{_SPACES}])[0-9]{{3}})+,[0-9]+")
_NOT_FINITE = re.compile(r"[-+]?inf(?:inity)?", re.IGNORECASE)
TRUTH = {"true": True, "false": False}
MOSTLY = 0.2
"""A column in which a share of the cells from here on are numbers, and not all, is not a column of words."""
SHOWN = 5
FEW_WORDS = 8
"""More different cells than this do not all stand for nothing."""


@dataclass(frozen=True)
class Notation:
    """How numbers are written, and what stands for nothing.

    Args:
        decimal: the sign before the fraction, `.` or `,`. thousands: the one between thousands; empty says
            that there is none, None says nothing.
        missing: cells that stand for nothing, beside empty ones and the usual words.
    """

    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse signs that cannot be.

        Raises:
            DataError: with the cure.
        """
        if self.decimal not in (".", ","):
            raise DataError(f'decimal is {self.decimal!r}: write "." or ","')
        if self.thousands is not None and (len(self.thousands) > 1 or self.thousands.isalnum()):
            raise DataError(f'thousands is {self.thousands!r}: write one sign, for instance ".", "," or " "')
        if self.thousands and self.thousands == self.decimal:
            raise DataError(f"decimal and thousands are both {self.decimal!r}: they must differ")


@dataclass(frozen=True)
class Numbers:
    """What could be read of a column of text.

    Args:
        values: (n,) float64, NaN where a cell is not a number. read: (n,) bool.
        mark: what stands beside every number (`€`, `%`), empty where nothing does.
    """

    values: np.ndarray
    read: np.ndarray
    mark: str = ""


def read_numbers(cells: Sequence[str], how: Notation) -> Numbers:
    """Numbers of texts without blanks around them: one notation and one mark for the whole column.

    A column that was written with points in a file of decimal commas is read with points, unless its points
    could as well stand between thousands.
    """
    if how.decimal == ".":  # most columns are plain, and of millions of cells
        plain_values = pd.to_numeric(pd.Series(list(cells), dtype=object), errors="coerce").to_numpy(
            np.float64
        )
        if not np.isnan(plain_values).any():
            return Numbers(plain_values, np.ones(len(plain_values), dtype=bool))
    texts = [text.replace("−", "-") for text in cells]
    marks, bare = _without_marks(texts)
    pattern = _pattern(how)
    right = [bool(pattern.fullmatch(text)) for text in bare]
    if how.decimal == "," and not any("," in text for text in bare):
        plain = [bool(_PLAIN.fullmatch(text)) for text in bare]
        grouped = [bool(re.fullmatch(r"[-+]?[0-9]{1,3}(\.[0-9]{3})+", t)) for t in bare if "." in t]
        if sum(plain) > sum(right) and (how.thousands == "" or not all(grouped)):
            right, how = plain, Notation(".", "", how.missing)
    values = np.full(len(bare), np.nan)
    read = np.array(right, dtype=bool)
    for place, text in enumerate(bare):
        if read[place]:
            values[place] = _number(text, how)
        elif _NOT_FINITE.fullmatch(text):
            values[place], read[place] = float(text), True
    used = units.one_spelling({mark for mark, good in zip(marks, right, strict=True) if good})
    if len(used) > 1:  # prices in two currencies, shares beside per cents: no common scale
        read &= np.array([not mark for mark in marks], dtype=bool)
        return Numbers(values, read)
    return Numbers(values, read, used.pop() if used else "")


def _without_marks(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The mark of each text, and its number without it; texts of another form stay as they are."""
    marks, bare = [], []
    for text in texts:
        found = _MARKED.fullmatch(text)
        if found and not (found["before"] and found["after"]):
            marks.append(found["before"] or found["after"] or "")
            bare.append((found["minus"] or found["sign"]) + found["number"].strip())
        else:
            marks.append("")
            bare.append(text)
    return marks, bare


def _pattern(how: Notation) -> re.Pattern[str]:
    between = {" ": f"[{_SPACES[:-2]}]", "'": "['’]"}.get(how.thousands or "", re.escape(how.thousands or ""))
    grouped = rf"[0-9]{{1,3}}(?:{between}[0-9]{{2,3}})*{between}[0-9]{{3}}" if how.thousands else "[0-9]+"
    point = re.escape(how.decimal)
    return re.compile(rf"[-+]?(?:(?:{grouped}|[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _number(text: str, how: Notation) -> float:
    if how.thousands:
        for sign in {" ": _SPACES[:-2], "'": "'’"}.get(how.thousands, how.thousands):
            text = text.replace(sign, "")
    return float(text.replace(how.decimal, "."))


def cure_of(cells: Sequence[str], how: Notation, name: str) -> str:
    """What to write in the suite for cells that are no numbers: in another notation, or no numbers at all."""
    marks, bare = _without_marks([text.replace("−", "-") for text in cells])
    if len(several := units.one_spelling(set(marks) - {""})) > 1:
        names = ", ".join(sorted(several))
        return (
            f"write all of them in one unit ({names}), or `categories: [{quoted(name)}]` to take them as text"
        )
    if both := next((found for text in bare if (found := _BOTH_COMMA_LAST.fullmatch(text))), None):
        sign = {".": ".", "'": "'", "’": "'"}.get(both[1], " ")
        return f'write `decimal: ","` and `thousands: "{sign}"`'
    for sign, named in ((",", '","'), (".", '"."'), (" ", '" "'), ("'", '"\'"')):
        grouped = _pattern(Notation(how.decimal, sign)) if sign != how.decimal else None
        if grouped and sign != (how.thousands or "") and any(
            grouped.fullmatch(text) and not _PLAIN.fullmatch(text) for text in bare
        ):  # fmt: skip
            if sign == "," and all(_COMMA.fullmatch(t) or _PLAIN.fullmatch(t) for t in bare):
                return (
                    f'write `decimal: ","` if the comma is a decimal one, `thousands: {named}` if it is none'
                )
            return f"write `thousands: {named}`"
    if how.decimal == "." and any(_COMMA.fullmatch(text) for text in bare):
        return 'write `decimal: ","`'
    if how.decimal == "," and any(_PLAIN.fullmatch(text) and "." in text for text in bare):
        point = (
            '`thousands: "."` if the point stands between thousands, `thousands: ""` if it is a decimal one'
        )
        return f"write {point}"
    different = [text for text in dict.fromkeys(cells) if '"' not in text]
    nothing = f"`missing: [{', '.join(map(_in_quotes, different))}]` if they stand for nothing, "
    if not 0 < len(different) <= FEW_WORDS:
        nothing = ""
    return f"write {nothing}`categories: [{quoted(name)}]` if the column holds categories, or correct them"


def _in_quotes(text: str) -> str:
    return f'"{text}"'


def listed(some: Sequence[str], places: Sequence[str]) -> str:
    """Cells with their places, for a message."""
    return ", ".join(f"{cell!r} in {place}" for cell, place in zip(some, places, strict=True))


def is_numberlike(text: str) -> bool:
    """Whether a text is a number in some notation: `1.234,56`, `€ 5`, `12 %`."""
    return bool(_MARKED.fullmatch(text.replace("−", "-")))


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


# ------------------------------------------------------------------------------------------------ moments

_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?"
)
FORMATS = (
    "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y",
)  # fmt: skip
"""Ways to write a moment that can be read in one way only, beside ISO 8601."""
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
DAY_FIRST = tuple(f"%d{sign}%m{sign}%Y{hours}" for sign in "/-" for hours in _HOURS)
UNREAD = (
    "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y", "%y-%m-%d", "%y/%m/%d",
    "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S %z", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%d %b %y", "%d-%b-%y",
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
                f"write `missing: [{', '.join(map(_in_quotes, never[:FEW_WORDS]))}]` if it stands for nothing"
            )
        return days
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


def _parsed(series: pd.Series, pattern: str) -> np.ndarray:
    """Days since 1970, NaN where a text does not fit."""
    return _since_1970(pd.to_datetime(series, format=pattern, errors="coerce", utc=True))


def _since_1970(stamps: pd.Series) -> np.ndarray:
    """Days of moments with a zone, NaN where there is none.

    Through microseconds: nanoseconds end in 2262, and 9999-12-31 stands for never in many databases.
    """
    counts = stamps.dt.tz_convert(None).to_numpy().astype("M8[us]")
    days = counts.astype(np.int64) / 86400e6
    return np.where(np.isnat(counts), np.nan, days)

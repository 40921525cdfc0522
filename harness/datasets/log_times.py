"""When each row of a log is of: moments as texts, or counts since 1970."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.datasets import moments
from harness.datasets.log_ids import SHORTENED
from harness.record import DataError

LATEST_DAY = 84_000.0
"""Days since 1970, in the year 2199: what lies later was counted in smaller units than seconds."""
FINER = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "s": "seconds"}
FIRST_DAY = 1157.0
"""Days since 1970, in 1973: numbers below are an order or a time of another start, not moments."""


def days_of(
    column: pd.Series, path: str, pattern: str | None, unit: str | None, notes: list[str]
) -> np.ndarray:
    """Days since 1970 of each row.

    Raises:
        DataError: a time is missing, is not a point in time, or may be one of several.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _complete(moments.days_of_stamps(column), path)
    if unit is not None and unit not in moments.SECONDS:
        raise DataError(f"time_unit is {unit!r}: write one of {', '.join(moments.SECONDS)}")
    codes, unique = pd.factorize(column)
    texts = [str(value).strip() for value in unique]
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
    filled = np.array([text != "" for text in texts], dtype=bool)
    _check_whole(texts, path, codes)
    days = np.full(len(texts) + 1, np.nan)
    try:
        if pattern is None and np.isfinite(numbers[filled]).all():
            days[:-1][filled] = _counted(numbers[filled], path, unit, notes)
        else:
            words = [text for text, has in zip(texts, filled, strict=True) if has]
            found = moments.days_of_texts(words, pattern)
            if found is None or not np.isfinite(found).all():
                bad = _first_unread(words)
                row = int(np.flatnonzero(codes == texts.index(bad))[0]) + 2
                shape = next(iter(moments.patterns_of(words)), "%d.%m.%Y %H:%M")
                raise DataError(
                    f"{path}:{row}: a time is neither unix seconds nor ISO 8601: {bad!r}: write all of them "
                    f'alike, or say how they are written, for instance `time_format: "{shape}"`'
                )
            days[:-1][filled] = found
    except moments.UnclearTimeError as error:
        raise DataError(f"{path}: column {column.name!r}: {error}") from error
    return _complete(days[codes], path)


def _check_whole(texts: Sequence[str], path: str, codes: np.ndarray) -> None:
    """Refuse times of which a spreadsheet has kept three digits; a few of a round number are exact.

    Raises:
        DataError: they are so.
    """
    short = [place for place, text in enumerate(texts) if SHORTENED.fullmatch(text)]
    if 2 * len(short) > len(texts) and any(map(_loses_seconds, (texts[place] for place in short))):
        row = int(np.flatnonzero(codes == short[0])[0]) + 2
        raise DataError(
            f"{path}:{row}: the time {texts[short[0]]!r} was shortened, so that many became one: write the "
            "file anew from its source, with this column as text"
        )


def _loses_seconds(text: str) -> bool:
    """Whether a number such as 1.69E+09 has fewer digits than a whole one."""
    digits, _, power = text.casefold().partition("e")
    return len(re.split("[.,]", digits + ".")[1]) < int(power)


def _first_unread(words: Sequence[str]) -> str:
    """The first of some texts that is no moment of the kind that most are."""
    for word in words:
        try:
            if moments.days_of_texts([word]) is None:
                return word
        except moments.UnclearTimeError:
            continue
    return words[0]


def _counted(values: np.ndarray, path: str, unit: str | None, notes: list[str]) -> np.ndarray:
    """Days of numbers: seconds since 1970 where no unit is named, or days written as 20240115."""
    if unit is None and (days := moments.days_of_compact(values)) is not None:
        return days
    day = values * moments.SECONDS[unit or "s"] / 86400
    if day.max(initial=0) > LATEST_DAY:
        finer = next((u for u, low, high in moments.BANDS if ((values >= low) & (values < high)).all()), unit)
        known = ("ms", "milliseconds") if finer in (None, unit) else (finer, FINER[finer])
        others = " (or us, ns)" if finer in (None, unit) else ""
        raise DataError(
            f"{path}: as unix seconds the time {values.max():.0f} lies in the year {_year(day.max())}: "
            f"divide {known[1]} by {1 / moments.SECONDS[known[0]]:.0f}, or write "
            f"`time_unit: {known[0]}`{others}"
        )
    early = np.flatnonzero(day < FIRST_DAY) if unit != "days" else np.empty(0, int)
    if len(early) and day.max() >= FIRST_DAY:
        raise DataError(
            f"{path}: the time {values[early[0]]:.0f} lies in the year {_year(day[early[0]])} and others in "
            f"{_year(day.max())}: where it stands for no time drop such rows, and write all times in one unit"
        )
    if unit is None and len(day) and day.max() < FIRST_DAY:
        notes.append(
            f"times go from {values.min():g} to {values.max():g}: an order rather than moments; they are "
            "taken as seconds, so settings in days mean little (`time_unit: days` if they are days)"
        )
    return np.asarray(day)


def _complete(days: np.ndarray, path: str) -> np.ndarray:
    if not np.isfinite(days).all():
        row = int(np.flatnonzero(~np.isfinite(days))[0]) + 2
        raise DataError(f"{path}:{row}: no time")
    return days


def _year(day: float) -> int:
    return int(1970 + day / 365.2425)

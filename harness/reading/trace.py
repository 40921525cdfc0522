"""Traffic as it came: a file of request times → requests per second hour by hour, and how they bunch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reading.data_checks import find_path
from harness.reading.draft import Draft
from harness.suite.source import Node, new_mapping

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

HOURS_NEEDED, WEEK, MOST_HOURS = 24, 168, 8784
PER_WINDOW = 20
"""Requests that a window holds in the mean where bunching is counted; single gaps say less of bursts."""
WINDOWS_NEEDED = 200
MOST_BUNCHED = 10.0
NAMES = ("timestamp", "time")
HOUR, MINUTE = 3600.0, 60.0
BEYOND_CHANCE = 4.5
OF_TEN = 1.54
"""Standard deviations by which the highest of ten normal figures exceeds their mean."""
MISSING_S = 180.0
"""Of an hour, at the end of a file, that is counted as whole."""
COUNTS = re.compile(
    "((num|number|n|total)_?(of_?)?)?(requests|hits|calls|visits|invocations)"
    "|((request|hit|call|visit|invocation)s?_?)?counts?|qps|rps"
)
"""Names of columns that say how many requests a row stands for."""
REGULAR, ROWS_NEEDED = 0.8, 24
SECONDS_UNTIL = 1e11
"""Of the year 5138: a larger number is not seconds."""


@dataclass(frozen=True)
class Trace:
    """What a file of request times says.

    Args:
        hours: requests per second in each complete hour, in order. peaks: in the busiest minute of each, as
            far as that is more than chance makes of the hour's mean.
        burstiness: of the gaps between requests, as a coefficient of variation; None where there are too few.
    """

    hours: tuple[float, ...]
    burstiness: float | None
    peaks: tuple[float, ...] = ()


def read_trace(path: Path) -> Trace:
    """Read a CSV with a header and one time a row, in any order.

    Times are dates (ISO 8601) or seconds from any start. Hours are counted from the first request: a day's
    log begins some seconds after midnight and ends some seconds before. The first of those that make no
    whole week are left out, or no whole day where there is no week: the bill of 30 hours would count six of
    them twice.

    Raises:
        ValueError: it cannot be read as it is meant; what, and the cure.
    """
    import numpy as np

    cells, others = _columns(path)
    seconds = _seconds(cells)
    _refuse_counts(seconds, others)
    _refuse_strays(seconds, cells)
    times = np.sort(seconds)
    times -= times[0]
    count = _whole_hours(times)
    if count < HOURS_NEEDED:
        raise ValueError(
            f"holds {count} whole hours, a day has {HOURS_NEEDED}: give qps and peak_qps instead"
        )
    if count > MOST_HOURS:
        raise ValueError(f"holds {count:,} hours, more than a year: are its times seconds?")
    first = count % (WEEK if count >= WEEK else HOURS_NEEDED)
    edges = np.searchsorted(times, np.arange(first, count + 1) * HOUR)
    rates = np.diff(edges) / HOUR
    bunched = burstiness(times[edges[0] : edges[-1]])
    if bunched is not None and bunched > MOST_BUNCHED:
        raise ValueError(
            f"its requests bunch {bunched:.3g} times as much as Poisson's, beyond {MOST_BUNCHED:g}: one"
            " client's batches, perhaps; give decision.traffic.curve and burstiness yourself"
        )
    highest = busiest(times[edges[0] : edges[-1]] - first * HOUR, rates, bunched or 1.0)
    hours, peaks = (tuple(float(f"{rate:.6g}") for rate in found) for found in (rates, highest))
    return Trace(hours, bunched, peaks)


def busiest(times: np.ndarray, rates: np.ndarray, bunched: float) -> np.ndarray:
    """(hours,) requests per second in each hour's busiest minute; the hour's rate where chance explains more.

    A p99 leaves 36 s of an hour: machines for its mean break it when a push message trebles the traffic of
    ten minutes. What counts is a count that is `BEYOND_CHANCE` standard deviations above its hour's mean,
    with a third of their square for the skew of small counts (once in 30 weeks of constant traffic).

    Args:
        times: (n,) seconds from the first of the hours. rates: (hours,) requests per second.
    """
    import numpy as np

    tick = _tick(times)
    window = np.ceil(MINUTE / tick - 1e-9) * tick if np.isfinite(tick) else MINUTE
    number = int(HOUR / window)
    if number < 2:
        return rates
    hour, within = np.divmod(times, HOUR)
    place = (within / window + 1e-9).astype(int)
    kept = place < number
    cells = hour[kept].astype(int) * number + place[kept]
    most = np.bincount(cells, minlength=number * len(rates)).reshape(len(rates), number).max(1)
    mean = rates * window
    chance = mean + BEYOND_CHANCE * bunched * np.sqrt(mean) + (BEYOND_CHANCE * bunched) ** 2 / 3
    # Of several busy minutes the busiest is also the luckiest.
    found = (most - OF_TEN * bunched * np.sqrt(most)) / window
    return np.where(most > chance, np.maximum(found, rates), rates)


def _tick(times: np.ndarray) -> float:
    """What the clock counts in, whole microseconds: the least gap between two times; infinite where all are
    one. Seconds since 1970 are known to half a microsecond, so a millisecond may read .00099993."""
    import numpy as np

    gaps = np.diff(times)
    return max(round(float(gaps[gaps > 0].min(initial=np.inf)), 6), 1e-6)


def _whole_hours(times: np.ndarray) -> int:
    """How many hours the times fill, the last one if little of it is missing: three minutes, or as long as
    one waits for three requests of it.

    Args:
        times: (n,) seconds from the first, ascending.
    """
    count, rest = divmod(float(times[-1]), HOUR)
    in_last = int((times > count * HOUR).sum())
    is_whole = in_last > 0 and HOUR - rest <= max(MISSING_S, 3 * rest / in_last)
    return int(count) + is_whole


def with_trace(draft: Draft, decision: Node) -> Node:
    """The decision with what its trace says: `curve`, `peaks` within its hours, and `burstiness` where none
    is given."""
    traffic = (decision.mapping or {}).get("traffic")
    given = dict((traffic.mapping if traffic is not None else None) or {})
    named = given.get("trace")
    if traffic is None or named is None or not isinstance(named.value, str) or "curve" in given:
        return decision
    path = find_path(named.value, draft.folder)
    try:
        found = read_trace(path)
    except ValueError as error:
        draft.wrong(("decision", "traffic", "trace"), f"`{named.value}` {error}", named.place)
        return decision
    hours = tuple(Node(rate, named.place) for rate in found.hours)
    given |= {"trace": Node(str(path), named.place), "curve": Node(hours, named.place, size=1 + len(hours))}
    if found.peaks != found.hours:
        busiest = tuple(Node(rate, named.place) for rate in found.peaks)
        given.setdefault("peaks", Node(busiest, named.place, size=1 + len(busiest)))
    if found.burstiness is not None:
        given.setdefault("burstiness", Node(found.burstiness, named.place))
    return new_mapping(
        {**(decision.mapping or {}), "traffic": new_mapping(given, traffic.place, traffic.keys)},
        decision.place,
        decision.keys,
    )


def burstiness(times: np.ndarray) -> float | None:
    """The coefficient of variation of independent gaps that bunch as much as these requests do.

    Of windows with some 20 requests, the variance of counts over their mean is the square of it (Cox and
    Lewis 1966). Neighbouring windows are compared, so that the rhythm of a day is no burst, and
    clocks that tick in whole seconds are none either.

    Args:
        times: (n,) seconds, ascending.
    Returns:
        None with fewer than 200 windows.
    """
    import numpy as np

    tick = _tick(times)
    squares, means, pairs = 0.0, 0.0, 0
    hour = np.floor(times / HOUR)
    for start in np.unique(hour):
        own = times[hour == start] - start * HOUR
        window = max(PER_WINDOW * HOUR / len(own), tick)
        window = np.ceil(window / tick - 1e-9) * tick if np.isfinite(tick) else window
        number = int(HOUR / window)
        if number < 2:
            continue
        counts = np.bincount((own / window + 1e-9).astype(int), minlength=number)[:number].astype(float)
        squares += float((np.diff(counts) ** 2).sum()) / 2
        means += float(counts.mean()) * (number - 1)
        pairs += number - 1
    return float(f"{np.sqrt(squares / means):.3g}") if pairs >= WINDOWS_NEEDED and means else None


def _columns(path: Path) -> tuple[pd.Series, pd.DataFrame]:
    """The cells with times, and the other columns."""
    import numpy as np
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError:
        raise ValueError("there is no such file beside the suite file") from None
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"cannot be read as CSV: {error}") from None
    names = [str(name) for name in table.columns]
    wanted = names if len(names) == 1 else [name for name in names if name.lower() in NAMES]
    if len(wanted) != 1:
        raise ValueError(f"has the columns {', '.join(names[:8])}: name the one with times `timestamp`")
    as_date = pd.to_datetime(wanted[0], errors="coerce", format="ISO8601")
    if as_date is not pd.NaT or pd.notna(pd.to_numeric(wanted[0], errors="coerce")):
        raise ValueError(f"line 1: `{wanted[0]}` is a time and no name: write `timestamp` in a line above it")
    cells = table[wanted[0]].str.strip()
    cells = cells[: np.flatnonzero(cells != "").max(initial=-1) + 1]  # empty lines at the end are none
    if len(cells) < 2:
        raise ValueError("holds fewer than two times")
    return cells, table.drop(columns=wanted[0]).loc[cells.index]


def _refuse_counts(seconds: np.ndarray, others: pd.DataFrame) -> None:
    """Monitoring writes how many requests came in each minute: each row would be one request, and the load a
    hundredth of what it is.

    Raises:
        ValueError: a column is named as a count, or holds numbers beside times in even steps.
    """
    import numpy as np
    import pandas as pd

    moments, rows = np.unique(seconds, return_counts=True)
    step, share = _commonest(np.round(np.diff(moments), 6))
    in_steps = len(moments) >= ROWS_NEEDED and min(share, _commonest(rows)[1]) >= REGULAR
    for name in others:
        numbers = pd.to_numeric(others[name], errors="coerce")
        if numbers.isna().mean() > 0.05 or numbers.nunique() < 2:
            continue
        if in_steps or COUNTS.fullmatch(str(name).strip().lower()):
            every = f", a row every {step:g} s" if in_steps else ""
            raise ValueError(
                f"has numbers in `{name}`{every}: if they count requests, write a row for each, or give"
                " decision.traffic.curve, requests per second hour by hour; if not, leave the column out"
            )


def _refuse_strays(seconds: np.ndarray, cells: pd.Series) -> None:
    """A few rows of a wrong month would be all the traffic: hours between count, and the end is kept.

    Raises:
        ValueError: one row in a hundred makes most of the time from first to last, and a week of it.
    """
    import numpy as np

    low, high = np.quantile(seconds, [0.005, 0.995])
    first, last = int(seconds.argmin()), int(seconds.argmax())
    whole = seconds[last] - seconds[first]
    if whole > 2 * (high - low) and whole - (high - low) > WEEK * HOUR:
        far = first if low - seconds[first] > seconds[last] - high else last
        days = max(low - seconds[first], seconds[last] - high) / (24 * HOUR)
        raise ValueError(
            f"line {far + 2}: `{cells.iloc[far][:40]}` is {days:.0f} days from 99 of 100 requests: correct"
            " such times, or leave these rows out"
        )


def _commonest(values: np.ndarray) -> tuple[float, float]:
    """The value that most are, and their share; 0 of none."""
    import numpy as np

    found, counts = np.unique(values, return_counts=True)
    return (float(found[counts.argmax()]), float(counts.max() / len(values))) if len(values) else (0.0, 0.0)


def _seconds(cells: pd.Series) -> np.ndarray:
    """Cells as seconds; all are numbers or all are dates, with an offset from UTC or all without.

    Offsets may differ: a log in local time has two where summer time ends.
    """
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = ~np.isfinite(numbers)
    if not wrong.any():
        if numbers.abs().max() > SECONDS_UNTIL:
            raise ValueError(
                f"{numbers.abs().max():.0f} is not a number of seconds: divide milliseconds by 1000"
            )
        return np.asarray(numbers, dtype=float)
    if not wrong.all():
        raise ValueError(_unread(cells, wrong, "numbers and other cells are mixed"))
    try:
        zoned = bool(cells.str.contains(r"\d(?:Z|[+-]\d\d(?::?\d\d)?)$").all())
        dates = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=zoned)
    except ValueError:
        raise ValueError("some dates have an offset from UTC and some have none: write all alike") from None
    if dates.isna().any():
        raise ValueError(_unread(cells, dates.isna(), "write 2026-11-28T14:05:00 or seconds"))
    is_day = cells.str.fullmatch(r"\d{4}-?\d\d-?\d\d")
    if is_day.any():
        raise ValueError(_unread(cells, is_day, "it is a day, and the hour is needed"))
    start = pd.Timestamp(0, tz=dates.dt.tz)
    return np.asarray((dates - start) / pd.Timedelta(seconds=1), dtype=float)


def _unread(cells: pd.Series, wrong: pd.Series, cure: str) -> str:
    row = int(wrong.to_numpy().argmax())
    return f"line {row + 2}: `{cells.iloc[row][:40]}` is not a time: {cure}"

"""Your own log: a CSV or Parquet file with a user, an item and a time per row, and what else you have.

    user,item,time,event,price,category
    ann,B07X,2024-05-01T10:00:00,click,19.90,shoes

Ids are text, rows stand in any order; a missing price stays missing. What counts as interest,
`harness.datasets.interest` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.codec import Json
from harness.datasets import cells
from harness.datasets.frames import canonical
from harness.datasets.interactions import (
    Events,
    Interactions,
    Protocol,
    SplitName,
    Users,
    last_stretch,
)
from harness.datasets.interest import Interest, interest_of, weights_of
from harness.datasets.item_table import catalogue_of, read_items
from harness.datasets.own_files import content_of_file, existing
from harness.datasets.raw import Layout, first_cells, lacking, read_file
from harness.protocols import Task
from harness.record import DataError
from harness.suite.source import quoted

DESCRIPTION = (
    "your own log of interactions: user, item, time, and optionally event, rating, weight, price, category"
)

LATEST_DAY = 84_000.0
"""Days since 1970, in the year 2199: what lies later was counted in smaller units than seconds."""
FIRST_DAY = 1157.0
"""Days since 1970, in 1973: numbers below are an order or a time of another start, not moments."""


def load(
    *,
    path: str,
    user: str = "user",
    item: str = "item",
    time: str | None = "time",
    event: str = "event",
    price: str = "price",
    category: str = "category",
    bought: str = "buy",
    split: SplitName = "global_time",
    test: float = 0.1,
    mask_seen: bool = True,
    separator: str | None = None,
    encoding: str = "utf-8",
    names: Sequence[str] = (),
    time_format: str | None = None,
    time_unit: str | None = None,
    positive: Sequence[str] = (),
    rating: str | None = "rating",
    at_least: float | None = None,
    weight: str | None = None,
    items_path: str | None = None,
) -> Interactions:
    """Read a log.

    Args:
        path: the file. user, item, time: names of its columns; `time: null` for a log without times, which
            `split: random` alone can cut. event, price, category: names of columns that may be absent.
        bought: the event that is an order.
        split, test, mask_seen: the protocol.
        separator: between cells; none: the one of `,`, tab, `;`, `::` and `|` that the first line holds.
        names: of the columns, where the file has no line of names.
        time_format: how times are written, as for `strptime`. time_unit: of numbers: `s`, `ms`, `us` or `ns`
            since 1970, or `days`; none: seconds, or days written as 20240115.
        positive: the events that are interest; none: all but views and what is known to be the opposite.
        rating, at_least: ratings from there on are interest. weight: a column that says how often.
        items_path: a table of the items, see `harness.datasets.item_table`.
    Raises:
        DataError: the file is missing or empty, a column is missing, an id or time cannot be read, or it is
            not clear what counts as interest; all mistakes at once.
    """
    return _opened(locals())[0]


def task(**args: Json) -> Task:
    if args:
        _opened(args)
    return Task("recommendation")


def notes(**args: Json) -> tuple[str, ...]:
    """What is worth knowing of how the file was read."""
    return _opened(args)[1]


def checksum(*, path: str, items_path: str | None = None, **_: object) -> str:
    """Of the files' content."""
    found = content_of_file(_file(path))
    return found if items_path is None else found + content_of_file(_items_file(items_path))


def _file(path: str) -> Path:
    found = existing(path, "file")
    if not found.is_file():
        raise DataError(f"{path} is not there: give `path` under data the file of your log")
    return found


def _items_file(path: str) -> Path:
    found = existing(path, "file", "items_path")
    if not found.is_file():
        raise DataError(f"{path} is not there: give `items_path` under data the table of your items")
    return found


def _opened(args: Mapping[str, Any]) -> tuple[Interactions, tuple[str, ...]]:
    given = {key: tuple(value) if isinstance(value, (list, tuple)) else value for key, value in args.items()}
    return _load(checksum(**args), tuple(sorted(given.items())))


@lru_cache(maxsize=2)
def _load(content: str, given: tuple[tuple[str, Any], ...]) -> tuple[Interactions, tuple[str, ...]]:
    args = dict(given)
    path = str(args["path"])
    who, what = (str(args.get(key, key)) for key in ("user", "item"))
    when: str | None = args.get("time", "time")
    try:
        protocol = Protocol(
            args.get("split", "global_time"), args.get("test", 0.1), args.get("mask_seen", True)
        )
    except ValueError as error:
        raise DataError(f"{error} under data") from error
    mistakes: list[str] = []
    if when is None and protocol.split != "random":
        mistakes.append(f"time is null, and split {protocol.split} goes by time: write `split: random`")
    frame = _read(path, args, [who, what, *([when] if when else [])], mistakes)
    notes: list[str] = []
    wanted = Interest(
        event=str(args.get("event", "event")),
        positive=args.get("positive", ()),
        rating=args.get("rating", "rating"),
        at_least=args.get("at_least"),
        weight=args.get("weight"),
    )
    keep = interest_of(frame, path, wanted, mistakes, notes)
    weight = weights_of(frame, path, wanted, mistakes)
    day = np.zeros(len(frame))
    if when:
        try:
            day = _days(frame[when], path, args.get("time_format"), args.get("time_unit"), notes)
        except DataError as error:
            mistakes += error.mistakes
    mistakes += [m for name in (who, what) if (m := _no_id(frame[name], path, name))]
    table = _items(args, what, mistakes)
    if mistakes:
        raise DataError(*mistakes)
    kept = np.flatnonzero(keep & (weight > 0))
    kept = kept[np.argsort(day[kept], kind="stable")]
    frame, day, weight = frame.iloc[kept], day[kept], weight[kept]
    found = _interactions(frame, day, weight, args, protocol, (who, what), table)
    if table is not None:
        chosen, all_items = len(np.unique(found.events.item)), len(found.catalogue)
        notes.append(
            f"of {all_items} items {len(table)} stand in {args['items_path']}, and {chosen} were chosen"
        )
    return found, tuple(notes)


def _items(args: Mapping[str, Any], item: str, mistakes: list[str]) -> pd.DataFrame | None:
    """The table of items, where one is named; what is wrong with it is added to the mistakes."""
    if (path := args.get("items_path")) is None:
        return None
    try:
        layout = Layout(args.get("encoding", "utf-8"), as_written=True)
        return read_items(_items_file(path), path, item, layout)
    except DataError as error:
        mistakes += error.mistakes
        return None


def _interactions(
    frame: pd.DataFrame, day: np.ndarray, weight: np.ndarray, args: Mapping[str, Any],
    protocol: Protocol, ids: tuple[str, str], table: pd.DataFrame | None,
) -> Interactions:  # fmt: skip
    """A log in order of time as what a recommender may see."""
    user_ids, users = _ids(frame[ids[0]])
    named = frame[ids[1]] if table is None else pd.concat([frame[ids[1]], table[ids[1]]])
    item_ids, codes = _ids(named)
    items, places = codes[: len(frame)], codes[len(frame) :]
    rows, chosen = _described_by(items, day, protocol), np.unique(items)
    event, price, category = (str(args.get(key, key)) for key in ("event", "price", "category"))
    prices, groups = np.full(len(item_ids), np.nan), np.full(len(item_ids), "", object)
    if price in frame:
        prices[chosen] = pd.to_numeric(frame[price], errors="coerce").to_numpy(np.float64)[rows]
    if category in frame:
        groups[chosen] = frame[category].fillna("").astype(str).to_numpy()[rows]
    order = args.get("bought", "buy")
    events = Events(
        user=users.astype(np.int32),
        item=items.astype(np.int32),
        time=day,
        bought=(frame[event].str.strip() == order).to_numpy(bool)
        if event in frame
        else np.zeros(len(day), bool),
        session=np.full(len(frame), -1, np.int64),
        weight=weight.astype(np.float32),
    )
    people = Users(user_ids, np.full(len(user_ids), -1, np.int32))
    return Interactions(catalogue_of(item_ids, groups, prices, table, places), people, events, protocol)


def _described_by(items: np.ndarray, day: np.ndarray, protocol: Protocol) -> np.ndarray:
    """For each item of the log, by code, its describing row: the last before the test part, else the first.

    What an item cost later is not known when the questions of the test part are asked.

    Args:
        items, day: (n,) in order of time.
    """
    _, rows, codes = np.unique(items, return_index=True, return_inverse=True)
    known = np.ones(len(items), bool)
    if protocol.split == "global_time":
        known = day < last_stretch(day[0], day[-1], protocol.test)
    np.maximum.at(rows, codes[known], np.flatnonzero(known))
    return np.asarray(rows)


def _read(path: str, args: Mapping[str, Any], needed: Sequence[str], mistakes: list[str]) -> pd.DataFrame:
    """The log, all cells as text.

    Raises:
        DataError: it cannot be read, or lacks a column; with the mistakes that were found before.
    """
    layout = Layout(
        args.get("encoding", "utf-8"), args.get("separator"), tuple(args.get("names", ())), as_written=True
    )
    file = _file(path)
    first = [] if layout.names else first_cells(file, layout)
    if not set(needed) & set(first) and (said := _without_names(path, first)):
        raise DataError(*mistakes, said)
    frame = read_file(file, layout, needed)
    missing = [name for name in needed if name not in frame]
    if missing:
        names = list(map(str, frame.columns))
        raise DataError(*mistakes, _lacks(path, missing, names, args))
    if frame.empty:
        raise DataError(*mistakes, f"{path} has a header and no rows")
    return frame


def _lacks(path: str, missing: Sequence[str], names: Sequence[str], args: Mapping[str, Any]) -> str:
    text = f"{path} has no column {', '.join(missing)}; it has {', '.join(names)}: "
    if list(missing) == [args.get("time", "time")]:
        return text + (
            "for a log without times write `time: null` and `split: random`, else name yours under data, for "
            "instance `time: timestamp`"
        )
    alike = [lacking(Path(path), name, names) for name in missing]
    near = [said.split(", but ")[1] for said in alike if ", but " in said]
    named = next((n for n in names if n not in missing), "customer_id")
    cure = f"name yours in data.args, for instance {missing[0]}: {quoted(named)}"
    return text + cure + (f" ({'; '.join(near)})" if near else "")


def _without_names(path: str, first: Sequence[str]) -> str:
    """What is said of a file whose first line is a row; empty where it holds names."""
    if not any(cells.is_numberlike(cell) for cell in first):
        return ""
    names = ["user", "item"]
    for place, cell in enumerate(first[2:], start=3):
        moment = _is_moment(cell)
        new = "time" if moment else "rating" if cells.is_numberlike(cell) else f"column{place}"
        names.append(new if new not in names else f"column{place}")
    rated = ", and `at_least: 4` if a rating from there on is interest" if "rating" in names else ""
    timed = "" if "time" in names else ", `time: null` and `split: random`"
    return (
        f"{path} has no line of names, it begins with {', '.join(first)}: name its {len(first)} columns, for "
        f"instance `names: [{', '.join(names[: len(first)])}]`{timed}{rated}"
    )


def _is_moment(cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        try:
            return cells.days_of_texts([cell]) is not None
        except cells.UnclearTimeError:
            return True
    return cells.days_of_numbers(np.array([value])) is not None


def _no_id(column: pd.Series, path: str, name: str) -> str:
    empty = np.flatnonzero((column.isna() | (column.astype(str).str.strip() == "")).to_numpy())
    if not len(empty):
        return ""
    more = f" ({len(empty)} such rows)" if len(empty) > 1 else ""
    return f"{path}:{int(empty[0]) + 2}: no {name}{more}; drop such rows or give them an id"


def _ids(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Sorted identifiers and the code of each row: whole numbers where that loses no zero, else text."""
    codes, unique = pd.factorize(column)
    texts = [str(value).strip() for value in unique]
    if all(text == canonical(text) for text in texts):
        found: Any = np.array([int(text) for text in texts], dtype=np.int64)
    else:
        found = np.array(texts)
    ids, place = np.unique(found, return_inverse=True)
    return ids, place[codes]


def _days(
    column: pd.Series, path: str, pattern: str | None, unit: str | None, notes: list[str]
) -> np.ndarray:
    """Days since 1970 of each row.

    Raises:
        DataError: a time is missing, is not a point in time, or may be one of several.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _complete(cells.days_of_stamps(column), path)
    if unit is not None and unit not in cells.SECONDS:
        raise DataError(f"time_unit is {unit!r}: write one of {', '.join(cells.SECONDS)}")
    codes, unique = pd.factorize(column)
    texts = [str(value).strip() for value in unique]
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
    filled = np.array([text != "" for text in texts], dtype=bool)
    days = np.full(len(texts) + 1, np.nan)
    try:
        if pattern is None and np.isfinite(numbers[filled]).all():
            days[:-1][filled] = _counted(numbers[filled], path, unit, notes)
        else:
            words = [text for text, has in zip(texts, filled, strict=True) if has]
            found = cells.days_of_texts(words, pattern)
            if found is None or not np.isfinite(found).all():
                bad = _first_unread(words)
                row = int(np.flatnonzero(codes == texts.index(bad))[0]) + 2
                raise DataError(
                    f"{path}:{row}: a time is neither unix seconds nor ISO 8601: {bad!r}: write all of them "
                    'alike, or say how they are written, for instance `time_format: "%d.%m.%Y %H:%M"`'
                )
            days[:-1][filled] = found
    except cells.UnclearTimeError as error:
        raise DataError(f"{path}: column {column.name!r}: {error}") from error
    return _complete(days[codes], path)


def _first_unread(words: Sequence[str]) -> str:
    """The first of some texts that is no moment of the kind that most are."""
    for word in words:
        try:
            if cells.days_of_texts([word]) is None:
                return word
        except cells.UnclearTimeError:
            continue
    return words[0]


def _counted(values: np.ndarray, path: str, unit: str | None, notes: list[str]) -> np.ndarray:
    """Days of numbers: seconds since 1970 where no unit is named, or days written as 20240115."""
    if unit is None and (days := cells.days_of_compact(values)) is not None:
        return days
    day = values * cells.SECONDS[unit or "s"] / 86400
    if day.max(initial=0) > LATEST_DAY:
        raise DataError(
            f"{path}: as unix seconds the time {values.max():.0f} lies in the year {_year(day.max())}: "
            "divide milliseconds by 1e3, microseconds by 1e6, or write `time_unit: ms` (or us, ns)"
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

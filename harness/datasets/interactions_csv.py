"""Your own log: a CSV or Parquet file with a user, an item and a time per row, and what else you have.

    user,item,time,event,price,category
    ann,B07X,2024-05-01T10:00:00,click,19.90,shoes

Ids are text, rows stand in any order; a missing price stays missing. What counts as interest,
`harness.datasets.interest` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.codec import Json
from harness.datasets import cells, moments
from harness.datasets.arguments import complete
from harness.datasets.interactions import (
    Events,
    Interactions,
    Protocol,
    SplitName,
    Users,
    last_stretch,
)
from harness.datasets.interest import Interest, interest_of, orders_of, weights_of
from harness.datasets.item_table import catalogue_of, read_items
from harness.datasets.line_of_names import lacking
from harness.datasets.log_ids import check_ids, check_known_items, check_single, codes_of, said_of_ids
from harness.datasets.log_shape import said_of_groups, said_of_shape
from harness.datasets.log_times import days_of
from harness.datasets.own_files import content_of_file, existing
from harness.datasets.raw import MISSING, Layout, first_cells, read_file
from harness.protocols import Task
from harness.record import DataError
from harness.suite.source import quoted

DESCRIPTION = (
    "your own log of interactions: user, item, time, and optionally event, rating, weight, price, category"
)


def load(
    *,
    path: str,
    user: str = "user",
    item: str = "item",
    time: str | None = "time",
    event: str = "event",
    price: str = "price",
    category: str = "category",
    bought: str | None = None,
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
        bought: the event that is an order; none: those that are called so (`buy`, `purchase`, `order`, …).
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
    given = complete(load, args)
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return _load(checksum(**given), tuple(sorted(plain.items())))


@lru_cache(maxsize=2)
def _load(content: str, given: tuple[tuple[str, Any], ...]) -> tuple[Interactions, tuple[str, ...]]:
    args = dict(given)
    path = str(args["path"])
    who, what = (str(args[key]) for key in ("user", "item"))
    when: str | None = args["time"]
    try:
        protocol = Protocol(args["split"], args["test"], args["mask_seen"])
    except ValueError as error:
        raise DataError(f"{error} under data") from error
    mistakes: list[str] = []
    if when is None and protocol.split != "random":
        mistakes.append(f"time is null, and split {protocol.split} goes by time: write `split: random`")
    frame = _read(path, args, [who, what, *([when] if when else [])], mistakes)
    notes: list[str] = []
    wanted = Interest(
        event=str(args["event"]),
        positive=args["positive"],
        rating=args["rating"],
        at_least=args["at_least"],
        weight=args["weight"],
    )
    event, price, category = (str(args[key]) for key in ("event", "price", "category"))
    others = [name for name in (who, what, when, price, category) if name]
    keep = interest_of(frame, path, wanted, others, mistakes, notes)
    weight = weights_of(frame, path, wanted, mistakes)
    day = _days(frame, args, protocol, mistakes, notes)
    mistakes += [said for name in (who, what) for said in check_ids(frame[name], path, name)]
    mistakes += check_single(frame[what], path, what)
    table = _items(args, what, mistakes)
    prices = _prices(frame[price], path, mistakes) if price in frame else None
    orders = np.zeros(len(frame), bool)
    if event in frame:
        orders = orders_of(frame[event], path, args["bought"], mistakes, notes)
    if table is not None:
        mistakes += check_known_items(frame[what], table[what], str(args["items_path"]))
    if mistakes:
        raise DataError(*mistakes)
    kept = np.flatnonzero(keep & (weight > 0))
    kept = kept[np.argsort(day[kept], kind="stable")]
    notes += [said for name in (who, what) for said in said_of_ids(frame[name], name)]
    notes += _repeated(frame)
    if wanted.weight:
        notes.append(
            f"weight {wanted.weight!r} counts where popularity is counted; other recommenders take a pair of "
            "user and item once"
        )
    told = _Told(
        day[kept], weight[kept], orders[kept], None if prices is None else prices[kept],
        frame[category].iloc[kept] if category in frame else None,
    )  # fmt: skip
    found = _interactions(frame[who].iloc[kept], frame[what].iloc[kept], told, protocol, table)
    notes += [
        *said_of_shape(found),
        *(said_of_groups(frame[category], category) if category in frame else ()),
    ]
    if table is not None:
        chosen, all_items = len(np.unique(found.events.item)), len(found.catalogue)
        notes.append(
            f"of {all_items} items {len(table)} stand in {args['items_path']}, and {chosen} were chosen"
        )
    return found, tuple(notes)


def _days(
    frame: pd.DataFrame, args: Mapping[str, Any], protocol: Protocol, mistakes: list[str], notes: list[str]
) -> np.ndarray:
    """(n,) float64, when each row was, in days; zeros without times; what is wrong joins the mistakes."""
    path, when = str(args["path"]), args["time"]
    if not when:
        return np.zeros(len(frame))
    try:
        day = days_of(frame[when], path, args["time_format"], args["time_unit"], notes)
    except DataError as error:
        mistakes += error.mistakes
        return np.zeros(len(frame))
    if len(day) > 1 and day.any() and day.min() == day.max() and protocol.split == "global_time":
        mistakes.append(
            f"{path}: column {when!r} has the same time in all rows, so that split global_time has "
            "nothing to cut by: write `time: null` and `split: random`"
        )
    return day


def _items(args: Mapping[str, Any], item: str, mistakes: list[str]) -> pd.DataFrame | None:
    """The table of items, where one is named; what is wrong with it is added to the mistakes."""
    if (path := args["items_path"]) is None:
        return None
    try:
        layout = Layout(args["encoding"], as_written=True)
        return read_items(_items_file(path), path, item, layout)
    except DataError as error:
        mistakes += error.mistakes
        return None


@dataclass(frozen=True)
class _Told:
    """What is known of each row beside who and what.

    Args:
        day, weight: (n,) float64. ordered: (n,) bool. price: (n,) float64, NaN where there is none.
    """

    day: np.ndarray
    weight: np.ndarray
    ordered: np.ndarray
    price: np.ndarray | None
    category: pd.Series | None


def _interactions(
    user: pd.Series, item: pd.Series, told: _Told, protocol: Protocol, table: pd.DataFrame | None
) -> Interactions:
    """A log in order of time as what a recommender may see."""
    user_ids, users = codes_of(user)
    named = item if table is None else pd.concat([item, table[item.name]])
    item_ids, codes = codes_of(named)
    items, places = codes[: len(item)], codes[len(item) :]
    rows, chosen = _described_by(items, told.day, protocol), np.unique(items)
    prices, groups = np.full(len(item_ids), np.nan), np.full(len(item_ids), "", object)
    if told.price is not None:
        prices[chosen] = told.price[rows]
    if told.category is not None:
        groups[chosen] = told.category.fillna("").astype(str).to_numpy()[rows]
    events = Events(
        user=users.astype(np.int32),
        item=items.astype(np.int32),
        time=told.day,
        bought=told.ordered,
        session=np.full(len(users), -1, np.int64),
        weight=told.weight.astype(np.float32),
    )
    people = Users(user_ids, np.full(len(user_ids), -1, np.int32))
    return Interactions(catalogue_of(item_ids, groups, prices, table, places), people, events, protocol)


def _prices(column: pd.Series, path: str, mistakes: list[str]) -> np.ndarray:
    """(n,) float64, NaN where a cell is empty; a currency beside every number is no part of it."""
    codes, unique = pd.factorize(column.where(column.notna(), "").astype(str).str.strip())
    words = [text for text in unique if text and text not in MISSING]
    numbers = cells.read_numbers(words, cells.Notation())
    if not numbers.read.all():
        bad = words[int(np.flatnonzero(~numbers.read)[0])]
        row = int(np.flatnonzero(codes == list(unique).index(bad))[0])
        mistakes.append(
            f"{path}:{row + 2}: column {column.name!r} has {bad!r}, which is no number: write prices such as "
            "19.90, all in one currency, or leave the cell empty"
        )
    elif (unclear := cells.unclear_points(words, cells.Notation())) and unclear[1]:
        mistakes.append(
            f"{path}: column {column.name!r} has {unclear[0]!r} beside {unclear[1]!r}, which may be a number "
            "of three decimals or one of thousands: write prices such as 19.90, or 1234 for thousands"
        )
    known = dict(zip(words, numbers.values.tolist(), strict=True))
    return np.array([known.get(text, np.nan) for text in unique])[codes]


def _repeated(frame: pd.DataFrame) -> list[str]:
    """What is said of rows that are alike in every cell."""
    count = int(frame.duplicated().sum())
    if not count:
        return []
    return [
        f"{count:,} of {len(frame):,} rows repeat another one in every cell: each counts; take them out "
        "where an export wrote them twice"
    ]


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
    layout = Layout(args["encoding"], args["separator"], tuple(args["names"]), as_written=True)
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
    if list(missing) == [args["time"]]:
        return text + (
            "for a log without times write `time: null` and `split: random`, else name yours under data, for "
            "instance `time: timestamp`"
        )
    alike = [lacking(Path(path), name, names) for name in missing]
    near = [said.split(", but ")[1] for said in alike if ", but " in said]
    taken = {args[role] for role in ("user", "item", "time")}
    named = next((n for n in names if n not in taken), "customer_id")
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
            return moments.days_of_texts([cell]) is not None
        except moments.UnclearTimeError:
            return True
    return moments.days_of_numbers(np.array([value])) is not None

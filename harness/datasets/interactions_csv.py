"""Your own log: a CSV or Parquet file with a user, an item and a time per row, and what else you have.

    user,item,time,event,price,category
    ann,B07X,2024-05-01T10:00:00,click,19.90,shoes

Ids are text, rows stand in any order; a missing price stays missing. What counts as interest,
`harness.datasets.interest` says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.codec import Json
from harness.datasets import cells
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
from harness.datasets.log_file import read_log
from harness.datasets.log_ids import check_ids, check_known_items, check_single, codes_of, said_of_ids
from harness.datasets.log_shape import check_apart, said_of_groups, said_of_lists, said_of_shape
from harness.datasets.log_times import days_of
from harness.datasets.own_files import content_of_file, existing
from harness.datasets.raw import MISSING, Layout
from harness.protocols import Task
from harness.record import DataError

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
    args, mistakes, notes = dict(given), list[str](), list[str]()
    path, who, what = (str(args[key]) for key in ("path", "user", "item"))
    protocol = _protocol(args, mistakes)
    layout = Layout(args["encoding"], args["separator"], tuple(args["names"]), as_written=True)
    named = {key: args[key] for key in ("user", "item", "time") if args[key]}
    frame = read_log(_file(path), path, layout, named, mistakes)
    told = _told(frame, args, protocol, mistakes, notes)
    mistakes += [said for name in (who, what) for said in check_ids(frame[name], path, name)]
    mistakes += check_single(frame[what], path, what)
    table = _items(args, what, mistakes)
    if table is not None:
        mistakes += check_known_items(frame[what], table[what], str(args["items_path"]))
    if mistakes:
        raise DataError(*(_line_of(said, path) if layout.names else said for said in mistakes))
    kept = np.flatnonzero(told.weight > 0)
    kept = kept[np.argsort(told.day[kept], kind="stable")]
    found = _interactions(frame[who].iloc[kept], frame[what].iloc[kept], told.rows(kept), protocol, table)
    return found, (*notes, *_said(frame, args, found, table))


def _line_of(mistake: str, path: str) -> str:
    """A mistake in a file without a line of names: its rows begin in the first line."""
    return re.sub(rf"^{re.escape(path)}:(\d+):", lambda found: f"{path}:{int(found[1]) - 1}:", mistake)


def _protocol(args: Mapping[str, Any], mistakes: list[str]) -> Protocol:
    """How the log is cut.

    Raises:
        DataError: there is no such cut.
    """
    try:
        protocol = Protocol(args["split"], args["test"], args["mask_seen"])
    except ValueError as error:
        raise DataError(f"{error} under data") from error
    if args["time"] is None and protocol.split != "random":
        mistakes.append(f"time is null, and split {protocol.split} goes by time: write `split: random`")
    return protocol


def _told(
    frame: pd.DataFrame, args: Mapping[str, Any], protocol: Protocol, mistakes: list[str], notes: list[str]
) -> _Told:
    """What is known of each row; what is wrong joins the mistakes, what is worth knowing the notes."""
    path, event, price, category = (str(args[key]) for key in ("path", "event", "price", "category"))
    keys = ("event", "positive", "rating", "at_least", "weight")
    wanted = Interest(**{key: args[key] for key in keys})
    others = [args[key] for key in ("user", "item", "time", "price", "category") if args[key]]
    keep = interest_of(frame, path, wanted, others, mistakes, notes, (args["user"], args["item"]))
    weight = weights_of(frame, path, wanted, mistakes)
    day = _days(frame, args, protocol, mistakes, notes)
    prices = _prices(frame[price], path, mistakes) if price in frame else None
    orders = np.zeros(len(frame), bool)
    if event in frame:
        orders = orders_of(frame[event], path, args["bought"], mistakes, notes)
    return _Told(day, np.where(keep, weight, 0.0), orders, prices, frame.get(category))


def _said(
    frame: pd.DataFrame, args: Mapping[str, Any], found: Interactions, table: pd.DataFrame | None
) -> list[str]:
    """What is worth knowing of a log's ids, its shape and its items."""
    notes = [said for key in ("user", "item") for said in said_of_ids(frame[args[key]], args[key])]
    notes += _repeated(frame)
    if args["weight"]:
        notes.append(
            f"weight {args['weight']!r} counts where popularity is counted; other recommenders take a pair "
            "of user and item once"
        )
    used = {args[key] for key in ("user", "item", "time", "event", "price", "category", "rating", "weight")}
    notes += said_of_lists(frame, used, frame[args["item"]])
    notes += said_of_shape(found)
    if (category := args["category"]) in frame:
        notes += said_of_groups(frame[category], category)
    if table is not None:
        chosen, all_items = len(np.unique(found.events.item)), len(found.catalogue)
        notes.append(
            f"of {all_items} items {len(table)} stand in {args['items_path']}, and {chosen} were chosen"
        )
    return notes


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
    if protocol.split == "global_time":
        mistakes += check_apart(day, path)
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
        day, weight: (n,) float64; a weight of 0 is no interest. ordered: (n,) bool. price: (n,) float64, NaN
            where there is none.
    """

    day: np.ndarray
    weight: np.ndarray
    ordered: np.ndarray
    price: np.ndarray | None
    category: pd.Series | None

    def rows(self, places: np.ndarray) -> _Told:
        """Of some rows, in their order."""
        price = None if self.price is None else self.price[places]
        category = None if self.category is None else self.category.iloc[places]
        return _Told(self.day[places], self.weight[places], self.ordered[places], price, category)


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

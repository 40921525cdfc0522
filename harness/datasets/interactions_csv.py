"""Your own log: a CSV file with a user, an item and a time per row, and what else you have.

    user,item,time,event,price,category
    ann,B07X,2024-05-01T10:00:00,click,19.90,shoes

Ids may be numbers or text; times unix seconds or ISO 8601, in any order; a missing price stays missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.datasets.files import sha256_of
from harness.datasets.interactions import (
    Events,
    Interactions,
    Protocol,
    SplitName,
    Users,
    last_stretch,
    plain_catalogue,
)
from harness.protocols import Task
from harness.record import DataError

DESCRIPTION = "your own log of interactions: user, item, time, and optionally event, price, category"


LATEST_DAY = 84_000.0
"""Days since 1970, in the year 2199: what lies later was counted in smaller units than seconds."""


def load(
    *,
    path: str,
    user: str = "user",
    item: str = "item",
    time: str = "time",
    event: str = "event",
    price: str = "price",
    category: str = "category",
    bought: str = "buy",
    split: SplitName = "global_time",
    test: float = 0.1,
    mask_seen: bool = True,
) -> Interactions:
    """Read a log. Every row is positive feedback, except rows whose event is `view`.

    Args:
        path: the file. user, item, time: names of its columns. event, price, category: names of columns
            that may be absent.
        bought: the event that is an order.
        split, test, mask_seen: the protocol.
    Raises:
        DataError: the file is missing or empty, a column is missing, an id or time cannot be read.
    """
    frame = _read(Path(path), (user, item, time))
    if event in frame:
        frame = frame[frame[event] != "view"]
    if frame.empty:
        raise DataError(f"{path} has no events: every row is a view")
    day = _days(frame[time], path)
    frame = frame.iloc[np.argsort(day, kind="stable")]
    user_ids, users = np.unique(_ids(frame[user]), return_inverse=True)
    item_ids, items = np.unique(_ids(frame[item]), return_inverse=True)
    protocol = Protocol(split, test, mask_seen)
    day = np.sort(day, kind="stable")
    rows = _described_by(items, day, protocol)
    prices = pd.to_numeric(frame[price], errors="coerce").to_numpy()[rows] if price in frame else None
    groups = None
    if category in frame:
        groups = np.unique(frame[category].fillna("").astype(str).to_numpy()[rows], return_inverse=True)[1]
    events = Events(
        user=users.astype(np.int32),
        item=items.astype(np.int32),
        time=day,
        bought=(frame[event] == bought).to_numpy() if event in frame else np.zeros(len(frame), bool),
        session=np.full(len(frame), -1, np.int64),
    )
    people = Users(user_ids, np.full(len(user_ids), -1, np.int32))
    return Interactions(plain_catalogue(item_ids, groups, prices), people, events, protocol)


def task(**_: Any) -> Task:
    return Task("recommendation")


def checksum(*, path: str, **_: Any) -> str:
    """Of the file's content."""
    if not Path(path).is_file():
        raise DataError(f"{path} is not there: give data.args.path the file of your log")
    return sha256_of(Path(path))[:16]


def _described_by(items: np.ndarray, day: np.ndarray, protocol: Protocol) -> np.ndarray:
    """For each item the row that describes it: the last one before the test part, else its first.

    What an item cost later is not known when the questions of the test part are asked.

    Args:
        items, day: (n,) in order of time.
    """
    rows = np.unique(items, return_index=True)[1]
    known = np.ones(len(items), bool)
    if protocol.split == "global_time":
        known = day < last_stretch(day[0], day[-1], protocol.test)
    np.maximum.at(rows, items[known], np.flatnonzero(known))
    return np.asarray(rows)


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} is not there: give data.args.path the file of your log")
    try:
        frame = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV file that can be read: {error}") from error
    missing = [name for name in needed if name not in frame]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}: "
            "name yours in data.args, for instance user: customer_id"
        )
    if frame.empty:
        raise DataError(f"{path} has a header and no rows")
    for name in needed[:2]:
        if frame[name].isna().any():
            row = int(np.flatnonzero(frame[name].isna())[0]) + 2
            raise DataError(f"{path}:{row}: no {name}; drop such rows or give them an id")
    return frame


def _ids(column: pd.Series[Any]) -> np.ndarray:
    """Whole numbers as they are, all else as text; never objects, which could be stored only by pickle."""
    if pd.api.types.is_integer_dtype(column):
        return column.to_numpy(dtype=np.int64)
    return np.array(column.astype(str).tolist())


def _days(column: pd.Series[Any], path: str) -> np.ndarray:
    try:
        if pd.api.types.is_numeric_dtype(column):
            day = column.to_numpy(dtype=float) / 86400
            if day.max(initial=0) > LATEST_DAY:
                raise DataError(
                    f"{path}: as unix seconds the time {column.max()} lies in the year {_year(day.max())}: "
                    "divide milliseconds by 1e3, microseconds by 1e6"
                )
        else:
            stamps = pd.to_datetime(column, utc=True, format="ISO8601")
            day = (stamps - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy() / 86400
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: a time is neither unix seconds nor ISO 8601 ({error})") from error
    if not np.isfinite(day).all():
        row = int(np.flatnonzero(~np.isfinite(day))[0]) + 2
        raise DataError(f"{path}:{row}: no time")
    return np.asarray(day)


def _year(day: float) -> int:
    return int(1970 + day / 365.2425)

"""A log of interactions: which column is the user, which the item, which the time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from harness.codec import Json, JsonObject
from harness.datasets.overlooked import EVENTS, RATINGS
from harness.init.tables import headless, read

USERS = (
    "user", "userid", "uid", "customer", "customerid", "visitor", "visitorid", "account", "accountid",
    "reviewer", "reviewerid", "member", "memberid", "client", "clientid", "sessionid",
)  # fmt: skip
ITEMS = (
    "item", "itemid", "movie", "movieid", "product", "productid", "asin", "parentasin", "sku", "article",
    "articleid", "track", "trackid", "song", "songid", "book", "bookid", "isbn", "content", "contentid",
    "film", "filmid", "businessid",
)  # fmt: skip
TIMES = (
    "time", "timestamp", "date", "datetime", "ts", "eventtime", "createdat", "day", "unixreviewtime",
)  # fmt: skip
WEIGHTS = ("count", "plays", "playcount", "quantity", "weight", "n")
EXTRA = {"price": ("price",), "category": ("category", "categoryid", "genre")}
SECONDS = 10**8
"""A whole number from here on is a time in seconds since 1970, after 1973."""


def log_args(path: Path, given: JsonObject) -> dict[str, Json] | None:
    """The arguments of `interactions_csv` for a file, None where it is no log.

    Args:
        given: arguments that the user named.
    Raises:
        DataError: the file cannot be read.
    """
    names = {} if given.get("names") else _names(path)
    frame = read(path, {**names, **given})
    columns = {_plain(str(name)): str(name) for name in frame.columns}
    user, item = _first(columns, USERS), _first(columns, ITEMS)
    user, item = str(given.get("user", user)), str(given.get("item", item))
    if user not in frame or item not in frame or frame[user].nunique() == len(frame):
        return None
    found: dict[str, Json] = dict(names)
    found |= {key: name for key, name in (("user", user), ("item", item)) if name != key}
    time = _first(columns, TIMES)
    if not time:
        found |= {"time": None, "split": "random"}
    elif time != "time":
        found["time"] = time
    for key, words in (("event", EVENTS), ("rating", RATINGS), *EXTRA.items()):
        if (name := _first(columns, words)) and name != key:
            found[key] = name
    if (name := _first(columns, WEIGHTS)) and not _first(columns, RATINGS):
        found["weight"] = name
    return {**found, **given}


def _names(path: Path) -> dict[str, Json]:
    """Names for a file of numbers without a line of names, where user and item come first, as is usual."""
    first = headless(path)
    if not 2 <= len(first) <= 4 or not all(re.fullmatch(r"\d+(\.\d+)?", cell) for cell in first):
        return {}
    head = read(path, {"names": [str(i) for i in range(len(first))]}).head(1000)
    repeats = [1 < head[str(i)].nunique() < len(head) for i in (0, 1)]
    rest = ["time" if _are_seconds(head[str(i)]) else "rating" for i in range(2, len(first))]
    if not all(repeats) or "time" not in rest or len(set(rest)) < len(rest):
        return {}
    return {"names": ["user", "item", *rest]}


def _are_seconds(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and (column >= SECONDS).all())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.casefold())


def _first(columns: Mapping[str, str], words: tuple[str, ...]) -> str:
    return next((columns[word] for word in words if word in columns), "")

"""A log of interactions: which column is the user, which the item, which the time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from harness.codec import Json, JsonObject
from harness.datasets import moments
from harness.datasets.line_of_names import headless as headless_log
from harness.datasets.overlooked import EVENTS, RATINGS, grades_among, plain_name
from harness.datasets.series import series_of
from harness.init.tables import headless, is_id, read

USERS = (
    "user", "userid", "uid", "customer", "customerid", "visitor", "visitorid", "account", "accountid",
    "reviewer", "reviewerid", "member", "memberid", "client", "clientid", "household", "householdid",
    "shopper", "shopperid", "buyer", "buyerid", "subscriber", "subscriberid", "viewer", "viewerid",
    "listener", "listenerid", "reader", "readerid", "username", "useruuid", "userpseudoid", "anonymousid",
    "distinctid", "fullvisitorid", "deviceid", "session", "sessionid",
    "visitid",
)  # fmt: skip
ITEMS = (
    "item", "itemid", "movie", "movieid", "product", "productid", "asin", "parentasin", "sku", "article",
    "articleid", "track", "trackid", "song", "songid", "book", "bookid", "isbn", "content", "contentid",
    "film", "filmid", "businessid", "stockcode", "goods", "goodsid", "artist", "artistid", "album", "albumid",
    "anime", "animeid", "recipe", "recipeid", "news", "newsid", "offer", "offerid", "listing", "listingid",
    "hotelid", "videoid", "adid", "aid", "venueid", "poiid", "trackuri", "spotifytrackuri", "appid", "gameid",
    "pageurl", "pagepath", "pagelocation",
)  # fmt: skip
VISITS = ("session", "sessionid", "visitid")
"""Users of one visit each: cut by time all of them would be new."""
TIMES = (
    "time", "timestamp", "date", "datetime", "ts", "eventtime", "eventtimestamp", "originaltimestamp",
    "servertimestamp", "utctimestamp", "createdat", "day", "unixreviewtime",
)  # fmt: skip
WEIGHTS = ("count", "plays", "playcount", "quantity", "weight", "n")
PIECES = ("quantity",)
"""Of single purchases, where the same user chooses the same item in several rows: litres and screws make
an item no more popular. On a grocer's 191,290 rows NDCG@10 of the most popular was .007 weighed, .040 not."""
AMOUNTS = (
    "sales", "unitssold", "units", "sold", "quantity", "qty", "volume", "amount", "demand", "value", "price",
    "total", "orders", "revenue", "consumption", "load", "kwh", "usage", "rainfall", "temperature",
)  # fmt: skip
"""What is predicted of a time and a product or a place, and nobody's id."""
EXTRA = {"price": ("price",), "category": ("category", "categoryid", "genre")}
LEAST_IDS = 20
"""Different values of a column that may be users or items though its name does not say so."""
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
    if not (names or given.get("names")) and headless_log(path, frame):
        return None  # a table's reader says it
    columns = {plain_name(str(name)): str(name) for name in frame.columns}
    user, item, time = _columns_of_ids(frame, columns, given)
    if user not in frame or item not in frame or frame[user].nunique() == len(frame):
        return None
    found: dict[str, Json] = dict(names)
    found |= {key: name for key, name in (("user", user), ("item", item)) if name != key}
    if not time:
        found |= {"time": None, "split": "random"}
    elif time != "time":
        found["time"] = time
    if time and plain_name(user) in VISITS:
        found["split"] = "leave_one_out"
    for key, words in (("event", EVENTS), ("rating", RATINGS), *EXTRA.items()):
        if (name := _first(columns, words)) and name != key:
            found[key] = name
    if "rating" not in found and "rating" not in frame:
        found.update([("rating", name) for name in grades_among(frame, (user, item))[:1]])
    name = "" if {"rating"} & {*found, *frame} else _first(columns, WEIGHTS)
    if name and not (plain_name(name) in PIECES and frame.duplicated([user, item]).any()):
        found["weight"] = name
    return {**found, **given}


def _unwrapped(plain: str) -> str:
    """A column's name without what exports of events put before those of an event's own columns."""
    return re.sub(r"^(?:properties|eventproperties|eventparams|payload|lineitem)(?=.)", "", plain)


def _columns_of_ids(
    frame: pd.DataFrame, columns: Mapping[str, str], given: JsonObject
) -> tuple[str, str, str]:
    """The columns of users, items and times: by their names, else by what is in them; empty without one.

    Beside a time, two columns whose values all come back and nothing else that could be predicted are a log
    of who chose what, whatever they are called; two of numbers, none of them called an id, are measurements.
    """
    filled = {key: name for key, name in columns.items() if key not in USERS or not _has_holes(frame[name])}
    user = str(given.get("user") or _first(filled, USERS) or _first(columns, USERS))
    item = str(given.get("item") or _first(columns, ITEMS))
    time = str(given.get("time") or "") or _first(columns, TIMES)
    if not time:
        likely = [n for n in columns.values() if n not in (user, item) and _are_moments(frame[n])]
        time = likely[0] if len(likely) == 1 else ""
    known = {time, *(_first(columns, words) for words in (EVENTS, RATINGS, WEIGHTS, *EXTRA.values()))}
    left = [name for name in columns.values() if name not in known and frame[name].nunique() < len(frame)]
    is_log = bool(time) and len(left) == 2 and {user, item} - {""} <= set(left)
    if is_log and not (user or item):
        is_log = not all(_measures(frame[name], name) for name in left)
    guessed = [name for name in left if name not in (user, item)]
    is_log = is_log and not any(_is_amount(frame, name, time, set(left) - {name}) for name in guessed)
    if is_log and not (user and item) and all(_are_ids(frame[name]) for name in left):
        user = user or next(name for name in left if name != item)
        item = item or next(name for name in left if name != user)
    return user, item, time


def _has_holes(column: pd.Series) -> bool:
    """Whether some rows are of nobody, as of visitors who are not logged in."""
    return bool(column.isna().any() or (column.astype(str).str.strip() == "").any())


def _are_ids(column: pd.Series) -> bool:
    """Whether values come back, and are too many for kinds of something."""
    is_plain = pd.api.types.is_integer_dtype(column) or column.dtype == object
    is_plain |= isinstance(column.dtype, pd.StringDtype)
    return bool(is_plain) and LEAST_IDS <= column.nunique() <= len(column) / 2 and not column.isna().any()


def _measures(column: pd.Series, name: str) -> bool:
    """Whether a column may hold measurements: mostly numbers, and it is not called an id."""
    return not is_id(name) and bool(pd.to_numeric(column, errors="coerce").notna().mean() >= 0.5)


def _is_amount(frame: pd.DataFrame, name: str, time: str, others: Collection[str]) -> bool:
    """Whether numbers are what is measured or sold: by their name, or of the others at each time once."""
    if not _measures(frame[name], name):
        return False
    plain = plain_name(name)
    return plain in AMOUNTS or series_of(frame, [time, *others], known=time) is not None


def _are_moments(column: pd.Series) -> bool:
    return _are_seconds(column) or moments.holds_dates(column)


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


def _first(columns: Mapping[str, str], words: tuple[str, ...]) -> str:
    """The column of the first word that one is called by, whatever an export puts before it."""
    own = {_unwrapped(plain): name for plain, name in columns.items()} | dict(columns)
    return next((own[word] for word in words if word in own), "")

"""Which rows of a log are interest: events, ratings, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.datasets.overlooked import (
    FEW_NEGATIVE,
    is_called_long,
    least_grade,
    no_grade,
    numbers_of,
    overlooked,
    plain_event,
    taken_back,
    words_of,
)
from harness.record import DataError
from harness.suite.source import quoted

SHOWN = frozenset(
    {
        "view", "views", "impression", "display", "shown", "exposure", "pageview", "page_view", "view_item",
        "view_item_list", "view_promotion", "view_cart", "view_search_results", "session_start",
        "first_visit", "user_engagement", "scroll", "product_viewed", "product_list_viewed",
        "product_list_filtered", "cart_viewed", "page_viewed", "viewed_product",
    }
)  # fmt: skip
"""Events that say what was seen, not what was wanted."""
AGAINST = frozenset(
    {
        "remove", "remove_from_cart", "removefromcart", "refund", "return", "returned", "cancel", "canceled",
        "cancelled", "dislike", "downvote", "unlike", "skip", "hide", "unsubscribe", "unfollow", "complaint",
        "chargeback", "report", "block", "uninstall", "remove_from_wishlist", "product_removed",
        "product_removed_from_wishlist", "order_refunded", "order_cancelled",
    }
)  # fmt: skip
"""Events that say the opposite of interest."""
FOR = frozenset(
    {
        "click", "cart", "add_to_cart", "addtocart", "basket", "add_to_basket", "buy", "bought", "purchase",
        "order", "transaction", "checkout", "like", "upvote", "favorite", "favourite", "bookmark", "wishlist",
        "add_to_wishlist", "save", "share", "follow", "subscribe", "play", "watch", "listen", "stream",
        "download", "install", "rent", "borrow", "read", "book", "booking", "donate", "apply", "lead",
        "select_item", "begin_checkout", "add_payment_info", "add_shipping_info", "product_clicked",
        "product_added", "checkout_started", "product_added_to_wishlist", "order_completed",
    }
)  # fmt: skip
"""Events that are interest."""
ORDERS = (
    "buy", "bought", "purchase", "purchased", "order", "ordered", "transaction", "checkout",
    "order_completed",
)  # fmt: skip
"""Events that are an order, where a suite does not say which."""
SEEN = frozenset({"view", "viewed", "views", "impression", "impressions", "session", "visit", "scroll"})
"""Words of an unknown event that is not proposed as interest."""
ALIASES = frozenset({"pv", "fav"})
"""Short for a page's view and a favourite, in logs of Chinese shops."""


@dataclass(frozen=True)
class Interest:
    """What the user says of it.

    Args:
        event, rating, weight: names of columns; that of events and ratings may be absent.
    """

    event: str = "event"
    positive: tuple[str, ...] = ()
    rating: str | None = "rating"
    at_least: float | None = None
    weight: str | None = None


def interest_of(
    frame: pd.DataFrame, path: str, wanted: Interest, others: Collection[str], mistakes: list[str],
    notes: list[str], owners: Collection[str] = (),
) -> np.ndarray:  # fmt: skip
    """(n,) bool: the rows that are interest; what is not clear goes to the mistakes.

    Args:
        others: columns of which it is known what they are: ids, times, prices, categories.
        owners: the columns of users and items.
    """
    keep = ~taken_back(frame, wanted.weight, notes)
    if wanted.event in frame:
        keep &= _by_event(frame[wanted.event], path, wanted, mistakes, notes)
    elif wanted.positive:
        mistakes.append(
            f"{path} has no column {wanted.event!r}, which positive is about: name it under `event`"
        )
    if wanted.rating in frame:
        keep &= _by_rating(frame[wanted.rating], path, wanted, mistakes)
    elif wanted.at_least is not None:
        mistakes.append(
            f"{path} has no column {wanted.rating!r}, which at_least is about: name it under `rating`"
        )
    used = {*others, wanted.event, wanted.rating, wanted.weight}
    says_ratings = wanted.rating is None or wanted.rating in frame
    mistakes += overlooked(
        frame, path, used, SHOWN | AGAINST | FOR | ALIASES, wanted.event in frame, says_ratings, owners
    )
    if not mistakes and not keep.any():
        only = (
            f"every row is a {frame[wanted.event].iloc[0]}"
            if wanted.event in frame
            else "no rating is so high"
        )
        mistakes.append(f"{path} has no events: {only}")
    return keep


def _by_event(
    column: pd.Series, path: str, wanted: Interest, mistakes: list[str], notes: list[str]
) -> np.ndarray:
    words = column.fillna("").astype(str).str.strip()
    counts = Counter(words.tolist())
    if wanted.positive:
        for word in wanted.positive:
            if word not in counts:
                mistakes.append(
                    f"{path}: no row has the event {word!r} of positive: there are {_listed(counts)}"
                )
        return np.asarray(words.isin(wanted.positive))
    plain = {word: plain_event(word) for word in counts}
    unknown = [w for w, p in plain.items() if p not in SHOWN | AGAINST | FOR]
    if unknown:
        no_choice = SHOWN | AGAINST | {"pv"}
        likely = [
            w for w, p in plain.items() if w and p not in no_choice and not SEEN & set(words_of(w))
        ] or list(counts)
        mistakes.append(
            f"{path}: column {column.name!r} holds {_listed(counts)}: say which are interest, for instance "
            f"`positive: [{', '.join(map(quoted, likely))}]`"
        )
    against = [w for w, p in plain.items() if p in AGAINST]
    seen = [w for w, p in plain.items() if p in SHOWN]
    for out, are in ((against, "are no interest"), (seen, "only show an item, which is no choice,")):
        if rows := sum(counts[word] for word in out):
            notes.append(
                f"{rows:,} of {len(words):,} events {are} and are left out ({', '.join(out)}): "
                "`positive: […]` names those that count"
            )
    return np.asarray(~words.isin([*against, *seen]))


def _listed(counts: Counter[str]) -> str:
    some = [f"{word!r} ({rows} rows)" for word, rows in counts.most_common(12)]
    return ", ".join(some) + (", …" if len(counts) > len(some) else "")


def _by_rating(column: pd.Series, path: str, wanted: Interest, mistakes: list[str]) -> np.ndarray:
    everything = np.ones(len(column), dtype=bool)
    try:
        values = _numbers(column, path)
    except DataError as error:
        other = ", or `rating: null` if it does not say what was liked" if wanted.at_least is None else ""
        mistakes += [f"{mistake}: write numbers such as 4.5{other}" for mistake in error.mistakes]
        return everything
    known = values[np.isfinite(values)]
    none = None if is_called_long(str(column.name)) else no_grade(values)
    if none is not None and (below := known[known < none].max()) >= (wanted.at_least or -np.inf):
        mistakes.append(
            f"{path}: column {column.name!r} has {none:g} in {int((known == none).sum()):,} rows and else "
            f"goes from {known.min():g} to {below:g}: where {none:g} stands for no rating drop these rows, "
            f"which would be the highest; if it is one write `at_least: {none:g}`"
        )
        return everything
    if wanted.at_least is not None:
        return np.asarray(values >= wanted.at_least)
    if len(np.unique(known)) > 1:
        low, high = known.min(), known.max()
        mistakes.append(
            f"{path}: column {column.name!r} goes from {low:g} to {high:g}, and a low rating is no interest: "
            f"write `at_least: {least_grade(known):.3g}`, or `at_least: {low:g}` where every rating is "
            "interest"
        )
    return everything


def orders_of(
    column: pd.Series, path: str, bought: str | None, mistakes: list[str], notes: list[str]
) -> np.ndarray:
    """(n,) bool: the events that are an order: those that the suite names, or that are called so."""
    words = column.fillna("").astype(str).str.strip()
    if bought is not None:
        found = words == bought
        if not found.any():
            there = _listed(Counter(words.tolist()))
            mistakes.append(f"{path}: no row has the event {bought!r} of bought: there are {there}")
        return np.asarray(found)
    called = [word for word in words.unique() if plain_event(word) in ORDERS]
    if len(called) > 1:
        notes.append(f"orders are the events {', '.join(map(repr, called))} (`bought` says otherwise)")
    return np.asarray(words.isin(called))


def weights_of(frame: pd.DataFrame, path: str, wanted: Interest, mistakes: list[str]) -> np.ndarray:
    """(n,) how often each row counts: 1 without a column that says so."""
    plain = np.ones(len(frame))
    if wanted.weight is None:
        return plain
    if wanted.weight not in frame:
        mistakes.append(f"{path} has no column {wanted.weight!r}, which weight names")
        return plain
    try:
        values = _numbers(frame[wanted.weight], path)
    except DataError as error:
        mistakes += error.mistakes
        return plain
    back = values < 0
    if 0 < back.mean() < FEW_NEGATIVE:  # `taken_back` says how many
        values = np.where(back, 0.0, values)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if not len(bad) and not values.any():
        mistakes.append(f"{path}: column {wanted.weight!r} is 0 in every row, so that none counts")
    if len(bad):
        mistakes.append(
            f"{path}:{int(bad[0]) + 2}: a weight is missing or negative: it is how often a row counts"
        )
    return values


def _numbers(column: pd.Series, path: str) -> np.ndarray:
    """(n,) float64, NaN where a cell is empty.

    Raises:
        DataError: a cell is not a number.
    """
    texts = column.fillna("").astype(str).str.strip()
    values = numbers_of(texts)
    bad = np.flatnonzero(np.isnan(values) & (texts != "").to_numpy())
    if len(bad):
        where, cell = f"{path}:{int(bad[0]) + 2}", texts.iloc[bad[0]]
        raise DataError(f"{where}: column {column.name!r} has {cell!r}, which is not a number")
    return values

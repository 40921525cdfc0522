"""Columns of a log that a suite says nothing of, and that change what its rows mean.

A row counts as interest where nothing says otherwise. A column of events, grades or answers under a name that
is not looked for would be left aside, and every view, every single star and every refund would count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from harness.suite.source import quoted

EVENTS = (
    "event", "eventtype", "action", "actiontype", "type", "behavior", "behaviour", "behaviortype",
    "behaviourtype", "interactiontype", "eventname", "activity",
)  # fmt: skip
RATINGS = ("rating", "ratings", "stars", "score", "overall", "reviewscore", "grade", "preference")
"""What columns are called in logs, in small letters without signs between."""
GRADES = frozenset({"rating", "ratings", "stars", "overall", "preference"})
"""Words in the names of other columns of grades: `star_rating`, `Book-Rating`, `review/overall`."""
NO_GRADE = frozenset(
    {"avg", "average", "mean", "median", "count", "counts", "num", "number", "n", "total", "sum", "std", "id",
     "date", "time", "text", "helpful", "helpfulness"}
)  # fmt: skip
"""Words in names that speak of something else than one row's grade."""
UNWANTED = frozenset(
    {"return", "returned", "refund", "refunded", "cancel", "canceled", "cancelled", "skip", "skipped",
     "dislike", "disliked", "unliked", "hate", "hated", "hidden", "removed", "unsubscribed", "blocked",
     "downvote", "downvoted", "rejected", "declined", "denied", "voided", "failed", "abandoned",
     "uninstalled", "unfollowed", "chargeback", "expired", "unpaid", "bot"}
)  # fmt: skip
"""Words that a mark of 0 and 1 is called by, or a state, where an item was not wanted or not kept."""
FILLING = frozenset({"is", "was", "has", "been", "flag", "order", "item", "did", "got"})
STATES = frozenset({"status", "state"})
ANSWERS = (
    "click", "clicked", "clicks", "isclick", "isclicked", "label", "target", "like", "liked", "islike",
    "converted", "conversion", "purchased", "bought", "ordered", "feedback", "interaction", "positive",
    "relevant", "relevance", "response", "thumbs", "vote", "recommended", "isrecommended", "y", "swipe",
)  # fmt: skip
"""Columns of 0 and 1, or −1 and 1, that say whether an item was wanted."""
COUNTS = (
    "quantity", "qty", "amount", "units", "count", "price", "unitprice", "total", "value", "revenue", "sales",
    "weight", "n",
)  # fmt: skip
"""Columns of which a negative number takes something back."""
SPENT = frozenset(
    {"watch", "watched", "watching", "play", "played", "playing", "playback", "listen", "listened",
     "listening", "dwell", "stay", "spent", "read", "reading", "view", "viewed", "viewing", "active"}
)  # fmt: skip
LENGTHS = frozenset(
    {"time", "duration", "seconds", "second", "secs", "sec", "s", "ms", "msec", "milliseconds", "minutes",
     "minute", "mins", "min", "hours", "ratio", "percent", "percentage", "pct", "share", "fraction",
     "progress", "completion"}
)  # fmt: skip
SPENDING = (
    "watchtime", "playtime", "listentime", "dwelltime", "dwell", "timespent", "staytime", "activetime",
    "viewtime", "completion", "completionrate", "duration", "durationseconds", "durationsec", "durationms",
)  # fmt: skip
"""Columns that say how long, or how much of an item, was watched, played or read: one of each of two kinds of
words, `watch_seconds`, or one of these names."""
LONGEST = 5e8
"""What is more than so many milliseconds is a moment; so are whole numbers that are written as days."""
NO = frozenset(
    {"no", "n", "f", "false", "down", "thumbs_down", "dislike", "disliked", "negative", "neg", "bad", "never",
     "unlike", "skip", "left", "0", "-1", "nein", "non", "\U0001f44e"}
)  # fmt: skip
"""Answers in words that say no, in small letters."""
MOST_ANSWERS = 6
"""A column of answers in words has no more different ones."""
FEW_GRADES = 2
"""Of so many grades the higher says yes."""
MOST_EVENTS = 40
"""A column of events has no more different ones."""
MOST_CODES = 12
"""Different values of a column that is called as events are, though none is known."""
NO_GRADE_ROWS = 0.005
"""A value that stands for no rating has such a share of the rows."""
FEW_NEGATIVE = 0.5
"""Where so many are negative the sign means something else."""


def plain_name(name: str) -> str:
    """A column's name in small letters, without signs between, and without RecBole's kind behind it."""
    return re.sub(r"[^a-z]", "", re.sub(r":(token|float)(_seq)?$", "", name.casefold()))


def words_of(text: str) -> list[str]:
    """The words of a name or a state, in small letters: `starRating` has two."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).casefold())


def is_called_a_grade(name: str) -> bool:
    """Whether a column's name says that it holds what a user thinks of an item."""
    words = set(words_of(re.sub(r":(token|float)(_seq)?$", "", name)))
    return plain_name(name) in RATINGS or bool(words & GRADES and not words & NO_GRADE)


def is_called_long(name: str) -> bool:
    """Whether a column's name says that it holds how long, or how much of it, an item was used."""
    words = set(words_of(name))
    return bool(words & SPENT and words & LENGTHS) or plain_name(name) in SPENDING


def _is_own(frame: pd.DataFrame, name: str, owners: Collection[str]) -> bool:
    """Whether a column tells of each choice, and not the same in all rows of a user, or of an item."""
    return not any(
        frame[owner].duplicated().any() and (frame.groupby(owner, sort=False)[name].nunique() <= 1).all()
        for owner in owners
    )


def grades_among(frame: pd.DataFrame, owners: Collection[str]) -> list[str]:
    """The columns that are called grades and are no item's or user's own."""
    return [name for name in map(str, frame) if is_called_a_grade(name) and _is_own(frame, name, owners)]


def overlooked(
    frame: pd.DataFrame, path: str, used: Collection[str | None], words: Collection[str], says_events: bool,
    says_ratings: bool, owners: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """What is to be said of columns that would be left aside, each with its cure.

    Args:
        used: the columns that are looked at. words: what events are called.
        says_events, says_ratings: whether a column of events, or of ratings, is known already, or stated to
            be none. owners: the columns of users and items.
    """
    said = []
    for name in frame.columns:
        if name in used:
            continue
        filled = frame[name].astype(str).str.strip().where(frame[name].notna(), "")
        cells, is_own = filled[filled != ""], partial(_is_own, frame, name, owners)
        if not says_events and (events := _events(cells, words)):
            said.append(_aside(path, name, f"holds {events}", f"write `event: {quoted(name)}`"))
        elif not says_ratings and (grades := _grades(str(name), cells, is_own)):
            low, high, least = grades
            cure = (
                f"write `rating: {quoted(name)}` and `at_least: {least:.3g}`, or `rating: null` where every "
                "row is interest"
            )
            said.append(_aside(path, name, f"goes from {low:g} to {high:g}", cure))
        elif not (says_events or says_ratings) and (least := _long(str(name), cells)) and is_own():
            cure = (
                f"write `rating: {quoted(name)}` and `at_least: {float(f'{least:.3g}'):.12g}`, its middle or "
                "what you call interest, or `rating: null` where every row is"
            )
            said.append(_aside(path, name, "says how long or how much an item was used", cure))
        elif not (says_events or says_ratings) and (answers := _answers_in_words(str(name), cells)):
            yes = [word for word in answers if word.casefold() not in NO] or list(answers)
            said.append(_aside(path, name, f"holds {_listed(answers)}", _event(name, yes)))
        elif (kept := _kept(str(name), filled)) and is_own():
            cure = f"{_event(name, kept)}, with the others where they count too"
            if says_events:
                cure = "drop the rows that were not wanted or not kept, or the column where all count"
            said.append(_aside(path, name, f"holds {_listed(Counter(filled.tolist()))}", cure))
        elif not says_events and (codes := _codes(str(name), cells)) and is_own():
            cure = f"{_event(name, list(codes))} with those alone that are interest"
            said.append(_aside(path, name, f"holds {_listed(codes)}", cure))
    return said


def _aside(path: str, name: str, what: str, cure: str) -> str:
    return (
        f"{path}: column {name!r} {what} and is not looked at, so that every row would count as interest: "
        f"{cure}"
    )


def _event(name: str, positive: Sequence[str]) -> str:
    return f"write `event: {quoted(name)}` and `positive: [{', '.join(map(quoted, positive))}]`"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{word!r} ({rows} rows)" for word, rows in Counter(counts).most_common())


def _kept(name: str, filled: pd.Series) -> list[str]:
    """What of a mark such as `returned`, or of a state, says that an item was kept; empty elsewhere."""
    words = [word for word in words_of(name) if word not in FILLING]
    if not (STATES | UNWANTED) & set(words):
        return []
    counts = dict(Counter(filled.tolist()).most_common(MOST_EVENTS + 1))
    if not 1 < len(counts) <= MOST_EVENTS:
        return []
    if STATES & set(words):
        kept = [text for text in counts if not UNWANTED & set(words_of(text))]
        return kept if len(kept) < len(counts) else []
    no = [text for text in counts if text.casefold() in NO | {"", "0.0"}]
    is_mark = len(words) == 1 and words[0] in UNWANTED and len(counts) == len(no) + 1
    return no if is_mark else []


def _codes(name: str, cells: pd.Series) -> dict[str, int]:
    """What a column that is called as events are holds, where none of it is known; empty elsewhere."""
    if plain_name(name) not in EVENTS:
        return {}
    counts = dict(Counter(cells.tolist()).most_common(MOST_CODES + 1))
    return counts if 1 < len(counts) <= MOST_CODES else {}


def _answers_in_words(name: str, cells: pd.Series) -> dict[str, int]:
    """Words of a column of answers and their rows; empty where it is none, or holds numbers."""
    counts = dict(Counter(cells.tolist()).most_common(MOST_ANSWERS + 1))
    if plain_name(name) not in ANSWERS or not 1 < len(counts) <= MOST_ANSWERS:
        return {}
    return {} if np.isfinite(numbers_of(pd.Series(list(counts)))).all() else counts


def _events(cells: pd.Series, words: Collection[str]) -> str:
    """The commonest of a column of events; empty where it is none."""
    unique = cells.unique()
    if not 0 < len(unique) <= MOST_EVENTS:
        return ""
    known = [word for word in unique if plain_event(word) in words]
    if len(known) < 2 and len(known) < len(unique):
        return ""
    if 2 * len(known) < len(unique):
        return ""
    counts = Counter(cells.tolist()).most_common(4)
    return ", ".join(f"{word!r} ({rows} rows)" for word, rows in counts)


def plain_event(word: str) -> str:
    return word.casefold().replace(" ", "_").replace("-", "_")


def _grades(name: str, cells: pd.Series, is_own: Callable[[], bool]) -> tuple[float, float, float] | None:
    """The least and the highest grade of a column of grades, and from which on an item was wanted."""
    plain = plain_name(name)
    is_grade, words = is_called_a_grade(name), words_of(name)
    is_answer = plain in ANSWERS or (words[:1] == ["not"] and set(words[1:]) & UNWANTED)
    if not is_grade and not is_answer:
        return None
    values = numbers_of(cells)
    if not np.isfinite(values).all() or len(np.unique(values)) < 2:
        return None
    if plain not in (*RATINGS, *ANSWERS) and not is_own():
        return None
    low, high = float(values.min()), float(values.max())
    if is_grade:
        return low, high, least_grade(values)
    return (low, high, 1.0) if set(np.unique(values)) <= {-1.0, 0.0, 1.0} else None


def _long(name: str, cells: pd.Series) -> float:
    """The middle of a column of times spent, or of shares of an item, or what is least above 0 where that is
    in the middle; 0 where it is no such column."""
    if not is_called_long(name):
        return 0.0
    values = numbers_of(cells)
    if not np.isfinite(values).all() or len(np.unique(values)) <= FEW_GRADES or values.min() < 0:
        return 0.0
    days = (values >= 1.9e7) & (values < 2.2e7) & (values % 1 == 0)
    if values.max() >= LONGEST or days.all():
        return 0.0
    return float(np.median(values)) or float(values[values > 0].min())


def least_grade(values: np.ndarray) -> float:
    """The grade from which on an item was liked, as it is proposed: four fifths of the highest of many."""
    high = float(values.max())
    return 0.8 * high if len(np.unique(values)) > FEW_GRADES else high


def no_grade(values: np.ndarray) -> float | None:
    """A highest value that stands for no rating, as 99 where jokes are rated from -10 to 10; None else."""
    known, rows = np.unique(values[np.isfinite(values)], return_counts=True)
    if len(known) <= FEW_GRADES + 1 or rows[-1] < max(3, NO_GRADE_ROWS * rows.sum()):
        return None
    return float(known[-1]) if known[-1] - known[-2] > known[-2] - known[0] else None


def numbers_of(texts: pd.Series) -> np.ndarray:
    """(n,) float64, NaN where a cell is neither a number nor true or false."""
    plain = texts.str.casefold().map({"true": "1", "false": "0"}).fillna(texts)
    return np.asarray(pd.to_numeric(plain, errors="coerce").to_numpy(np.float64))


def taken_back(frame: pd.DataFrame, weight: str | None, notes: list[str]) -> np.ndarray:
    """(n,) bool: the rows of which a quantity or a price is negative: refunds and corrections."""
    back = np.zeros(len(frame), dtype=bool)
    for name in frame.columns:
        if plain_name(str(name)) not in COUNTS and name != weight:
            continue
        values = pd.to_numeric(frame[name].astype(str).str.strip(), errors="coerce").to_numpy(np.float64)
        negative = values < 0
        if 0 < negative.mean() < FEW_NEGATIVE:
            back |= negative
            notes.append(
                f"{int(negative.sum()):,} of {len(frame):,} rows have a negative {name!r}: something was "
                "given back, which is no interest; they are left out"
            )
    return back

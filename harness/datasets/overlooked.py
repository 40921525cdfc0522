"""Columns of a log that a suite says nothing of, and that change what its rows mean.

A row counts as interest where nothing says otherwise. A column of events, grades or answers under a name that
is not looked for would be left aside, and every view, every single star and every refund would count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

import numpy as np
import pandas as pd

from harness.suite.source import quoted

EVENTS = ("event", "eventtype", "action", "type", "behavior", "behaviour", "eventname", "activity")
RATINGS = ("rating", "ratings", "stars", "score", "overall", "reviewscore", "grade")
"""What columns are called in logs, in small letters without signs between."""
ANSWERS = (
    "click", "clicked", "clicks", "isclick", "isclicked", "label", "target", "like", "liked", "islike",
    "converted", "conversion", "purchased", "bought", "ordered", "feedback", "interaction", "positive",
    "relevant", "relevance", "response", "thumbs", "vote", "recommended", "isrecommended",
)  # fmt: skip
"""Columns of 0 and 1, or −1 and 1, that say whether an item was wanted."""
COUNTS = (
    "quantity", "qty", "amount", "units", "count", "price", "unitprice", "total", "value", "revenue", "sales",
    "weight", "n",
)  # fmt: skip
"""Columns of which a negative number takes something back."""
NO = frozenset(
    {"no", "n", "f", "false", "down", "thumbs_down", "dislike", "disliked", "negative", "neg", "bad", "never",
     "unlike", "skip", "0", "-1", "nein", "non", "\U0001f44e"}
)  # fmt: skip
"""Answers in words that say no, in small letters."""
MOST_ANSWERS = 6
"""A column of answers in words has no more different ones."""
FEW_GRADES = 2
"""Of so many grades the higher says yes."""
MOST_EVENTS = 40
"""A column of events has no more different ones."""
FEW_NEGATIVE = 0.5
"""Where so many are negative the sign means something else."""


def plain_name(name: str) -> str:
    """A column's name in small letters, without signs between, and without RecBole's kind behind it."""
    return re.sub(r"[^a-z]", "", re.sub(r":(token|float)(_seq)?$", "", name.casefold()))


def overlooked(
    frame: pd.DataFrame, path: str, used: Collection[str | None], words: Collection[str], says_events: bool,
    says_ratings: bool,
) -> list[str]:  # fmt: skip
    """What is to be said of columns that would be left aside, each with its cure.

    Args:
        used: the columns that are looked at. words: what events are called.
        says_events, says_ratings: whether a column of events, or of ratings, is known already, or stated to
            be none.
    """
    said = []
    for name in frame.columns:
        if name in used:
            continue
        cells = frame[name].dropna().astype(str).str.strip()
        cells = cells[cells != ""]
        if not says_events and (events := _events(cells, words)):
            said.append(
                f"{path}: column {name!r} holds {events} and is not looked at, so that every row would count "
                f"as interest: write `event: {quoted(name)}`"
            )
        elif not says_ratings and (grades := _grades(str(name), cells)):
            low, high, least = grades
            said.append(
                f"{path}: column {name!r} goes from {low:g} to {high:g} and is not looked at, so that every "
                f"row would count as interest: write `rating: {quoted(name)}` and `at_least: {least:.3g}`, "
                "or `rating: null` where every row is interest"
            )
        elif not (says_events or says_ratings) and (words := _answers_in_words(str(name), cells)):
            yes = [word for word in words if word.casefold() not in NO] or list(words)
            there = ", ".join(f"{word!r} ({rows} rows)" for word, rows in words.items())
            said.append(
                f"{path}: column {name!r} holds {there} and is not looked at, so that every row would count "
                f"as interest: write `event: {quoted(name)}` and `positive: [{', '.join(map(quoted, yes))}]`"
            )
    return said


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


def _grades(name: str, cells: pd.Series) -> tuple[float, float, float] | None:
    """The least and the highest grade of a column of grades, and from which on an item was wanted."""
    plain = plain_name(name)
    if plain not in RATINGS and plain not in ANSWERS:
        return None
    values = numbers_of(cells)
    if not np.isfinite(values).all() or len(np.unique(values)) < 2:
        return None
    low, high = float(values.min()), float(values.max())
    if plain in RATINGS:
        return low, high, least_grade(values)
    return (low, high, 1.0) if set(np.unique(values)) <= {-1.0, 0.0, 1.0} else None


def least_grade(values: np.ndarray) -> float:
    """The grade from which on an item was liked, as it is proposed: four fifths of the highest of many."""
    high = float(values.max())
    return 0.8 * high if len(np.unique(values)) > FEW_GRADES else high


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

"""What a recommender may see: a catalogue, users, a log of events and, where there is one, of impressions.

All tables are columns of equal length; users and items are codes 0…n−1 into their tables, times are
days (for real logs days since 1970). Missing numbers are NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Literal, Self

import numpy as np

SplitName = Literal["global_time", "leave_one_out", "random", "random_events"]
SPLITS: tuple[SplitName, ...] = ("global_time", "leave_one_out", "random", "random_events")


@dataclass(frozen=True)
class Protocol:
    """How a log is cut and scored; part of every number's record.

    Args:
        split: `global_time`: the last share of time is the test part (nothing of the future is
            learned from); `leave_one_out`: each user's last event; `random`: a share of each user's events;
            `random_events`: a share of all events, whoever's they are.
        test: share of time (`global_time`), of each user's events (`random`) or of all; unused by
            `leave_one_out`.
        mask_seen: whether items of a user's past are left out of the answers.
        relevant_from: the least rating that is relevant: events below are learnt from, and neither asked for
            nor left out of the answers. None: all events are relevant.
        known_items: whether items that no event of the past names are left out of questions and answers.
        split_seed: of `random_events`: the last share of `RandomState(split_seed).permutation` over the rows
            in the source's order is the test part, as in Cornac. None: the suite's seed draws it.
    """

    split: SplitName = "global_time"
    test: float = 0.1
    mask_seen: bool = True
    relevant_from: float | None = None
    known_items: bool = False
    split_seed: int | None = None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split {self.split!r} is unknown: use one of {', '.join(SPLITS)}")
        if not 0 < self.test < 1:
            raise ValueError(f"test must be a share between 0 and 1, not {self.test}")
        if self.split_seed is not None and self.split != "random_events":
            raise ValueError(f"split_seed is for split random_events, not for {self.split}: leave it out")

    def relevant(self, events: Events) -> np.ndarray:
        """(n,) bool, which events were liked well enough to be asked for, and to be left out once seen."""
        if self.relevant_from is None:
            return np.ones(len(events), bool)
        return np.asarray(events.rating >= self.relevant_from)


def last_stretch(start: float, end: float, share: float) -> float:
    """Where the last share of a stretch of time (days) begins: with a day where it is longer than ten."""
    edge = end - (end - start) * share
    return float(np.round(edge)) if end - start > 10 else edge


@dataclass(frozen=True)
class EqualColumns:
    """Columns of equal length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def rows(self, index: np.ndarray) -> Self:
        """The chosen rows, by mask or by position."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class Catalogue(EqualColumns):
    """Items as a team's tables describe them.

    Args:
        ids: (n,) the owner's identifiers, numbers or strings.
        category, department: (n,) int32 from 0.
        price: (n,) float32, NaN where missing. margin: (n,) share of the price, NaN where missing.
        rating: (n,) float32 mean of the customers' ratings, NaN where missing.
        available_from, available_until: (n,) days; −inf and inf where unknown.
        text: (n,) what is written of each, "" where nothing is.
    """

    ids: np.ndarray
    category: np.ndarray
    department: np.ndarray
    price: np.ndarray
    margin: np.ndarray
    rating: np.ndarray
    available_from: np.ndarray
    available_until: np.ndarray
    text: np.ndarray = field(default_factory=lambda: np.empty(0, np.str_))

    def __post_init__(self) -> None:
        if len(self.text) != len(self.ids):
            object.__setattr__(self, "text", np.full(len(self.ids), ""))

    def available(self, day: float) -> np.ndarray:
        """(n,) whether each item can be bought at a time."""
        return np.asarray((self.available_from <= day) & (day < self.available_until))


@dataclass(frozen=True)
class Users(EqualColumns):
    """Users: identifiers, and the department each named at sign-up (−1 unknown)."""

    ids: np.ndarray
    interest: np.ndarray


@dataclass(frozen=True)
class Events(EqualColumns):
    """Positive feedback, in order of time.

    Args:
        user, item: (n,) int32 codes. time: (n,) float64 days. bought: (n,) bool.
        session: (n,) int64, events of one visit share it; −1 unknown.
        weight: (n,) float32, how often each counts where popularity is counted; 1 where nothing says so.
        rating: (n,) float32, NaN where there is none. row: (n,) int64, where it stood in its source.
    """

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    bought: np.ndarray
    session: np.ndarray
    weight: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    rating: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    row: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        n = len(self.user)
        if len(self.weight) != n:
            object.__setattr__(self, "weight", np.ones(n, np.float32))
        if len(self.rating) != n:
            object.__setattr__(self, "rating", np.full(n, np.nan, np.float32))
        if len(self.row) != n:
            object.__setattr__(self, "row", np.arange(n))


@dataclass(frozen=True)
class Impressions(EqualColumns):
    """What was shown, and what came of it: one row per item shown, in order of time.

    Args:
        request: (n,) int64, the page shown. session: (n,) int64. position: (n,) int8 from 0.
        propensity: (n,) float32, the probability that the item was on the page.
        price: (n,) float32 at that time. clicked, carted, bought: (n,) bool.
    """

    request: np.ndarray
    session: np.ndarray
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    position: np.ndarray
    propensity: np.ndarray
    price: np.ndarray
    clicked: np.ndarray
    carted: np.ndarray
    bought: np.ndarray

    def events(self) -> Events:
        """The clicks, as positive feedback."""
        hit = self.rows(self.clicked)
        return Events(hit.user, hit.item, hit.time, hit.bought, hit.session)


@dataclass(frozen=True)
class Interactions:
    """A recommendation data set as its source delivers it, not yet split."""

    catalogue: Catalogue
    users: Users
    events: Events
    protocol: Protocol
    impressions: Impressions | None = None


def codes_of(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Position of each value in a table's identifiers, −1 where it is unknown: (n,) int32."""
    if not len(ids) or not len(values):
        return np.full(len(values), -1, dtype=np.int32)
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids[order], values), len(ids) - 1)
    found = order[place]
    return np.where(ids[found] == values, found, -1).astype(np.int32)


def plain_catalogue(
    ids: np.ndarray, category: np.ndarray | None = None, price: np.ndarray | None = None
) -> Catalogue:
    """A catalogue of which little is known: one department, always available."""
    n = len(ids)
    group = np.zeros(n, np.int32) if category is None else category.astype(np.int32)
    missing = np.full(n, np.nan, np.float32)
    return Catalogue(
        ids=ids, category=group, department=np.zeros(n, np.int32),
        price=missing if price is None else price.astype(np.float32), margin=missing, rating=missing,
        available_from=np.full(n, -np.inf), available_until=np.full(n, np.inf),
    )  # fmt: skip

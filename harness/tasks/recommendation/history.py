"""What is known of users when a request comes: their events, and the clicks of the visit so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.datasets.interactions import Events


@dataclass(frozen=True)
class Requests:
    """Requests for recommendations, as codes.

    Args:
        user: (n,) −1 for unknown users. time: (n,) days.
        session: (n, s) items clicked in this visit, oldest first, −1 in empty places.
        past: (n,) whose past in the `History` each is answered by; None: the user's own.
    """

    user: np.ndarray
    time: np.ndarray
    session: np.ndarray
    past: np.ndarray | None = None

    @property
    def whose(self) -> np.ndarray:
        """(n,) row of each request's past in the `History`, −1 for none."""
        return self.user if self.past is None else self.past

    def __len__(self) -> int:
        return len(self.user)

    def rows(self, index: np.ndarray | slice) -> Requests:
        past = None if self.past is None else self.past[index]
        return Requests(self.user[index], self.time[index], self.session[index], past)


def read_requests(raw: Sequence[Mapping[str, Any]], users: Codes, items: Codes, now: float) -> Requests:
    """Requests as a client sends them: `{"user": id, "time": days, "session": [item ids]}`.

    `time` and `session` may be absent; unknown users are cold ones, unknown items are not counted.
    """
    sessions = [[items.get(item) for item in one.get("session", ())] for one in raw]
    known = [[code for code in one if code >= 0] for one in sessions]
    width = max(map(len, known), default=0)
    session = np.full((len(raw), width), -1, np.int64)
    for row, codes in enumerate(known):
        session[row, width - len(codes) :] = codes
    return Requests(
        user=np.array([users.get(one.get("user")) for one in raw], np.int64),
        time=np.array([one.get("time", now) for one in raw], np.float64),
        session=session,
    )


@dataclass(frozen=True)
class Codes:
    """The owner's identifiers ↔ codes; a number and its text are the same identifier.

    So is a whole number that a client sends as 12.0, as programs do whose column has holes elsewhere.
    """

    ids: np.ndarray

    @cached_property
    def _by_text(self) -> dict[str, int]:
        return {str(value): code for code, value in enumerate(self.ids.tolist())}

    def get(self, identifier: object) -> int:
        code = self._by_text.get(str(identifier), -1)
        if code < 0 and isinstance(identifier, float) and identifier.is_integer():
            return self._by_text.get(str(int(identifier)), -1)
        return code


@dataclass(frozen=True)
class History:
    """Events by user, each user's in order of time.

    Args:
        starts: (num_users + 1,). item, time, session, bought: (num_events,).
        order: (num_events,) position of each row in the events it was made from.
        masks: (num_events,) bool, whether the item is left out of answers where seen ones are.
    """

    starts: np.ndarray
    item: np.ndarray
    time: np.ndarray
    session: np.ndarray
    bought: np.ndarray
    order: np.ndarray
    masks: np.ndarray

    @classmethod
    def of(cls, events: Events, num_users: int, masks: np.ndarray | None = None) -> History:
        """The events by user; `masks` (n,) bool as `Protocol.relevant` gives it, None for all."""
        order = np.lexsort((events.time, events.user))
        return cls(
            starts=np.searchsorted(events.user[order], np.arange(num_users + 1)),
            item=events.item[order].astype(np.int64),
            time=events.time[order],
            session=events.session[order],
            bought=events.bought[order],
            order=order,
            masks=np.ones(len(events), bool) if masks is None else masks[order],
        )

    def of_requests(self, requests: Requests, pasts: Sequence[np.ndarray | None]) -> History:
        """A past for each request: the items given for it, or, where they are None, what is known here.

        Args:
            pasts: item codes, oldest first.
        """
        stored = np.array(
            [-1 if past is not None else user for past, user in zip(pasts, requests.user, strict=True)]
        )
        rows, at = self._rows(stored)
        given = [(row, past) for row, past in enumerate(pasts) if past is not None]
        rows = np.concatenate([rows, *(np.full(len(past), row) for row, past in given)]).astype(np.int64)
        order = np.argsort(rows, kind="stable")

        def joined(column: np.ndarray, value: Any) -> np.ndarray:
            added = np.full(len(rows) - len(at), value, column.dtype)
            return np.concatenate([column[at], added])[order]

        items = np.concatenate([self.item[at], *(past for _, past in given)])[order]
        return History(
            starts=np.searchsorted(rows[order], np.arange(len(pasts) + 1)),
            item=items,
            time=joined(self.time, np.nan),
            session=joined(self.session, -1),
            bought=joined(self.bought, False),
            order=joined(self.order, -1),
            masks=joined(self.masks, True),
        )

    @cached_property
    def user(self) -> np.ndarray:
        """(num_events,) whose each row is."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def counts(self, users: np.ndarray) -> np.ndarray:
        """(n,) how many events each user has, 0 for unknown ones."""
        size = np.diff(self.starts)
        return np.where(users >= 0, size[users], 0) if len(size) else np.zeros(len(users), int)

    def holds(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(n,) bool, whether each user's past has the item, and it is left out of the answers for it."""
        width = int(max(self.item.max(initial=0), items.max(initial=0))) + 1
        past = (self.user * width + self.item)[self.masks]
        return np.isin(users.astype(np.int64) * width + items, past)

    def masked(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The (row, item) pairs of the users' pasts that are left out of the answers."""
        rows, at = self._rows(users)
        kept = self.masks[at]
        return rows[kept], self.item[at[kept]]

    def recent(self, requests: Requests, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The last items of each request's user, those of the visit last.

        Returns:
            (n, length) items, newest last, −1 where there are none; (n, length) which are of this visit.
        """
        session = requests.session[:, max(requests.session.shape[1] - length, 0) :]
        in_visit = (session >= 0).sum(1)
        back = np.arange(length - 1, -1, -1)[None]  # 0 is the newest
        past = back - in_visit[:, None]
        size = self.counts(requests.whose)[:, None]
        here = (past >= 0) & (past < size)
        known = np.maximum(requests.whose, 0)
        at = np.where(here, self.starts[known + 1][:, None] - 1 - past, 0)
        items = np.where(here, self.item[at], -1) if len(self.item) else np.full(here.shape, -1)
        if session.shape[1]:
            width = session.shape[1]
            current = back[:, -width:] < in_visit[:, None]
            items[:, -width:] = np.where(current, session, items[:, -width:])
        return items, back < in_visit[:, None]

    def seen(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All (row, item) pairs of the users' pasts."""
        rows, at = self._rows(users)
        return rows, self.item[at]

    def _rows(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each event of the users: which of them, and where it stands here."""
        size = self.counts(users)
        rows = np.repeat(np.arange(len(users)), size)
        within = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
        return rows, self.starts[np.maximum(users, 0)][rows] + within

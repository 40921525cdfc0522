"""How a fitted pipeline answers: encode, search, describe, rank. NumPy alone, since `export` copies it.

What it imports of the package stands beside it, here as in an exported folder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from .features import Facts, Knowledge, describe
from .history import Codes, History, Requests, read_requests
from .order import front, rank_all, sorted_by, without

if TYPE_CHECKING:
    from harness.tasks.recommendation.served import Index

STAGES = ("encode", "search", "features", "rank")


class Scorer(Protocol):
    """A fitted ranker."""

    def score(self, facts: Facts) -> np.ndarray:
        """(n, k), higher is better."""


@dataclass
class Stopwatch:
    """Seconds spent in each stage, and the calls they were spent in."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    calls: int = 0
    _last: float = 0.0

    def start(self) -> None:
        self.calls += 1
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now

    def milliseconds(self) -> dict[str, float]:
        """Mean per call."""
        return {stage: 1000 * value / max(self.calls, 1) for stage, value in self.seconds.items()}


@dataclass(frozen=True)
class Answer:
    """Candidates and final order, (n, k) item codes, −1 where there are fewer; scores of the candidates."""

    candidates: np.ndarray
    scores: np.ndarray
    ranked: np.ndarray


@dataclass(frozen=True)
class Answering:
    """A fitted pipeline as it answers.

    Args:
        settings: {"candidates", "mask_seen", "now", "seed", "training_seconds", …}.
        eligible: (num_items,) bool, what may be recommended. retire: (num_items,) days.
        ties: (num_items,) distinct keys, the order of items of equal score.
        index: None for retrievers that score all items. ranker: None keeps the retriever's order.
    """

    settings: Mapping[str, Any]
    user_ids: np.ndarray
    item_ids: np.ndarray
    eligible: np.ndarray
    retire: np.ndarray
    ties: np.ndarray
    history: History
    knowledge: Knowledge
    retriever: Any
    index: Index | None
    ranker: Scorer | None

    def answer(self, requests: Requests, watch: Stopwatch | None = None) -> Answer:
        """Candidates and their final order for each request."""
        watch = watch or Stopwatch()
        watch.start()
        candidates, scores = self.retrieve(requests, int(self.settings["candidates"]), watch)
        ranked = candidates
        if self.ranker is not None and len(requests):
            facts = describe(self.knowledge, self.history, requests, candidates, scores)
            watch.lap("features")
            ranked = sorted_by(candidates, self.ranker.score(facts))
            watch.lap("rank")
        return Answer(candidates, scores, ranked)

    def encode(self, requests: Requests) -> np.ndarray:
        """(n, dim) the users' vectors."""
        return np.asarray(self.retriever.encode(requests, self.history))

    def retrieve(
        self, requests: Requests, k: int, watch: Stopwatch, index: Index | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n, k) candidates, best first, and scores; what is gone or, with mask_seen, seen is left out."""
        index = index or self.index
        seen = self._seen(requests) if self.settings["mask_seen"] else None
        if index is None:
            scores = np.where(self.eligible, self.retriever.scores(requests, self.history), -np.inf)
            watch.lap("encode")
            if seen is not None:
                scores[seen] = -np.inf
            found = rank_all(scores, k, self.ties)
            products = np.where(found >= 0, np.take_along_axis(scores, np.maximum(found, 0), 1), -np.inf)
        else:
            vectors = self.encode(requests)
            watch.lap("encode")
            more = (
                np.zeros(len(vectors), int) if seen is None else np.bincount(seen[0], minlength=len(vectors))
            )
            found, products = _searched(index, vectors, k, more)
            if seen is not None and more.any():
                found, products = without(found, products, seen, len(self.item_ids))
            found, products = found[:, :k], products[:, :k]
        gone = (found >= 0) & (self.retire[found] <= requests.time[:, None])
        if gone.any():
            found, products = front(np.where(gone, -1, found), np.where(gone, -np.inf, products))
        watch.lap("search")
        return found, products

    def read(self, raw: Sequence[Mapping[str, Any]]) -> Requests:
        """Requests as a client sends them, see `read_requests`; histories that they tell are left aside."""
        return read_requests(raw, self._users, self._items, float(self.settings["now"]))

    def told(self, raw: Sequence[Mapping[str, Any]]) -> tuple[Self, Requests]:
        """What answers requests as a client sends them, and these.

        A request may tell what its user chose, oldest first: `{"history": [item ids]}`. That stands for the
        past that is stored of the user, whoever it is; items that nobody knows are not counted.
        """
        requests = self.read(raw)
        if not any("history" in one for one in raw):
            return self, requests
        pasts = [
            np.array([code for code in map(self._items.get, one["history"]) if code >= 0], np.int64)
            if "history" in one
            else None
            for one in raw
        ]
        history = self.history.of_requests(requests, pasts)
        return replace(self, history=history), replace(requests, past=np.arange(len(raw)))

    @cached_property
    def _users(self) -> Codes:
        return Codes(self.user_ids)

    @cached_property
    def _items(self) -> Codes:
        return Codes(self.item_ids)

    def _seen(self, requests: Requests) -> tuple[np.ndarray, np.ndarray]:
        return self.history.masked(requests.whose)


def _searched(index: Index, vectors: np.ndarray, k: int, more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, width) the best items of each vector and their products, enough that k are left of them.

    Some indexes look further where more is asked for, and their first answers change: asked all together for
    what one of them needs, requests in a batch would be answered better than the same ones alone.

    Args:
        more: (n,) how many of a row's answers may be left out.
    """
    if not index.looks_further or not len(more):
        return index.search(vectors, k + int(more.max(initial=0)))
    rounded = np.where(more > 0, 1 << np.ceil(np.log2(np.maximum(more, 1))).astype(int), 0)  # few searches
    width = k + int(rounded.max())
    found, products = np.full((len(more), width), -1), np.full((len(more), width), -np.inf, np.float32)
    for size in np.unique(rounded):
        rows = rounded == size
        found[rows, : k + size], products[rows, : k + size] = index.search(vectors[rows], k + int(size))
    return found, products

"""Retriever, index and ranker as one deployable: requests in, ten items out.

    encode the user → search the index → describe the candidates → rank them → the best ten

On disk it is arrays, one file of the index's library and JSON; nothing is pickled.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets.interactions import Catalogue
from harness.tasks.recommendation.features import Facts, Knowledge, describe
from harness.tasks.recommendation.history import Codes, History, Requests, read_requests
from harness.tasks.recommendation.metrics import rank_all, tie_keys
from harness.tasks.recommendation.ranking.fit import Ranker, load_ranker
from harness.tasks.recommendation.retrieval import OWN, RETRIEVERS
from harness.tasks.recommendation.retrieval.index import Index, load_index
from harness.tasks.recommendation.retrieval.options import LIBRARIES

PAGE = 10
STAGES = ("encode", "search", "features", "rank")


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
class Pipeline:
    """A fitted pipeline.

    Args:
        settings: {"candidates", "mask_seen", "now", "seed", "training_seconds", …}.
        eligible: (num_items,) bool, what may be recommended. retire: (num_items,) days.
        index: None for retrievers that score all items. ranker: None keeps the retriever's order.
    """

    settings: Mapping[str, Any]
    user_ids: np.ndarray
    item_ids: np.ndarray
    eligible: np.ndarray
    retire: np.ndarray
    history: History
    knowledge: Knowledge
    retriever: Any
    index: Index | None
    ranker: Ranker | None

    def answer(self, requests: Requests, watch: Stopwatch | None = None) -> Answer:
        """Candidates and their final order for each request."""
        watch = watch or Stopwatch()
        watch.start()
        candidates, scores = self.retrieve(requests, int(self.settings["candidates"]), watch)
        ranked = candidates
        if self.ranker is not None and len(requests):
            facts = describe(self.knowledge, self.history, requests, candidates, scores)
            watch.lap("features")
            ranked = _sorted_by(candidates, self.score(facts))
            watch.lap("rank")
        return Answer(candidates, scores, ranked)

    def score(self, facts: Facts) -> np.ndarray:
        """The ranker's logits; a runtime may replace it."""
        assert self.ranker is not None
        return self.ranker.score(facts)

    def encode(self, requests: Requests) -> np.ndarray:
        """The user's vectors; a runtime may replace it."""
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
            found = _best(scores, k, int(self.settings["seed"]))
            products = np.where(found >= 0, np.take_along_axis(scores, np.maximum(found, 0), 1), -np.inf)
        else:
            vectors = self.encode(requests)
            watch.lap("encode")
            more = int(np.bincount(seen[0], minlength=1).max()) if seen is not None and len(seen[0]) else 0
            found, products = index.search(vectors, k + more)
            if seen is not None and more:
                found, products = _without(found, products, seen, len(self.item_ids))
            found, products = found[:, :k], products[:, :k]
        gone = (found >= 0) & (self.retire[found] <= requests.time[:, None])
        if gone.any():
            found, products = _front(np.where(gone, -1, found), np.where(gone, -np.inf, products))
        watch.lap("search")
        return found, products

    def read(self, raw: Sequence[Mapping[str, Any]]) -> Requests:
        """Requests as a client sends them, see `read_requests`."""
        return read_requests(raw, self._users, self._items, float(self.settings["now"]))

    def __post_init__(self) -> None:
        object.__setattr__(self, "_users", Codes(self.user_ids))
        object.__setattr__(self, "_items", Codes(self.item_ids))

    _users: Codes = field(init=False, repr=False, compare=False)
    _items: Codes = field(init=False, repr=False, compare=False)

    def _seen(self, requests: Requests) -> tuple[np.ndarray, np.ndarray]:
        return self.history.masked(requests.user)

    def size_bytes(self) -> int:
        """Of everything that is deployed: retriever, index, ranker, statistics, histories."""
        arrays = [
            *self.retriever.arrays().values(),
            *self.knowledge.arrays().values(),
            *vars(self.history).values(),
        ]
        arrays += list(self.ranker.arrays().values()) if self.ranker else []
        return sum(int(a.nbytes) for a in arrays) + (self.index.size_bytes if self.index else 0)

    def save(self, folder: Path) -> None:
        """Write the pipeline: pipeline.json, arrays as .npz, the index as its library writes it."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "settings": dict(self.settings),
            "retriever": {"name": self.retriever.name, "options": self.retriever.options()},
            "index": asdict(self.index.spec) if self.index else None,
            "ranker": {"spec": dict(self.ranker.spec), "num_categories": self.ranker.num_categories}
            if self.ranker
            else None,
        }
        (folder / "pipeline.json").write_text(json.dumps(about, indent=1))
        tables = {name: getattr(self, name) for name in ("user_ids", "item_ids", "eligible", "retire")}
        _store(
            folder / "tables.npz",
            {**tables, **{f"history_{k}": v for k, v in _columns(self.history).items()}},
        )
        _store(folder / "knowledge.npz", self.knowledge.arrays())
        _store(folder / "retriever.npz", self.retriever.arrays())
        if self.ranker:
            _store(folder / "ranker.npz", self.ranker.arrays())
        if self.index:
            self.index.save(_index_file(folder, self.index.spec.kind))
            np.save(folder / "index_items.npy", self.index.items)

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Pipeline:
        """The inverse of `save`."""
        about = json.loads((folder / "pipeline.json").read_text())
        tables = _arrays(folder / "tables.npz")
        history = History(**{f: tables[f"history_{f}"] for f in History.__dataclass_fields__})
        module = import_module(RETRIEVERS.get(about["retriever"]["name"], OWN))
        retriever = module.load(_arrays(folder / "retriever.npz"), about["retriever"]["options"])
        ranker, spec, index = about["ranker"], about["index"], None
        if spec:
            items, dim = np.load(folder / "index_items.npy"), retriever.item_vectors().shape[1]
            index = load_index(_index_file(folder, spec["kind"]), items, spec, dim, threads)
        return cls(
            settings=about["settings"],
            **{name: tables[name] for name in ("user_ids", "item_ids", "eligible", "retire")},
            history=history,
            knowledge=Knowledge.load(_arrays(folder / "knowledge.npz")),
            retriever=retriever,
            index=index,
            ranker=load_ranker(ranker["spec"], ranker["num_categories"], _arrays(folder / "ranker.npz"))
            if ranker
            else None,
        )

    def asked(self, **query: int) -> Pipeline:
        """The same pipeline with its index asked another way."""
        assert self.index is not None
        return replace(self, index=self.index.asked(**query))


def eligible_items(catalogue: Catalogue, deploy: float) -> np.ndarray:
    """What may be recommended from `deploy` on: what is on sale then."""
    return np.asarray((catalogue.available_from <= deploy) & (deploy < catalogue.available_until))


def _index_file(folder: Path, kind: str) -> Path:
    return folder / f"index.{LIBRARIES.get(kind, 'faiss')}"


def _best(scores: np.ndarray, k: int, seed: int) -> np.ndarray:
    return rank_all(scores, k, tie_keys(scores.shape[1], seed))


def _sorted_by(candidates: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Candidates by falling score, empty places last; equal scores keep the retriever's order."""
    scores = np.where(candidates >= 0, scores, -np.inf)
    return np.take_along_axis(candidates, np.argsort(-scores, axis=1, kind="stable"), 1)


def _front(items: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move empty places (−1) to the end of each row, keep the order of the rest."""
    order = np.argsort(items < 0, axis=1, kind="stable")
    return np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1)


def _without(
    items: np.ndarray, scores: np.ndarray, seen: tuple[np.ndarray, np.ndarray], num_items: int
) -> tuple[np.ndarray, np.ndarray]:
    rows, past = seen
    known = np.unique(rows * num_items + past)
    wanted = np.arange(len(items))[:, None] * num_items + items
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    drop = (known[place] == wanted) & (items >= 0)
    return _front(np.where(drop, -1, items), np.where(drop, -np.inf, scores))


def _columns(history: History) -> dict[str, np.ndarray]:
    return {name: getattr(history, name) for name in History.__dataclass_fields__}


def _store(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)

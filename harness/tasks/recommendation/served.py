"""Retrievers and their index as they are served: arrays and arithmetic, learnt elsewhere.

NumPy and SciPy alone, since `export` copies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from harness.tasks.recommendation.history import History, Requests
    from harness.tasks.recommendation.retrieval.options import IndexSpec
    from harness.tasks.recommendation.retrieval.searchers import Searcher

NOTHING, START = 0, 1
"""Tokens before the items' of a sequence: an empty place, and the start of a past."""


@dataclass(frozen=True)
class Index:
    """A built index over some of the items.

    Args:
        items: (num_rows,) the item code of each row of the index.
        lifted: whether vectors were stored with the coordinate that makes them equally long.
        recall_by_way: {"lifted": …, "plain": …} recall of exact search by which the way was chosen; empty
            where there was nothing to choose. build_seconds: of this index. spent_seconds: of all that was
            built and compared for it.
    """

    spec: IndexSpec
    items: np.ndarray
    searcher: Searcher
    build_seconds: float = 0.0
    spent_seconds: float = 0.0
    recall_by_way: Mapping[str, float] = field(default_factory=dict)

    def asked(self, **query: int) -> Index:
        """The same index, asked another way."""
        return replace(self, spec=replace(self.spec, query={**self.spec.query, **query}))

    def search(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best k items of each vector by inner product, and these products.

        Args:
            allowed: (num_rows,) bool, what may be answered; None for all.
        Returns:
            (n, k) item codes, best first, −1 where the index found no more; (n, k) float32, −inf there.
        """
        if self.lifted:
            vectors = np.pad(vectors, ((0, 0), (0, 1)))
        vectors = np.ascontiguousarray(vectors, np.float32)
        width = min(k, len(self.items))
        found, rows = self.searcher.search(vectors, width, self.spec.query, allowed)
        items = np.where(rows >= 0, self.items[rows], -1)
        if self.lifted:  # squared distance → inner product, with the length that all share
            squared = (vectors**2).sum(1, keepdims=True)
            found = (squared + self._length**2 - found) / 2
        found = np.where(rows >= 0, found, -np.inf).astype(np.float32)
        if width < k:
            items = np.pad(items, ((0, 0), (0, k - width)), constant_values=-1)
            found = np.pad(found, ((0, 0), (0, k - width)), constant_values=-np.inf)
        return items, found

    def with_inserted(self, vectors: np.ndarray, items: np.ndarray, threads: int) -> Index:
        """This index with more items, (n, dim) vectors of codes (n,); its searcher is the same, grown.

        Lifted vectors longer than all that it was built of are stored as they are, and rank too low.
        """
        if self.lifted:
            vectors = lifted_to(self._length, vectors)
        self.searcher.add(np.ascontiguousarray(vectors, np.float32), threads)
        return replace(self, items=np.concatenate([self.items, items]))

    @property
    def size_bytes(self) -> int:
        """Of the file that is deployed."""
        return self.searcher.size_bytes + int(self.items.nbytes)

    @property
    def lifted(self) -> bool:
        return self.spec.lifted

    @property
    def looks_further(self) -> bool:
        """Whether a search for more answers takes more effort, so that the first of them change too."""
        return self.spec.kind in ("hnswlib", "usearch") or bool(self.spec.build.get("refine"))

    @property
    def _length(self) -> float:
        return float(self.spec.build["length"])

    def save(self, path: Path) -> None:
        self.searcher.save(path)


def lifted_to(length: float, vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, dim) with one more coordinate, by which all are of that length."""
    missing = np.maximum(length**2 - (vectors**2).sum(1), 0)
    return np.concatenate([vectors, np.sqrt(missing)[:, None]], 1)


@dataclass(frozen=True)
class Fitted:
    """A retriever that is nothing but arrays.

    Args:
        weights: by name. settings: what `load` passes on.
    """

    weights: Mapping[str, np.ndarray]
    settings: Mapping[str, float | int | bool] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)

    def arrays(self) -> dict[str, np.ndarray]:
        return dict(self.weights)

    def options(self) -> dict[str, float | int | bool]:
        return dict(self.settings)


def profiles(requests: Requests, history: History, num_items: int) -> sp.csr_matrix:
    """(n, num_items) 1 where an item is in the user's past or in this visit."""
    rows, items = history.seen(requests.whose)
    visit_rows, at = np.nonzero(requests.session >= 0)
    rows = np.concatenate([rows, visit_rows])
    items = np.concatenate([items, requests.session[visit_rows, at]])
    ones = np.ones(len(rows), np.float32)
    matrix = sp.csr_matrix((ones, (rows, items)), shape=(len(requests), num_items))
    matrix.data[:] = 1.0  # an item seen twice counts once
    return matrix


@dataclass(frozen=True)
class Popularity(Fitted):
    """How often each item was chosen, the same for everybody."""

    name: str = "popularity"

    def scores(self, requests: Requests, history: History) -> np.ndarray:
        return np.repeat(self.weights["counts"][None].astype(np.float32), len(requests), axis=0)


@dataclass(frozen=True)
class ItemKnn(Fitted):
    """Similarity to what a user chose, summed; popularity for those without a past."""

    name: str = "item_knn"

    @cached_property
    def similar(self) -> sp.csr_matrix:
        w = self.weights
        n = len(w["indptr"]) - 1
        return sp.csr_matrix((w["data"], w["indices"], w["indptr"]), shape=(n, n))

    def scores(self, requests: Requests, history: History) -> np.ndarray:
        sums = (profiles(requests, history, self.similar.shape[0]) @ self.similar).toarray()
        return np.asarray(
            sums + self.weights["popularity"] * 1e-6, dtype=np.float32
        )  # for users without a past


@dataclass(frozen=True)
class Ease(Fitted):
    """A linear model of items by items, of the commonest ones; the others below, by popularity."""

    name: str = "ease"

    def scores(self, requests: Requests, history: History) -> np.ndarray:
        modelled, popularity = self.weights["modelled"], self.weights["popularity"]
        scores = np.repeat(
            (popularity * 1e-6 - 1.0)[None], len(requests), axis=0
        )  # others: below, by popularity
        profile = profiles(requests, history, len(popularity))[:, modelled]
        scores[:, modelled] = profile @ self.weights["item_weights"] + popularity[modelled] * 1e-6
        return np.asarray(scores, dtype=np.float32)


@dataclass(frozen=True)
class MatrixFactorization(Fitted):
    """A vector for each known user and item; the mean user's for the unknown."""

    name: str = "matrix_factorization"

    def item_vectors(self) -> np.ndarray:
        return self.weights["items"]

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        known = self.weights["users"]
        return np.asarray(known[np.where(requests.user >= 0, requests.user, len(known) - 1)])


@dataclass(frozen=True)
class LightGcn(MatrixFactorization):
    name: str = "lightgcn"


@dataclass(frozen=True)
class ImplicitAls(Fitted):
    """Item vectors; users are solved for from what they chose."""

    name: str = "implicit_als"

    def item_vectors(self) -> np.ndarray:
        return self.weights["items"]

    @cached_property
    def _gram(self) -> np.ndarray:
        items = self.weights["items"].astype(np.float64)
        return items.T @ items + float(self.settings["l2"]) * np.eye(items.shape[1])

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        """The least-squares vectors of what each user chose; the mean user's for those who chose nothing."""
        items, alpha = self.weights["items"].astype(np.float64), float(self.settings["alpha"])
        chosen = profiles(requests, history, len(items))
        found = np.repeat(self.weights["mean"][None], len(requests), axis=0).astype(np.float64)
        for row in np.flatnonzero(np.diff(chosen.indptr)):
            mine = items[chosen.indices[chosen.indptr[row] : chosen.indptr[row + 1]]]
            found[row] = np.linalg.solve(self._gram + alpha * mine.T @ mine, (1 + alpha) * mine.sum(0))
        return found.astype(np.float32)


@dataclass(frozen=True)
class OwnVectors(Fitted):
    """Vectors that a recommender of the user's own gave after fitting."""

    name: str = "own"

    def item_vectors(self) -> np.ndarray:
        return self.weights["items"]

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        return np.asarray(_of(self.weights["users"], requests))


@dataclass(frozen=True)
class OwnScores(Fitted):
    """Scores that a recommender of the user's own gave after fitting."""

    name: str = "own"

    def scores(self, requests: Requests, history: History) -> np.ndarray:
        return np.array(_of(self.weights["scores"], requests))


def _of(table: np.ndarray, requests: Requests) -> np.ndarray:
    """Rows of the requests' users; the last one for those who were not there in training."""
    return table[np.where(requests.user >= 0, requests.user, len(table) - 1)]


def tower_inputs(
    interest: np.ndarray, length: int, requests: Requests, history: History
) -> tuple[np.ndarray, ...]:
    """What a user tower takes: user, interest, (n, length) recent items, int64, each code one up since 0 is
    nothing; (n, length) float32, 1 for this visit's.

    Args:
        interest: (num_users,) as each named at sign-up, −1 for none.
    """
    recent, in_visit = history.recent(requests, length)
    named = np.where(requests.user >= 0, interest[requests.user], -1)
    codes = (np.asarray(c, np.int64) + 1 for c in (requests.user, named, recent))
    return *codes, in_visit.astype(np.float32)


def tokens_of(items: np.ndarray) -> np.ndarray:
    """(n, length + 1) tokens of (n, length) right-aligned items, a start before the first."""
    tokens = np.pad(items + 2, ((0, 0), (1, 0)), constant_values=NOTHING + 1)
    tokens[tokens == 1] = NOTHING  # −1, an empty place
    tokens[np.arange(len(tokens)), -1 - (items >= 0).sum(1)] = START
    return np.asarray(tokens, np.int64)


def load(name: str, arrays: Mapping[str, np.ndarray], options: Mapping[str, float | int | bool]) -> Fitted:
    """A retriever from what was stored of it.

    Raises:
        KeyError: it is a network, which this file knows nothing of.
    """
    kind = (OwnScores if "scores" in arrays else OwnVectors) if name == "own" else SERVED[name]
    return kind(arrays, options)


SERVED: Mapping[str, type[Fitted]] = {
    "popularity": Popularity,
    "item_knn": ItemKnn,
    "ease": Ease,
    "matrix_factorization": MatrixFactorization,
    "lightgcn": LightGcn,
    "implicit_als": ImplicitAls,
}

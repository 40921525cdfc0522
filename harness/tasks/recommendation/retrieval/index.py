"""Search for the largest inner products, exactly or approximately: built once, asked in many ways.

Graphs and clusters assume that near is good, which inner products of vectors of unlike length can break.
The cure is one more coordinate that makes all vectors equally long, so that the nearest is the one with the
largest inner product (Bachrach et al. 2014). It rescues vectors that share a direction (two-tower: recall@100
.10 → .79) and ruins those whose lengths differ at random (matrix factorization: .55 → .30), so an approximate
index is built both ways where queries are at hand, and the one with the better recall is kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.record import TrialError
from harness.tasks.recommendation.retrieval.options import IndexSpec
from harness.tasks.recommendation.retrieval.searchers import library
from harness.tasks.recommendation.served import Index, lifted_to

CONFIDENCE, CONFIDENT = 0.95, 1.645
"""That the wanted recall is reached for users like those it was chosen by; its quantile of the normal law."""
MOST_EFFORT = 1 << 14
"""Of a search, beyond which a recall counts as out of reach."""


def build_index(
    vectors: np.ndarray,
    items: np.ndarray,
    spec: IndexSpec,
    seed: int,
    threads: int,
    queries: np.ndarray | None = None,
    k: int = 100,
) -> Index:
    """Build an index over the vectors of some items.

    Args:
        vectors: (num_items, dim) float32 of the whole catalogue. items: codes of those to be found.
        queries: (n, dim) of users like those who will ask, by whose recall@k plain vectors or lifted ones are
            chosen, and the effort of a search; without them the vectors are lifted.
    Raises:
        TrialError: there are too few items for the index asked for.
    """
    chosen = np.ascontiguousarray(vectors[items], np.float32)
    start = time.perf_counter()
    if spec.kind == "flat":
        only = index_one_way(chosen, items, spec, seed, threads, lift=False)
        return replace(only, spent_seconds=time.perf_counter() - start)
    lifted = index_one_way(chosen, items, spec, seed, threads, lift=True)
    if queries is None or not len(queries):
        if spec.recall:
            raise TrialError(
                "an index's recall needs users, on whom its effort is chosen, and the log has none"
            )
        return replace(lifted, spent_seconds=time.perf_counter() - start)
    plain = index_one_way(chosen, items, spec, seed, threads, lift=False)
    k = min(k, len(items))
    exact = exact_search(queries, chosen, items, k)
    recalls = {
        name: float(exact.recall(index.search(queries, k)[0]).mean())
        for name, index in (("lifted", lifted), ("plain", plain))
    }
    better = plain if recalls["plain"] > recalls["lifted"] else lifted
    if spec.recall:
        better = with_effort_for(better, spec.recall, queries, exact)
    return replace(better, spent_seconds=time.perf_counter() - start, recall_by_way=recalls)


def with_effort_for(index: Index, target: float, queries: np.ndarray, exact: Exact) -> Index:
    """The index asked with the least effort whose recall of exact search is surely enough (CONFIDENCE).

    The mean over the queries would be too low for other ones in half of the cases; its lower limit is not.

    Args:
        queries: (n, dim). exact: what exact search answers them.
    Raises:
        TrialError: no effort reaches it.
    """
    name = next(iter(index.spec.query))

    def recall(effort: int) -> float:
        shares = exact.recall(index.asked(**{name: effort}).search(queries, exact.k)[0])
        return float(shares.mean() - CONFIDENT * shares.std(ddof=1) / len(shares) ** 0.5)

    high = exact.k if name == "ef_search" else 1  # graphs search for all that they answer
    low = high - 1  # recall(low) < target ≤ recall(high), once the loop has ended
    while (reached := recall(high)) < target:
        if high >= MOST_EFFORT:
            said = f"index {index.spec.kind} surely reaches a recall of {reached:.3f} with {name} {high}"
            raise TrialError(f"{said}, not {target}: ask for less, or build it finer")
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if recall(middle) >= target else (middle, high)
    return index.asked(**{name: high})


@dataclass(frozen=True)
class Exact:
    """What exact search answers, by which an index is judged.

    Args:
        items: (n, k) those of the largest inner products, in any order.
        alike: (codes + 1,) item → the first one with its vector; −1, which is nobody's, → −1.
    """

    items: np.ndarray
    alike: np.ndarray

    @property
    def k(self) -> int:
        return int(self.items.shape[1])

    def recall(self, answers: np.ndarray) -> np.ndarray:
        """(n,) share of these items that an answer holds, or one with the same vector for each.

        Of 37 variants of a product with one vector, any ten are as good as any other: by their codes exact
        search had a recall of .925 of itself.

        Args:
            answers: (n, any) items, −1 where there is none.
        """
        most = max(self.k, answers.shape[1])
        wanted, found = (_one_by_one(self.alike[codes], most) for codes in (self.items, answers))
        width = int(max(found.max(initial=0), wanted.max(initial=0))) + 1
        row, there = np.arange(len(wanted))[:, None] * width, wanted >= 0
        held = np.isin(wanted + row, np.where(found < 0, -1, found + row)) & there
        counts = there.sum(1)
        return np.asarray(held.sum(1)[counts > 0] / counts[counts > 0])


def _one_by_one(codes: np.ndarray, most: int) -> np.ndarray:
    """(n, k) numbers, by which the second of equal codes in a row, `most` at most, is another than the first;
    −1 stays."""
    ordered = np.sort(codes, axis=1)
    place = np.arange(codes.shape[1])
    is_first = np.diff(ordered, axis=1, prepend=-2) != 0
    before = place - np.maximum.accumulate(np.where(is_first, place, 0), axis=1)
    return np.asarray(np.where(ordered < 0, -1, ordered.astype(np.int64) * most + before))


def exact_search(queries: np.ndarray, vectors: np.ndarray, items: np.ndarray, k: int) -> Exact:
    """The k items of the largest inner products.

    Args:
        queries: (n, dim). vectors: (m, dim) of the items. items: (m,) their codes. k: at most m.
    """
    parts = [
        np.argpartition(-(queries[at : at + 128] @ vectors.T), k - 1, axis=1)[:, :k]
        for at in range(0, len(queries), 128)
    ]
    rows = np.ascontiguousarray(vectors + 0.0, np.float32)  # −0 is 0
    _, first, which = np.unique(
        rows.view(np.dtype((np.void, rows.strides[0]))).ravel(), return_index=True, return_inverse=True
    )
    alike = np.full(int(items.max()) + 2, -1, dtype=np.int64)
    alike[items] = items[first[which]]
    return Exact(np.asarray(items[np.concatenate(parts)]), alike)


def load_index(path: Path, items: np.ndarray, spec: Mapping[str, Any], dim: int, threads: int) -> Index:
    """The inverse of `Index.save`; `spec` as a mapping of IndexSpec's fields, `dim` of the vectors."""
    read = IndexSpec(**spec)
    return Index(read, items, library(read.kind).load(path, read, dim + read.lifted, threads))


def index_one_way(
    vectors: np.ndarray, items: np.ndarray, spec: IndexSpec, seed: int, threads: int, *, lift: bool
) -> Index:
    """One index, trained and filled; lifted vectors are all as long as the longest."""
    start = time.perf_counter()
    if lift:
        length = float(np.sqrt((vectors**2).sum(1).max()))
        vectors = lifted_to(length, vectors)
        spec = replace(spec, build={**spec.build, "length": length})
    vectors = np.ascontiguousarray(vectors, np.float32)
    searcher = library(spec.kind).built(vectors, spec, seed, threads, distance=lift)
    return Index(spec, items, searcher, time.perf_counter() - start)

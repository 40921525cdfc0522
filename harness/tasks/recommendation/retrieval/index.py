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
from dataclasses import replace
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
    exact = best_items(queries, chosen, items, k)
    recalls = {
        name: float(recall_against(index.search(queries, k)[0], exact).mean())
        for name, index in (("lifted", lifted), ("plain", plain))
    }
    better = plain if recalls["plain"] > recalls["lifted"] else lifted
    if spec.recall:
        better = with_effort_for(better, spec.recall, queries, exact)
    return replace(better, spent_seconds=time.perf_counter() - start, recall_by_way=recalls)


def with_effort_for(index: Index, target: float, queries: np.ndarray, exact: np.ndarray) -> Index:
    """The index asked with the least effort whose recall of exact search is surely enough (CONFIDENCE).

    The mean over the queries would be too low for other ones in half of the cases; its lower limit is not.

    Args:
        queries: (n, dim). exact: (n, k) items that exact search answers.
    Raises:
        TrialError: no effort reaches it.
    """
    name = next(iter(index.spec.query))

    def recall(effort: int) -> float:
        found, _ = index.asked(**{name: effort}).search(queries, exact.shape[1])
        shares = recall_against(found, exact)
        return float(shares.mean() - CONFIDENT * shares.std(ddof=1) / len(shares) ** 0.5)

    high = exact.shape[1] if name == "ef_search" else 1  # graphs search for all that they answer
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


def best_items(queries: np.ndarray, vectors: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """(n, k) the items of the largest inner products, in any order."""
    parts = [
        np.argpartition(-(queries[at : at + 128] @ vectors.T), k - 1, axis=1)[:, :k]
        for at in range(0, len(queries), 128)
    ]
    return np.asarray(items[np.concatenate(parts)])


def load_index(path: Path, items: np.ndarray, spec: Mapping[str, Any], dim: int, threads: int) -> Index:
    """The inverse of `Index.save`; `spec` as a mapping of IndexSpec's fields, `dim` of the vectors."""
    read = IndexSpec(**spec)
    return Index(read, items, library(read.kind).load(path, read, dim + read.lifted, threads))


def recall_against(answers: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(n,) share of the exact answer's items that an answer holds."""
    width = int(max(answers.max(initial=0), exact.max(initial=0))) + 2
    row = np.arange(len(exact))[:, None] * width + 1  # −1 is nobody's item
    there = exact >= 0
    found = np.isin(exact + row, answers + row) & there
    counts = there.sum(1)
    return np.asarray(found.sum(1)[counts > 0] / counts[counts > 0])


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

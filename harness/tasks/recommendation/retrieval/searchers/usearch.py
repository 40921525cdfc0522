"""usearch: HNSW in one header. Vectors are kept in 32 bits here; by default it would round them to 16.

Its graph depends on the order in which threads insert: one does. Its Python binding has no filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.tasks.recommendation.retrieval.options import IndexSpec


usearch = import_module("usearch.index")


@dataclass(frozen=True)
class UsearchSearcher:
    """A graph of usearch."""

    index: Any
    threads: int

    def add(self, vectors: np.ndarray, threads: int) -> None:
        stored = len(self.index)
        self.index.add(np.arange(stored, stored + len(vectors)), vectors, threads=1)

    def search(
        self, vectors: np.ndarray, k: int, query: Mapping[str, int], allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if allowed is not None:
            from harness.tasks.recommendation.retrieval.searchers import asking_for_more

            return asking_for_more(self, vectors, k, query, allowed)
        self.index.expansion_search = query["ef_search"]
        found = self.index.search(vectors, k, threads=self.threads)
        values, rows = np.atleast_2d(found.distances), np.atleast_2d(found.keys).astype(np.int64)
        counts = getattr(found, "counts", np.array([rows.shape[1]]))
        here = np.arange(rows.shape[1]) < counts[:, None]
        if self.index.metric_kind == usearch.MetricKind.IP:
            values = 1 - values
        values, rows = np.where(here, values, 0), np.where(here, rows, -1)
        missing = ((0, 0), (0, k - rows.shape[1]))
        return np.pad(values, missing), np.pad(rows, missing, constant_values=-1)

    @property
    def size_bytes(self) -> int:
        return int(self.index.serialized_length)

    def save(self, path: Path) -> None:
        self.index.save(str(path))


def built(vectors: np.ndarray, spec: IndexSpec, seed: int, threads: int, distance: bool) -> UsearchSearcher:
    searcher = UsearchSearcher(_empty(spec, vectors.shape[1], distance), threads)
    searcher.add(vectors, 1)
    return searcher


def load(path: Path, spec: IndexSpec, dim: int, threads: int) -> UsearchSearcher:
    index = _empty(spec, dim, spec.lifted)
    index.load(str(path))
    return UsearchSearcher(index, threads)


def _empty(spec: IndexSpec, dim: int, distance: bool) -> Any:
    return usearch.Index(
        ndim=dim,
        metric="l2sq" if distance else "ip",
        dtype="f32",
        connectivity=spec.build["m"],
        expansion_add=spec.build["ef_construction"],
    )

"""hnswlib, the HNSW of its inventors. Its graph depends on the order in which threads insert: one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.tasks.recommendation.retrieval.options import IndexSpec


hnswlib = import_module("hnswlib")


@dataclass(frozen=True)
class HnswlibSearcher:
    """A graph of hnswlib."""

    index: Any
    threads: int

    def add(self, vectors: np.ndarray, threads: int) -> None:
        stored = self.index.get_current_count()
        self.index.resize_index(stored + len(vectors))
        self.index.add_items(vectors, np.arange(stored, stored + len(vectors)), num_threads=1)

    def search(
        self, vectors: np.ndarray, k: int, query: Mapping[str, int], allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        self.index.set_ef(query["ef_search"])
        try:
            values, rows = self._asked(vectors, k, allowed)
        except RuntimeError:  # where a query finds fewer than k, it answers none of them
            values, rows = self._one_by_one(vectors, k, allowed)
        if self.index.space == "ip":
            values = 1 - values
        return values, rows

    def _asked(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if allowed is None:
            rows, values = self.index.knn_query(vectors, k, num_threads=self.threads)
        else:
            may = allowed.tolist().__getitem__
            rows, values = self.index.knn_query(vectors, k, num_threads=1, filter=may)
        return values, rows.astype(np.int64)

    def _one_by_one(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        values, rows = np.zeros((len(vectors), k), np.float32), np.full((len(vectors), k), -1)
        for n, vector in enumerate(vectors):
            low, high = 0, k  # the most that it answers lies from low to high
            while low < high:
                middle = (low + high + 1) // 2
                try:
                    values[n, :middle], rows[n, :middle] = self._asked(vector[None], middle, allowed)
                    low = middle
                except RuntimeError:
                    high = middle - 1
        return values, rows

    @property
    def size_bytes(self) -> int:
        return int(self.index.index_file_size())

    def save(self, path: Path) -> None:
        self.index.save_index(str(path))


def built(vectors: np.ndarray, spec: IndexSpec, seed: int, threads: int, distance: bool) -> HnswlibSearcher:
    from harness.streams import seed_for  # only where an index is built: `export` copies this file

    index = hnswlib.Index("l2" if distance else "ip", vectors.shape[1])
    index.init_index(
        len(vectors),
        M=spec.build["m"],
        ef_construction=spec.build["ef_construction"],
        random_seed=seed_for(seed, "index") % 2**31,
    )
    index.add_items(vectors, np.arange(len(vectors)), num_threads=1)
    return HnswlibSearcher(index, threads)


def load(path: Path, spec: IndexSpec, dim: int, threads: int) -> HnswlibSearcher:
    index = hnswlib.Index("l2" if spec.lifted else "ip", dim)
    index.load_index(str(path))
    return HnswlibSearcher(index, threads)

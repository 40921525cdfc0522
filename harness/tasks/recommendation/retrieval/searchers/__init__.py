"""Libraries that search vectors, one file each.

Each module has `built(vectors, spec, seed, threads, distance) -> Searcher`, and the inverse of `save`,
`load(path, spec, dim, threads)`; it imports its library, so that a suite without it needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from harness.tasks.recommendation.retrieval.options import LIBRARIES


class Searcher(Protocol):
    """Stored vectors, numbered from 0 in the order in which they were added."""

    def add(self, vectors: np.ndarray, threads: int) -> None:
        """Insert (n, dim) float32 vectors; nothing is learned anew."""

    def search(
        self, vectors: np.ndarray, k: int, query: Mapping[str, int], allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest stored vectors of each one.

        Args:
            vectors: (n, dim) float32. query: how it is asked, `ef_search` or `nprobe`.
            allowed: (num_stored,) bool, what may be answered; None for all.
        Returns:
            (n, k) squared distances, or inner products of a searcher of those, best first; (n, k) rows, −1
            where no more were found.
        """

    @property
    def size_bytes(self) -> int:
        """Of the file that is deployed."""

    def save(self, path: Path) -> None: ...


def library(kind: str) -> ModuleType:
    """The module of the library that an index's kind is built by."""
    return import_module(f"{__name__}.{LIBRARIES.get(kind, 'faiss')}")


def asking_for_more(
    searcher: Searcher, vectors: np.ndarray, k: int, query: Mapping[str, int], allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A filter for a library that has none: more are asked for, until enough of them are allowed."""
    possible = min(k, int(allowed.sum()))
    wide = min(len(allowed), int(np.ceil(1.5 * k / max(float(allowed.mean()), 1e-9))))
    while True:
        values, rows = searcher.search(vectors, wide, query, None)
        dropped = (rows < 0) | ~allowed[rows]
        if wide == len(allowed) or ((~dropped).sum(1) >= possible).all():
            break
        wide = min(len(allowed), 2 * wide)
    order = np.argsort(dropped, axis=1, kind="stable")[:, :k]
    rows = np.where(np.take_along_axis(dropped, order, 1), -1, np.take_along_axis(rows, order, 1))
    return np.take_along_axis(values, order, 1), rows

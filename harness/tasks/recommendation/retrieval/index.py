"""Search for the largest inner products, exactly or approximately: FAISS, built once, asked in many ways.

Graphs and clusters assume that near is good, which inner products of vectors of unlike length break; so
all but `flat` store vectors with one more coordinate that makes them equally long, where the nearest
vector is the one with the largest inner product (Bachrach et al. 2014).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from harness.record import TrialError
from harness.streams import seed_for
from harness.tasks.recommendation.retrieval.options import IndexSpec

faiss: Any = import_module("faiss")  # its type stubs lack half of it


@dataclass(frozen=True)
class Index:
    """A built index over some of the items.

    Args:
        items: (num_rows,) the item code of each row of the index.
        query: how it is asked: {"nprobe": …} or {"ef_search": …}.
    """

    spec: IndexSpec
    items: np.ndarray
    searcher: Any
    build_seconds: float

    def asked(self, **query: int) -> Index:
        """The same index, asked another way."""
        return replace(self, spec=replace(self.spec, query={**self.spec.query, **query}))

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The best k items of each vector by inner product, and these products.

        Returns:
            (n, k) item codes, best first, −1 where the index found no more; (n, k) float32, −inf there.
        """
        if self.spec.kind != "flat":
            vectors = np.pad(vectors, ((0, 0), (0, 1)))
        parameters = _query_parameters(self.spec)
        vectors = np.ascontiguousarray(vectors, np.float32)
        width = min(k, len(self.items))
        found, rows = self.searcher.search(vectors, width, params=parameters)
        items = np.where(rows >= 0, self.items[rows], -1)
        if self.spec.kind != "flat":  # squared distance → inner product, with the length that all share
            squared = (vectors**2).sum(1, keepdims=True)
            found = (squared + self._length**2 - found) / 2
        found = np.where(rows >= 0, found, -np.inf).astype(np.float32)
        if width < k:
            items = np.pad(items, ((0, 0), (0, k - width)), constant_values=-1)
            found = np.pad(found, ((0, 0), (0, k - width)), constant_values=-np.inf)
        return items, found

    @property
    def size_bytes(self) -> int:
        """Of the file that is deployed."""
        return int(faiss.serialize_index(self.searcher).nbytes + self.items.nbytes)

    @property
    def _length(self) -> float:
        return float(self.spec.build.get("length", 0.0))

    def save(self, path: Path) -> None:
        faiss.write_index(self.searcher, str(path))


def build_index(vectors: np.ndarray, items: np.ndarray, spec: IndexSpec, seed: int, threads: int) -> Index:
    """Build an index over the vectors of some items.

    Args:
        vectors: (num_items, dim) float32 of the whole catalogue. items: codes of those to be found.
    Raises:
        TrialError: there are too few items for the index asked for.
    """
    faiss.omp_set_num_threads(threads)
    chosen = np.ascontiguousarray(vectors[items], np.float32)
    start = time.perf_counter()
    if spec.kind == "flat":
        searcher = faiss.IndexFlatIP(chosen.shape[1])
    else:
        squared = (chosen**2).sum(1)
        length = float(np.sqrt(squared.max()))
        chosen = np.concatenate([chosen, np.sqrt(np.maximum(length**2 - squared, 0))[:, None]], 1)
        spec = replace(spec, build={**spec.build, "length": length})
        searcher = _empty(spec, chosen.shape[1], len(items), seed)
        searcher.train(chosen)
    searcher.add(np.ascontiguousarray(chosen, np.float32))
    return Index(spec, items, searcher, time.perf_counter() - start)


def load_index(path: Path, items: np.ndarray, spec: Mapping[str, Any], threads: int) -> Index:
    """The inverse of `Index.save`; `spec` as a mapping of IndexSpec's fields."""
    faiss.omp_set_num_threads(threads)
    return Index(IndexSpec(**spec), items, faiss.read_index(str(path)), 0.0)


def recall_against(answers: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(n,) share of the exact answer's items that an answer holds."""
    shares = [np.isin(e[e >= 0], a).mean() for a, e in zip(answers, exact, strict=True) if (e >= 0).any()]
    return np.array(shares)


def _empty(spec: IndexSpec, dim: int, n: int, seed: int) -> Any:
    build = spec.build
    if spec.kind == "hnsw":
        searcher = faiss.IndexHNSWFlat(dim, build["m"])
        searcher.hnsw.efConstruction = build["ef_construction"]
        return searcher
    nlist = build["nlist"] or max(1, min(int(4 * n**0.5), n // 39))
    if n < nlist:
        raise TrialError(f"index {spec.kind} with nlist {nlist} needs as many items, there are {n}")
    quantizer = faiss.IndexFlatL2(dim)
    if spec.kind == "ivf":
        searcher = faiss.IndexIVFFlat(quantizer, dim, nlist)
    else:
        parts, bits = build["subquantizers"], build["bits"]
        if n < 2**bits:
            raise TrialError(f"index ivf_pq with bits {bits} needs {2**bits} items or more, there are {n}")
        padded = -(-dim // parts) * parts
        coded = faiss.IndexIVFPQ(faiss.IndexFlatL2(padded), padded, nlist, parts, bits)
        _prepare_clusters(coded, seed)
        coded.pq.cp.seed = seed_for(seed, "pq") % 2**31
        coded = faiss.IndexPreTransform(faiss.RemapDimensionsTransform(dim, padded, False), coded)
        return faiss.IndexRefineFlat(coded) if build["refine"] else coded
    _prepare_clusters(searcher, seed)
    return searcher


def _prepare_clusters(searcher: Any, seed: int) -> None:
    searcher.cp.seed = seed_for(seed, "index") % 2**31
    searcher.cp.min_points_per_centroid = 1  # few items per cluster are the user's choice: no warning


def _query_parameters(spec: IndexSpec) -> Any:
    if spec.kind == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=spec.query["ef_search"])
    if spec.kind == "ivf":
        return faiss.SearchParametersIVF(nprobe=spec.query["nprobe"])
    if spec.kind == "ivf_pq":
        inner = faiss.SearchParametersIVF(nprobe=spec.query["nprobe"])
        coded = faiss.SearchParametersPreTransform(index_params=inner)
        factor = spec.build.get("refine", 0)
        return (
            faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=coded) if factor else coded
        )
    return None

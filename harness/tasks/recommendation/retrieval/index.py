"""Search for the largest inner products, exactly or approximately: FAISS, built once, asked in many ways.

Graphs and clusters assume that near is good, which inner products of vectors of unlike length can break.
The cure is one more coordinate that makes all vectors equally long, so that the nearest is the one with the
largest inner product (Bachrach et al. 2014). It rescues vectors that share a direction (two-tower: recall@100
.10 → .79) and ruins those whose lengths differ at random (matrix factorization: .55 → .30), so an approximate
index is built both ways where queries are at hand, and the one with the better recall is kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
        lifted: whether vectors were stored with the coordinate that makes them equally long.
        recall_by_way: {"lifted": …, "plain": …} recall of exact search by which the way was chosen; empty
            where there was nothing to choose. build_seconds: of this index. spent_seconds: of all that was
            built and compared for it.
    """

    spec: IndexSpec
    items: np.ndarray
    searcher: Any
    build_seconds: float = 0.0
    spent_seconds: float = 0.0
    recall_by_way: Mapping[str, float] = field(default_factory=dict)

    def asked(self, **query: int) -> Index:
        """The same index, asked another way."""
        return replace(self, spec=replace(self.spec, query={**self.spec.query, **query}))

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The best k items of each vector by inner product, and these products.

        Returns:
            (n, k) item codes, best first, −1 where the index found no more; (n, k) float32, −inf there.
        """
        if self.lifted:
            vectors = np.pad(vectors, ((0, 0), (0, 1)))
        parameters = _query_parameters(self.spec)
        vectors = np.ascontiguousarray(vectors, np.float32)
        width = min(k, len(self.items))
        found, rows = self.searcher.search(vectors, width, params=parameters)
        items = np.where(rows >= 0, self.items[rows], -1)
        if self.lifted:  # squared distance → inner product, with the length that all share
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
    def lifted(self) -> bool:
        return "length" in self.spec.build

    @property
    def _length(self) -> float:
        return float(self.spec.build["length"])

    def save(self, path: Path) -> None:
        faiss.write_index(self.searcher, str(path))


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
        queries: (n, dim) of users of the training part, by whose recall@k plain vectors or lifted ones are
            chosen; without them the vectors are lifted.
    Raises:
        TrialError: there are too few items for the index asked for.
    """
    faiss.omp_set_num_threads(threads)
    chosen = np.ascontiguousarray(vectors[items], np.float32)
    start = time.perf_counter()
    if spec.kind == "flat":
        only = _built(chosen, items, spec, seed)
        return replace(only, spent_seconds=time.perf_counter() - start)
    lifted = _built(chosen, items, spec, seed, lift=True)
    if queries is None or not len(queries):
        return replace(lifted, spent_seconds=time.perf_counter() - start)
    plain = _built(chosen, items, spec, seed)
    k = min(k, len(items))
    exact = items[np.argpartition(-(queries @ chosen.T), k - 1, axis=1)[:, :k]]
    recalls = {
        name: float(recall_against(index.search(queries, k)[0], exact).mean())
        for name, index in (("lifted", lifted), ("plain", plain))
    }
    better = plain if recalls["plain"] > recalls["lifted"] else lifted
    return replace(better, spent_seconds=time.perf_counter() - start, recall_by_way=recalls)


def load_index(path: Path, items: np.ndarray, spec: Mapping[str, Any], threads: int) -> Index:
    """The inverse of `Index.save`; `spec` as a mapping of IndexSpec's fields."""
    faiss.omp_set_num_threads(threads)
    return Index(IndexSpec(**spec), items, faiss.read_index(str(path)))


def recall_against(answers: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(n,) share of the exact answer's items that an answer holds."""
    shares = [np.isin(e[e >= 0], a).mean() for a, e in zip(answers, exact, strict=True) if (e >= 0).any()]
    return np.array(shares)


def _built(
    vectors: np.ndarray, items: np.ndarray, spec: IndexSpec, seed: int, *, lift: bool = False
) -> Index:
    """One index, trained and filled; lifted vectors are all as long as the longest."""
    start = time.perf_counter()
    if lift:
        squared = (vectors**2).sum(1)
        vectors = np.concatenate([vectors, np.sqrt(squared.max() - squared)[:, None]], 1)
        spec = replace(spec, build={**spec.build, "length": float(np.sqrt(squared.max()))})
    metric = faiss.METRIC_L2 if lift else faiss.METRIC_INNER_PRODUCT
    searcher = _empty(spec, vectors.shape[1], len(items), seed, metric)
    vectors = np.ascontiguousarray(vectors, np.float32)
    searcher.train(vectors)
    searcher.add(vectors)
    return Index(spec, items, searcher, time.perf_counter() - start)


def _empty(spec: IndexSpec, dim: int, n: int, seed: int, metric: int) -> Any:
    build = spec.build
    if spec.kind == "flat":
        return faiss.IndexFlat(dim, metric)
    if spec.kind == "hnsw":
        searcher = faiss.IndexHNSWFlat(dim, build["m"], metric)
        searcher.hnsw.efConstruction = build["ef_construction"]
        return searcher
    nlist = build["nlist"] or max(1, min(int(4 * n**0.5), n // 39))
    if n < nlist:
        raise TrialError(f"index {spec.kind} with nlist {nlist} needs as many items, there are {n}")
    if spec.kind == "ivf":
        searcher = faiss.IndexIVFFlat(faiss.IndexFlat(dim, metric), dim, nlist, metric)
    else:
        parts, bits = build["subquantizers"], build["bits"]
        if n < 2**bits:
            raise TrialError(f"index ivf_pq with bits {bits} needs {2**bits} items or more, there are {n}")
        padded = -(-dim // parts) * parts
        coarse = faiss.IndexFlat(padded, metric)
        coded = faiss.IndexIVFPQ(coarse, padded, nlist, parts, bits, metric)
        _prepare_clusters(coded.cp, seed_for(seed, "index"))
        _prepare_clusters(coded.pq.cp, seed_for(seed, "pq"))
        coded = faiss.IndexPreTransform(faiss.RemapDimensionsTransform(dim, padded, False), coded)
        return faiss.IndexRefineFlat(coded) if build["refine"] else coded
    _prepare_clusters(searcher.cp, seed_for(seed, "index"))
    return searcher


def _prepare_clusters(clustering: Any, seed: int) -> None:
    clustering.seed = seed % 2**31
    # On by default for inner products: centres of length 1, which cost IVF-PQ 6 to 10 points of recall.
    clustering.spherical = False
    clustering.min_points_per_centroid = 1  # few items per cluster are the user's choice: no warning


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

"""FAISS: exact search, inverted lists, product codes and HNSW. Its graphs are the same for any threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.tasks.recommendation.retrieval.options import IndexSpec


faiss = import_module("faiss")  # its type stubs lack half of it


@dataclass(frozen=True)
class FaissSearcher:
    """An index of FAISS."""

    index: Any
    spec: IndexSpec

    def add(self, vectors: np.ndarray, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self.index.add(np.ascontiguousarray(vectors, np.float32))

    def search(
        self, vectors: np.ndarray, k: int, query: Mapping[str, int], allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        chosen = None if bits is None else faiss.IDSelectorBitmap(bits)
        found: tuple[np.ndarray, np.ndarray] = self.index.search(
            vectors, k, params=_parameters(self.spec, query, chosen)
        )
        return found

    @property
    def size_bytes(self) -> int:
        return int(faiss.serialize_index(self.index).nbytes)

    def save(self, path: Path) -> None:
        faiss.write_index(self.index, str(path))


def built(vectors: np.ndarray, spec: IndexSpec, seed: int, threads: int, distance: bool) -> FaissSearcher:
    """An index, trained and filled.

    Raises:
        TrialError: there are too few vectors for the index asked for.
    """
    faiss.omp_set_num_threads(threads)
    metric = faiss.METRIC_L2 if distance else faiss.METRIC_INNER_PRODUCT
    index = _empty(spec, vectors.shape[1], len(vectors), seed, metric)
    index.train(vectors)
    index.add(vectors)
    return FaissSearcher(index, spec)


def load(path: Path, spec: IndexSpec, dim: int, threads: int) -> FaissSearcher:
    faiss.omp_set_num_threads(threads)
    return FaissSearcher(faiss.read_index(str(path)), spec)


def _empty(spec: IndexSpec, dim: int, n: int, seed: int, metric: int) -> Any:
    from harness.record import TrialError  # only where an index is built: `export` copies this file
    from harness.streams import seed_for

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


def _parameters(spec: IndexSpec, query: Mapping[str, int], chosen: Any) -> Any:
    if spec.kind == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=query["ef_search"], sel=chosen)
    if spec.kind == "ivf":
        return faiss.SearchParametersIVF(nprobe=query["nprobe"], sel=chosen)
    if spec.kind == "ivf_pq":
        inner = faiss.SearchParametersIVF(nprobe=query["nprobe"], sel=chosen)
        coded = faiss.SearchParametersPreTransform(index_params=inner)
        factor = spec.build.get("refine", 0)
        return (
            faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=coded) if factor else coded
        )
    return None if chosen is None else faiss.SearchParameters(sel=chosen)

"""Items that the same users chose: cosine similarity with shrinkage (Sarwar et al. 2001)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from harness.tasks.recommendation.retrieval.base import Lesson, interaction_matrix
from harness.tasks.recommendation.served import ItemKnn


def fit(lesson: Lesson, *, neighbours: int = 100, shrink: float = 10.0) -> ItemKnn:
    """Keep each item's most similar items.

    Args:
        neighbours: how many. shrink: added to the denominator, distrusts rare items.
    """
    x = interaction_matrix(lesson)
    norms = np.sqrt(np.asarray(x.sum(0)).ravel())
    together = (x.T @ x).tocsr()
    together.setdiag(0)
    together.eliminate_zeros()
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    together.data = together.data / (norms[rows] * norms[together.indices] + shrink)
    kept = _largest_of_rows(
        together, neighbours
    ).T.tocsr()  # profile @ kept: from what was seen to what is similar
    count = norms**2
    return ItemKnn(
        {
            "data": kept.data.astype(np.float32),
            "indices": kept.indices,
            "indptr": kept.indptr,
            "popularity": (count / max(count.max(), 1)).astype(np.float32),
        }
    )


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> ItemKnn:
    return ItemKnn(arrays, options)


def _largest_of_rows(matrix: sp.csr_matrix, k: int) -> sp.csr_matrix:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, rows))
    rank = np.arange(len(order)) - matrix.indptr[rows[order]]
    keep = order[rank < k]
    return sp.csr_matrix((matrix.data[keep], (rows[keep], matrix.indices[keep])), shape=matrix.shape)

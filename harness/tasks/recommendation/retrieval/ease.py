"""EASE: the linear autoencoder with a zero diagonal, in closed form (Steck 2019)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.tasks.recommendation.retrieval.base import Lesson, interaction_matrix
from harness.tasks.recommendation.served import Ease


def fit(lesson: Lesson, *, l2: float = 300.0, max_items: int = 4000) -> Ease:
    """Solve for the weights between items.

    Args:
        l2: regularisation. max_items: only the most popular ones are modelled (cost grows with its cube).
    """
    x = interaction_matrix(lesson)
    count = np.asarray(x.sum(0)).ravel()
    modelled = np.sort(np.argsort(-count, kind="stable")[:max_items])
    gram = (x[:, modelled].T @ x[:, modelled]).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += l2
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    popularity = (count / max(count.max(), 1)).astype(np.float32)
    return Ease({"item_weights": weights.astype(np.float32), "modelled": modelled, "popularity": popularity})


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> Ease:
    return Ease(arrays, options)

"""Orders of items: the best by score, empty places last. NumPy alone, since `export` copies it."""

from __future__ import annotations

import numpy as np


def rank_all(scores: np.ndarray, k: int, ties: np.ndarray) -> np.ndarray:
    """(n, k) the best items by score, equal ones by `ties`; −inf scores are never answered (−1).

    Args:
        scores: (n, num_items), no NaN.
    Raises:
        ValueError: a score is NaN.
    """
    if np.isnan(scores).any():
        raise ValueError("a score is NaN: the model diverged, lower its learning rate")
    n, num_items = scores.shape
    width = min(k, num_items)
    answers = np.full((n, k), -1, np.int64)
    kth = -np.partition(-scores, width - 1, axis=1)[:, width - 1]
    for row in range(n):
        pool = np.flatnonzero(scores[row] >= kth[row])
        best = pool[np.lexsort((ties[pool], -scores[row, pool]))[:width]]
        best = best[scores[row, best] > -np.inf]
        answers[row, : len(best)] = best
    return answers


def sorted_by(candidates: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Candidates by falling score, empty places last; equal scores keep the retriever's order."""
    scores = np.where(candidates >= 0, scores, -np.inf)
    return np.take_along_axis(candidates, np.argsort(-scores, axis=1, kind="stable"), 1)


def front(items: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move empty places (−1) to the end of each row, keep the order of the rest."""
    order = np.argsort(items < 0, axis=1, kind="stable")
    return np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1)


def without(
    items: np.ndarray, scores: np.ndarray, seen: tuple[np.ndarray, np.ndarray], num_items: int
) -> tuple[np.ndarray, np.ndarray]:
    """Answers less what each row has seen; `seen` as (row, item) pairs."""
    rows, past = seen
    known = np.unique(rows * num_items + past)
    wanted = np.arange(len(items))[:, None] * num_items + items
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    drop = (known[place] == wanted) & (items >= 0)
    return front(np.where(drop, -1, items), np.where(drop, -np.inf, scores))

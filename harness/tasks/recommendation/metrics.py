"""Ranking metrics over the full catalogue; there are no sampled ones.

Sampled metrics swap winners (Krichene & Rendle 2020), so none can be asked for: every function takes the
answer that was chosen among all eligible items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.streams import seed_for

TIE_GAP_WARNING = 0.01


@dataclass(frozen=True)
class Relevant:
    """The relevant items of n users, as a ragged table.

    Args:
        starts: (n + 1,) row i's items are `items[starts[i]:starts[i + 1]]`.
        items: item codes, sorted within a row, distinct.
    """

    starts: np.ndarray
    items: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1


def relevant_items(rows: np.ndarray, items: np.ndarray, num_rows: int) -> Relevant:
    """The relevant items of each row from (row, item) pairs in any order, duplicates dropped."""
    pairs = (
        np.unique(np.stack([rows, items], 1).astype(np.int64), axis=0) if len(rows) else np.empty((0, 2), int)
    )
    return Relevant(np.searchsorted(pairs[:, 0], np.arange(num_rows + 1)), pairs[:, 1])


def hits(answers: np.ndarray, relevant: Relevant) -> np.ndarray:
    """(n, k) bool: which of the answered items are relevant; −1 never is.

    Raises:
        ValueError: an answer names an item twice, which would count it twice.
    """
    n, k = answers.shape
    if n != len(relevant):
        raise ValueError(f"{n} answers for {len(relevant)} users")
    ordered = np.sort(answers, axis=1)
    if k > 1 and ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("an answer names an item twice")
    if not len(relevant.items):
        return np.zeros((n, k), bool)
    width = int(max(relevant.items.max(), answers.max(initial=0))) + 1
    known = np.repeat(np.arange(n), relevant.counts) * width + relevant.items
    wanted = np.arange(n)[:, None] * width + answers
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.asarray((known[place] == wanted) & (answers >= 0))


def dcg(hit: np.ndarray, k: int) -> np.ndarray:
    """(n,) Σ over the first k ranks of relevance ÷ log₂(rank + 1)."""
    return np.asarray(hit[:, :k] @ _discounts(min(k, hit.shape[1])))


def ndcg(hit: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """(n,) DCG@k over that of the best order of `counts` relevant items; NaN for users without any."""
    ideal = np.concatenate([[0.0], _discounts(k).cumsum()])[np.minimum(counts, k)]
    return _share(dcg(hit, k), ideal, counts)


def recall(hit: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """(n,) share of the relevant items among the first k; NaN for users without any."""
    found = hit[:, :k].sum(1).astype(float)
    return _share(found, counts, counts)


def precision(hit: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """(n,) share of the first k that is relevant; NaN for users without any relevant item."""
    return np.where(counts > 0, hit[:, :k].sum(1) / k, np.nan)


def reciprocal_rank(hit: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """(n,) 1 ÷ rank of the first relevant item, 0 past k; NaN for users without any."""
    first = hit[:, :k].any(1) / (np.argmax(hit[:, :k], axis=1) + 1.0)
    return np.where(counts > 0, first, np.nan)


def coverage(answers: np.ndarray, eligible: int, k: int) -> float:
    """Distinct items over the first k of all answers ÷ the eligible catalogue; it grows with the users."""
    shown = answers[:, :k]
    return len(np.unique(shown[shown >= 0])) / eligible


def gini(counts: np.ndarray) -> float:
    """Inequality of counts, 0 (all alike) to 1 (one has all); NaN when all are 0."""
    ordered = np.sort(counts.astype(float))
    n, total = len(ordered), ordered.sum()
    if not total:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def novelty(answers: np.ndarray, popularity: np.ndarray, k: int) -> float:
    """Mean surprise of the items shown in bits, −log₂ of the share of past events that are theirs."""
    shown = answers[:, :k]
    share = (popularity + 1) / (popularity.sum() + len(popularity))
    return float(-np.log2(share[shown[shown >= 0]]).mean()) if (shown >= 0).any() else float("nan")


def tie_keys(num_items: int, seed: int) -> np.ndarray:
    """(num_items,) distinct seeded keys: the order of items of equal score, the same for all candidates."""
    return np.random.Generator(np.random.Philox(seed_for(seed, "ties"))).permutation(num_items)


def tie_gap(scores: np.ndarray, relevant: Relevant, k: int) -> float:
    """Mean NDCG@k of the luckiest order among equal scores less that of the unluckiest.

    A constant scorer reaches 1 with luck and 0 without: over `TIE_GAP_WARNING` a ranking is luck.
    """
    gap = []
    for row in range(len(scores)):
        mine = relevant.items[relevant.starts[row] : relevant.starts[row + 1]]
        if not len(mine):
            continue
        is_relevant = np.zeros(scores.shape[1], bool)
        is_relevant[mine] = True
        lucky, unlucky = (np.lexsort((key, -scores[row]))[:k] for key in (~is_relevant, is_relevant))
        order = is_relevant[np.stack([lucky, unlucky])]
        value = ndcg(order, np.full(2, len(mine)), k)
        gap.append(value[0] - value[1])
    return float(np.mean(gap)) if gap else 0.0


def _share(part: np.ndarray, whole: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=counts > 0))


def _discounts(k: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, k + 2))

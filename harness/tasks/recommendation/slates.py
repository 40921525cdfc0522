"""What a ranker learns from: logged pages beside items at random, or lists of held-back choices."""

from __future__ import annotations

import numpy as np

from harness.datasets.interactions import Events, Impressions
from harness.streams import generator
from harness.tasks.recommendation.asking import Fitted, all_scores, page_requests, scores_of, user_requests
from harness.tasks.recommendation.features import Knowledge, describe
from harness.tasks.recommendation.history import History
from harness.tasks.recommendation.metrics import hits, relevant_items, tie_keys
from harness.tasks.recommendation.order import rank_all
from harness.tasks.recommendation.ranking.fit import Slates

RANKER_PAGES, UNSHOWN = 8000, 100
"""Pages that a ranker learns from, and items at random added to each. On the validation parts of two other
worlds 100 gave an end-to-end NDCG@10 of .083 and .072, 40 of .076 and .068, none .077 and .064."""
LIST_LENGTH = 50
"""Items of a list that a ranker learns from where no impressions were logged."""


def shown_slates(
    knowledge: Knowledge, retriever: Fitted, history: History, shown: Impressions, eligible: np.ndarray,
    unshown: int, seed: int,
) -> Slates:  # fmt: skip
    """Logged pages with a click as lists, beside items at random that were not shown.

    On a page everything is there because the current recommender put it there; a ranker that has only seen
    pages misjudges the candidates that it will be given (measured: CTR .035 against .043 unranked), and one
    that has seen the retriever's best as misses learns to distrust the retriever (.020).
    """
    rng = generator(seed, "ranker", "unshown")
    pages = np.unique(shown.request[shown.clicked])
    pages = np.sort(rng.permutation(pages)[:RANKER_PAGES])
    shown_all, shown = shown, shown.rows(np.isin(shown.request, pages))
    pages, first, size = np.unique(shown.request, return_index=True, return_counts=True)
    width = int(size.max(initial=1))
    at = first[:, None] + np.arange(width)
    here = np.arange(width) < size[:, None]
    at = np.where(here, at, 0)
    items = np.where(here, shown.item[at], -1).astype(np.int64)
    requests = page_requests(shown_all, pages)
    others = _unshown(items, eligible, unshown, rng)
    items = np.concatenate([items, others], 1)
    scores = scores_of(retriever, requests, history, items)
    none = np.zeros(others.shape, bool)
    return Slates(
        describe(knowledge, history, requests, items, scores),
        np.concatenate([shown.clicked[at] & here, none], 1),
        np.concatenate([np.where(here, shown.position[at], -1), none], 1).astype(np.int64),
    )


def _unshown(shown: np.ndarray, eligible: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(n, count) items on sale at random, none of them shown on the page; −1 where one was drawn."""
    others = rng.choice(np.flatnonzero(eligible), (len(shown), count))
    return np.where((others[:, :, None] == shown[:, None, :]).any(2), -1, others)


def chosen_slates(
    held: Events, time: float, mask_seen: bool, knowledge: Knowledge, retriever: Fitted, history: History,
    seed: int,
) -> Slates:  # fmt: skip
    """Without impressions: of each user one list of held-back choices among the retriever's candidates.

    Args:
        held: the choices held back. time: of deployment, when users ask.
    """
    rng = generator(seed, "ranker", "lists")
    if mask_seen:  # repeats are never candidates: in the lists they would be clicked ones with no score
        held = held.rows(~history.holds(held.user, held.item))
    if not len(held):
        raise ValueError(
            "ranking has nothing to learn from: all that was held back for it is in the users' pasts, which "
            "mask_seen leaves out: write data.args.mask_seen: false, or give a longer log"
        )
    users = np.unique(held.user)
    requests = user_requests(users, time)
    scores = all_scores(retriever, requests, history)
    if mask_seen:
        scores[history.masked(requests.user)] = -np.inf
    pool = rank_all(scores, 4 * LIST_LENGTH, tie_keys(scores.shape[1], seed))
    relevant = relevant_items(np.searchsorted(users, held.user), held.item, len(users))
    items = np.full((len(users), LIST_LENGTH), -1, np.int64)
    for row in range(len(users)):
        mine = rng.permutation(relevant.items[relevant.starts[row] : relevant.starts[row + 1]])[
            : LIST_LENGTH // 5
        ]
        others = np.setdiff1d(pool[row][pool[row] >= 0], mine)
        both = np.concatenate([mine, rng.permutation(others)])[:LIST_LENGTH]
        items[row, : len(both)] = both
    clicked = hits(items, relevant)
    picked = np.where(items >= 0, np.take_along_axis(scores, np.maximum(items, 0), 1), -np.inf)
    return Slates(
        describe(knowledge, history, requests, items, picked), clicked, np.zeros(items.shape, np.int64)
    )

"""What is asked of a retriever, and its scores: requests of users and of logged pages."""

from __future__ import annotations

from typing import cast

import numpy as np

from harness.datasets.interactions import Impressions
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.retrieval.base import ScoreRetriever, VectorRetriever

Fitted = ScoreRetriever | VectorRetriever


def user_requests(users: np.ndarray, time: float) -> Requests:
    """One request per user at a time, with no click in the visit yet."""
    return Requests(users.astype(np.int64), np.full(len(users), time), np.empty((len(users), 0), np.int64))


def visit_clicks(shown: Impressions, pages: np.ndarray, width: int = 10) -> np.ndarray:
    """(n, width) items clicked on earlier pages of the same visit, oldest first, −1 in empty places.

    Args:
        pages: (n,) numbers of pages, `Impressions.request`.
    """
    first = np.searchsorted(shown.request, pages)
    clicked = np.flatnonzero(shown.clicked)
    order = np.lexsort((clicked, shown.session[clicked]))  # by visit, then in order of time
    clicked = clicked[order]
    visits = shown.session[clicked]
    low = np.searchsorted(visits, shown.session[first], side="left")
    high = np.searchsorted(visits, shown.session[first], side="right")
    out = np.full((len(pages), width), -1, np.int64)
    for row in np.flatnonzero(high > low):
        mine = clicked[low[row] : high[row]]
        mine = mine[mine < first[row]][-width:]
        out[row, width - len(mine) :] = shown.item[mine]
    return out


def page_requests(shown: Impressions, pages: np.ndarray) -> Requests:
    """The logged pages as the requests that they answered."""
    first = np.searchsorted(shown.request, pages)
    return Requests(shown.user[first].astype(np.int64), shown.time[first], visit_clicks(shown, pages))


def all_scores(retriever: Fitted, requests: Requests, history: History) -> np.ndarray:
    """(n, num_items) a retriever's scores of everything, exact."""
    if hasattr(retriever, "item_vectors"):
        one = cast(VectorRetriever, retriever)
        return np.array(one.encode(requests, history) @ one.item_vectors().T)
    return np.array(retriever.scores(requests, history))


def scores_of(retriever: Fitted, requests: Requests, history: History, items: np.ndarray) -> np.ndarray:
    """(n, k) a retriever's scores of given items, in chunks; −inf for −1."""
    chosen = np.maximum(items, 0)
    out = np.empty(items.shape, np.float32)
    for start in range(0, len(items), 512):
        part = slice(start, start + 512)
        if hasattr(retriever, "item_vectors"):
            one = cast(VectorRetriever, retriever)
            users = one.encode(requests.rows(part), history)
            out[part] = np.einsum("nd,nkd->nk", users, one.item_vectors()[chosen[part]])
        else:
            out[part] = np.take_along_axis(retriever.scores(requests.rows(part), history), chosen[part], 1)
    return np.where(items >= 0, out, -np.inf)

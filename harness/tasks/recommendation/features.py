"""What a ranker is told of a request and its candidates: user, item, context, visit, retrieval score.

Everything is computed from what was logged before a moment, and asked about later ones: a ranker trained
on statistics that contain its own labels looks better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.datasets.interactions import Catalogue, Events, Impressions, Users
    from harness.tasks.recommendation.history import History, Requests

RECENT = 20
"""How many recent items a ranker sees."""

ITEM_FEATURES = (
    "log_clicks",
    "log_ctr",
    "log_order_rate",
    "log_price",
    "rating",
    "category_trend",
    "category_log_ctr",
)
FEATURES = (
    "retrieval_score", "retrieval_score_bent", *ITEM_FEATURES, "is_new", "log_age", "category_share",
    "department_share", "visit_category_share", "visit_department_share", "price_gap", "price_distance",
    "price_squared", "seen", "interest", "log_history", "visit_clicks", "season_sin", "season_cos",
)  # fmt: skip
PRICE_PRIOR = 3.0
"""Clicks at the mean price that a user's mean price is drawn to: five clicks say little of a budget."""


@dataclass(frozen=True)
class Knowledge:
    """Statistics as of a moment.

    Args:
        items: (num_items, len(ITEM_FEATURES)) float32, standardised or on a log scale, 0 where unknown.
        log_price: (num_items,) standardised, 0 where missing. launched: (num_items,) days.
        examination: (positions,) clicks that a slot keeps against the first; ones without impressions.
        log_worth: (num_items,) log of the margin in dollars that a click can be expected to earn, the mean
            where price or margin is missing, 0 where no item has both.
        score_mean, score_std: of the retriever's scores, so that two retrievers of one kind compare.
    """

    items: np.ndarray
    category: np.ndarray
    department: np.ndarray
    log_price: np.ndarray
    launched: np.ndarray
    interest: np.ndarray
    examination: np.ndarray
    log_worth: np.ndarray
    score_mean: float = 0.0
    score_std: float = 1.0

    @classmethod
    def of(
        cls, catalogue: Catalogue, users: Users, events: Events, shown: Impressions | None, now: float
    ) -> Knowledge:
        """Statistics of a log; of impressions if there are any, else of the events alone."""
        n = len(catalogue)
        slots = estimate_examination(shown) if shown is not None and len(shown) else np.ones(1, np.float32)
        clicks = np.bincount(events.item, minlength=n).astype(float)
        orders = np.bincount(events.item, events.bought, minlength=n)
        exposure = np.full(n, clicks.mean() if n else 1.0)
        if shown is not None and len(shown):
            exposure = np.bincount(shown.item, slots[shown.position], minlength=n)
        group_clicks, group_exposure = _by_group(catalogue.category, clicks, exposure)
        price = np.log(np.maximum(catalogue.price.astype(float), 0.01))
        recent = events.time > now - 3
        columns = {
            "log_clicks": np.log1p(clicks),
            "log_ctr": _log_rate(clicks, exposure, catalogue.category, 5.0),
            "log_order_rate": _log_rate(orders, clicks, catalogue.category, 10.0),
            "log_price": price,
            "rating": catalogue.rating.astype(float),
            "category_trend": _trend(catalogue.category, events.item, recent, events.time, now),
            "category_log_ctr": _log_rate(group_clicks, group_exposure, catalogue.category, 50.0),
        }
        table = np.stack([_standard(columns[name]) for name in ITEM_FEATURES], 1)
        return cls(
            items=np.ascontiguousarray(table, np.float32),
            category=catalogue.category.astype(np.int64),
            department=catalogue.department.astype(np.int64),
            log_price=_standard(price).astype(np.float32),
            launched=np.where(np.isfinite(catalogue.available_from), catalogue.available_from, -1e3),
            interest=users.interest.astype(np.int64),
            examination=slots,
            log_worth=_log_worth(catalogue, events).astype(np.float32),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def load(cls, arrays: dict[str, np.ndarray]) -> Knowledge:
        stored: dict[str, Any] = dict(arrays)
        for name in ("score_mean", "score_std"):
            stored[name] = float(stored[name])
        return cls(**stored)


@dataclass(frozen=True)
class Facts:
    """What a ranker takes, for n requests with k candidates each.

    Args:
        numbers: (n, k, len(FEATURES)) float32. category: (n, k) int64.
        recent: (n, RECENT) categories of recent items + 1, 0 for none. recent_price: (n, RECENT) float32.
        in_visit: (n, RECENT) float32, 1 for this visit's. log_worth: (n, k), no ranker sees it.
    """

    numbers: np.ndarray
    category: np.ndarray
    recent: np.ndarray
    recent_price: np.ndarray
    in_visit: np.ndarray
    log_worth: np.ndarray

    def rows(self, index: np.ndarray | slice) -> Facts:
        return Facts(**{name: value[index] for name, value in vars(self).items()})

    def __len__(self) -> int:
        return len(self.numbers)


def describe(
    known: Knowledge, history: History, requests: Requests, candidates: np.ndarray, scores: np.ndarray
) -> Facts:
    """Features of each request's candidates.

    Args:
        candidates: (n, k) item codes; −1 (none) is described as item 0 and must be left out afterwards.
        scores: (n, k) the retriever's, −inf where there is no candidate.
    """
    n, k = candidates.shape
    items = np.maximum(candidates, 0)
    recent, in_visit = history.recent(requests, RECENT)
    here = recent >= 0
    past = np.maximum(recent, 0)
    out = np.empty((n, k, len(FEATURES)), np.float32)
    standard = (np.where(candidates >= 0, scores, 0) - known.score_mean) / known.score_std
    # As it is, since among the best candidates the bent one hardly moves; bent, since scores of sparse
    # models have long tails.
    out[..., 0] = np.clip(standard, -10, 10)
    out[..., 1] = np.arcsinh(np.clip(standard, -1e4, 1e4))
    last = 2 + len(ITEM_FEATURES)
    out[..., 2:last] = known.items[items]
    age = np.maximum(requests.time[:, None] - known.launched[items], 0)
    out[..., last] = age < 7
    out[..., last + 1] = np.log1p(np.minimum(age, 365)) / 3
    for at, mask in ((last + 2, here), (last + 4, here & in_visit)):
        for offset, groups in enumerate((known.category, known.department)):
            out[..., at + offset] = _shares(groups, past, mask, items)
    count = here.sum(1)
    usual_price = (known.log_price[past] * here).sum(1) / (count + PRICE_PRIOR)
    gap = known.log_price[items] - usual_price[:, None]
    out[..., last + 6] = gap
    out[..., last + 7] = np.abs(gap)
    out[..., last + 8] = known.log_price[items] ** 2
    out[..., last + 9] = _is_among(items, recent)
    interest = np.where(requests.user >= 0, known.interest[requests.user], -1)
    out[..., last + 10] = known.department[items] == interest[:, None]
    out[..., last + 11] = (np.log1p(history.counts(requests.whose)) / 3)[:, None]
    out[..., last + 12] = np.minimum((requests.session >= 0).sum(1), 5)[:, None] / 5
    angle = 2 * np.pi * requests.time / 28
    out[..., last + 13], out[..., last + 14] = np.sin(angle)[:, None], np.cos(angle)[:, None]
    return Facts(
        numbers=out,
        category=known.category[items],
        recent=np.where(here, known.category[past] + 1, 0),
        recent_price=np.where(here, known.log_price[past], 0).astype(np.float32),
        in_visit=in_visit.astype(np.float32),
        log_worth=known.log_worth[items],
    )


def adjusted(spec: Mapping[str, Any], logits: np.ndarray, facts: Facts) -> np.ndarray:
    """(n, k) what is ranked by: log-odds of a click at the first slot up to a constant, or log margin.

    With `optimize: margin` the log of what a click is worth is added: a click is rare, so that its log-odds
    are nearly its log-probability, and the sum is the log of the expected margin.

    Args:
        spec: the suite's `ranking`; its `price_weight` is added per unit of standardised log price.
    """
    weight = float(spec.get("price_weight", 0.0))
    tilt = weight * facts.numbers[..., FEATURES.index("log_price")] if weight else 0.0
    worth = facts.log_worth if spec.get("optimize", "clicks") == "margin" else 0.0
    return np.asarray(logits + tilt + worth)


def estimate_examination(shown: Impressions, rounds: int = 20) -> np.ndarray:
    """(positions,) how much less each slot is clicked than the first, for the same items.

    A multiplicative model, clicks = item's rate × slot's share, fitted by alternating: the raw CTR by slot
    would take the recommender's good order for the customers' habit.
    """
    positions = int(shown.position.max()) + 1
    items, place = np.unique(shown.item, return_inverse=True)
    cell = place * positions + shown.position
    seen = np.bincount(cell, minlength=len(items) * positions).reshape(-1, positions).astype(float)
    clicked = np.bincount(cell, shown.clicked, minlength=seen.size).reshape(seen.shape)
    share = np.ones(positions)
    for _ in range(rounds):
        rate = clicked.sum(1) / np.maximum(seen @ share, 1e-9)
        share = (clicked.sum(0) + 1e-3) / np.maximum(rate @ seen, 1e-3)
        share = share / share[0]
    return np.clip(share, 0.01, 10).astype(np.float32)


def _log_worth(catalogue: Catalogue, events: Events) -> np.ndarray:
    """log of P(order | click) × margin of each item; orders from rating and price by logistic regression."""
    margin = np.log(np.maximum(catalogue.price.astype(float) * catalogue.margin, 0.01))
    if not np.isfinite(margin).any():
        return np.zeros(len(catalogue))
    price, rating = np.log(np.maximum(catalogue.price.astype(float), 0.01)), catalogue.rating.astype(float)
    x = np.stack([np.ones(len(catalogue)), _standard(price), _standard(rating)], 1)
    log_odds = x @ _logistic(x[events.item], events.bought.astype(float))
    worth = margin - np.log1p(np.exp(-log_odds))
    return np.asarray(np.where(np.isfinite(worth), worth, np.nanmean(worth)))


def _logistic(x: np.ndarray, y: np.ndarray, rounds: int = 20) -> np.ndarray:
    """Weights of a ridge logistic regression by Newton's method."""
    weights = np.zeros(x.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-(x @ weights)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.eye(x.shape[1])
        weights = weights + np.linalg.solve(curvature, x.T @ (y - p) - weights)
    return np.asarray(weights)


def _shares(groups: np.ndarray, past: np.ndarray, mask: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(n, k) share of the marked past items that are in each candidate's group."""
    n, width = len(past), int(groups.max()) + 1
    rows, columns = np.nonzero(mask)
    counts = np.bincount(rows * width + groups[past[rows, columns]], minlength=n * width).reshape(n, width)
    share = counts / np.maximum(mask.sum(1, keepdims=True), 1)
    return np.asarray(np.take_along_axis(share, groups[items], axis=1))


def _is_among(items: np.ndarray, recent: np.ndarray) -> np.ndarray:
    ordered = np.sort(recent, axis=1)
    width = int(max(items.max(initial=0), recent.max(initial=0))) + 2
    offsets = np.arange(len(items))[:, None] * width
    flat = (ordered + 1 + offsets).ravel()
    wanted = items + 1 + offsets
    place = np.minimum(np.searchsorted(flat, wanted), len(flat) - 1)
    return np.asarray(flat[place] == wanted)


def _log_rate(hits: np.ndarray, chances: np.ndarray, group: np.ndarray, prior: float) -> np.ndarray:
    """log of hits per chance, drawn towards that of the group by `prior` chances."""
    total_hits, total_chances = _by_group(group, hits, chances)
    overall = (hits.sum() + 1) / (chances.sum() + 100)
    base = (total_hits + overall * prior) / (total_chances + prior)
    return np.asarray(np.log((hits + base * prior) / (chances + prior)))


def _by_group(group: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each item's group's sums."""
    return tuple(np.bincount(group, column)[group] for column in columns)


def _trend(
    group: np.ndarray, item: np.ndarray, recent: np.ndarray, time: np.ndarray, now: float
) -> np.ndarray:
    """log of a category's share of the last three days' events over its share of all."""
    width = int(group.max()) + 1
    late = np.bincount(group[item[recent]], minlength=width) + 1.0
    all_time = np.bincount(group[item], minlength=width) + 1.0
    return np.asarray(np.log((late / late.sum()) / (all_time / all_time.sum()))[group])


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0, deviation 1, 0 where missing."""
    there = np.isfinite(values)
    if not there.any():
        return np.zeros(len(values))
    return np.where(
        there, (np.where(there, values, 0) - values[there].mean()) / (values[there].std() + 1e-6), 0.0
    )

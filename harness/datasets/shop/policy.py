"""The shop's current recommender: Gumbel top-k over stale affinity and popularity, exactly propensed.

Each item has an exponential clock of rate p_i; the ten that ring first make the page, in that order
(which is Gumbel top-k over log p). Clocks are rung as arrivals of a Poisson process whose marks are drawn
from p, so that no clock of the other million items is ever drawn. Given the time T at which the eleventh
item rings, an item of the page was there with probability 1 − exp(−p_i T); with these, inverse-propensity
sums over pages are unbiased (Duffield et al. 2007, priority sampling; Kool et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.datasets.shop.truth import Truth, unit

PAGE = 10
EXPLORATION = 0.02
_AFFINITY = 8.0
POPULARITY_POWER = 0.75
STALE_DAYS = 7
"""The current recommender knows tastes as they were a week ago."""


@dataclass(frozen=True)
class DayPolicy:
    """The current recommender on one day.

    Args:
        weight: (items,) float64 popularity weights, 0 for items that cannot be bought that day.
    """

    truth: Truth
    day: int
    weight: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """Items sorted by category."""
        return np.argsort(self.truth.category, kind="stable")

    @cached_property
    def cumulative(self) -> np.ndarray:
        """(items + 1,) of the weights, in `order`."""
        return np.concatenate([[0.0], np.cumsum(self.weight[self.order])])

    @cached_property
    def starts(self) -> np.ndarray:
        """(categories + 1,) where each category starts in `order`."""
        return np.searchsorted(self.truth.category[self.order], np.arange(self.truth.shop.categories + 1))

    @cached_property
    def available(self) -> np.ndarray:
        return np.flatnonzero(self.weight)

    def category_probabilities(self, users: np.ndarray, last_category: np.ndarray) -> np.ndarray:
        """(n, categories): stale taste, pulled towards the category last clicked (−1: none)."""
        stale = self.truth.tastes[max(self.day - STALE_DAYS, 0), users]
        pull = np.where(last_category[:, None] >= 0, unit(self.truth.centres)[last_category], 0)
        mass = np.diff(self.cumulative[self.starts])
        with np.errstate(divide="ignore"):
            logits = _AFFINITY * unit(stale + 0.7 * pull) @ self.truth.centres.T + np.log(mass)
        logits -= logits.max(1, keepdims=True)
        share = np.exp(logits)
        return np.asarray(share / share.sum(1, keepdims=True))

    def probability(self, categories: np.ndarray, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The rate p_i of items' clocks; `categories` as above, `rows` and `items` broadcast."""
        group = self.truth.category[items]
        mass = np.maximum(np.diff(self.cumulative[self.starts]), 1e-300)
        popular = categories[rows, group] * self.weight[items] / mass[group]
        return np.asarray((1 - EXPLORATION) * popular + EXPLORATION / len(self.available))

    def pages(
        self, users: np.ndarray, last_category: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pages for requests: (n, 10) items, and their propensities."""
        shares = self.category_probabilities(users, last_category)
        items, times = self._arrivals(shares, np.arange(len(users)), 3 * PAGE, rng)
        slates, deadline, whole = _first_distinct(items, times, PAGE)
        draws = 3 * PAGE
        while not whole.all():  # a page of few, popular items: let its clocks ring on
            short, draws = np.flatnonzero(~whole), 3 * draws
            more, later = self._arrivals(shares, short, draws, rng)
            items_short = np.concatenate([items[short], more], 1)
            times_short = np.concatenate([times[short], later + times[short, -1:]], 1)
            slates[short], deadline[short], whole[short] = _first_distinct(items_short, times_short, PAGE)
        rate = self.probability(shares, np.arange(len(users))[:, None], slates)
        return slates, -np.expm1(-rate * deadline[:, None])

    def _arrivals(
        self, shares: np.ndarray, rows: np.ndarray, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        size = (len(rows), draws)
        ladder = shares[rows].cumsum(1)
        ladder = ladder / ladder[:, -1:] + np.arange(len(rows))[:, None]
        flat = np.searchsorted(ladder.ravel(), rng.random(size) + np.arange(len(rows))[:, None], side="right")
        group = np.minimum(flat - np.arange(len(rows))[:, None] * shares.shape[1], shares.shape[1] - 1)
        low, high = self.cumulative[self.starts[group]], self.cumulative[self.starts[group + 1]]
        at = np.searchsorted(self.cumulative, low + rng.random(size) * (high - low), side="right") - 1
        items = self.order[np.minimum(at, len(self.order) - 1)]
        explored = rng.random(size) < EXPLORATION
        items[explored] = rng.choice(self.available, int(explored.sum()))
        return items, rng.exponential(1.0, size).cumsum(1)


def _first_distinct(
    items: np.ndarray, times: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first k distinct items of each row, when the next one arrived, and whether there was one."""
    by_item = np.argsort(items, axis=1, kind="stable")
    sorted_items = np.take_along_axis(items, by_item, 1)
    first_sorted = np.ones(items.shape, bool)
    first_sorted[:, 1:] = sorted_items[:, 1:] != sorted_items[:, :-1]
    first = np.empty(items.shape, bool)
    np.put_along_axis(first, by_item, first_sorted, 1)
    rank = first.cumsum(1)
    whole = rank[:, -1] > k
    slates = np.zeros((len(items), k), items.dtype)
    rows, columns = np.nonzero(first & (rank <= k))
    slates[rows, rank[rows, columns] - 1] = items[rows, columns]
    deadline = np.take_along_axis(times, np.argmax(rank > k, axis=1)[:, None], 1)[:, 0]
    return slates, deadline, whole

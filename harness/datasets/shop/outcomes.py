"""What a slate earns: the funnel's probabilities, in closed form, and draws from them.

    x = −4.4 + 3 q·v + appeal − sensitivity · |log price − log budget|
    P(click at position k) = σ(x) · k^−0.8
    P(cart | click) = σ(−2.2 + 0.25 (x + 4.4) + 0.6 quality)
    P(buy | cart) = σ(−0.8 + 0.5 quality − 0.4 sensitivity · (log price − log budget)₊)

Items of a slate do not influence each other, so expectations add up, and a policy's expected CTR,
conversion, revenue and margin need no simulation: only a sample of sessions.

Where customers punish, by a strength s (0: they forgive), a page is as dear as its slots are on average,
weighted by how much they are looked at:

    d = Σ_k k^−0.8 · sensitivity · (log price − log budget)₊ ÷ Σ_k k^−0.8
    P(stay on the page) = exp(−s · d), before anything is clicked
    P(come back) = 0.8 · exp(−s · d) after each visit, so that a customer makes 1 ÷ (1 − P) visits in all
    P(complaint | order) = 1 − exp(−s · sensitivity · (log price − log budget)₊), which costs the shop $6

These are assumptions, made so that a margin has a price; no published figure stands behind the constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from harness.datasets.shop.truth import Truth

POSITION_EXPONENT = 0.8
BASE_LOG_ODDS = -4.4
"""Gives the current recommender a CTR of 2 to 3 %, as real shops report."""
COMING_BACK = 0.8
"""After a visit that gives no offence: five visits in all."""
COMPLAINT_USD = 6.0
PUNISHING = 1.0
"""How much customers punish in the world beside a forgiving one."""


@dataclass(frozen=True)
class Contexts:
    """Requests as they truly are: who, when, and what for. All (n,) integers; day from 0."""

    user: np.ndarray
    day: np.ndarray
    intent: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def rows(self, index: np.ndarray) -> Contexts:
        return Contexts(self.user[index], self.day[index], self.intent[index])


@dataclass(frozen=True)
class Funnel:
    """Of every slot of every slate, (n, k): probabilities of a click, a cart and an order (not
    conditional on each other), the price asked and the margin earned in dollars, less what complaints cost.
    visits: (n,) visits that a customer makes who is always shown such slates, over those of a content one.
    """

    click: np.ndarray
    cart: np.ndarray
    order: np.ndarray
    price: np.ndarray
    margin: np.ndarray
    visits: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if not len(self.visits):
            object.__setattr__(self, "visits", np.ones(len(self.click), np.float32))

    def rows(self, index: np.ndarray) -> Funnel:
        return Funnel(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def expected(self) -> dict[str, np.ndarray]:
        """Per session, (n,): the metrics that an online test measures, in expectation.

        Clicks and conversion are of visits that take place; revenue and margin are per visit that a content
        customer would make, so that visits that no longer happen count as 0.
        """
        return {
            "ctr": self.click.mean(1),
            "conversion_rate": 1 - np.prod(1 - self.order, axis=1),
            "revenue_per_session_usd": (self.order * self.price).sum(1) * self.visits,
            "margin_per_session_usd": (self.order * self.margin).sum(1) * self.visits,
        }

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The same metrics as one visit of each session happens to turn out."""
        chance = rng.random(self.click.shape, dtype=np.float32)
        clicked, bought = chance < self.click, chance < self.order  # an order implies its click
        return {
            "ctr": clicked.mean(1),
            "conversion_rate": bought.any(1).astype(float),
            "revenue_per_session_usd": (bought * self.price).sum(1) * self.visits,
            "margin_per_session_usd": (bought * self.margin).sum(1) * self.visits,
        }


def examination(positions: int) -> np.ndarray:
    """(positions,) the share of clicks that a slot keeps against the first."""
    return np.asarray(np.arange(1, positions + 1) ** -POSITION_EXPONENT, dtype=np.float32)


def funnel(truth: Truth, contexts: Contexts, slates: np.ndarray, punishing: float | None = None) -> Funnel:
    """What slates do in their contexts.

    Args:
        slates: (n, k) item codes, best first; −1 and items that cannot be bought that day earn nothing.
        punishing: of customers other than the shop's own.
    """
    punishing = truth.shop.punishing if punishing is None else punishing
    day = contexts.day[:, None]
    shown = (slates >= 0) & (truth.launch[slates] < day + 1) & (truth.retire[slates] > day)
    taste = truth.session_tastes(contexts.user, contexts.day, contexts.intent)
    discount = truth.discount(slates, day)
    over_budget = truth.log_price[slates] + np.log1p(-discount) - truth.log_budget[contexts.user][:, None]
    sensitivity = truth.price_sensitivity[contexts.user][:, None]
    affinity = np.einsum("nd,nkd->nk", taste, truth.vectors[slates])
    wish = 3 * affinity + truth.appeal[slates] - sensitivity * np.abs(over_budget)  # x + 4.4
    quality = truth.quality[slates]
    looked_at = examination(slates.shape[1])
    too_dear = sensitivity * np.maximum(over_budget, 0)
    peace = np.exp(-punishing * (too_dear * shown) @ (looked_at / looked_at.sum()))
    click = _sigmoid(wish + BASE_LOG_ODDS) * looked_at * shown * peace[:, None]
    cart = click * _sigmoid(-2.2 + 0.25 * wish + 0.6 * quality)
    order = cart * _sigmoid(-0.8 + 0.5 * quality - 0.4 * too_dear)
    full_price = np.exp(truth.log_price[slates])
    price = full_price * (1 - discount)
    complaints = -np.expm1(-punishing * too_dear)
    margin = full_price * truth.margin[slates] - full_price * discount - COMPLAINT_USD * complaints
    visits = (1 - COMING_BACK) / (1 - COMING_BACK * peace)
    return Funnel(click, cart, order, price, margin, visits)


def ideal_slates(truth: Truth, contexts: Contexts, k: int, by: str = "click") -> np.ndarray:
    """(n, k) the best slates there are, by expected `click` or `revenue`: the ceiling of any policy."""
    slates = np.empty((len(contexts), k), np.int64)
    everything = np.arange(truth.shop.items)[None]
    for row in range(len(contexts)):
        flow = funnel(truth, contexts.rows(np.array([row])), everything)
        e = examination(truth.shop.items)
        value = flow.click[0] / e if by == "click" else flow.order[0] * flow.price[0] / e
        slates[row] = np.argpartition(-value, k)[:k][np.argsort(-value[np.argpartition(-value, k)[:k]])]
    return slates


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)), dtype=np.float32)

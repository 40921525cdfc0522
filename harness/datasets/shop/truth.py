"""Items, users and seasons of the mock shop: the truth that no model sees.

Vectors are clustered (department, category, item), since approximate search on independent vectors
misleads about its recall.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from harness.datasets.interactions import Catalogue, Users
from harness.streams import generator

DIM = 16
LIFETIME_DAYS = 100.0
"""1 % of the items retire and as many launch each day."""
PROMOTED, DISCOUNT = 0.05, 0.2
"""Share of items on promotion in a week, and the discount."""


@dataclass(frozen=True)
class Shop:
    """The size of a mock shop; everything else follows from it and the seed.

    Args:
        impressions: items shown over the whole log, ten to a page.
        days: length of the log, which is also the length of the season.
        punishing: how much customers hold dear pages against the shop, 0 not at all, see `outcomes`.
    """

    items: int = 100_000
    users: int = 20_000
    impressions: int = 1_000_000
    days: int = 28
    departments: int = 20
    categories: int = 200
    seed: int = 0
    punishing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.punishing <= 10:
            raise ValueError(f"mock_shop needs punishing between 0 and 10, not {self.punishing}")
        least = {"items": 100, "users": 10, "impressions": 1000, "days": 7, "departments": 1, "categories": 2}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"mock_shop needs {name} of at least {low}, not {getattr(self, name)}")
        if self.categories < self.departments:
            raise ValueError(
                f"mock_shop needs as many categories as departments ({self.departments}) or more"
            )


@dataclass(frozen=True)
class Truth:
    """What the shop's customers want, and what its items are.

    Args:
        centres: (categories, 16). season: (categories, 2) amplitude and phase.
        vectors: (items, 16) unit length. appeal, quality, log_price, margin: (items,).
        launch, retire: (items,) days. promoted: (weeks, items) bool.
        tastes: (days, users, 16) unit length, drifting. price_sensitivity, log_budget, activity: (users,).
        first_day: (users,) when a user first comes, 0 for those who were there before the log.
    """

    shop: Shop
    centres: np.ndarray
    category_department: np.ndarray
    season: np.ndarray
    category: np.ndarray
    vectors: np.ndarray
    appeal: np.ndarray
    quality: np.ndarray
    log_price: np.ndarray
    margin: np.ndarray
    launch: np.ndarray
    retire: np.ndarray
    promoted: np.ndarray
    tastes: np.ndarray
    price_sensitivity: np.ndarray
    log_budget: np.ndarray
    activity: np.ndarray
    first_day: np.ndarray
    interest: np.ndarray
    rating: np.ndarray

    def discount(self, items: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The share taken off the price of items on a day, broadcast; items of −1 give anything."""
        week = np.minimum(day.astype(np.int64) // 7, len(self.promoted) - 1)
        return np.where(self.promoted[week, items], np.float32(DISCOUNT), np.float32(0))

    def season_at(self, day: float) -> np.ndarray:
        """(categories,) what the season adds to the log-odds of an intent."""
        amplitude, phase = self.season.T
        return np.asarray(amplitude * np.cos(2 * np.pi * day / 28 + phase))

    def intent_logits(self, users: np.ndarray, day: int) -> np.ndarray:
        """(n, categories): what users come for on a day."""
        tastes = self.tastes[min(day, len(self.tastes) - 1), users]
        return np.asarray(6 * tastes @ self.centres.T + self.season_at(day), dtype=np.float32)

    def session_tastes(self, users: np.ndarray, day: np.ndarray, intent: np.ndarray) -> np.ndarray:
        """(n, 16) unit vectors: half the user, half what the session is about."""
        return unit(0.5 * self.tastes[day, users] + 0.5 * unit(self.centres[intent]))


def build_truth(shop: Shop) -> Truth:
    """Draw a world; the same seed and size give the same one."""
    rng = generator(shop.seed, "world")
    departments = unit(_noise(rng, shop.departments))
    category_department = np.arange(shop.categories, dtype=np.int32) % shop.departments
    centres = departments[category_department] + 0.6 * _noise(rng, shop.categories)
    users = _users(shop, departments, generator(shop.seed, "users"))
    items = _items(shop, centres, generator(shop.seed, "items"))
    season = np.stack(
        [np.abs(rng.normal(0.6, 0.3, shop.categories)), rng.uniform(0, 2 * np.pi, shop.categories)], 1
    )
    return Truth(
        shop=shop, centres=centres, category_department=category_department, season=season, **items, **users
    )


def tables(truth: Truth) -> tuple[Catalogue, Users]:
    """What a team's tables say of this world: no vector, appeal, quality, budget or taste."""
    shop = truth.shop
    catalogue = Catalogue(
        ids=np.char.add("i", np.arange(shop.items).astype(str)),
        category=truth.category,
        department=truth.category_department[truth.category],
        price=np.exp(truth.log_price),
        margin=truth.margin,
        rating=truth.rating,
        available_from=truth.launch,
        available_until=truth.retire,
    )
    return catalogue, Users(np.char.add("u", np.arange(shop.users).astype(str)), truth.interest)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scaled to length 1, float32."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def _items(shop: Shop, centres: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = shop.items
    sizes = np.arange(1, shop.categories + 1) ** -0.7  # Zipf
    category = rng.choice(shop.categories, n, p=rng.permutation(sizes / sizes.sum())).astype(np.int32)
    price_level = rng.normal(3.2, 0.8, shop.categories)
    quality = rng.normal(0, 1, n)
    raters = rng.poisson(6, n)
    rating = np.where(raters > 0, quality + rng.normal(0, 1.5, n) / np.sqrt(np.maximum(raters, 1)), np.nan)
    launch = rng.uniform(-LIFETIME_DAYS, shop.days, n)
    weeks = -(-shop.days // 7)
    columns = {
        "vectors": unit(centres[category] + 0.3 * _noise(rng, n)),
        "appeal": rng.normal(0, 0.5, n),
        "quality": quality,
        "log_price": rng.normal(price_level[category], 0.5),
        "margin": rng.beta(4, 8, n),
        "rating": rating,
    }
    return {
        **{name: column.astype(np.float32) for name, column in columns.items()},
        "category": category,
        "launch": launch,
        "retire": launch + LIFETIME_DAYS,
        "promoted": rng.random((weeks, n)) < PROMOTED,
    }


def _users(shop: Shop, departments: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = shop.users
    mixture = rng.dirichlet(np.full(shop.departments, 0.15), n)
    state = unit(mixture @ departments + 0.3 * _noise(rng, n))
    tastes = np.empty((shop.days, n, DIM), np.float32)
    for day in range(shop.days):
        tastes[day] = unit(state)
        state = 0.995 * state + np.sqrt(1 - 0.995**2) * _noise(rng, n)
    cumulative = mixture.cumsum(1)
    interest = (cumulative < rng.random((n, 1)) * cumulative[:, -1:]).sum(1)
    interest = np.where(rng.random(n) < 0.3, -1, np.minimum(interest, shop.departments - 1))
    return {
        "tastes": tastes,
        "price_sensitivity": rng.lognormal(-1, 0.5, n).astype(np.float32),
        "log_budget": rng.normal(3.4, 0.7, n).astype(np.float32),
        "activity": rng.gamma(0.8, 1.0, n) + 0.02,
        "first_day": np.where(rng.random(n) < 0.7, 0.0, rng.uniform(0, shop.days, n)),
        "interest": interest.astype(np.int32),
    }


def _noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 16) normal vectors of expected squared length 1."""
    return np.asarray(rng.standard_normal((n, DIM), dtype=np.float32) / np.float32(np.sqrt(DIM)))


TRUTH_ARRAYS = tuple(f.name for f in fields(Truth) if f.name != "shop")

"""Two towers: the user's history and visit on one side, the item's table row on the other.

Trained with a softmax over the batch's items and random ones, corrected for how often each is drawn
(logQ: Yi et al. 2019; mixed negatives: Yang et al. 2020). Items without clicks have a vector from their
category, price and text, users without a past one from their interest at sign-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from harness.datasets.interactions import Catalogue
from harness.streams import generator, seed_for
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.loop import FitSettings, fit_epochs
from harness.tasks.recommendation.retrieval.base import Lesson
from harness.tasks.recommendation.retrieval.texts import text_features
from harness.tasks.recommendation.served import Fitted, tower_inputs

NEWEST = 5
"""How many of the recent items are also averaged apart."""


class ItemTower(nn.Module):
    """Items → (num_items, dim + 1); the last column is the item's bias."""

    features: torch.Tensor
    category: torch.Tensor
    department: torch.Tensor

    def __init__(self, catalogue: Catalogue, dim: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.from_numpy(item_features(catalogue, seed)))
        self.register_buffer("category", torch.from_numpy(catalogue.category.astype(np.int64)))
        self.register_buffer("department", torch.from_numpy(catalogue.department.astype(np.int64)))
        n, groups, areas = (
            len(catalogue),
            int(catalogue.category.max()) + 1,
            int(catalogue.department.max()) + 1,
        )
        self.id = nn.Embedding(n, dim + 1)
        self.group = nn.Embedding(groups, dim + 1)
        self.area = nn.Embedding(areas, dim + 1)
        self.table = nn.Linear(self.features.shape[1], dim + 1)
        nn.init.normal_(self.id.weight, std=0.01)  # an item never chosen is its category's
        nn.init.normal_(self.group.weight, std=0.1)
        nn.init.normal_(self.area.weight, std=0.1)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        known = self.group(self.category[items]) + self.area(self.department[items])
        return self.id(items) + known + self.table(self.features[items])  # type: ignore[no-any-return]


class UserTower(nn.Module):
    """(user, interest, recent items, which are of this visit) → (n, dim + 1), the last column 1.

    Codes arrive shifted by one: 0 is unknown user, no interest, no item.
    """

    described: torch.Tensor

    def __init__(
        self, items: torch.Tensor, num_users: int, num_interests: int, dim: int, dropout: float
    ) -> None:
        """
        Args:
            items: (num_items, f) what an item in a history is described by beside its id.
        """
        super().__init__()
        self.register_buffer("described", F.pad(items, (0, 0, 1, 0)))
        self.item = nn.Embedding(len(items) + 1, dim, padding_idx=0)
        self.describe = nn.Linear(items.shape[1], dim, bias=False)
        self.user = nn.Embedding(num_users + 1, dim)
        self.interest = nn.Embedding(num_interests + 1, dim)
        self.dropout = nn.Dropout(dropout)
        self.mix = nn.Sequential(nn.Linear(4 * dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.skip = nn.Linear(4 * dim, dim, bias=False)
        for table, std in ((self.item, 0.05), (self.user, 0.01), (self.interest, 0.05)):
            nn.init.normal_(table.weight, std=std)
        with torch.no_grad():
            self.item.weight[0] = 0

    def forward(
        self, user: torch.Tensor, interest: torch.Tensor, recent: torch.Tensor, in_visit: torch.Tensor
    ) -> torch.Tensor:
        if self.training and recent.numel() > len(self.described):  # cheaper: describe each item once
            vectors = F.embedding(recent, self.item.weight + self.describe(self.described))
        else:
            vectors = self.item(recent) + self.describe(self.described[recent])
        here = (recent > 0).to(vectors.dtype)
        newest = torch.arange(recent.shape[1], device=recent.device) >= recent.shape[1] - NEWEST
        masks = torch.stack([here, here * newest, here * in_visit], 1)  # (n, 3, length)
        means = torch.bmm(masks / masks.sum(2, keepdim=True).clamp(min=1), vectors)
        parts = torch.cat([means.flatten(1), self.user(user) + self.interest(interest)], 1)
        parts = self.dropout(parts)
        vector = self.skip(parts) + self.mix(parts)
        return torch.cat([vector, torch.ones_like(vector[:, :1])], 1)


@dataclass(frozen=True)
class TwoTower(Fitted):
    """A user tower and stored item vectors, fitted."""

    name: str = "two_tower"

    def item_vectors(self) -> np.ndarray:
        return self.weights["item_vectors"]

    @cached_property
    def tower(self) -> UserTower:
        weights = {
            n.removeprefix("user."): torch.from_numpy(a)
            for n, a in self.weights.items()
            if n.startswith("user.")
        }
        described = weights["described"][1:]
        shapes = {name: len(weights[f"{name}.weight"]) - 1 for name in ("user", "interest")}
        tower = UserTower(described, shapes["user"], shapes["interest"], weights["item.weight"].shape[1], 0.0)
        tower.load_state_dict(weights)
        return tower.eval()

    def inputs(self, requests: Requests, history: History) -> tuple[torch.Tensor, ...]:
        """What the tower takes, as int64 and float32 tensors."""
        length = int(self.settings["max_history"])
        return tuple(map(torch.from_numpy, tower_inputs(self.weights["interest"], length, requests, history)))

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(self.tower(*self.inputs(requests, history)).numpy())


def fit(
    lesson: Lesson,
    *,
    dim: int = 64,
    max_history: int = 50,
    uniform_negatives: int = 512,
    dropout: float = 0.2,
) -> TwoTower:
    """Learn both towers.

    Args:
        dim: of the vectors. max_history: how many recent items describe a user.
        uniform_negatives: items drawn at random beside those of the batch.
    """
    settings = lesson.settings
    torch.manual_seed(seed_for(settings.seed, "init"))
    items = ItemTower(lesson.catalogue, dim, seed_for(settings.seed, "init", "texts"))
    table = torch.cat([items.features, F.one_hot(items.department).float()], 1)
    num_interests = int(lesson.users.interest.max(initial=-1)) + 1
    users = UserTower(table, len(lesson.users), num_interests, dim, dropout)
    network = nn.ModuleList([items, users]).to(settings.device)
    pupil = _Examples(lesson, max_history)
    counts = np.bincount(lesson.events.item, minlength=len(lesson.catalogue))

    def batches(_: int) -> Iterator[torch.Tensor]:
        pupil.shuffle()
        for rows in pupil.batches(settings.batch_size):
            yield _loss(users, items, pupil, rows, counts, min(uniform_negatives, len(counts)), settings)

    def current() -> TwoTower:
        with torch.inference_mode():
            vectors = items(torch.arange(len(counts), device=settings.device)).cpu().numpy()
        weights = {
            f"user.{name}": value.detach().cpu().numpy().copy() for name, value in users.state_dict().items()
        }
        weights |= {"item_vectors": np.ascontiguousarray(vectors), "interest": lesson.users.interest}
        return TwoTower(weights, {"max_history": max_history})

    validate = lesson.validate
    check = (lambda: validate(current())) if validate else None
    curve = fit_epochs(network, batches, settings, check, lesson.progress)
    return TwoTower(current().weights, {"max_history": max_history}, curve)


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float | int | bool]) -> TwoTower:
    return TwoTower(arrays, options)


def item_features(catalogue: Catalogue, seed: int) -> np.ndarray:
    """(n, 4 + words) float32: log price and rating, standardised, 0 where missing, and whether each is there;
    what `text_features` makes of its text."""
    columns = []
    for values in (np.log(np.maximum(catalogue.price, 0.01)), catalogue.rating):
        there = np.isfinite(values)
        mean, std = (values[there].mean(), values[there].std() + 1e-6) if there.any() else (0.0, 1.0)
        columns += [np.where(there, (np.where(there, values, mean) - mean) / std, 0.0), there.astype(float)]
    return np.concatenate([np.stack(columns, 1), text_features(catalogue.text, seed)], 1).astype(np.float32)


class _Examples:
    """Events with the histories that may explain them."""

    def __init__(self, lesson: Lesson, length: int) -> None:
        self.lesson, self.length = lesson, length
        self.history = History.of(lesson.events, len(lesson.users))
        self.rng = generator(lesson.settings.seed, "order")

    def shuffle(self) -> None:
        """Without an order in time, any of a user's events may explain another: reshuffle them."""
        if not self.lesson.causal:
            order = np.lexsort((self.rng.random(len(self.history.item)), self.history.user))
            history = self.history
            self.history = History(
                history.starts,
                *(
                    getattr(history, n)[order]
                    for n in ("item", "time", "session", "bought", "order", "masks")
                ),
            )

    def batches(self, size: int) -> list[np.ndarray]:
        n = len(self.history.item)
        return np.array_split(self.rng.permutation(n), max(round(n / size), 1))

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """user, item, (n, length) recent items or −1, and which of them are of the same visit."""
        h = self.history
        user = h.user[rows]
        low, high = h.starts[user][:, None], h.starts[user + 1][:, None]
        back = np.arange(self.length, 0, -1)[None]
        at = rows[:, None] - back
        if self.lesson.causal:
            # What was chosen at the same moment is no past.
            here = at >= low
            at = np.where(here, at, 0)
            here &= h.time[at] < h.time[rows][:, None]
        else:  # the other events of the user, in a circle
            here = back < high - low
            at = low + (at - low) % (high - low)
        visit = here & (h.session[at] == h.session[rows][:, None]) & (h.session[rows] >= 0)[:, None]
        return user, h.item[rows], np.where(here, h.item[at], -1), visit


def _loss(
    users: UserTower, items: ItemTower, pupil: _Examples, rows: np.ndarray, counts: np.ndarray,
    uniform: int, settings: FitSettings,
) -> torch.Tensor:  # fmt: skip
    user, item, recent, in_visit = pupil.take(rows)
    pool = np.concatenate([item, pupil.rng.integers(0, len(counts), uniform)])
    # Expected draws of each item into the pool: as somebody's choice, or at random.
    drawn = len(rows) * counts[pool] / counts.sum() + uniform / len(counts)
    same = (pool[None] == item[:, None]) & (np.arange(len(pool))[None] != np.arange(len(rows))[:, None])
    interest = pupil.lesson.users.interest[user]

    def tensor(codes: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(codes.astype(np.int64)).to(settings.device)

    u = users(
        tensor(user + 1), tensor(interest + 1), tensor(recent + 1),
        torch.from_numpy(in_visit.astype(np.float32)).to(settings.device),
    )  # fmt: skip
    logits = u @ items(tensor(pool)).T
    logits = logits - torch.from_numpy(np.log(drawn).astype(np.float32)).to(settings.device)
    logits = logits.masked_fill(torch.from_numpy(same).to(settings.device), -1e9)
    return F.cross_entropy(logits, torch.arange(len(rows), device=settings.device))

"""What is learned from pairs: a user's item is to score above random ones (Rendle et al. 2009)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from harness.streams import generator
from harness.tasks.recommendation.retrieval.base import Lesson


class Pairs:
    """Events beside random items, in another order each epoch.

    Args:
        negatives: random items per event.
    """

    def __init__(self, lesson: Lesson, negatives: int) -> None:
        self.num_items, self.negatives = len(lesson.catalogue), negatives
        self.batch_size = lesson.settings.batch_size
        self.rng = generator(lesson.settings.seed, "order")
        self.user, self.item = lesson.events.user.astype(np.int64), lesson.events.item.astype(np.int64)
        few = len(self.user) <= 5_000_000
        self.known = set((self.user * self.num_items + self.item).tolist()) if few else set()

    def epoch(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """(n,) users; (n, 1 + negatives) items, the first one chosen; (n, negatives) 1 where not chosen."""
        order = self.rng.permutation(len(self.user))
        for rows in np.array_split(order, -(-len(order) // self.batch_size)):
            other = self.rng.integers(0, self.num_items, (len(rows), self.negatives))
            keys = (self.user[rows, None] * self.num_items + other).ravel().tolist()
            wrong = np.array([key in self.known for key in keys]).reshape(other.shape)
            items = np.concatenate([self.item[rows, None], other], 1)
            yield (
                torch.from_numpy(self.user[rows]), torch.from_numpy(items), torch.from_numpy(~wrong).float(),
            )  # fmt: skip


def pairs_loss(scores: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean −log σ(chosen − other) of (n, 1 + negatives) scores over the pairs that count."""
    loss = -F.logsigmoid(scores[:, :1] - scores[:, 1:])
    return (loss * counts).sum() / counts.sum().clamp(min=1)


def with_mean(users: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(n + 1, dim) users' vectors; the mean for those who chose nothing (random else), and at the end."""
    mean = users[seen].mean(0) if seen.any() else np.zeros(users.shape[1], np.float32)
    users = np.where(seen[:, None], users, mean)
    return np.concatenate([users, mean[None]]).astype(np.float32)

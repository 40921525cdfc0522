"""What retrievers share: what they learn from, and what they must answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from harness.datasets.interactions import Catalogue, Events, Users
from harness.protocols import Progress
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.loop import FitSettings


@dataclass(frozen=True)
class Lesson:
    """What a retriever learns from.

    Args:
        causal: whether an event may be explained by earlier events only (a split by time or order), or by
            all other events of its user (a random split).
        now: the time (days) at which the fitted retriever is used.
        validate: gives the score of a fitted retriever on the validation part, None without one.
    """

    catalogue: Catalogue
    users: Users
    events: Events
    causal: bool
    now: float
    settings: FitSettings
    progress: Progress = lambda _: None
    validate: Callable[[Retriever], float] | None = None


class Retriever(Protocol):
    """A fitted retriever. Its arrays and what else it needs are stored without pickle."""

    @property
    def name(self) -> str: ...

    @property
    def curve(self) -> list[dict[str, float]]: ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `load` of its module needs."""

    def options(self) -> dict[str, float | int | bool]:
        """Its settings, for `load`."""


class ScoreRetriever(Retriever, Protocol):
    def scores(self, requests: Requests, history: History) -> np.ndarray:
        """(n, num_items) float32, higher is better."""


class VectorRetriever(Retriever, Protocol):
    """A retriever whose scores are inner products, which an index searches."""

    def item_vectors(self) -> np.ndarray:
        """(num_items, dim) float32; the score of an item is its inner product with the user's vector."""

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        """(n, dim) float32."""


def interaction_matrix(lesson: Lesson) -> sp.csr_matrix:
    """(num_users, num_items) 1 where a user had an event with an item."""
    shape = (len(lesson.users), len(lesson.catalogue))
    ones = np.ones(len(lesson.events), np.float32)
    matrix = sp.csr_matrix((ones, (lesson.events.user, lesson.events.item)), shape=shape)
    matrix.data[:] = 1.0
    return matrix

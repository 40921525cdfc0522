"""What retrievers share: what they learn from, and what they must answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from harness.datasets.interactions import Catalogue, Events, Users
from harness.protocols import Progress
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.loop import Settings


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
    settings: Settings
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
    def item_vectors(self) -> np.ndarray:
        """(num_items, dim) float32; the score of an item is its inner product with the user's vector."""

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        """(n, dim) float32."""


@dataclass(frozen=True)
class Fitted:
    """A retriever that is nothing but arrays.

    Args:
        weights: by name. settings: what `load` passes on.
    """

    weights: Mapping[str, np.ndarray]
    settings: Mapping[str, float | int | bool] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)

    def arrays(self) -> dict[str, np.ndarray]:
        return dict(self.weights)

    def options(self) -> dict[str, float | int | bool]:
        return dict(self.settings)


def profiles(requests: Requests, history: History, num_items: int) -> sp.csr_matrix:
    """(n, num_items) 1 where an item is in the user's past or in this visit."""
    rows, items = history.seen(requests.user)
    visit_rows, at = np.nonzero(requests.session >= 0)
    rows = np.concatenate([rows, visit_rows])
    items = np.concatenate([items, requests.session[visit_rows, at]])
    ones = np.ones(len(rows), np.float32)
    matrix = sp.csr_matrix((ones, (rows, items)), shape=(len(requests), num_items))
    matrix.data[:] = 1.0  # an item seen twice counts once
    return matrix


def interaction_matrix(lesson: Lesson) -> sp.csr_matrix:
    """(num_users, num_items) 1 where a user had an event with an item."""
    shape = (len(lesson.users), len(lesson.catalogue))
    ones = np.ones(len(lesson.events), np.float32)
    matrix = sp.csr_matrix((ones, (lesson.events.user, lesson.events.item)), shape=shape)
    matrix.data[:] = 1.0
    return matrix

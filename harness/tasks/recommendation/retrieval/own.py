"""A recommender of one's own: `retrieval: {model: "mine:build"}` with a module beside the suite file.

    def build(*, dim=32):                       # keywords are the suite's `args`
        return Mine(dim)

    class Mine:
        def fit(self, log): …                   # a `Log`: who chose what, how it was rated, when
        def embed_users(self, users): …         # (n,) codes → (n, dim), together with
        def embed_items(self): …                # (num_items, dim): an index may search these
        def score(self, users): …               # or (n,) codes → (n, num_items), higher is better

What it answers for every known user is asked once, after fitting, and kept as arrays: serving needs neither
the module nor its libraries. A user who was not there in training gets the mean of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.codec import JsonObject
from harness.models.own import find_function
from harness.record import TrialError
from harness.streams import seed_for
from harness.suite.model_ref import parse_model
from harness.tasks.recommendation.retrieval.base import Lesson
from harness.tasks.recommendation.served import OwnScores, OwnVectors

MOST_SCORES = 200_000_000
"""Users × items whose scores are kept: 800 MB."""


@dataclass(frozen=True)
class Log:
    """What a recommender of one's own learns from, rows in order of time.

    Args:
        user, item: (n,) int64 codes from 0. rating: (n,) float32, NaN where there is none. time: (n,) days.
        row: (n,) int64, where it stood in its source. user_ids, item_ids: the owner's, by code.
        num_users, num_items: with those that no row names. seed: of this training.
    """

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray
    row: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    num_users: int
    num_items: int
    seed: int


def fit(lesson: Lesson, *, reference: str, args: JsonObject | None = None) -> OwnVectors | OwnScores:
    """Build and fit the user's recommender, and keep what it answers.

    Args:
        reference: `module:function`. args: keywords of the function.
    Raises:
        TrialError: the module or function is not there, or what it answers has a wrong shape or no number.
    """
    try:
        model = find_function(parse_model(reference), None)(**(args or {}))
    except (ValueError, TypeError) as error:
        raise TrialError(f"{reference}: {error}") from error
    if not hasattr(model, "fit"):
        raise TrialError(f"{reference} returned a {type(model).__name__} without `fit`: see docs/shop.md")
    model.fit(log_of(lesson))
    users, items = np.arange(len(lesson.users)), len(lesson.catalogue)
    if hasattr(model, "embed_users") and hasattr(model, "embed_items"):
        vectors = _numbers(model.embed_items(), (items, None), f"{reference}: embed_items")
        people = _numbers(
            model.embed_users(users), (len(users), vectors.shape[1]), f"{reference}: embed_users"
        )
        return OwnVectors({"users": _with_mean(people), "items": vectors})
    if not hasattr(model, "score"):
        raise TrialError(
            f"{reference} gives no `embed_users` with `embed_items`, and no `score`: give one of them"
        )
    if len(users) * items > MOST_SCORES:
        raise TrialError(
            f"{reference}: scores of {len(users)} users × {items} items are too many to keep: give "
            "embed_users and embed_items instead of score"
        )
    scores = _numbers(model.score(users), (len(users), items), f"{reference}: score")
    return OwnScores({"scores": _with_mean(scores)})


def log_of(lesson: Lesson) -> Log:
    """The events of a lesson as the user's code sees them."""
    e = lesson.events
    return Log(
        e.user.astype(np.int64), e.item.astype(np.int64), e.rating, e.time, e.row, lesson.users.ids,
        lesson.catalogue.ids, len(lesson.users), len(lesson.catalogue),
        seed_for(lesson.settings.seed, "init") % 2**31,
    )  # fmt: skip


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> OwnVectors | OwnScores:
    return OwnScores(arrays) if "scores" in arrays else OwnVectors(arrays)


def _with_mean(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, rows.mean(0, keepdims=True)])


def _numbers(found: object, shape: tuple[int, int | None], what: str) -> np.ndarray:
    """A (rows, columns) float32 array; `None` columns takes any number of them."""
    values = np.ascontiguousarray(found, dtype=np.float32)
    wanted = (shape[0], values.shape[1] if shape[1] is None and values.ndim == 2 else shape[1])
    if values.shape != wanted:
        raise TrialError(f"{what} gave an array of shape {values.shape}, not {shape}")
    if not np.isfinite(values).all():
        raise TrialError(f"{what} gave NaN or infinite numbers")
    return values

"""The most popular items, for everybody: the baseline that a model must beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.tasks.recommendation.retrieval.base import Lesson
from harness.tasks.recommendation.served import Popularity


def fit(lesson: Lesson, *, half_life_days: float = 0.0) -> Popularity:
    """Count events, each as often as its weight says.

    Args:
        half_life_days: an event of this age counts half; 0 counts all alike.
    """
    age = np.maximum(lesson.now - lesson.events.time, 0)
    fresh = 0.5 ** (age / half_life_days) if half_life_days else np.ones(len(age))
    counts = np.bincount(lesson.events.item, fresh * lesson.events.weight, minlength=len(lesson.catalogue))
    return Popularity({"counts": counts})


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> Popularity:
    return Popularity(arrays, options)

"""Rotten Tomatoes: 9,596 / 1,066 sentences of film reviews, positive or negative.

Source: B. Pang and L. Lee, Seeing Stars, ACL 2005.
"""

from __future__ import annotations

from harness.datasets.hub import Repository
from harness.protocols import Dataset, Task

DESCRIPTION = "9,596 / 1,066 sentences of film reviews, positive or negative (from the Hub; revision, path)"

_REPOSITORY = Repository(
    "cornell-movie-review-data/rotten_tomatoes",
    ("negative", "positive"),
    text="text",
    label="label",
    train=("train", "validation"),
    test="test",
)


def load(*, revision: str = "main", path: str | None = None) -> Dataset:
    """Sentences; the published validation part is trained on, the harness cuts its own.

    Args:
        revision: commit of the repository: pin it to compare over time. path: a local copy of its
            Parquet files, for machines that do not reach the Hub.
    """
    return _REPOSITORY.load(revision, path)


def task(*, revision: str = "main", path: str | None = None) -> Task:
    return _REPOSITORY.task()


def fetch(*, revision: str = "main", path: str | None = None) -> None:
    """Fill the library's own cache, so that a run's processes find it there."""
    _REPOSITORY.load(revision, path)


def checksum(*, revision: str = "main", path: str | None = None) -> str:
    return _REPOSITORY.checksum(revision, path)

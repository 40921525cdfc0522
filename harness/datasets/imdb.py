"""IMDb: 25,000 / 25,000 film reviews, positive or negative.

Source: A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011.
"""

from __future__ import annotations

from harness.datasets.hub import Repository
from harness.protocols import Dataset, Task

DESCRIPTION = "25,000 / 25,000 long film reviews, positive or negative (from the Hub; revision, path)"

_REPOSITORY = Repository(
    "stanfordnlp/imdb", ("negative", "positive"), text="text", label="label", train=("train",), test="test"
)


def load(*, revision: str = "main", path: str | None = None) -> Dataset:
    """Whole reviews, 230 words on average.

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

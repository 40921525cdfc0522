"""SST-2: 67,349 phrases and sentences of film reviews, 872 to test on, positive or negative.

Source: R. Socher et al., Recursive Deep Models for Semantic Compositionality, EMNLP 2013, as in
GLUE, whose test labels are not public: its validation part is tested on.
"""

from __future__ import annotations

from harness.datasets.hub import Repository
from harness.protocols import Dataset, Task

DESCRIPTION = (
    "67,349 / 872 phrases and sentences of film reviews, positive or negative (from the Hub; revision, path)"
)

_REPOSITORY = Repository(
    "stanfordnlp/sst2",
    ("negative", "positive"),
    text="sentence",
    label="label",
    train=("train",),
    test="validation",
)


def load(*, revision: str = "main", path: str | None = None) -> Dataset:
    """Phrases to train on, sentences to test on.

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

"""3,708 sentences of product reviews, positive or negative, divided by review.

See `harness.datasets.rated_sentences` for the source.
"""

from __future__ import annotations

from harness.datasets.rated_sentences import FILES, checksum_of, load_sentences
from harness.datasets.rated_sentences import task as polarity
from harness.protocols import Dataset, Task

DESCRIPTION = "3,610 sentences of 299 product reviews, positive or negative, split by review (0.4 MB)"

__all__ = ["DESCRIPTION", "FILES", "checksum", "load", "task"]

_NAME = "amazonReviewSnippets"


def load(*, test: float = 0.1, neutral: float = 0.0) -> Dataset:
    """Sentences in the file's order, those rated exactly 0 left out; reviews stay whole.

    Args:
        test: share to test on. neutral: leave out what is rated no further from 0 than this.
    """
    return load_sentences(_NAME, test=test, neutral=neutral, group_by="review")


def task(*, test: float = 0.1, neutral: float = 0.0) -> Task:
    return polarity()


def checksum(*, test: float = 0.1, neutral: float = 0.0) -> str:
    return checksum_of(_NAME)

"""5,190 sentences of newspaper editorials, positive or negative, divided by article.

43 % of the ratings are within half a point of 0: `neutral: 0.5` leaves the clear ones.

See `harness.datasets.rated_sentences` for the source.
"""

from __future__ import annotations

from harness.datasets.rated_sentences import FILES, checksum_of, load_sentences
from harness.datasets.rated_sentences import task as polarity
from harness.protocols import Dataset, Task

DESCRIPTION = "4,946 sentences of 498 newspaper editorials, positive or negative, split by article (0.6 MB)"

__all__ = ["DESCRIPTION", "FILES", "checksum", "load", "task"]

_NAME = "nytEditorialSnippets"


def load(*, test: float = 0.1, neutral: float = 0.0) -> Dataset:
    """Sentences in the file's order, those rated exactly 0 left out; articles stay whole.

    Args:
        test: share to test on. neutral: leave out what is rated no further from 0 than this.
    """
    return load_sentences(_NAME, test=test, neutral=neutral, group_by="review")


def task(*, test: float = 0.1, neutral: float = 0.0) -> Task:
    return polarity()


def checksum(*, test: float = 0.1, neutral: float = 0.0) -> str:
    return checksum_of(_NAME)

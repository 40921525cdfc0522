"""Sentences that people rated from −4 (very negative) to 4 (very positive), of four kinds.

Source: C. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
Social Media Text, ICWSM 2014; the ground truth files carried by vaderSentiment's source distribution
(MIT licence). Each line is an id, the mean of 15 or more ratings, and the text, between tabs.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.datasets.duplicates import plain_words
from harness.datasets.files import fetch_files
from harness.datasets.splits import hash_split, take
from harness.late import Late
from harness.protocols import DataFile, Dataset, Split, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

DESCRIPTION = {
    "amazon_sentences": "3,610 sentences of 299 product reviews, positive or negative, "
    "split by review (0.4 MB)",
    "movie_sentences": "10,568 sentences of film reviews, positive or negative "
    "by 15 people's ratings (1.4 MB)",
    "nyt_sentences": "4,946 sentences of 498 newspaper editorials, positive or negative, "
    "split by article (0.6 MB)",
    "tweets": "4,196 tweets, positive or negative by 20 people's ratings (0.4 MB)",
}

CLASSES = ("negative", "positive")

GroupBy = Literal["review", "words"]


@dataclass(frozen=True)
class RatedFile:
    """One of the ground truth files; `group_by` as for `load_sentences`."""

    name: str
    sha256: str
    group_by: GroupBy


RATED: dict[str, RatedFile] = {
    "amazon_sentences": RatedFile(
        "amazonReviewSnippets", "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2", "review"
    ),
    "movie_sentences": RatedFile(
        "movieReviewSnippets", "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350", "words"
    ),
    "nyt_sentences": RatedFile(
        "nytEditorialSnippets", "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e", "review"
    ),
    "tweets": RatedFile(
        "tweets", "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f", "words"
    ),
}

_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz!hutto_ICWSM_2014"

FILES = tuple(
    DataFile(
        f"rated_sentences/{rated.name}_GroundTruth.txt",
        rated.sha256,
        (f"sdist:vaderSentiment==3.3.2:{_ARCHIVE}/{rated.name}_GroundTruth.txt",),
    )
    for rated in RATED.values()
)
"""All four: they come out of one archive, so whoever needs one gets the others for nothing."""


def load(dataset: str, /, *, test: float = 0.1, neutral: float = 0.0) -> Dataset:
    """Sentences in the file's order, those rated exactly 0 left out; of `nyt_sentences` 43 % are rated within
    half a point of 0: `neutral: 0.5` leaves the clear ones.

    Args:
        dataset: a key of `RATED`.
        test: share to test on. neutral: leave out what is rated no further from 0 than this.
    """
    rated = RATED[dataset]
    return load_sentences(rated.name, test=test, neutral=neutral, group_by=rated.group_by)


def task(dataset: str, /, **_: object) -> Task:
    return Task("text_classification", len(CLASSES), CLASSES)


def checksum(dataset: str, /, **_: object) -> str:
    return content_hash([RATED[dataset].sha256])


def load_sentences(name: str, *, test: float, neutral: float, group_by: GroupBy) -> Dataset:
    """Texts and their polarity; ids are line numbers from 0, `columns` hold the mean `rating`.

    Args:
        name: which of the four files.
        test: share of the sentences (of the reviews) to test on, by hash: the same in every run.
        neutral: sentences rated no further from 0 than this have no polarity and are left out.
        group_by: what never straddles a split: sentences of one `review` (their ids say which), or
            texts of the same `words`, whatever their case and punctuation.
    Raises:
        DataError: the file cannot be had or read, or the arguments leave nothing.
    """
    if not 0 < test < 1:
        raise DataError(f"test is {test}: write a share between 0 and 1 under data.args")
    names, ratings, texts = read_ratings(fetch_files(FILES)[f"rated_sentences/{name}_GroundTruth.txt"])
    kept = np.flatnonzero(np.abs(ratings) > neutral)
    targets = (ratings[kept] > 0).astype(np.int64)
    if len(np.unique(targets)) < 2:
        raise DataError(f"neutral is {neutral}, which leaves no two classes: ratings go from −4 to 4")
    owners = [names[i].split("_")[0] if group_by == "review" else plain_words(texts[i]) for i in kept]
    groups = np.unique(owners, return_inverse=True)[1].astype(np.int64)
    whole = Split([texts[i] for i in kept], targets, kept.astype(np.int64), groups, {"rating": ratings[kept]})
    train_rows, test_rows = hash_split(owners, targets, test)
    return Dataset(task(name), take(whole, train_rows), take(whole, test_rows))


def read_ratings(path: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Ids, mean ratings (n,) float32, and texts with HTML entities resolved.

    Raises:
        DataError: a line does not hold an id, a number and a text.
    """
    names, ratings, texts = [], [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").rstrip("\r\n").split("\n"), 1):
        try:
            name, rating, text = line.rstrip("\r").split("\t", 2)
            ratings.append(float(rating))
        except ValueError as error:
            raise DataError(f"{path}:{number} holds no id, rating and text: delete the file") from error
        names.append(name)
        plain = html.unescape(html.unescape(text))  # some were escaped twice
        texts.append(" ".join(plain.split()))
    return names, np.array(ratings, dtype=np.float32), texts

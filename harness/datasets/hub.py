"""Public text data sets of the Hugging Face Hub, read by its `datasets` library.

Where the Hub is not reachable, a local copy of the repository (its Parquet files) does: `path`.

Sources: A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011 (imdb); B. Pang and L. Lee,
Seeing Stars, ACL 2005 (rotten_tomatoes); R. Socher et al., Recursive Deep Models for Semantic
Compositionality, EMNLP 2013, as in GLUE (sst2), whose test labels are not public: its validation part is
tested on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.datasets.own_files import content_of, existing
from harness.protocols import Dataset, Split, Task
from harness.record import DataError, content_hash

DESCRIPTION = {
    "imdb": "25,000 / 25,000 long film reviews, positive or negative (from the Hub; revision, path)",
    "rotten_tomatoes": "9,596 / 1,066 sentences of film reviews, positive or negative "
    "(from the Hub; revision, path)",
    "sst2": "67,349 / 872 phrases and sentences of film reviews, positive or negative "
    "(from the Hub; revision, path)",
}


def load(dataset: str, /, *, revision: str = "main", path: str | None = None) -> Dataset:
    """Whole texts; a published validation part with labels is trained on, the harness cuts its own.

    Args:
        dataset: a key of `REPOSITORIES`.
        revision: commit of the repository: pin it to compare over time. path: a local copy of its
            Parquet files, for machines that do not reach the Hub.
    """
    return REPOSITORIES[dataset].load(revision, path)


def task(dataset: str, /, **_: object) -> Task:
    return REPOSITORIES[dataset].task()


def fetch(dataset: str, /, **args: Any) -> None:
    """Fill the library's own cache, so that a run's processes find it there."""
    load(dataset, **args)


def checksum(dataset: str, /, *, revision: str = "main", path: str | None = None) -> str:
    return REPOSITORIES[dataset].checksum(revision, path)


@dataclass(frozen=True)
class Repository:
    """A data set of the Hub.

    Args:
        text, label: names of its columns.
        train: its parts to train on (the harness cuts its own validation part). test: its part with
            labels to test on.
    """

    name: str
    classes: tuple[str, ...]
    text: str
    label: str
    train: tuple[str, ...]
    test: str

    def task(self) -> Task:
        return Task("text_classification", len(self.classes), self.classes)

    def checksum(self, revision: str, path: str | None) -> str:
        """The revision of the repository, or the content of the local copy."""
        if path is None:
            return content_hash([self.name, revision])
        folder = existing(path, "folder of Parquet files")
        return content_of(sorted(folder.rglob("*.parquet")), folder)

    def load(self, revision: str, path: str | None) -> Dataset:
        """Texts and labels; ids count the rows of the training parts, then those of the test part.

        Raises:
            DataError: the library or the data set cannot be had, or it has changed its form.
        """
        parts = self._download(revision, path)
        missing = [part for part in (*self.train, self.test) if part not in parts]
        if missing:
            raise DataError(f"{path or self.name} has no part {missing[0]!r}, it has {', '.join(parts)}")
        train = self._split([parts[part] for part in self.train], 0)
        return Dataset(self.task(), train, self._split([parts[self.test]], len(train)))

    def _download(self, revision: str, path: str | None) -> Any:
        try:
            import datasets
        except ImportError as error:
            raise DataError(f"{self.name} needs the library `datasets`: pip install -e '.[text]'") from error
        place = str(existing(path, "folder of Parquet files")) if path else self.name
        try:
            return datasets.load_dataset(place, revision=None if path else revision)
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise DataError(
                f"cannot get {place}: {error}\nBy hand: copy the Parquet files of {self.name} from a machine "
                "that reaches the Hub, and give their folder as path under data.args"
            ) from error

    def _split(self, parts: list[Any], first: int) -> Split:
        for part in parts:
            if missing := {self.text, self.label} - set(part.column_names):
                names = ", ".join(part.column_names)
                raise DataError(f"{self.name} has no column {', '.join(sorted(missing))}: it has {names}")
        texts = [str(text) for part in parts for text in part[self.text]]
        targets = np.array([label for part in parts for label in part[self.label]], dtype=np.int64)
        if len(targets) == 0 or targets.min() < 0 or targets.max() >= len(self.classes):
            raise DataError(f"{self.name}: a part is empty, or a label is not 0…{len(self.classes) - 1}")
        return Split(texts, targets, np.arange(first, first + len(texts), dtype=np.int64))


_POLARITY = ("negative", "positive")

REPOSITORIES: dict[str, Repository] = {
    "imdb": Repository("stanfordnlp/imdb", _POLARITY, "text", "label", ("train",), "test"),
    "rotten_tomatoes": Repository(
        "cornell-movie-review-data/rotten_tomatoes",
        _POLARITY,
        "text",
        "label",
        ("train", "validation"),
        "test",
    ),
    "sst2": Repository("stanfordnlp/sst2", _POLARITY, "sentence", "label", ("train",), "validation"),
}

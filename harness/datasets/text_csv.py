"""Own texts: a CSV or Parquet file with a column of texts and a column of labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from harness.datasets.duplicates import plain_words
from harness.datasets.frames import Source, class_targets, divide, read_table
from harness.datasets.splits import take
from harness.protocols import Dataset, Split, Task
from harness.record import DataError

DESCRIPTION = (
    "your CSV or Parquet texts (path, text, label, test_path, test, group, columns, encoding, separator)"
)


def load(
    *,
    path: str,
    text: str = "text",
    label: str = "label",
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str = ",",
) -> Dataset:
    """Texts as they stand, an empty cell being an empty text; ids are row numbers, the test file's last.

    Args:
        text, label: names of the columns.
        test_path: a file to test on; without it a share `test` is cut off by hash, stratified.
        group: a column whose equal values never straddle a split (author, thread, document); without it
            texts of the same words do not.
        columns: further columns to slice results by.
    Raises:
        DataError: a file, a column or a label is missing, or the encoding is another.
    """
    source = Source(path, test_path, test, group, tuple(columns), encoding, separator)
    return _load(source, source.checksum(), text, label)


def task(
    *,
    path: str,
    text: str = "text",
    label: str = "label",
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str = ",",
) -> Task:
    source = Source(path, test_path, test, group, tuple(columns), encoding, separator)
    return _load(source, source.checksum(), text, label).task


def checksum(*, path: str, test_path: str | None = None, **_: object) -> str:
    return Source(path, test_path, 0.0, None, (), "", "").checksum()


@lru_cache(maxsize=2)
def _load(source: Source, content: str, text: str, label: str) -> Dataset:
    table = read_table(source, [text, label], texts=(text,))
    texts = [str(value) for value in table.frame[text]]
    classes, targets = class_targets(table.frame[label], table.path)
    keys = [plain_words(value) or value for value in texts]
    groups, train_rows, test_rows = divide(table, keys, targets, source.test)
    if unknown := sorted(set(targets[test_rows].tolist()) - set(targets[train_rows].tolist())):
        names = ", ".join(classes[i] for i in unknown)
        raise DataError(
            f"{source.path}: no training row has the label {names}: add some, "
            "or take these rows out of the test part"
        )
    information = Task("text_classification", len(classes), classes)
    whole = Split(texts, targets, np.arange(len(texts), dtype=np.int64), groups, table.columns)
    return Dataset(information, take(whole, train_rows), take(whole, test_rows))

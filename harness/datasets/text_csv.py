"""Own texts: a CSV or Parquet file with a column of texts and a column of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from harness.codec import Json
from harness.datasets.arguments import complete, taken_by
from harness.datasets.columns import times_of
from harness.datasets.duplicates import plain_words
from harness.datasets.frames import (
    Source,
    check_trained,
    class_targets,
    divide,
    marks_of,
    read_table,
    source_of,
)
from harness.datasets.multilabel import check_labels_trained, label_targets
from harness.datasets.splits import counts_of, take
from harness.protocols import Dataset, Split, Task

DESCRIPTION = (
    "your CSV or Parquet texts (path, text, label, label_separator, test_path, test, group, columns, …)"
)


def load(
    *,
    path: str,
    text: str = "text",
    label: str = "label",
    label_separator: str | None = None,
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str | None = None,
    missing: Sequence[str | float] = (),
    labels: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Dataset:
    """Texts as they stand, an empty cell being an empty text; ids are row numbers, the test file's last.

    Args:
        text, label: names of the columns.
        label_separator: what stands between several labels of one cell, `"|"` in `rude|spam`: the task is
            then multilabel_classification; none: one class a row.
        test_path: a file to test on; without it a share `test` is cut off by hash, stratified.
        group: a column whose equal values never straddle a split (author, thread, document); without it
            texts of the same words do not.
        columns: further columns to slice results by.
        separator: between cells; none: the one of `,`, tab, `;`, `::` and `|` that the line of names holds.
        missing: labels that stand for nothing; a label `NA` or `None` is a label.
        labels: a label as it stands → as it is to be read. rename: a column's name in a file → its name.
    Raises:
        DataError: a file, a column or a label is missing, or the encoding is another; all mistakes at once.
    """
    return _opened(locals())[0]


def task(**args: Json) -> Task:
    return _opened(args)[0].task


def times(column: str, **args: Json) -> np.ndarray:
    """(rows,) when each row is of."""
    source = _source(args)
    return times_of(read_table(source, [column]), column, source.how, {})


def notes(**args: Json) -> tuple[str, ...]:
    """What is worth knowing of how the files were read."""
    return _opened(args)[1]


def class_counts(**args: Json) -> dict[str, int]:
    """Rows of each class or label, in both parts; empty for numbers."""
    dataset = _opened(args)[0]
    return counts_of(dataset.task, dataset.train.targets, dataset.test.targets)


def marks(column: str, **args: Json) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) what a column says of each row, as text, and the targets."""
    return marks_of(read_table(_source(args), [column], as_text=[column]), column, _opened(args)[0])


def checksum(*, path: str, test_path: str | None = None, **_: object) -> str:
    return Source(path, test_path).checksum()


def _source(args: Mapping[str, Any]) -> Source:
    return source_of(**taken_by(source_of, complete(load, args)))


def _opened(args: Mapping[str, Any]) -> tuple[Dataset, tuple[str, ...]]:
    given = complete(load, args)
    source = _source(args)
    text, label = given["text"].strip(), given["label"].strip()
    return _load(source, source.checksum(), text, label, given["label_separator"])


@lru_cache(maxsize=2)
def _load(
    source: Source, content: str, text: str, label: str, mark: str | None
) -> tuple[Dataset, tuple[str, ...]]:
    table = read_table(source, [text, label], as_text=(label,), verbatim=(text,))
    texts = [str(value) for value in table.frame[text]]
    if mark is None:
        classes, targets, notes = class_targets(table, label, source)
    else:
        classes, targets, notes = label_targets(table, label, source, mark)
    keys = [plain_words(value) or value for value in texts]
    groups, train_rows, test_rows = divide(table, keys, targets, source.test)
    if mark is None:
        check_trained(table, classes, targets, train_rows, test_rows)
        information = Task("text_classification", len(classes), classes)
    else:
        check_labels_trained(table, classes, targets, train_rows)
        information = Task("multilabel_classification", len(classes), classes, inputs="text")
    whole = Split(texts, targets, np.arange(len(texts), dtype=np.int64), groups, table.columns)
    dataset = Dataset(information, take(whole, train_rows), take(whole, test_rows))
    return dataset, (*table.notes, *notes)

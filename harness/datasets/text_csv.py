"""Own texts: a CSV or Parquet file with a column of texts and a column of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from harness.datasets.arguments import complete
from harness.datasets.duplicates import plain_words
from harness.datasets.frames import Source, divide, read_table
from harness.datasets.splits import coded, take
from harness.datasets.user_file import Loaded, UserFile, answers_of, said_of_several
from harness.protocols import Dataset, Split, Task
from harness.suite.source import quoted

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


def _opened(args: Mapping[str, Any]) -> Loaded:
    given = complete(load, args)
    source = _FILE.source(args)
    text, label = given["text"].strip(), given["label"].strip()
    return _load(source, source.checksum(), text, label, given["label_separator"])


_FILE = UserFile(load, _opened)
task, notes, class_counts, marks = _FILE.task, _FILE.notes, _FILE.class_counts, _FILE.marks
times, checksum = _FILE.times, _FILE.checksum


@lru_cache(maxsize=2)
def _load(source: Source, content: str, text: str, label: str, label_separator: str | None) -> Loaded:
    table = read_table(source, [text, label], as_text=(label,), verbatim=(text,))
    texts = [str(value) for value in table.frame[text]]
    comma = ', `decimal: ","`' if any("," in str(value) for value in table.frame[label].unique()) else ""
    of_numbers = (
        "to predict the number from the words write `task: tabular_regression` and under data, in place of "
        f"`text` and `label`, `name: tabular_csv`, `target: {quoted(label)}`, `features: [{quoted(text)}]`"
        f"{comma}; or make few classes of them"
    )
    answers = answers_of(table, label, source, label_separator, of_numbers)
    keys = [plain_words(value) or value for value in texts]
    groups, train_rows, test_rows = divide(table, keys, answers.targets, source.test)
    answers.check(table, train_rows, test_rows)
    name = answers.task_name("text_classification")
    information = Task(name, len(answers.names), answers.names, inputs="text" if answers.has_labels else "")
    whole = Split(texts, answers.targets, np.arange(len(texts), dtype=np.int64), groups, table.columns)
    dataset = Dataset(information, take(whole, train_rows), take(whole, test_rows))
    same = coded(keys)[0]
    return dataset, (*table.notes, *answers.notes, *said_of_several(same, answers, "texts"))

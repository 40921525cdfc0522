"""Several labels in one cell, `rude|spam`, as columns of 0 and 1."""

from __future__ import annotations

import numpy as np

from harness.datasets.frames import Source, UserTable, stripped
from harness.datasets.labels import (
    EMPTY_WORDS,
    check_alike,
    check_known,
    counted,
    in_order,
    parts_of,
    raise_all,
)
from harness.record import DataError
from harness.suite.source import quoted

LabelTargets = tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]


def label_targets(table: UserTable, column: str, source: Source, mark: str) -> LabelTargets:
    """Label names in order (numbers by value, text by alphabet), (n, k) int64 of 0 and 1, and notes.

    An empty cell, and a word for nothing (`none`) that never stands beside another, is no label at all; a
    note says so.

    Args:
        mark: what stands between labels.
    Raises:
        DataError: fewer than two labels, labels that differ in case, blanks or marks, a label that only the
            test file has.
    """
    cells = [[] if cell is None else parts_of(cell, mark) for cell in stripped(table.frame[column])]
    where, stated = f"{table.path}: column {column!r}", dict(source.labels)
    found = {label for cell in cells for label in cell}
    unknown = [label for label in stated if label not in found]
    raise_all([f"labels names {label!r}, which {where} has not: it has "
               f"{', '.join(map(repr, in_order(found)[:12]))}" for label in unknown])  # fmt: skip
    notes: list[str] = []
    nothing = {*source.how.missing, *_words_for_nothing(cells, stated, notes)}
    rows = [list(dict.fromkeys(stated.get(label, label) for label in cell if label not in nothing))
            for cell in cells]  # fmt: skip
    cut = len(rows) - table.test_rows
    train, test = (counted(np.array([label for row in part for label in row], dtype=object))
                   for part in (rows[:cut], rows[cut:]))  # fmt: skip
    mistakes = check_alike(train, where, stated)
    if table.test_rows:
        mistakes += check_known(train, test, f"{table.paths[1]}: column {column!r}")
    raise_all(mistakes)
    names = in_order(train)
    if len(names) < 2:
        told = f"one label, {names[0]!r}" if names else "no label"
        raise DataError(
            f"{where} has {told} when its cells are cut at {mark!r}: several labels need two or more; write "
            "the sign that stands between them as `label_separator`, or leave it out to learn one class a row"
        )
    index = {name: i for i, name in enumerate(names)}
    targets = np.zeros((len(rows), len(names)), dtype=np.int64)
    for number, row in enumerate(rows):
        targets[number, [index[label] for label in row]] = 1
    without = int((targets.sum(axis=1) == 0).sum())
    if without:
        notes.append(f"{without} of {len(rows)} rows have no label")
    return names, targets, tuple(notes)


def check_labels_trained(
    table: UserTable, names: tuple[str, ...], targets: np.ndarray, train_rows: np.ndarray
) -> None:
    """Refuse a label that no training row has, or that all have: there is nothing to learn of it."""
    mistakes = []
    share = targets[train_rows].mean(axis=0)
    for name, value in zip(names, share, strict=True):
        if value in (0.0, 1.0):
            how = "no training row has" if value == 0 else "every training row has"
            mistakes.append(
                f"{table.path}: {how} the label {name}: there is nothing to learn of it; add rows, or leave "
                f"it out (`missing: [{quoted(name)}]`)"
            )
    raise_all(mistakes)


def _words_for_nothing(cells: list[list[str]], stated: dict[str, str], notes: list[str]) -> list[str]:
    """Words such as `none` that stand alone wherever they stand."""
    alone = counted(np.array([cell[0] for cell in cells if len(cell) == 1], dtype=object))
    beside = {label for cell in cells if len(cell) > 1 for label in cell}
    found = [w for w in alone if w.casefold() in EMPTY_WORDS and w not in beside and w not in stated]
    notes += [
        f"{word!r} ({alone[word]} rows), which stands beside no label, is taken as no label: write `labels: "
        f"{{{quoted(word)}: {quoted(word)}}}` where it is one"
        for word in found
    ]
    return found

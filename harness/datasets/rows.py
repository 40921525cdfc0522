"""Columns of a file as rows that a client could send: typed, holes kept, nothing learnt yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.datasets.cells import MANY_IN_ONE, Notation, are_several
from harness.datasets.columns import ParsedColumn
from harness.datasets.duplicates import row_hashes_of
from harness.datasets.frames import UserTable
from harness.datasets.labels import folded, meanings
from harness.datasets.mapped import ByColumn, Mapped
from harness.datasets.nested import LOOKED_AT, are_nested
from harness.datasets.raw import MISSING
from harness.exported.tables import calendar, row_type, single
from harness.record import DataError
from harness.suite.encodings import MOST_ONE_HOT
from harness.suite.source import quoted

MOSTLY_DIFFERENT = 0.5
"""A column of many texts that has more different ones than this share of its rows holds no categories."""
SENTENCE = 3.0
"""Words of the mean text from which on such a column is one of texts, weighed by words."""


def as_rows(
    columns: Sequence[ParsedColumn], table: UserTable, named: Sequence[str], how: Notation, keys: np.ndarray
) -> tuple[np.ndarray | Mapped, tuple[str, ...], dict[str, Any]]:
    """Rows (n,) of named fields, what each column is, and how a client's cells are written.

    Args:
        named: columns that the user calls categories. keys: (n,) uint64, equal where rows are.
    Raises:
        DataError: numbers beyond float32, or texts that are no categories; all mistakes at once.
    """
    mistakes: list[str] = []
    told: list[dict[str, Any]] = []
    values: list[np.ndarray] = []
    for column in columns:
        try:
            kind, cells = _values(column, table, named)
        except DataError as error:
            mistakes += error.mistakes
            continue
        signs = {"mark": column.mark, "shape": column.shape}
        told.append({"name": column.name, "kind": kind, **{k: sign for k, sign in signs.items() if sign}})
        values.append(cells)
    if mistakes:
        raise DataError(*mistakes)
    if any(cells is not column.values for cells, column in zip(values, columns, strict=True)):
        # Days have become moments: hashes are of what the rows hold, as those of rows in memory are.
        keys = row_hashes_of({str(i): cells for i, cells in enumerate(values)})
    whole = ByColumn({one["name"]: cells for one, cells in zip(told, values, strict=True)}, row_type(told))
    rows = Mapped(whole, np.arange(len(keys)), keys).taken(slice(None))  # few are read, many stay columns
    if isinstance(rows, Mapped):
        rows = Mapped(whole.on_disk(), np.arange(len(keys)), keys)
    notation = {
        "decimal": how.decimal,
        "thousands": how.thousands,
        "missing": sorted({*MISSING, *how.missing}),
    }
    return rows, tuple(str(one["kind"]) for one in told), {"columns": told, "notation": notation}


def _values(column: ParsedColumn, table: UserTable, named: Sequence[str]) -> tuple[str, np.ndarray]:
    if column.kind == "number":
        numbers = column.values
        if np.isinf(numbers).any():
            numbers = np.where(np.isinf(numbers), np.nan, numbers)
        if np.isinf(single(numbers)).any():
            raise DataError(
                f"{table.path}: column {column.name!r} has numbers beyond 3e38, for instance "
                f"{np.nanmax(np.abs(numbers)):g}: leave it out of features, or take its logarithm"
            )
        return "number", numbers
    if column.kind == "date":
        return "date", moments(column.values)
    texts = pd.Series(column.values, dtype=object)
    different = int(texts.nunique())
    if column.name in named or different <= MOST_ONE_HOT or different <= MOSTLY_DIFFERENT * len(texts):
        return "category", column.values
    if all(map(are_several, texts.dropna())):
        shown = texts.dropna().iloc[0][:40]
        raise DataError(
            f"{table.path}: column {column.name!r} has {shown!r}, …: {MANY_IN_ONE}, or leave it out "
            "of `features`"
        )
    words = float(np.mean([len(text.split()) for text in texts.dropna()]))
    if words >= SENTENCE:
        return "words", column.values
    raise DataError(
        f"{table.path}: column {column.name!r} is text of {different} different values in {len(texts)} "
        "rows, which are no categories: name the columns to predict from under features, without it, or "
        f"write `categories: [{quoted(column.name)}]` if its values come back in later rows"
    )


def moments(days: np.ndarray) -> np.ndarray:
    """Days since 1970 as datetime64[s], NaT where there is none."""
    known = np.isfinite(days)
    seconds = np.round(np.where(known, days, 0.0) * 86400).astype(np.int64)
    return np.where(known, seconds.astype("M8[s]"), np.datetime64("NaT", "s"))


def said_of(
    rows: np.ndarray | Mapped, kinds: Sequence[str], train: np.ndarray, test: np.ndarray, table: UserTable
) -> list[str]:
    """What `plan` says of the columns.

    Args:
        train, test: the numbers of the rows.
    """
    said: list[str] = []
    dated: dict[str, list[str]] = {}
    for name, kind in zip(rows.dtype.names or (), kinds, strict=True):
        values = rows[name]
        if _is_constant(values[train]):
            said.append(f"column {name!r} has one value in all training rows, or none: it says nothing")
            continue
        if kind == "date":
            figures = calendar(values)
            if not (figures["hour"][~np.isnat(values)] != 0).any():
                del figures["hour"]
            dated.setdefault(", ".join(figures), []).append(repr(name))
        elif kind == "words":
            said += _nested(name, values[train])
            said.append(f"column {name!r} holds texts: predicted from by the words in them (TF-IDF)")
        elif kind == "category":
            counts = Counter(text for text in values[train].tolist() if text is not None)
            own = values[train] if table.test_rows else values  # of a test file `_unknown` says it
            said += _nested(name, values[train])
            said += _alike(name, [text for text in own.tolist() if text is not None])
            if table.test_rows:
                said += _unknown(name, counts, values[test])
            if len(counts) > MOST_ONE_HOT:
                said.append(
                    f"column {name!r} has {len(counts)} values: trees that take categories get them as they "
                    "are, other models the mean of the target by value (`encoding` of a candidate "
                    "changes that)"
                )
    return said + [
        f"{'columns' if names[1:] else 'column'} {', '.join(names)} hold{'' if names[1:] else 's'} dates: "
        f"predicted from as {figures}"
        for figures, names in dated.items()
    ]


def _nested(name: str, values: np.ndarray) -> list[str]:
    """What is said of cells that hold JSON, or what Python writes of lists and dicts."""
    some = [text for text in values[:LOOKED_AT].tolist() if text is not None]
    if not are_nested(some):
        return []
    return [
        f"column {name!r} holds cells such as {max(some, key=len)[:40]!r}, read as texts or categories "
        "as they stand: write what is in them into columns of their own (`json_normalize`), or leave it out"
    ]


def _is_constant(values: np.ndarray) -> bool:
    """Whether there is one value everywhere, a hole being one."""
    first = values[:1]
    if values.dtype.kind == "O":
        return all(value == first[0] for value in values)
    return bool((values == first).all() or (pd.isna(first).all() and pd.isna(values).all()))


def _alike(name: str, values: Sequence[str]) -> list[str]:
    """What is said of values that may be one."""
    groups: dict[str, list[str]] = {}
    for value, meaning in meanings(set(values)).items():
        groups.setdefault(meaning, []).append(value)
    twins = [" and ".join(map(repr, sorted(alike))) for alike in groups.values() if len(alike) > 1]
    if not twins:
        return []
    return [
        f"column {name!r} has values that differ in case, blanks or marks only, or mean the same, and are "
        "taken as different: "
        f"{', '.join(twins[:5])}{', …' if len(twins) > 5 else ''}"
    ]


def _unknown(name: str, counts: Mapping[str, int], test: np.ndarray) -> list[str]:
    """What is said of values that only test rows have."""
    strange = Counter(value for value in test.tolist() if value is not None and value not in counts)
    if not strange:
        return []
    alike = {folded(value): value for value in counts}
    near = [f"{value!r} like {alike[folded(value)]!r}" for value in strange if folded(value) in alike]
    text = (
        f"column {name!r}: {sum(strange.values())} of {len(test)} test rows have a value that no training "
        f"row has ({', '.join(map(repr, list(strange)[:5]))}{', …' if len(strange) > 5 else ''})"
    )
    return [text + (f"; in case, blanks or marks alone differ {', '.join(near[:5])}" if near else "")]

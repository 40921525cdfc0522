"""Own tables: a CSV or Parquet file with a target column, for classification or regression.

A table stays a table: rows of numbers, dates, categories and texts, with their holes. What a model takes of
them is learnt of the rows that it trains on (`harness.datasets.encoding`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.codec import Json, JsonObject
from harness.datasets.arguments import complete
from harness.datasets.columns import EXACT, ParsedColumn, read_column, times_of
from harness.datasets.duplicates import row_hashes_of
from harness.datasets.encoding import lost_in_32_bits
from harness.datasets.frames import (
    Source,
    UserTable,
    check_trained,
    class_targets,
    different_texts,
    divide,
    read_table,
    require_complete,
    stripped,
)
from harness.datasets.label_columns import said_of_labels
from harness.datasets.labels import raise_all
from harness.datasets.mapped import Mapped
from harness.datasets.multilabel import check_labels_trained, label_targets
from harness.datasets.nested import as_texts
from harness.datasets.raw import MISSING, give_back, is_code
from harness.datasets.resplit import Part
from harness.datasets.rows import as_rows, said_of
from harness.datasets.splits import take
from harness.datasets.totals import totals_among
from harness.datasets.units import UNITS
from harness.datasets.user_file import Loaded, UserFile
from harness.exported.tables import single
from harness.protocols import Dataset, Split, Task
from harness.record import DataError
from harness.suite.source import quoted

DESCRIPTION = (
    "your CSV or Parquet table (path, target, features, kind, test_path, test, group, columns, decimal, …)"
)

MAX_INTEGER_CLASSES = 20
"""A target of whole numbers with more values than this is a number."""

Kind = Literal["auto", "classes", "number"]


def load(
    *,
    path: str,
    target: str,
    features: Sequence[str] = (),
    kind: Kind = "auto",
    label_separator: str | None = None,
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    missing: Sequence[str | float] = (),
    categories: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Dataset:
    """Rows (n,) of typed columns; ids are row numbers, those of the test file last.

    Args:
        target: the column to predict. kind: whether it holds `classes` or a `number`; `auto` takes
            text, yes/no, and whole numbers of up to 20 values as classes.
        label_separator: what stands between several labels of one cell, `"|"` in `rude|spam`: the task is
            then multilabel_classification.
        features: the columns to predict from; none means all that are not named otherwise.
        test_path: a file to test on; without it a share `test` is cut off by hash, stratified.
        group: a column whose equal values never straddle a split; without it equal rows do not.
        columns: further columns to slice results by, not predicted from.
        separator: between cells; none: the one of `,`, tab, `;`, `::` and `|` that the line of names holds.
        decimal, thousands: the signs in numbers, for instance `,` and `.` for 1.234,56.
        missing: cells that stand for nothing, beside empty ones, `NA`, `null` and the like.
        categories: columns whose values are categories though they look like numbers, or though nearly every
            row has another one.
        dates: column → how its dates are written, for instance `"%d/%m/%Y"`; needed where that is not clear.
        labels: a label as it stands → as it is to be read. rename: a column's name in a file → its name.
    Raises:
        DataError: a file, a column or a value is missing, or of the wrong kind; all mistakes at once.
    """
    return _opened(locals())[0]


def load_part(part: Part, **args: Json) -> Dataset:
    """Cut anew, by the columns of the file."""
    return _opened(args, part)[0]


def as_it_stands(**args: Json) -> pd.DataFrame:
    """All columns of the file, used or not, a row for each id: what an audit looks at."""
    return as_texts(read_table(_FILE.source(args), (), others=True).frame)


@dataclass(frozen=True)
class _Wanted:
    """What is predicted from what."""

    target: str
    features: tuple[str, ...]
    kind: str
    categories: tuple[str, ...]
    dates: tuple[tuple[str, str], ...]
    label_separator: str | None


def _opened(args: JsonObject, part: Part | None = None) -> Loaded:
    given = complete(load, args)
    source = _FILE.source(args)
    wanted = _Wanted(
        given["target"].strip(),
        tuple(name.strip() for name in given["features"]),
        given["kind"],
        tuple(name.strip() for name in given["categories"]),
        tuple((name.strip(), shape) for name, shape in (given["dates"] or {}).items()),
        given["label_separator"],
    )
    return _load(source, source.checksum(), wanted, part)


_FILE = UserFile(load, _opened)
task, notes, class_counts, marks = _FILE.task, _FILE.notes, _FILE.class_counts, _FILE.marks
checksum = _FILE.checksum


@lru_cache(maxsize=4)
def _load(source: Source, content: str, wanted: _Wanted, part: Part | None = None) -> Loaded:
    named = [wanted.target, *wanted.features, *wanted.categories, *(name for name, _ in wanted.dates)]
    named += [part.column] if part and part.column else []
    table = read_table(source, named, as_text=(wanted.target, *wanted.categories), others=not wanted.features)
    chosen = wanted.features or tuple(
        name for name in table.frame.columns if name not in {wanted.target, source.group, *source.columns}
    )
    chosen, left_out = _without_index(table, chosen, wanted)
    mistakes: list[str] = []
    classes, targets, notes = _collect(mistakes, ((), np.empty(0), ()), _targets, table, wanted, source)
    columns = [
        _collect(mistakes, None, read_column, table, name, source.how, wanted.categories, dict(wanted.dates))
        for name in chosen
    ]
    if not chosen:
        mistakes.append(f"{table.path} has no column to predict from beside {wanted.target!r}")
    if mistakes:
        raise DataError(*mistakes)
    raise_all(_totals(table, columns, np.empty(0) if classes else targets))
    keys = row_hashes_of({str(i): column.values for i, column in enumerate(columns)})
    order = None
    if part and part.by == "time" and part.column:
        order = times_of(table, part.column, source.how, dict(wanted.dates))
    as_names = (*wanted.categories, *table.categories)
    rows, kinds, written = as_rows(columns, table, as_names, source.how, keys)
    said = [
        *(note for column in columns for note in column.said),
        *_infinite(columns),
        *_in_units(columns),
        *_with_zeros(table, columns),
        *said_of_labels(table.frame, wanted.target, chosen, [kind == "words" for kind in kinds]),
    ]
    # The rows hold all that is predicted from: a large table would be there twice.
    table = replace(table, frame=table.frame[[part.column] if part and part.column else []])
    del columns
    if isinstance(rows, Mapped):
        give_back()
    groups, train_rows, test_rows = divide(table, keys, targets, source.test, part, order)
    if wanted.label_separator is not None:
        check_labels_trained(table, classes, targets, train_rows)
    elif classes:
        check_trained(table, classes, targets, train_rows, test_rows)
    told = said_of(rows, kinds, train_rows, test_rows, table)
    name = "tabular_classification" if classes else "tabular_regression"
    if wanted.label_separator is not None:
        name = "multilabel_classification"
    information = Task(name, len(classes), classes, (len(kinds),), columns=kinds)
    sliced, read = table.columns, table.notes
    ids = np.arange(len(targets), dtype=np.int64)
    whole = Split(rows, targets, ids, groups, sliced, order)
    dataset = Dataset(information, take(whole, train_rows), take(whole, test_rows), written=written)
    return dataset, (*read, *left_out, *notes, *said, *told)


def _without_index(
    table: UserTable, chosen: tuple[str, ...], wanted: _Wanted
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns to predict from, less one without a name that numbers the rows, and a note on it.

    pandas writes its index so; of a file that was sorted by the answer it tells the answer.
    """
    first = next(iter(table.frame.columns), "")
    if wanted.features or first not in chosen or not str(first).startswith("Unnamed: "):
        return chosen, ()
    parts = np.split(table.frame[first].to_numpy(), [len(table.frame) - table.test_rows])
    if not all(part.dtype.kind in "iu" and len(np.unique(part)) == len(part) for part in parts):
        return chosen, ()
    told = (
        "the first column has no name and numbers the rows: it is not predicted from unless `features` names "
        f"{first!r}"
    )
    return tuple(name for name in chosen if name != first), (told,)


def _totals(table: UserTable, columns: Sequence[ParsedColumn], target: np.ndarray) -> list[str]:
    """What is said of rows that hold totals of others, of each file by itself.

    Args:
        target: (n,) what is predicted, or empty where that is no number.
    """
    numbers = [column.values for column in columns if column.kind == "number"]
    numbers += [np.asarray(target, dtype=np.float64)] if len(target) else []
    others = [column.values for column in columns if column.kind != "number"]
    cut, mistakes = len(table.frame) - table.test_rows, list[str]()
    for path, rows in zip(table.paths, (slice(cut), slice(cut, None)), strict=False):
        if found := totals_among([one[rows] for one in numbers], [one[rows] for one in others]):
            listed = ", ".join(str(row + 1) for row in found[:5]) + (", …" if len(found) > 5 else "")
            several = f"rows {listed} hold" if len(found) > 1 else f"row {listed} holds"
            mistakes.append(
                f"{path}: {several} totals of other rows: take {'them' if len(found) > 1 else 'it'} out"
            )
    return mistakes


def _infinite(columns: Sequence[ParsedColumn]) -> list[str]:
    """What is said of numbers that are infinite."""
    counts = {c.name: int(np.isinf(c.values).sum()) for c in columns if c.kind == "number"}
    return [f"column {name!r} is infinite in {n} rows: taken as empty" for name, n in counts.items() if n]


def _in_units(columns: Sequence[ParsedColumn]) -> list[str]:
    """What is said of numbers with a unit behind them."""
    return [f"column {c.name!r} is read as numbers of {c.mark}" for c in columns if c.mark in UNITS]


def _with_zeros(table: UserTable, columns: Sequence[ParsedColumn]) -> list[str]:
    """What is said of numbers that are written as codes are."""
    said = []
    for column in columns:
        cells = table.frame[column.name]
        if column.kind == "number" and cells.dtype.kind not in "iufb":
            code = next((text for text in cells.unique() if isinstance(text, str) and is_code(text)), None)
            if code:
                said.append(
                    f"column {column.name!r} is written with zeros in front, for instance {code!r}: read as "
                    f"numbers; write `categories: [{quoted(column.name)}]` if they are codes"
                )
    return said


def _collect(mistakes: list[str], instead: Any, function: Any, *args: Any) -> Any:
    """What a function returns, or `instead` where it finds mistakes, which are noted."""
    try:
        return function(*args)
    except DataError as error:
        mistakes.extend(error.mistakes)
        return instead


def _targets(
    table: UserTable, wanted: _Wanted, source: Source
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """Class names (none for a number), the targets, and what is to be said of them."""
    kind, target = wanted.kind, wanted.target
    if kind not in ("auto", "classes", "number"):
        raise DataError(f"tabular_csv: kind is {kind!r}, write auto, classes or number")
    if wanted.label_separator is not None:
        return label_targets(table, target, source, wanted.label_separator)
    if kind == "classes" or (kind == "auto" and _are_words(table, target)):
        return class_targets(table, target, source)
    number = _number(table, wanted, source)
    if number is None or (kind == "auto" and not np.isfinite(number.values).any()):
        return class_targets(table, target, source)  # of words such as NA alone, which may be labels
    require_complete(pd.Series(number.values, name=target), table)
    if kind == "auto" and _are_labels(table, target, number.values):
        return class_targets(table, target, source)
    targets = single(number.values)
    if broken := np.flatnonzero(~np.isfinite(targets)).tolist():
        rows = ", ".join(str(row + 1) for row in broken[:5]) + (", …" if len(broken) > 5 else "")
        raise DataError(
            f"{table.path}: column {target!r} is infinite, or beyond 3e38, in rows {rows}: drop these rows, "
            "or predict its logarithm"
        )
    _refuse_lost(table, target, number.values)
    told = f"the target {target!r} is in {number.mark}: errors too" if number.mark else ""
    if number.kind == "date":
        told = f"the target {target!r} holds dates: predicted as days since 1970, errors are in days"
    return (), targets, (*number.said, told) if told else number.said


def _refuse_lost(table: UserTable, target: str, exact: np.ndarray) -> None:
    """Refuse a target whose values lie so close together, far from 0, that 32 bits do not tell them apart."""
    if _whole(exact) and np.abs(exact).max() >= EXACT:
        raise DataError(
            f"{table.path}: column {target!r} has whole numbers beyond 2^53, which lose their last digits: "
            "write `kind: classes` if these are labels, or subtract the smallest of them in the file"
        )
    if lost := lost_in_32_bits(exact):
        low, high = exact.min(), exact.max()
        raise DataError(
            f"{table.path}: column {target!r} lies between {low:.12g} and {high:.12g}, and 32 bits, in which "
            f"targets are kept, are off by up to {lost:.2g} there: subtract {low:.12g} from it in the file, "
            "or write `kind: classes` if these are labels"
        )


def _number(table: UserTable, wanted: _Wanted, source: Source) -> ParsedColumn | None:
    """The target as a number, None where `auto` may take it as classes."""
    otherwise = "" if wanted.kind == "number" else ", or `kind: classes` if these are labels"
    column = read_column(table, wanted.target, source.how, (), dict(wanted.dates), otherwise)
    if column.kind == "number" or (column.kind == "date" and _whole(column.values)):
        return column
    if wanted.kind == "number":
        some = next(text for text in stripped(table.frame[wanted.target]) if text is not None)
        raise DataError(f"{table.path}: column {wanted.target!r} is not a number, for instance {some!r}")
    if column.kind == "date":
        raise DataError(
            f"{table.path}: column {wanted.target!r} holds dates: predict a number of days, or write "
            "`kind: classes` if each day is a class"
        )
    return None


def _are_words(table: UserTable, target: str) -> bool:
    """Whether a target is true and false."""
    unique = {str(t).casefold() for t in different_texts(table.frame[target])[1] if t not in (None, *MISSING)}
    return bool(unique) and unique <= {"true", "false"}


def _are_labels(table: UserTable, target: str, values: np.ndarray) -> bool:
    """Whether numbers are classes: few whole ones, or ones that are written with zeros in front."""
    known = values[np.isfinite(values)]
    if not len(known) or not _whole(known):
        return False
    zeros = any(len(t) > 1 and t.lstrip("-").startswith("0") and t.isdecimal()
                for t in different_texts(table.frame[target])[1] if t is not None)  # fmt: skip
    if np.abs(known).max() >= EXACT:  # as floats different ones are equal
        return len(set(different_texts(table.frame[target])[1])) <= MAX_INTEGER_CLASSES
    different = len(np.unique(known))
    every = different == len(known) > 2  # of fifteen women's weights each is another: no classes
    return zeros or (different <= MAX_INTEGER_CLASSES and not every)


def _whole(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool((np.mod(known, 1) == 0).all())

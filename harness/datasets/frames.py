"""The user's tables and texts: read whole, divided, every mistake a DataError with its cure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from harness.datasets.cells import Notation
from harness.datasets.formats import is_parquet, refuse_folder
from harness.datasets.labels import (
    check_alike,
    check_computed,
    check_known,
    check_single,
    class_names,
    counted,
    in_order,
    raise_all,
    said_of_classes,
    words_for_nothing,
)
from harness.datasets.line_of_names import below, headless, lacking, names_again, words_under
from harness.datasets.own_files import content_of_file, existing
from harness.datasets.rare import cut_off
from harness.datasets.raw import CATEGORIES, Layout, read_file
from harness.datasets.resplit import Part, predefined
from harness.datasets.resplit import cut as cut_part
from harness.datasets.splits import coded
from harness.protocols import Dataset
from harness.record import DataError


@dataclass(frozen=True)
class Source:
    """Where a user's table is, and how it is written.

    Args:
        path: the file; test_path: a further one to test on, or None to cut a share `test` off.
        group: a column whose equal values never straddle a split. columns: further ones to slice by.
        how: the notation of numbers. labels: a label as it stands → as it is to be read.
    """

    path: str
    test_path: str | None = None
    test: float = 0.2
    group: str | None = None
    columns: tuple[str, ...] = ()
    layout: Layout = field(default_factory=Layout)
    how: Notation = field(default_factory=Notation)
    labels: tuple[tuple[str, str], ...] = ()

    def checksum(self) -> str:
        """A hash of the files' content."""
        return "-".join(content_of_file(path) for path in self.paths())

    def paths(self) -> list[Path]:
        given = {"path": self.path, "test_path": self.test_path}
        found = [existing(path, "file", argument) for argument, path in given.items() if path]
        for path in found:
            refuse_folder(path)
        return found


def source_of(
    path: str,
    test_path: str | None,
    *,
    test: float,
    group: str | None,
    columns: Sequence[str],
    encoding: str,
    separator: str | None,
    missing: Sequence[str | float],
    rename: Mapping[str, str] | None,
    labels: Mapping[str, str] | None,
    decimal: str = ".",
    thousands: str | None = None,
) -> Source:
    """A source from the arguments of a data set's `load`."""
    how = Notation(decimal, thousands, tuple(str(word).strip() for word in missing))
    whole = [f"{word}.0" for word in missing if isinstance(word, int)]  # a column of floats writes it so
    how = replace(how, missing=(*how.missing, *whole))
    how.check()
    renamed = tuple((str(old), str(new)) for old, new in (rename or {}).items())
    plain = decimal == "." and thousands is None
    layout = Layout(encoding, separator, (), renamed, how.missing, as_written=not plain)
    return Source(
        path, test_path, test, group.strip() if group else None, tuple(name.strip() for name in columns),
        layout, how, tuple((str(k).strip(), str(v).strip()) for k, v in (labels or {}).items()),
    )  # fmt: skip


@dataclass(frozen=True)
class UserTable:
    """All rows of a source, those of the test file last.

    Args:
        paths: the file, and the test file where there is one. test_rows: how many rows that has, else 0.
        owners: the group of each row, as text, or None. columns: those to slice by.
        notes: what `plan` says of the data. categories: columns that the file itself calls so.
    """

    frame: pd.DataFrame
    paths: tuple[Path, ...]
    test_rows: int
    owners: list[str] | None
    columns: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    categories: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        return self.paths[0]

    def has_decimals(self, but: str) -> bool:
        """Whether another column of a text file has numbers that only a decimal point makes what they are."""
        return not is_parquet(self.path) and any(
            self.frame[name].dtype.kind == "f" and bool((np.mod(self.frame[name].dropna(), 1) != 0).any())
            for name in self.frame.columns
            if name != but
        )

    def place(self, row: int) -> str:
        """A row as people count: the first under the names is 1, of the test file by its name."""
        first = len(self.frame) - self.test_rows
        if row < first or not self.test_rows:
            return f"row {row + 1}"
        return f"row {row - first + 1} of {self.paths[1].name}"


def read_table(
    source: Source, needed: Sequence[str], as_text: Sequence[str] = (), verbatim: Sequence[str] = (),
    others: bool = False,
) -> UserTable:  # fmt: skip
    """Read a source, which must have the columns `needed` and those it names itself.

    Args:
        as_text: columns whose cells stay text, without blanks around them: labels, ids, categories.
        verbatim: columns that stay as they stand: `NA` and `1.0` are texts, an empty cell is an empty one.
        others: all further columns are used too, so that a test file must have them.
    Raises:
        DataError: a file is missing, is not a table, or lacks a column; all mistakes at once.
    """
    own = [*([source.group] if source.group else []), *source.columns]
    wanted = list(dict.fromkeys([*needed, *own]))
    paths = tuple(source.paths())
    frames = [read_file(path, source.layout, {*as_text, *verbatim, *own}) for path in paths]
    raise_all([said for path, frame in zip(paths, frames, strict=True) if (said := headless(path, frame))])
    mistakes = [
        below(path, column, frame) or lacking(path, column, list(frame.columns))
        for path, frame in zip(paths, frames, strict=True)
        for column in wanted
        if column not in frame.columns
    ]
    mistakes += [
        f"{path} has no rows under its column names" for path, f in zip(paths, frames, strict=True) if f.empty
    ]
    raise_all(mistakes)
    for told in (names_again, words_under):
        raise_all([s for path, f in zip(paths, frames, strict=True) if (s := told(path, f, source.layout))])
    notes: list[str] = []
    categories = frozenset(name for frame in frames for name in frame.attrs.get(CATEGORIES, ()))
    if len(frames) > 1:
        if others:
            notes = _as_the_first(paths, frames, set(wanted))
        kept = list(frames[0].columns) if others else wanted
        frames = [frame[kept] for frame in frames]
    raise_all(
        [m for path, f in zip(paths, frames, strict=True) for m in _plain_lists(f, path, wanted, as_text)]
    )
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    for column in set(verbatim):
        frame[column] = frame[column].fillna("")
    table = UserTable(frame, paths, len(frames[1]) if len(frames) > 1 else 0, None, {}, tuple(notes))
    owners = _owners(table, source.group) if source.group else None
    if owners and table.test_rows:
        _check_owners(table, str(source.group), owners)
    columns = {name: _slices(frame[name]) for name in source.columns}
    return replace(table, owners=owners, columns=columns, categories=categories)


def _plain_lists(
    frame: pd.DataFrame, path: Path, wanted: Sequence[str], as_text: Sequence[str]
) -> Iterator[str]:
    """Lists of labels, as Parquet has them, become texts such as `["a", "b"]`; other lists are mistakes."""
    for name in wanted:
        cells = frame[name]
        if cells.dtype != object or not any(isinstance(cell, (list, np.ndarray)) for cell in cells):
            continue
        lists = [
            [str(part) for part in cell] if isinstance(cell, (list, np.ndarray)) else [] for cell in cells
        ]
        if name not in as_text or any("," in part for parts in lists for part in parts):
            yield f"{path}: column {name!r} holds lists: write one text a row, for instance with `|` between"
        single = all(len(parts) <= 1 for parts in lists)
        frame[name] = ["".join(parts) if single else json.dumps(parts, ensure_ascii=False) for parts in lists]


def _as_the_first(paths: Sequence[Path], frames: Sequence[pd.DataFrame], named: set[str]) -> list[str]:
    """What is to be said of columns that the test file has beside those of the training file.

    Raises:
        DataError: it lacks some of these.
    """
    first, second = (list(frame.columns) for frame in frames)
    raise_all([lacking(paths[1], name, second) for name in first if name not in second and name not in named])
    extra = ", ".join(repr(name) for name in second if name not in first)
    return (
        [f"{paths[1].name} has columns that {paths[0].name} has not, they are not used: {extra}"]
        if extra
        else []
    )


def stripped(values: pd.Series) -> np.ndarray:
    """(n,) object: texts without blanks around them, None where a cell is empty; other values as text."""
    return spread(*different_texts(values))


def different_texts(values: pd.Series) -> tuple[np.ndarray, list[str | None]]:
    """As `stripped`: (n,) the place of each cell in a list, −1 where it is empty, and that list of texts,
    None for blanks."""
    codes, unique = different(values)
    return codes, [_text(value) for value in unique]


def different(values: pd.Series) -> tuple[np.ndarray, list[object]]:
    """(n,) the place of each cell in a list, −1 where it is empty, and that list: each cell once."""
    if isinstance(values.dtype, pd.StringDtype):  # as Python's own, millions of texts take 60 bytes each
        codes, texts = pd.factorize(values)
        return codes, texts.tolist()
    cells = values.astype(object).where(values.notna(), None).to_numpy(dtype=object)
    codes, unique = pd.factorize(cells)
    return codes, list(unique)


def spread(codes: np.ndarray, texts: Sequence[str | None]) -> np.ndarray:
    """(n,) object, the text of each code, None for −1."""
    return np.asarray(np.array([*texts, None], dtype=object)[codes])


def _text(value: object) -> str | None:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip() or None


def divide(
    table: UserTable, keys: Sequence[str] | np.ndarray, targets: np.ndarray, share: float,
    part: Part | None = None, order: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Rows to train on and to test on: the test file's, or a stratified share by hash.

    Rows of one group stay together, or, where the user named no groups, rows with equal keys: so equal
    examples straddle no split. (Both at once would tie all authors of an `ok` into one group.)

    Returns:
        (n,) int64 groups for further splits; row numbers to train on, and to test on.
    """
    units = keys if table.owners is None else table.owners
    groups = coded(units)[0]
    if table.test_rows:
        cut = len(targets) - table.test_rows
        return groups, np.arange(cut), np.arange(cut, len(targets))
    if part is not None and part.by == "predefined":
        marks = stripped(table.frame[str(part.column)])
        return groups, *predefined(part, marks, targets, None if table.owners is None else groups)
    if part is not None:
        return groups, *cut_part(part, targets, groups, order)
    if not 0 < share < 1:
        raise DataError(f"test is {share}: write a share between 0 and 1 under data")
    train_rows, test_rows = cut_off(units, targets, share)
    if not len(train_rows) or not len(test_rows):
        raise DataError(
            f"{table.path} has too few different rows or groups to cut a test part off: "
            "add rows, or give a test file (test_path)"
        )
    return groups, train_rows, test_rows


def marks_of(table: UserTable, column: str, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) the texts of a column, and the targets of a data set in the same order."""
    ids = np.concatenate([dataset.train.ids, dataset.test.ids])
    targets = np.concatenate([dataset.train.targets, dataset.test.targets])
    return stripped(table.frame[column]), targets[np.argsort(ids)]


def class_targets(
    table: UserTable, column: str, source: Source, of_numbers: str = ""
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """Class names in order (numbers by value, text by alphabet), (n,) int64 indices into them, and notes.

    Args:
        of_numbers: how numbers are predicted from such rows.
    Raises:
        DataError: a missing label, one class only, labels that differ in case, blanks or marks, or a label
            that only the test file has.
    """
    codes, texts = different_texts(table.frame[column])
    texts = [None if text in source.how.missing else text for text in texts]
    labels = spread(codes, texts)
    require_complete(pd.Series(labels, name=column, dtype=object), table)
    stated = dict(source.labels)
    found = counted(labels)
    raise_all(
        [f"labels names {label!r}, which column {column!r} of {table.path} has not: it has "
         f"{', '.join(map(repr, list(found)[:12]))}" for label in stated if label not in found]
    )  # fmt: skip
    names = class_names(dict.fromkeys(stated.get(label, label) for label in found))
    classes = [None if text is None else names[stated.get(text, text)] for text in texts]
    read = spread(codes, classes)
    where, counts = f"{table.path}: column {column!r}", counted(read)
    cut = len(read) - table.test_rows
    mistakes = [*check_alike(counted(read[:cut]), where, stated), *check_computed(counts, where)]
    mistakes += check_single(counts, where, stated, of_numbers)
    if table.test_rows:
        mistakes += check_known(read[:cut], counted(read[cut:]), f"{table.paths[1]}: column {column!r}")
    raise_all(mistakes)
    unique = in_order(counts)
    if len(unique) < 2:
        raise DataError(f"{where} has one class, {unique[0]!r}: a classifier needs two or more")
    if len(unique) == len(read) > 2:
        raise DataError(
            f"{where} has another label in each of its {len(read)} rows, of which nothing can be learnt: "
            "name another column as the target"
        )
    index = {name: i for i, name in enumerate(unique)}
    targets = np.array([index.get(name or "", -1) for name in classes], dtype=np.int64)[codes]
    said = said_of_classes(counts, read[cut:] if table.test_rows else (), column)
    return unique, targets, (*words_for_nothing(counts), *said)


def check_trained(
    table: UserTable,
    classes: Sequence[str],
    targets: np.ndarray,
    train_rows: np.ndarray,
    test_rows: np.ndarray,
) -> None:
    """Refuse a test part with a class that no training row has."""
    if unknown := sorted(set(targets[test_rows].tolist()) - set(targets[train_rows].tolist())):
        names = ", ".join(classes[i] for i in unknown)
        raise DataError(
            f"{table.path}: no training row has the label {names}: add some, "
            "or take these rows out of the test part"
        )


def require_complete(values: pd.Series, table: UserTable) -> None:
    """Refuse a column with holes in it; the first rows are named (the first under the header is 1)."""
    holes = np.flatnonzero(values.isna().to_numpy())
    if len(holes):
        rows = ", ".join(str(row + 1) for row in holes[:5]) + (", …" if len(holes) > 5 else "")
        raise DataError(
            f"{table.path}: column {values.name!r} has no value in {len(holes)} of {len(values)} rows "
            f"(rows {rows}): fill them in, or drop these rows"
        )


def _owners(table: UserTable, group: str) -> list[str]:
    owners = stripped(table.frame[group])
    require_complete(pd.Series(owners, name=group), table)
    return [str(owner) for owner in owners]


def _check_owners(table: UserTable, group: str, owners: Sequence[str]) -> None:
    """Refuse a test file whose groups were trained on: it says how well they are remembered."""
    cut = len(owners) - table.test_rows
    seen = set(owners[:cut])
    shared = [owner for owner in owners[cut:] if owner in seen]
    if shared:
        raise DataError(
            f"{table.paths[1]}: {len(shared)} of {table.test_rows} test rows are of a {group!r} that "
            f"{table.paths[0].name} has too ({len(set(shared))}, for instance {shared[0]!r}): a score on "
            "them says how well they are remembered. Leave `test_path` out (tests are then cut by "
            f"{group!r}), take these rows out of one file, or drop `group`"
        )


def _slices(values: pd.Series) -> np.ndarray:
    """A column to slice by: whole numbers where that loses no text, else text; an empty cell is `missing`."""
    texts = stripped(values)
    whole = [text is not None and text == canonical(text) for text in pd.unique(texts)]
    if all(whole):
        return np.array([int(text) for text in texts], dtype=np.int64)
    return np.array(["missing" if text is None else text for text in texts], dtype=object)


def canonical(text: str) -> str:
    """The text of the whole number that a text is; empty where it is none."""
    try:
        return str(int(text)) if len(text) < 19 else ""
    except ValueError:
        return ""

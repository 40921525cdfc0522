"""The user's CSV and Parquet files: read whole, divided, every mistake a DataError with its cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.datasets.own_files import content_of, existing
from harness.datasets.splits import hash_split
from harness.record import DataError

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
"""What stands for nothing in a CSV file, outside of its texts."""


@dataclass(frozen=True)
class Source:
    """Where a user's table is, and how it is written.

    Args:
        path: the file; test_path: a further one to test on, or None to cut a share `test` off.
        group: a column whose equal values never straddle a split. columns: further ones to slice by.
    """

    path: str
    test_path: str | None
    test: float
    group: str | None
    columns: tuple[str, ...]
    encoding: str
    separator: str

    def checksum(self) -> str:
        """A hash of the files' content."""
        return "-".join(content_of([path], path.parent) for path in self.paths())

    def paths(self) -> list[Path]:
        given = {"path": self.path, "test_path": self.test_path}
        return [existing(path, "file", argument) for argument, path in given.items() if path]


@dataclass(frozen=True)
class Table:
    """All rows of a source, those of the test file last.

    Args:
        test_rows: how many rows the test file has, 0 without one.
        owners: the group of each row, as text, or None. columns: those to slice by.
    """

    frame: pd.DataFrame
    path: Path
    test_rows: int
    owners: list[str] | None
    columns: dict[str, np.ndarray]


def read_table(source: Source, needed: Sequence[str], texts: Sequence[str] = ()) -> Table:
    """Read a source, which must have the columns `needed` and those it names itself.

    Args:
        texts: columns to take as they stand: `NA` and `1.0` are texts, an empty cell is an empty one.

    Raises:
        DataError: a file is missing, is no table, or lacks a column.
    """
    wanted = [*needed, *([source.group] if source.group else []), *source.columns]
    paths = source.paths()
    frames = [read_frame(path, wanted, source.encoding, source.separator, texts) for path in paths]
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return Table(
        frame,
        paths[0],
        len(frames[1]) if len(frames) > 1 else 0,
        _owners(frame[source.group], paths[0]) if source.group else None,
        {name: frame[name].to_numpy() for name in source.columns},
    )


def divide(
    table: Table, keys: Sequence[str], targets: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on and to test on: the test file's, or a stratified share by hash.

    Rows of one group stay together, or, where the user named no groups, rows with equal keys: so equal
    examples straddle no split. (Both at once would tie all authors of an `ok` into one group.)

    Returns:
        (n,) int64 groups for further splits; row numbers to train on, and to test on.
    """
    units = keys if table.owners is None else table.owners
    groups = np.asarray(pd.factorize(np.array(units, dtype=object))[0], dtype=np.int64)
    if table.test_rows:
        cut = len(targets) - table.test_rows
        return groups, np.arange(cut), np.arange(cut, len(targets))
    if not 0 < share < 1:
        raise DataError(f"test is {share}: write a share between 0 and 1 under data.args")
    train_rows, test_rows = hash_split(units, targets, share)
    if not len(train_rows) or not len(test_rows):
        raise DataError(
            f"{table.path} has too few different rows or groups to cut a test part off: "
            "add rows, or give a test file (test_path)"
        )
    return groups, train_rows, test_rows


def read_frame(
    path: Path, columns: Iterable[str], encoding: str, separator: str, texts: Sequence[str] = ()
) -> pd.DataFrame:
    """A table with at least these columns; those of `texts` as they stand.

    Raises:
        DataError: neither CSV nor Parquet, another encoding, ragged or empty, or a column is missing.
    """
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            frame = pd.read_parquet(path)
        else:
            frame = _read_csv(path, encoding, separator, texts)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding}: byte {error.object[error.start]:#04x} at {error.start}; write its "
            "encoding under data.args, for instance encoding: latin-1 or cp1252, or save it as UTF-8"
        ) from error
    except LookupError as error:
        raise DataError(f"no encoding is called {encoding!r}: write utf-8, latin-1 or cp1252") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty: it needs a line of column names and rows") from error
    except (pd.errors.ParserError, ValueError, OSError) as error:
        cure = "is the separator right (separator: ';' or '\\t'), are quotes closed?"
        raise DataError(f"cannot read {path} as a table: {error}; {cure}") from error
    frame.columns = frame.columns.map(str)
    for column in set(texts) & set(frame.columns):
        frame[column] = frame[column].fillna("")
    for column in columns:
        if column not in frame.columns:
            near = difflib.get_close_matches(column, list(frame.columns), n=1)
            hint = f", did you mean {near[0]!r}?" if near else ";"
            names = ", ".join(map(repr, frame.columns[:20]))
            raise DataError(f"{path} has no column {column!r}{hint} it has {names}")
    if frame.empty:
        raise DataError(f"{path} has no rows under its column names")
    return frame


def _read_csv(path: Path, encoding: str, separator: str, texts: Sequence[str]) -> pd.DataFrame:
    if not texts:
        return pd.read_csv(path, encoding=encoding, sep=separator)
    names = pd.read_csv(path, encoding=encoding, sep=separator, nrows=0).columns
    return pd.read_csv(
        path,
        encoding=encoding,
        sep=separator,
        dtype={name: str for name in names if name in texts},
        keep_default_na=False,
        na_values={name: list(MISSING) for name in names if name not in texts},
    )


def class_targets(values: pd.Series, path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names in order (numbers by value, text by alphabet) and (n,) int64 indices into them.

    Raises:
        DataError: a missing label, or one class only.
    """
    require_complete(values, path)
    unique = list(values.unique())
    if any(isinstance(value, str) for value in unique):
        values = values.astype(str)
        unique = sorted(set(values))
    else:
        unique = sorted(unique)
    if len(unique) < 2:
        raise DataError(
            f"{path}: column {values.name!r} has one class, {unique[0]!r}: a classifier needs two or more"
        )
    index = {value: i for i, value in enumerate(unique)}
    return tuple(_class_name(value) for value in unique), values.map(index).to_numpy(dtype=np.int64)


def require_complete(values: pd.Series, path: Path) -> None:
    """Refuse a column with holes in it; the first rows are named (the first under the header is 1)."""
    holes = np.flatnonzero(values.isna().to_numpy())
    if len(holes):
        rows = ", ".join(str(row + 1) for row in holes[:5]) + (", …" if len(holes) > 5 else "")
        raise DataError(
            f"{path}: column {values.name!r} has no value in {len(holes)} of {len(values)} rows "
            f"(rows {rows}): fill them in, or drop these rows"
        )


def _owners(values: pd.Series, path: Path) -> list[str]:
    require_complete(values, path)
    return [str(value) for value in values]


def _class_name(value: object) -> str:
    """A label as text: 1.0 is `1`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

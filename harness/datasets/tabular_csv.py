"""Own tables: a CSV or Parquet file with a target column, for classification or regression.

Numbers stay as they are; text columns of few values become one column per value; what is missing
is filled with the training median and marked by a column of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from harness.datasets.frames import Source, Table, class_targets, divide, read_table, require_complete
from harness.datasets.splits import take
from harness.protocols import Dataset, Split, Task
from harness.record import DataError

DESCRIPTION = "your CSV or Parquet table (path, target, features, kind, test_path, test, group, columns)"

MISSING = "missing"
"""The category of a hole in a column of text."""
MAX_VALUES = 32
"""A text column with more values than this is no category."""
MAX_INTEGER_CLASSES = 20
"""A target of whole numbers with more values than this is a number."""

Kind = Literal["auto", "classes", "number"]


def load(
    *,
    path: str,
    target: str,
    features: Sequence[str] = (),
    kind: Kind = "auto",
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str = ",",
) -> Dataset:
    """Tables (n, columns) float32; ids are row numbers, those of the test file last.

    Args:
        target: the column to predict. kind: whether it holds `classes` or a `number`; `auto` takes
            text, yes/no, and whole numbers of up to 20 values as classes.
        features: the columns to predict from; none means all that are not named otherwise.
        test_path: a file to test on; without it a share `test` is cut off by hash, stratified.
        group: a column whose equal values never straddle a split; without it equal rows do not.
        columns: further columns to slice results by, not predicted from.
    Raises:
        DataError: a file, a column or a value is missing, or of the wrong kind.
    """
    source = Source(path, test_path, test, group, tuple(columns), encoding, separator)
    return _load(source, source.checksum(), target, tuple(features), kind)[0]


def task(
    *,
    path: str,
    target: str,
    features: Sequence[str] = (),
    kind: Kind = "auto",
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str = ",",
) -> Task:
    source = Source(path, test_path, test, group, tuple(columns), encoding, separator)
    return _load(source, source.checksum(), target, tuple(features), kind)[0].task


def input_columns(
    *,
    path: str,
    target: str,
    features: Sequence[str] = (),
    kind: Kind = "auto",
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str = ",",
) -> list[dict[str, Any]]:
    """How each column of the inputs, in their order, is made from the file's: what a caller must do again."""
    source = Source(path, test_path, test, group, tuple(columns), encoding, separator)
    return list(_load(source, source.checksum(), target, tuple(features), kind)[1])


def checksum(*, path: str, test_path: str | None = None, **_: object) -> str:
    return Source(path, test_path, 0.0, None, (), "", "").checksum()


@lru_cache(maxsize=2)
def _load(
    source: Source, content: str, target: str, features: tuple[str, ...], kind: Kind
) -> tuple[Dataset, list[dict[str, Any]]]:
    table = read_table(source, [target, *features])
    classes, targets = _targets(table, target, kind)
    chosen = features or tuple(
        name for name in table.frame.columns if name not in {target, source.group, *source.columns}
    )
    raw = {name: _feature(table, name) for name in chosen}
    if not raw:
        raise DataError(f"{table.path} has no column to predict from beside {target!r}")
    keys = [str(code) for code in pd.util.hash_pandas_object(table.frame[list(chosen)], index=False)]
    groups, train_rows, test_rows = divide(table, keys, targets, source.test)
    encoded = [_encode(name, values, train_rows) for name, values in raw.items()]
    inputs = np.concatenate([numbers for numbers, _ in encoded], axis=1)
    if classes:
        information = Task("tabular_classification", len(classes), classes, inputs.shape[1:])
    else:
        information = Task("tabular_regression", 0, (), inputs.shape[1:])
    ids = np.arange(len(targets), dtype=np.int64)
    whole = Split(inputs, targets, ids, groups, table.columns)
    made = [column for _, columns in encoded for column in columns]
    return Dataset(information, take(whole, train_rows), take(whole, test_rows)), made


def _targets(table: Table, target: str, kind: Kind) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names (none for a number) and the targets."""
    values = table.frame[target]
    if kind not in ("auto", "classes", "number"):
        raise DataError(f"tabular_csv: kind is {kind!r}, write auto, classes or number")
    if kind == "auto":
        numeric = is_numeric_dtype(values) and not is_bool_dtype(values)
        whole = numeric and bool((values.dropna() % 1 == 0).all())
        kind = "number" if numeric and not (whole and values.nunique() <= MAX_INTEGER_CLASSES) else "classes"
    if kind == "classes":
        return class_targets(values, table.path)
    require_complete(values, table.path)
    if not is_numeric_dtype(values):
        raise DataError(f"{table.path}: column {target!r} is not a number, for instance {values.iloc[0]!r}")
    targets = _float32(values)
    if broken := np.flatnonzero(~np.isfinite(targets)).tolist():
        rows = ", ".join(str(row + 1) for row in broken[:5]) + (", …" if len(broken) > 5 else "")
        raise DataError(
            f"{table.path}: column {target!r} is infinite, or beyond 3e38, in rows {rows}: drop these rows, "
            "or predict its logarithm"
        )
    return (), targets


def _feature(table: Table, name: str) -> pd.Series:
    """A column, as numbers with NaN for holes or as text."""
    values = table.frame[name]
    if is_numeric_dtype(values) or is_bool_dtype(values):
        numbers = values.astype(np.float64).replace([np.inf, -np.inf], np.nan)
        if np.isinf(_float32(numbers)).any():
            raise DataError(
                f"{table.path}: column {name!r} has numbers beyond 3e38, for instance "
                f"{numbers.abs().max():g}: leave it out of features, or take its logarithm"
            )
        return numbers
    if values.nunique() > MAX_VALUES:
        raise DataError(
            f"{table.path}: column {name!r} is text of {values.nunique()} different values, more than the "
            f"{MAX_VALUES} of a category: name the columns to predict from under features, without it"
        )
    return values


def _float32(values: pd.Series) -> np.ndarray:
    """What is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values.to_numpy(dtype=np.float64).astype(np.float32))


def _encode(name: str, values: pd.Series, train_rows: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """(n, 1 or more) float32, no holes, and how each was made: by medians and categories of training rows."""
    made: list[dict[str, Any]] = [{"column": name, "is": "number"}]
    if is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float32)
        holes = np.isnan(numbers)
        if not holes.any():
            return numbers[:, None], made
        known = numbers[train_rows][~holes[train_rows]]
        median = float(np.median(known)) if len(known) else 0.0
        filled = np.where(holes, median, numbers)
        made = [{"column": name, "is": "number", "if_missing": median}, {"column": name, "is": "missing"}]
        return np.stack([filled, holes], axis=1).astype(np.float32), made
    texts = values.astype(object).where(values.notna(), MISSING).astype(str).to_numpy(dtype=object)
    categories = sorted(set(texts[train_rows]))
    made = [{"column": name, "is": "equal", "to": category} for category in categories]
    return np.stack([texts == category for category in categories], axis=1).astype(np.float32), made

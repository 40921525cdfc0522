"""Columns of a table as float32 numbers without holes: by medians and categories of the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.codec import Json
from harness.datasets.columns import Column
from harness.datasets.frames import Table
from harness.datasets.labels import folded
from harness.record import DataError

MISSING = "missing"
"""The category of a hole in a column of text."""
OTHER = "other"
"""What all rarer values of a column of many share."""
MAX_VALUES = 32
"""A column of more values than this keeps so many of its commonest ones apart."""
MOSTLY_DIFFERENT = 0.5
"""A column of many texts that has more different ones than this share of its rows holds no categories."""

Made = list[dict[str, Json]]


def encode(
    columns: Sequence[Column], table: Table, train_rows: np.ndarray, test_rows: np.ndarray
) -> tuple[np.ndarray, Made, list[str]]:
    """The inputs, how each of their columns was made, and what is to be said of it.

    Raises:
        DataError: numbers beyond float32, or texts that are no categories; all mistakes at once.
    """
    parts: list[np.ndarray] = []
    made: Made = []
    told: list[str] = []
    mistakes: list[str] = []
    for column in columns:
        try:
            numbers, how, said = _encode(column, table, train_rows, test_rows)
        except DataError as error:
            mistakes += error.mistakes
            continue
        parts.append(numbers)
        made += how
        told += said
    if mistakes:
        raise DataError(*mistakes)
    return np.concatenate(parts, axis=1), made, told


def single(values: np.ndarray) -> np.ndarray:
    """float32; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float64).astype(np.float32)


def _encode(
    column: Column, table: Table, train_rows: np.ndarray, test_rows: np.ndarray
) -> tuple[np.ndarray, Made, list[str]]:
    if column.kind == "category":
        return _categories(column, table, train_rows, test_rows)
    how: dict[str, Json] = {"column": column.name, "is": "number"}
    if column.mark:
        how["without"] = column.mark
    if column.kind == "number":
        numbers = np.where(np.isinf(column.values), np.nan, column.values)
        if np.isinf(single(numbers)).any():
            raise DataError(
                f"{table.path}: column {column.name!r} has numbers beyond 3e38, for instance "
                f"{np.nanmax(np.abs(numbers)):g}: leave it out of features, or take its logarithm"
            )
        filled, made = _filled([(how, numbers)], train_rows)
        return filled, made, []
    calendar = calendar_figures(column.values)
    filled, made = _filled(
        [({"column": column.name, "is": "date", "part": part}, values) for part, values in calendar.items()],
        train_rows,
    )
    note = f"column {column.name!r} holds dates: predicted from as {', '.join(calendar)}"
    return filled, made, [note]


def calendar_figures(days: np.ndarray) -> dict[str, np.ndarray]:
    """What a model is told of moments: (n,) float64 each, NaN where there is none.

    Args:
        days: since 1970, UTC.
    """
    known = np.isfinite(days)
    seconds = np.round(np.where(known, days, 0.0) * 86400)
    stamps = pd.to_datetime(pd.Series(seconds), unit="s")
    figures: dict[str, np.ndarray] = {
        "days since 1970": np.floor(days),
        "year": stamps.dt.year.to_numpy(np.float64),
        "month": stamps.dt.month.to_numpy(np.float64),
        "day of the month": stamps.dt.day.to_numpy(np.float64),
        "day of the week": stamps.dt.dayofweek.to_numpy(np.float64),
    }
    if (np.mod(seconds[known], 86400) != 0).any():
        figures["hour"] = np.mod(seconds, 86400) / 3600
    return {part: np.where(known, values, np.nan) for part, values in figures.items()}


def _filled(
    figures: Sequence[tuple[dict[str, Json], np.ndarray]], train_rows: np.ndarray
) -> tuple[np.ndarray, Made]:
    """(n, figures) with training medians for holes, which one more column marks where there are any."""
    columns, made = [], []
    holes = np.isnan(figures[0][1])
    for how, values in figures:
        if not holes.any():
            columns.append(single(values))
            made.append(how)
            continue
        known = single(values[train_rows][~holes[train_rows]])
        median = float(np.median(known)) if len(known) else 0.0
        columns.append(np.where(holes, np.float32(median), single(values)))
        made.append({**how, "if_missing": median})
    if holes.any():
        columns.append(holes.astype(np.float32))
        made.append({"column": figures[0][0]["column"], "is": "missing"})
    return np.stack(columns, axis=1).astype(np.float32), made


def _categories(
    column: Column, table: Table, train_rows: np.ndarray, test_rows: np.ndarray
) -> tuple[np.ndarray, Made, list[str]]:
    texts = np.array([MISSING if text is None else text for text in column.values], dtype=object)
    counts = Counter(texts[train_rows].tolist())
    said = _unknown(column.name, counts, texts[test_rows]) if table.test_rows else []
    rows, different = len(train_rows), len(set(texts.tolist()))
    if different > MAX_VALUES and different > MOSTLY_DIFFERENT * len(texts):
        raise DataError(
            f"{table.path}: column {column.name!r} is text of {different} different values in {len(texts)} "
            "rows, which are no categories: name the columns to predict from under features, without it"
        )
    kept = sorted(sorted(counts, key=lambda value: (-counts[value], value))[:MAX_VALUES])
    made: Made = [{"column": column.name, "is": "equal", "to": value} for value in kept]
    columns = [texts == value for value in kept]
    if len(counts) > MAX_VALUES:
        columns.append(~np.isin(texts.astype(str), np.array(kept, dtype=str)))
        made.append({"column": column.name, "is": OTHER, "than": kept})
        share = sum(counts[value] for value in kept) / rows
        said.append(
            f"column {column.name!r} has {len(counts)} values: the {MAX_VALUES} commonest ({share:.0%} of "
            "the rows) have a column each, all others share one"
        )
    return np.stack(columns, axis=1).astype(np.float32), made, said


def _unknown(name: str, counts: Counter[str], test: np.ndarray) -> list[str]:
    """What is said of values that only test rows have."""
    strange = Counter(value for value in test.tolist() if value not in counts)
    if not strange:
        return []
    alike = {folded(value): value for value in counts}
    near = [f"{value!r} like {alike[folded(value)]!r}" for value in strange if folded(value) in alike]
    rows = sum(strange.values())
    text = (
        f"column {name!r}: {rows} of {len(test)} test rows have a value that no training row has "
        f"({', '.join(map(repr, list(strange)[:5]))}{', …' if len(strange) > 5 else ''})"
    )
    return [text + (f"; in case, blanks or marks alone differ {', '.join(near[:5])}" if near else "")]

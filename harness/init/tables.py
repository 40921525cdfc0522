"""Which column of a table is what: the answer, a text, a group, a time, a number of the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from harness.codec import Json, JsonObject
from harness.datasets import cells, moments
from harness.datasets.formats import PARQUET
from harness.datasets.raw import Layout, first_cells, read_file
from harness.record import DataError

ANSWERS = (
    "target", "label", "labels", "class", "y", "outcome", "result", "response", "category", "sentiment",
    "churn", "churned", "fraud", "is_fraud", "survived", "default", "diagnosis", "species", "income",
    "price",
)  # fmt: skip
"""Names of columns that hold the answer, the likelier first; where there is none, the last column does."""
GROUPS = (
    "patient", "customer", "user", "client", "person", "subject", "author", "household", "document",
    "session", "account", "device", "store", "thread", "family",
)  # fmt: skip
"""Words in the name of a column whose equal values belong together."""
WORDS = 4
"""A column of at least so many words in the median cell is text, not categories."""
MOST_CLASSES = 50
SAMPLE = 2000
"""Cells that are looked at for what a column holds."""


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are.

    Args:
        text: the column of texts, empty where the table has none. group: one whose values belong together.
        dates: column → its first and last day. row_names: columns that number or name the rows.
        constant: columns of one value. names: column of texts that name the rows → how many there are.
    """

    target: str
    why: str
    text: str = ""
    group: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)
    row_names: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    holes: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def read(path: Path, args: JsonObject) -> pd.DataFrame:
    """A table as its data set will read it.

    Args:
        args: of the data set; the keys that say how the file is written are used.
    Raises:
        DataError: it cannot be read, or has no line of names.
    """
    layout = Layout(
        encoding=str(args.get("encoding", "utf-8")),
        separator=None if (separator := args.get("separator")) is None else str(separator),
        names=_words(args.get("names")),
        missing=_words(args.get("missing")),
    )
    return read_file(path, layout)


def _words(given: Json) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, (list, tuple)) else ()


def headless(path: Path) -> list[str]:
    """The cells of the first line where that names no columns, else nothing."""
    first = first_cells(path, Layout())
    numbers = [cell for cell in first if cells.is_numberlike(cell)]
    return first if first and len(numbers) == len(first) else []


def roles(frame: pd.DataFrame, path: Path, target: str | None = None) -> Roles:
    """Which column is what.

    Args:
        target: as the user named it; none: by its name, else the last column that may be an answer.
    Raises:
        DataError: there is no such column, or none that may be an answer.
    """
    if len(frame.columns) < 2:
        if path.suffix.lower() in PARQUET:
            raise DataError(
                f"{path} has one column alone: a table needs one to predict and one to predict from"
            )
        raise DataError(
            f"{path} has one column, {frame.columns[0]!r}: a table needs one to predict and one to predict "
            "from; is the separator right? `--set separator=;`"
        )
    names = _names(frame)
    texts = [name for name in names if _is_text(frame[name])]
    named, dates = _row_names(frame), _dates(frame, texts)
    answer, why = _answer(frame, path, target, {*named, *dates, *texts})
    rest = [name for name in names if name != answer]
    few = frame[answer].nunique() <= max(2, min(MOST_CLASSES, len(frame) // 4))
    text = next((name for name in texts if name in rest), "") if few else ""
    return Roles(
        target=answer,
        why=why,
        text=text,
        group=next((name for name in rest if _is_group(frame[name], name)), ""),
        dates={name: span for name, span in dates.items() if name != answer},
        row_names=tuple(name for name in named if name != answer),
        constant=tuple(name for name in rest if frame[name].nunique(dropna=True) <= 1),
        holes={name: share for name in rest if (share := _missing(frame[name])) > 0},
    )


def _names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns]


def _answer(frame: pd.DataFrame, path: Path, target: str | None, unlikely: set[str]) -> tuple[str, str]:
    """The column to predict, and why it."""
    columns = _names(frame)
    if target is not None:
        if target not in columns:
            from harness.datasets.line_of_names import lacking

            raise DataError(f"--target {target}: {lacking(path, target, columns)}")
        return target, "as you said"
    folded = {name.casefold().strip(): name for name in columns}
    for word in ANSWERS:
        if word in folded and frame[folded[word]].nunique() > 1:
            return folded[word], "by its name"
    likely = [name for name in columns if name not in unlikely and frame[name].nunique() > 1]
    if not likely:
        raise DataError(
            f"{path}: no column looks like an answer: name the one to predict with --target COLUMN"
        )
    return likely[-1], "the last column that may be an answer"


def _is_text(column: pd.Series) -> bool:
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return False
    some = [str(text) for text in column.dropna().head(SAMPLE)]
    return (
        bool(some)
        and float(np.median([len(text.split()) for text in some])) >= WORDS
        and len(set(some)) > len(some) / 2
    )


def _row_names(frame: pd.DataFrame) -> list[str]:
    """Columns that have another value in each row and say nothing else: indexes and ids."""
    found = []
    for name in _names(frame):
        column, plain = frame[name], name.casefold().strip()
        if len(frame) < 20 or column.nunique() < len(frame):
            continue
        counts = pd.api.types.is_integer_dtype(column) and bool((column.diff().dropna().abs() == 1).all())
        called = (
            plain in ("id", "index", "row", "uuid", "key")
            or plain.endswith("id")
            or plain.startswith("unnamed")
        )
        if counts or (called and not pd.api.types.is_float_dtype(column)):
            found.append(name)
    return found


def _dates(frame: pd.DataFrame, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in _names(frame):
        days = None if name in texts else _days(frame[name])
        if days is not None and len(days):
            first, last = pd.to_datetime([days.min(), days.max()], unit="D").strftime("%Y-%m-%d")
            found[name] = f"{first} to {last}"
    return found


def _days(column: pd.Series) -> np.ndarray | None:
    """Days since 1970 of a column of dates, None for any other."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return moments.days_of_stamps(column.dropna())
    some = _maybe_dates(column)
    try:
        return moments.days_of_texts(some) if some else None
    except moments.UnclearTimeError:
        return None  # the data set says how to write it


def _maybe_dates(column: pd.Series) -> list[str]:
    """The texts of a column whose first one may be a date, else none."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return []
    some = [text.strip() for text in column.dropna().astype(str) if text.strip()]
    may_be = some and any(sign in some[0] for sign in "-/.: ") and some[0][:1].isalnum()
    return some if may_be else []


def holds_dates(column: pd.Series) -> bool:
    """Whether a column holds dates, also where only the user knows which of two notations it has."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    some = _maybe_dates(column)
    try:
        return bool(some) and moments.days_of_texts(some) is not None
    except moments.UnclearTimeError:
        return True


def _is_group(column: pd.Series, name: str) -> bool:
    words = name.casefold()
    if not any(word in words for word in GROUPS) or pd.api.types.is_float_dtype(column):
        return False
    return 10 <= column.nunique() < 0.8 * len(column)


def _missing(column: pd.Series) -> float:
    empty = column.isna()
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        empty |= (
            column.astype(str)
            .str.strip()
            .isin(["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None"])
        )
    return float(empty.mean())

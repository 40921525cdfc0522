"""The file of a log: its columns by the names that a suite gives them, or what it has to say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.datasets import cells, moments
from harness.datasets.formats import is_parquet
from harness.datasets.line_of_names import holds_names, is_row, lacking, names_again
from harness.datasets.log_ids import lists_among
from harness.datasets.nested import as_texts
from harness.datasets.raw import LOOK_FOR_NAMES, Layout, first_cells, read_file
from harness.record import DataError
from harness.suite.source import quoted

KINDS_OF_EVENTS = 20
"""More different words than that are no kinds of events."""


def read_log(
    file: Path, path: str, layout: Layout, named: Mapping[str, str], mistakes: Sequence[str]
) -> pd.DataFrame:
    """The log, all cells as text.

    Args:
        path: as the user wrote it. named: `user`, `item` and, where there is one, `time` → the column's name.
    Raises:
        DataError: it cannot be read, has no line of names and is given none, or lacks a column; with the
            mistakes that were found before.
    """
    needed = list(named.values())
    first = [] if layout.names else first_cells(file, layout)
    if not set(needed) & set(first) and any(map(cells.is_numberlike, first)):
        raise DataError(*mistakes, _without_names(path, _unnamed(file, layout, first)))
    frame = as_texts(read_file(file, layout, needed))
    if first and is_row(frame):
        raise DataError(*mistakes, _without_names(path, _unnamed(file, layout, first)))
    if layout.names and not is_parquet(file) and holds_names(frame):
        shown = ", ".join(map(str, frame.iloc[0]))
        said = f"{path} has a line of names, {shown}: leave `names` out, and name its columns by `user: …`"
        raise DataError(*mistakes, said)
    if missing := [name for name in needed if name not in frame]:
        raise DataError(*mistakes, _lacks(path, missing, list(map(str, frame.columns)), named))
    if frame.empty:
        raise DataError(*mistakes, f"{path} has a header and no rows")
    if said := names_again(file, frame, layout):
        raise DataError(*mistakes, said)
    return frame


def _unnamed(file: Path, layout: Layout, first: Sequence[str]) -> pd.DataFrame:
    """The first rows, their columns numbered."""
    numbered = Layout(
        layout.encoding, layout.separator, tuple(f"column{i + 1}" for i in range(len(first))), as_written=True
    )
    return read_file(file, numbered).head(LOOK_FOR_NAMES)


def _lacks(path: str, missing: Sequence[str], names: Sequence[str], named: Mapping[str, str]) -> str:
    text = f"{path} has no column {', '.join(missing)}; it has {', '.join(names)}: "
    if list(missing) == [named.get("time")]:
        return text + (
            "for a log without times write `time: null` and `split: random`, else name yours under data, for "
            "instance `time: timestamp`"
        )
    alike = [lacking(Path(path), name, names) for name in missing]
    near = [said.split(", but ")[1] for said in alike if ", but " in said]
    own = next((n for n in names if n not in named.values()), "customer_id")
    role = next(role for role, name in named.items() if name == missing[0])
    cure = f"name yours in data.args, for instance {role}: {quoted(own)}"
    if len(missing) == len(named) and not near:
        some = ["user", "item", *(f"column{i}" for i in range(3, len(names) + 1))]
        cure += f"; if that line is a row already, name the columns: `names: [{', '.join(some)}]`"
    return text + cure + (f" ({'; '.join(near)})" if near else "")


def _without_names(path: str, rows: pd.DataFrame) -> str:
    """What is said of a file whose first line is a row."""
    names = _likely_names(rows)
    first = [str(cell) for cell in rows.iloc[0]]
    several = next((found[0] for column in rows if (found := lists_among(list(map(str, rows[column]))))), "")
    rows_each = f"; {several[:40]!r} holds several items: write a row for each" if several else ""
    rated = ", and `at_least: 4` if a rating from there on is interest" if "rating" in names else ""
    timed = "" if "time" in names else ", `time: null` and `split: random`"
    return (
        f"{path} has no line of names, it begins with {', '.join(first)}: name its {len(first)} columns, for "
        f"instance `names: [{', '.join(names)}]`{timed}{rated}{rows_each}"
    )


def _likely_names(rows: pd.DataFrame) -> list[str]:
    """Names by what stands in the columns: the user first, then the item, as is usual."""
    names: list[str] = []
    for place, column in enumerate(rows, start=1):
        name = _likely_name(rows[column], names)
        names.append(name if name and name not in names else f"column{place}")
    return names


def _likely_name(column: pd.Series, before: Sequence[str]) -> str:
    """A name for a column by its cells, empty where they tell none."""
    texts = [str(cell) for cell in column]
    if all(map(_is_moment, texts[:3])):
        return "time"
    if lists_among(texts):
        return ""  # several items in a cell
    if "item" in before:
        if cells.is_numberlike(texts[0]):
            return "rating"
        return "event" if len(set(texts)) <= KINDS_OF_EVENTS else ""
    if texts[0].isdecimal() and texts == [str(int(texts[0]) + place) for place in range(len(texts))]:
        return ""  # numbers the rows
    return "item" if "user" in before else "user"


def _is_moment(cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return moments.is_datelike(cell)
    return moments.days_of_numbers(np.array([value])) is not None

"""Whether a table's target holds durations or times of a day, which are predicted as seconds.

Seen from the file's first rows: those who read all of them keep the seconds alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from harness.datasets.formats import is_parquet

# Of the same folder; other names there would give every table's trials other ids.
from harness.datasets.raw import MISSING, Layout, _cells, _first_lines, _head
from harness.exported.tables import seconds_of_clock
from harness.record import DataError

LOOK = 50
"""Rows that are looked at."""


def are_durations(args: Mapping[str, Any]) -> bool:
    """Whether the target of `tabular_csv` with these arguments holds durations or times of a day."""
    path, target = Path(str(args.get("path", ""))), str(args.get("target", "")).strip()
    renamed = {str(new).strip(): str(old).strip() for old, new in (args.get("rename") or {}).items()}
    column = renamed.get(target, target)
    try:
        if is_parquet(path) and _is_clock(path, column):
            return True
        first = _of_parquet(path, column) if is_parquet(path) else _of_csv(path, column, args)
        nothing = {*MISSING, *map(str, args.get("missing") or ())}
        texts = [text for text in first if text not in nothing]
        return bool(texts) and all(seconds_of_clock(text) is not None for text in texts)
    except (OSError, ValueError, LookupError, csv.Error, DataError):  # who reads the rows says what is wrong
        return False


def _is_clock(path: Path, column: str) -> bool:
    import pyarrow.parquet as pq
    import pyarrow.types as types

    kinds = {field.name.strip(): field.type for field in pq.read_schema(path)}
    return column in kinds and (types.is_duration(kinds[column]) or types.is_time(kinds[column]))


def _of_parquet(path: Path, column: str) -> Iterator[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        stored = next((name for name in file.schema_arrow.names if name.strip() == column), column)
        for batch in islice(file.iter_batches(LOOK, columns=[stored]), 1):
            yield from (str(cell).strip() for cell in batch.column(0).to_pylist() if cell is not None)


def _of_csv(path: Path, column: str, args: Mapping[str, Any]) -> Iterator[str]:
    """The column's cells in the first rows of a CSV file, cut as those who read all of it cut it."""
    layout = Layout(str(args.get("encoding") or "utf-8"), args.get("separator"))
    head = _head(path, layout)
    place = head.names.index(column)
    lines = _first_lines(path, layout, head.lines + LOOK)[head.lines :]
    rows = _cells(lines, head.separator)
    yield from (row[place] for row in rows if len(row) == len(head.names))

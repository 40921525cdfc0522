"""Whether a table's target holds durations or times of a day, which are predicted as seconds.

Seen from the file's first rows: those who read all of them keep the seconds alone.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from harness.datasets.formats import is_parquet
from harness.datasets.raw import MISSING, SEPARATORS, Layout, first_cells
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
    """The column's cells in the first rows of a CSV file."""
    encoding = str(args.get("encoding") or "utf-8")
    names = first_cells(path, Layout(encoding, args.get("separator")))
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as text:
        lines = list(islice(text, LOOK))
    given = args.get("separator")
    for sign in (str(given),) if given else SEPARATORS:
        if len(sign) > 1:
            continue
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=sign)]
        if names in rows:
            place = names.index(column)
            yield from (row[place] for row in rows[rows.index(names) + 1 :] if len(row) == len(names))
            return

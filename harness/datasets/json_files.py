"""Files of JSON as what they hold: a row a line, a list of rows, columns, or rows deep inside as trackers and
trainers write them; and a command that makes a table of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from harness.codec import Json, JsonObject
from harness.datasets.commands import for_shell
from harness.datasets.labelling_exports import labelled, objects_in_images

BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{])")
"""The first bytes of a file of JSON that may hold a table."""
LARGEST = 1 << 28
"""Bytes of a file that is looked through; of a larger one the first line says what it is."""
DEEPEST = 3
"""Keys above rows, at most."""


@dataclass(frozen=True)
class _Table:
    """Rows, and the Python that makes them of `d`, what the file holds.

    Args:
        place: the keys above them, as Python has them. is_list: not rows by their names.
    """

    rows: Sequence[JsonObject]
    code: str
    place: str = ""
    is_list: bool = True


def cure(path: Path) -> str:
    """What to do with a file of JSON: the command that writes it as Parquet, where it holds a table."""
    by_line, table = _read(path)
    if table is None:
        return 'it holds no rows: write a list of them, [{"a": 1}, {"a": 2}], or one a line'
    if objects := objects_in_images(path, table.place, table.rows):
        return objects
    made, said = labelled(table.rows, table.code) or (table.code, "")
    read = "[json.loads(line) for line in s.split('\\n') if line.strip()]" if by_line else "json.loads(s)"
    mixed = "" if said else ", ".join(f"{name!r}: str" for name in _mixed(table.rows))
    out = str(path.with_name(f"{path.stem}.parquet"))
    code = for_shell(
        f"import json, pandas, pathlib; s = pathlib.Path({str(path)!r}).read_text('utf-8-sig'); d = {read}; "
        f"pandas.json_normalize({made}){f'.astype({{{mixed}}})' if mixed else ''}.to_parquet({out!r})"
    )
    what = f"what stands under {table.place}" if table.place else "it"
    return f'write {what} as Parquet, `python -W ignore -c "{code}"`{said}'


def _read(path: Path) -> tuple[bool, _Table | None]:
    """Whether a file holds a value a line, and its rows; None where it holds no table."""
    if path.stat().st_size > LARGEST:
        with path.open(encoding="utf-8-sig") as stream:
            first = stream.readline().strip()
        return first.startswith("{") and first.endswith("}"), _Table([], "d")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        return False, _shallowest(json.loads(text))
    except json.JSONDecodeError:
        lines = [line for line in text.split("\n") if line.strip()]
    try:
        return True, _table([json.loads(line) for line in lines], "")
    except json.JSONDecodeError:  # neither
        return False, None


def _shallowest(whole: Json) -> _Table | None:
    """The rows of a value: itself, else those under the fewest keys, of these the longest list."""
    level: list[tuple[str, Json]] = [("", whole)]
    for _ in range(DEEPEST + 1):
        tables = [table for place, value in level if (table := _table(value, place)) is not None]
        if tables:
            lists = [table for table in tables if table.is_list]
            return max(lists, key=lambda table: len(table.rows)) if lists else tables[0]
        level = [
            (f"{place}[{key!r}]", part)
            for place, value in level
            if isinstance(value, Mapping)
            for key, part in value.items()
            if not (key == "columns" and "data" in value)  # what is told of columns is no row
        ]
    return None


def _table(value: Json, place: str) -> _Table | None:
    """What a value is as rows; None where it is no table."""
    d = f"d{place}"
    if isinstance(value, list) and value:
        rows = [row for row in value if isinstance(row, Mapping)]
        if len(rows) == len(value):
            return _Table(rows, d, place)
        lists = [row for row in value if _is_row(row)]
        if len(lists) == len(value) > 1 and len(set(map(len, lists))) == 1:
            names = [f"x{i + 1}" for i in range(len(lists[0]))]
            return _zipped(names, lists, repr(names), d, place)
    if not isinstance(value, Mapping) or not value:
        return None
    names, parts = list(value), list(value.values())
    first, cells = value.get("columns"), value.get("data")
    lists = [row for row in cells if _is_row(row)] if isinstance(cells, list) else []
    if _is_row(first) and lists and lists == cells:  # pandas' `split`
        return _zipped(list(map(str, first)), lists, f"{d}['columns']", f"{d}['data']", place)
    lists = [part for part in parts if _is_row(part)]
    if len(lists) == len(parts) and len(set(map(len, lists))) == 1 and len(lists[0]) > 1:
        return _zipped(names, list(zip(*lists, strict=True)), d, f"zip(*{d}.values())", place)
    rows = [part for part in parts if isinstance(part, Mapping) and part and _is_row(list(part.values()))]
    if len(rows) < len(parts):
        return None
    if all(name.isdecimal() for row in rows for name in row):  # columns as pandas writes them
        by_row = list(zip(*(row.values() for row in rows), strict=False))
        return _zipped(names, by_row, d, f"zip(*(c.values() for c in {d}.values()))", place)
    return _Table(rows, f"[dict(row, row=name) for name, row in {d}.items()]", place, is_list=False)


def _zipped(names: Sequence[str], rows: Sequence[Sequence[Json]], by: str, of: str, place: str) -> _Table:
    """Rows without names, which stand elsewhere."""
    made = [dict(zip(names, row, strict=False)) for row in rows]
    return _Table(made, f"[dict(zip({by}, row)) for row in {of}]", place)


def _is_row(cells: Json) -> TypeGuard[Sequence[Json]]:
    """Whether a value is a list of plain ones."""
    return isinstance(cells, list) and not any(isinstance(cell, (list, Mapping)) for cell in cells)


def _mixed(rows: Sequence[JsonObject]) -> list[str]:
    """Columns whose cells are of several types, which Parquet does not hold."""
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for name, cell in _flat(row, ""):
            kinds.setdefault(name, set()).add("number" if type(cell) in (int, float) else type(cell).__name__)
    return [name for name, some in kinds.items() if len(some - {"NoneType"}) > 1]


def _flat(row: JsonObject, above: str) -> Iterator[tuple[str, Json]]:
    """The cells of a row as pandas names them: `a.b` for what stands in it under two keys."""
    for key, cell in row.items():
        if isinstance(cell, Mapping):
            yield from _flat(cell, f"{above}{key}.")
        else:
            yield f"{above}{key}", cell

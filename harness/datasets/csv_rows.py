"""The rows of a CSV file as arrow reads them, and what arrow alone would get wrong.

A quote that is opened and not closed swallows the rows up to the next quote, in silence where their cells add
up; a text may be longer than a block; a whole
number loses the zeros in front of it, and 0x1F is 31; of 1.234 nobody can tell any more whether it was 1234.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.datasets.cells import may_be_thousands
from harness.record import DataError

BLOCK = 1 << 20
LARGEST_BLOCK = 1 << 30
LARGE = 1 << 26
"""Bytes of a file from which on its columns' types are looked for in its first block: where they are not
known, arrow keeps the whole text until it has seen the last row."""
_SURE = (pa.int64(), pa.float64(), pa.string())
_CODES = r"^\s*(?:0\d\d|[-+]?0[xX])"
CODE = re.compile(r"0\d{2,}")
"""A whole number of three digits or more, the first of them 0: more often a code than a number."""


@dataclass(frozen=True)
class Rows:
    """What to read.

    Args:
        source: a path, or the file written anew in memory as UTF-8: arrow's own, since its threads read it,
            and one that needs Python's lock while a process ends aborts it. char: the one sign between cells.
        skipped: lines above the rows. columns: how many there are. texts: the places of those that stay text.
        nothing: cells that stand for nothing, in other columns.
    """

    path: Path
    source: str | pa.Buffer
    char: str
    skipped: int
    columns: int
    texts: Collection[int]
    nothing: Sequence[str]
    encoding: str = "utf-8"
    quotes: bool = True


@dataclass(frozen=True)
class Ragged:
    """Rows with another number of cells: how many there are, the cells of the first, its text, whether
    they are all rows, with as many cells each, and the first one's line, 0 where it is not found."""

    rows: int
    cells: int
    text: str
    is_every: bool = False
    line: int = 0


def read_rows(rows: Rows) -> pa.Table | Ragged:
    """A table whose columns are called `0`, `1`, …, or what is wrong with its rows.

    Raises:
        DataError: a quote is opened and not closed.
    """
    found = _read(rows)
    swallowed = _swallowed(found, rows.char) if isinstance(found, pa.Table) else None
    suspicious = isinstance(found, Ragged) or swallowed is not None
    if suspicious and rows.char == "\t" and _lines_fit(rows):  # there quotes are signs as any other
        rows = replace(rows, quotes=False)
        found = _read(rows)
    elif suspicious and _lines_fit(rows) and not _quotes_fit(rows):
        if swallowed is not None:
            raise DataError(
                f"{rows.path}: row {swallowed + 1} goes over several lines, each of which has {rows.columns} "
                'cells of its own: a quote is opened and not closed; write two (`""`) for one in a text'
            )
    elif swallowed is not None and not _quotes_fit(rows):
        raise DataError(
            f"{rows.path}: row {swallowed + 1} holds cells and a line break in one cell: a quote is "
            'opened and not closed; write two (`""`) for one in a text'
        )
    return _with_doubtful(found, rows) if isinstance(found, pa.Table) else found


def _read(rows: Rows, only: Sequence[int] | None = None) -> pa.Table | Ragged:
    from pyarrow import csv as arrow

    wrong: list[tuple[int, str]] = []

    def note(row: Any) -> str:
        wrong.append((row.actual_columns, row.text))
        return "skip"

    block, types = BLOCK, _types(rows, only)
    while True:
        wrong.clear()
        try:
            table = arrow.read_csv(_stream(rows), **_options(rows, only, types, block, note))
            break
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < LARGEST_BLOCK:  # a text is longer than a block
                block *= 32
            elif types:  # a later cell is of another type, or whatever is wrong shows without them too
                types = {}
            else:
                raise
    if not wrong:
        return table
    every = not len(table) and all(cells == wrong[0][0] for cells, _ in wrong)
    return Ragged(len(wrong), *wrong[0], is_every=every, line=_line_of(wrong[0][1], rows))


def _line_of(text: str, rows: Rows) -> int:
    """Where a row begins in the file, counted from 1: arrow, in several threads, does not say."""
    begin = text.splitlines()[0] if text else text
    with _opened(rows) as lines:
        return next((number for number, line in enumerate(lines, 1) if line.rstrip("\r\n") == begin), 0)


def _options(
    rows: Rows, only: Sequence[int] | None, types: Mapping[str, pa.DataType], block: int, note: Any
) -> dict[str, Any]:
    """How arrow is to read.

    Args:
        only: places of the columns to read, as text; None reads all. types: of columns by their names, where
            they are known. note: called with each row of another number of cells.
    """
    from pyarrow import csv as arrow

    places = [str(i) for i in range(rows.columns)]
    return {
        "read_options": arrow.ReadOptions(
            column_names=places, skip_rows=rows.skipped, encoding=rows.encoding, block_size=block
        ),
        "parse_options": arrow.ParseOptions(
            delimiter=rows.char, newlines_in_values=rows.quotes, invalid_row_handler=note,
            quote_char='"' if rows.quotes else False,
        ),
        "convert_options": arrow.ConvertOptions(
            column_types={**types, **{places[i]: pa.string() for i in (only or rows.texts)}},
            include_columns=[places[i] for i in only] if only else None,
            null_values=list(rows.nothing), strings_can_be_null=False, timestamp_parsers=[],
        ),
    }  # fmt: skip


def _types(rows: Rows, only: Sequence[int] | None) -> dict[str, pa.DataType]:
    """The types of a large file's columns by its first block: numbers and texts, which no further row makes
    narrower."""
    from pyarrow import csv as arrow

    if only or not isinstance(rows.source, str) or Path(rows.source).stat().st_size < LARGE:
        return {}
    try:
        with arrow.open_csv(_stream(rows), **_options(rows, None, {}, BLOCK, lambda _: "skip")) as reader:
            return {field.name: field.type for field in reader.schema if field.type in _SURE}
    except pa.ArrowInvalid:  # it shows again when all is read
        return {}


def _swallowed(table: pa.Table, char: str) -> int | None:
    """The first row of which a cell holds a line break and what stands between cells, or None."""
    first = None
    for column in table.columns:
        if pa.types.is_string(column.type):
            both = pc.and_(pc.match_substring_regex(column, "[\r\n]"), pc.match_substring(column, char))
            place = pc.index(both, True).as_py()
            first = place if place >= 0 and (first is None or place < first) else first
    return first


def _lines_fit(rows: Rows) -> bool:
    """Whether every line that holds anything has as many cells as there are columns, quotes left aside."""
    with _opened(rows) as text:
        for number, line in enumerate(text):
            if number >= rows.skipped and line.strip("\r\n") and line.count(rows.char) != rows.columns - 1:
                return False
    return True


def _quotes_fit(rows: Rows) -> bool:
    """Whether every quote that is opened is closed at the end of a cell."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with _opened(rows) as text:
            for _ in csv.reader(itertools.islice(text, rows.skipped, None), delimiter=rows.char, strict=True):
                pass
    except csv.Error:
        return False
    finally:
        csv.field_size_limit(limit)
    return True


def _opened(rows: Rows) -> io.TextIOWrapper:
    return io.TextIOWrapper(pa.input_stream(rows.source), rows.encoding)


def _stream(rows: Rows) -> str | pa.BufferReader:
    """What arrow reads from the beginning."""
    return rows.source if isinstance(rows.source, str) else pa.BufferReader(rows.source)


def _with_doubtful(table: pa.Table, rows: Rows) -> pa.Table:
    """The table with columns as text that arrow read as numbers and that may be others: whole ones of which
    some are written with zeros in front or to the base of 16, and those whose points may stand between
    thousands (`1.234`)."""
    whole = [i for i in range(rows.columns) if pa.types.is_integer(table.column(i).type)]
    whole = _with_codes(rows, whole) if whole else []
    pointed = [i for i in range(rows.columns) if _may_be_thousands(table.column(i))]
    if not whole and not pointed:
        return table
    texts = _read(rows, [*whole, *pointed])
    assert isinstance(texts, pa.Table)
    for place, column in zip([*whole, *pointed], texts.columns, strict=True):
        some = _CODES if place in whole else r"\.\d\d\d\s*$"
        other = r"\.\d{0,2}\s*$|\.\d{4}|[eE]"
        if pc.any(pc.match_substring_regex(column, some)).as_py() and (
            place in whole or not pc.any(pc.match_substring_regex(column, other)).as_py()
        ):
            table = table.set_column(place, table.column_names[place], column)
    return table


def _may_be_thousands(column: pa.ChunkedArray) -> bool:
    """Whether all numbers of a column may be thousands; most columns say no in their first rows."""
    return pa.types.is_floating(column.type) and all(
        may_be_thousands(chunk.to_numpy(zero_copy_only=False)) for chunk in column.chunks
    )


def _with_codes(rows: Rows, whole: Sequence[int]) -> list[int]:
    """Which columns of whole numbers have some that begin with 0 and two further digits, or with 0x.

    Batch by batch, those columns alone: to look in the whole text takes ten times as long as to read it.
    """
    from pyarrow import csv as arrow

    found: set[int] = set()
    try:
        with arrow.open_csv(_stream(rows), **_options(rows, whole, {}, BLOCK, lambda _: "skip")) as reader:
            for batch in reader:
                left = [(i, column) for i, column in zip(whole, batch.columns, strict=True) if i not in found]
                found |= {i for i, column in left if pc.any(pc.match_substring_regex(column, _CODES)).as_py()}
    except pa.ArrowInvalid:  # a text is longer than a block
        return list(whole)
    return sorted(found)


def is_code(text: str) -> bool:
    """Whether a text is a whole number that is written with zeros in front."""
    return bool(CODE.fullmatch(text.strip()))

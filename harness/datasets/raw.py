"""A CSV or Parquet file as a frame with plain column names: nothing shifted, cut off or of another type.

Columns that are asked for as text keep their leading zeros and words such as `NA`; all others have the type
that every one of their cells has.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import io
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from harness.datasets.arrow_frames import as_series, coded_of, column_of, frame_of
from harness.datasets.commands import for_shell
from harness.datasets.csv_rows import LARGE, Ragged, Rows, read_rows
from harness.datasets.csv_rows import is_code as is_code
from harness.datasets.formats import PARQUET as PARQUET
from harness.datasets.formats import is_parquet
from harness.datasets.unpacking import unpacked
from harness.record import DataError

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
"""What stands for nothing in a column that is predicted from, in a CSV file."""
SEPARATORS = {",": ",", "\t": "\\t", ";": ";", "::": "::", "|": "|"}
"""What may stand between cells, the likelier first → how it is written in a suite."""
INNER = "\x1f"
"""Stands for a separator of two signs while a file is read; no text holds it."""
CATEGORIES = "categories"
"""Of a frame's `attrs`: columns of whole numbers that a Parquet file itself calls categories."""
LOOK_FOR_NAMES = 1000
"""Rows among whose cells names are looked for."""
BLOCK = 2**20
"""Signs of another encoding that are written anew at a time."""
LOOK = 50
"""Rows that are looked at for how a file is written."""


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    Args:
        separator: between cells; None takes the first of `SEPARATORS` that the first line holds.
        names: of the columns, where the file has no line of names.
        rename: a column's name in the file → the one that it is to have.
        missing: cells that stand for nothing, beside `MISSING`.
        as_written: every cell stays text: numbers are of a notation that only the caller knows.
    """

    encoding: str = "utf-8"
    separator: str | None = None
    names: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    as_written: bool = False


def read_file(path: Path, layout: Layout, texts: Collection[str] = ()) -> pd.DataFrame:
    """All rows; column names without blanks around them.

    Args:
        texts: names of columns that are taken as text, as they stand.
    Raises:
        DataError: neither CSV nor Parquet, another encoding, rows of different lengths, or a name twice.
    """
    read = _read_parquet if is_parquet(path) else _read_csv
    try:
        with _giving_back(path):
            return read(path, layout, texts)
    except UnicodeDecodeError as error:
        raise DataError(_other_encoding(path, layout.encoding, error)) from error
    except LookupError as error:
        if "encoding" not in str(error):
            raise
        raise DataError(
            f"no encoding is called {layout.encoding!r}: write utf-8, latin-1 or cp1252"
        ) from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, csv.Error, ValueError, OSError) as error:
        _decode(path, layout.encoding)  # says which byte is wrong, where that is the reason
        if "too short" in str(error):
            raise DataError(f"{path} has no rows under its column names: is it the right file?") from error
        cure = "is the separator right (separator: ';' or '\\t'), are quotes closed?"
        raise DataError(f"cannot read {path} as a table: {error}; {cure}") from error


@contextlib.contextmanager
def _giving_back(path: Path) -> Iterator[None]:
    """Read a large file by the system's allocator: arrow's own keeps what it took for its next table."""
    if not (path.is_file() and path.stat().st_size >= LARGE):
        yield
        return
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
        give_back()


def give_back() -> None:
    """Give memory that is free back to the system, which the allocators would keep for later."""
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError):  # not of glibc
        ctypes.CDLL(None).malloc_trim(0)


def _decode(path: Path, encoding: str) -> None:
    if is_parquet(path):
        return
    try:
        _content(path, encoding)
    except UnicodeDecodeError as error:
        raise DataError(_other_encoding(path, encoding, error)) from error


def _content(path: Path, encoding: str) -> str:
    """The whole text, unpacked where the name ends in `.gz`."""
    with unpacked(path) as stream:
        return str(stream.read().decode(encoding))


def _other_encoding(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    begins = path.read_bytes()[:2]
    likely = "utf-16" if begins in (b"\xff\xfe", b"\xfe\xff") else "latin-1 or cp1252"
    return (
        f"{path} is not {encoding}: byte {error.object[error.start]:#04x} at {error.start}; write its "
        f"encoding under data, for instance encoding: {likely}, or save it as UTF-8"
    )


# ----------------------------------------------------------------------------------------------------- CSV


def _read_csv(path: Path, layout: Layout, texts: Collection[str]) -> pd.DataFrame:
    head = _head(path, layout)
    _refuse_two_separators(path, layout, head)
    names = _named(head.names or list(layout.names), path, layout)
    as_text = {i for i, name in enumerate(names) if name in texts or layout.as_written}
    source, char = _source(path, layout, head)
    nothing = [*MISSING, *layout.missing]
    found = read_rows(Rows(path, source, char, head.lines, len(names), as_text, nothing))
    if isinstance(found, Ragged):
        raise DataError(_ragged(path, found, names, not head.names, head.separator))
    kept, names = _without_empty(found, names)
    columns = kept.columns
    del found, kept
    return frame_of(columns, names)


@dataclass(frozen=True)
class _Head:
    """What stands above the rows: the cells of the line of names (none where there is none), the sign between
    cells, and how many lines of the file all that takes."""

    names: list[str]
    separator: str
    lines: int


def _head(path: Path, layout: Layout) -> _Head:
    """Read past empty lines, and past the line `sep=;` that is there for Excel.

    Raises:
        DataError: there is nothing.
    """
    lines = _first_lines(path, layout, LOOK)
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise DataError(f"{path} is empty: it needs a line of column names and rows")
    stated = re.fullmatch(r"sep=(.)\s*", lines[first])
    if stated:
        first += 1
    separator = layout.separator or (stated[1] if stated else _separator("".join(lines[first : first + 1])))
    if layout.names:
        return _Head([], separator, first)
    rest = lines[first:]
    if len(separator) > 1:
        rest = [line.replace(separator, INNER) for line in rest]
    reader = csv.reader(rest, delimiter=INNER if len(separator) > 1 else separator, skipinitialspace=True)
    names = [
        " ".join(cell.split()) if "\n" in cell or "\r" in cell else cell.strip() for cell in next(reader, [])
    ]
    return _Head(names, separator, first + reader.line_num)  # a name in quotes may go over several lines


def _without_empty(table: pa.Table, names: list[str]) -> tuple[pa.Table, list[str]]:
    """Without columns that have neither a name nor a value: a separator stands at the end of each line."""
    empty = [
        i for i, name in enumerate(names)
        if name == f"Unnamed: {i}" and not pa.compute.any(pa.compute.not_equal(
            pa.compute.fill_null(table.column(i).cast(pa.string()), ""), "")).as_py()
    ]  # fmt: skip
    kept = [name for i, name in enumerate(names) if i not in empty]
    return table.drop_columns([table.column_names[i] for i in empty]), kept


def _first_rows(path: Path, layout: Layout, count: int) -> list[str]:
    """The first lines that hold anything."""
    return [line for line in _first_lines(path, layout, 2 * count) if line.strip()][:count]


def _first_lines(path: Path, layout: Layout, count: int) -> list[str]:
    encoding = (
        "utf-8-sig" if layout.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else layout.encoding
    )
    with unpacked(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as text:
        return list(itertools.islice(text, count))


def first_cells(path: Path, layout: Layout) -> list[str]:
    """The cells of the first line of a CSV file: its names, where it has some."""
    try:
        return [] if is_parquet(path) else _head(path, layout).names
    except (UnicodeDecodeError, LookupError, DataError):  # `read_file` says what is wrong
        return []


def _separator(line: str) -> str:
    """The likeliest of those that a line holds outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", line)
    return next((sign for sign in SEPARATORS if sign in bare), ",")


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a CSV file that hold anything, as `utf-8`."""
    return _first_rows(path, Layout(), count)


def separator_of(path: Path, layout: Layout) -> str:
    """What stands between the cells of a CSV file."""
    return _head(path, layout).separator


def _refuse_two_separators(path: Path, layout: Layout, head: _Head) -> None:
    """Tabs between some cells and another sign between others, as Eurostat writes it.

    Raises:
        DataError: it is so, and cells would hold several.
    """
    tabs = sum(name.count("\t") for name in head.names)
    if head.separator == "\t" or not tabs:
        return
    if all(line.count("\t") >= tabs for line in _first_rows(path, layout, LOOK)):
        out, sign = str(path.with_name(f"{path.stem}_one.csv")), head.separator
        code = for_shell(
            f"import pathlib; pathlib.Path({out!r}).write_text(pathlib.Path({str(path)!r}).read_text("
            f"{layout.encoding!r}).replace('\\t', {sign!r}), 'utf-8')"
        )
        raise DataError(
            f"{path} has tabs between some of its cells and {sign!r} between others, in each line: write one "
            f'sign between all, `python -c "{code}"`'
        )


def _cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of whole lines, without blanks around them."""
    joined = [line.replace(separator, INNER) if len(separator) > 1 else line for line in lines]
    char = INNER if len(separator) > 1 else separator
    return [
        [cell.strip() for cell in row] for row in csv.reader(joined, delimiter=char, skipinitialspace=True)
    ]


def _source(path: Path, layout: Layout, head: _Head) -> tuple[Any, str]:
    """What arrow reads, and the one sign between its cells.

    Quotes after a blank (`1, "a, b"`), separators of two signs and other encodings are not arrow's: such
    files are written anew in memory. (Encodings it leaves to Python, in a thread that may still need Python's
    lock when the process ends, which aborts it.)
    """
    separator = head.separator
    if len(separator) > 1:
        return _in_memory([_content(path, layout.encoding).replace(separator, INNER)]), INNER
    blank = re.compile(rf"(?:^|{re.escape(separator)})[ \t]+\"")
    if separator != "\t" and any(blank.search(line) for line in _first_rows(path, layout, LOOK)):
        text = io.StringIO(_content(path, layout.encoding), newline="")
        out = io.StringIO()
        out.writelines(itertools.islice(text, head.lines))
        rows = csv.reader(text, delimiter=separator, skipinitialspace=True)
        csv.writer(out, delimiter=separator).writerows(row for row in rows if row)
        return _in_memory([out.getvalue()]), separator
    if layout.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        with unpacked(path) as raw, io.TextIOWrapper(raw, layout.encoding, newline="") as stream:
            return _in_memory(iter(partial(stream.read, BLOCK), "")), separator
    return str(path), separator


def _in_memory(blocks: Iterable[str]) -> pa.Buffer:
    """A text as UTF-8, in memory that is arrow's."""
    out = pa.BufferOutputStream()
    for block in blocks:
        out.write(block.encode())
    return out.getvalue()


def _named(header: Sequence[str], path: Path, layout: Layout) -> list[str]:
    """The names of the columns: renamed, none twice."""
    rename = {old.strip(): new.strip() for old, new in layout.rename}
    names = [rename.get(name.strip(), name.strip()) or f"Unnamed: {i}" for i, name in enumerate(header)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    is_number = re.compile(r"[-+]?[0-9.,]+(?:[eE][-+]?[0-9]+)?|\?").fullmatch
    is_year = re.compile(r"(?:19|20)\d\d").fullmatch  # twice under a line of merged heads
    all_digits = any(map(is_number, names)) and all(re.search(r"\d", name) for name in names)
    if twice and (all_digits or any(is_number(name) and not is_year(name) for name in twice)):
        shown = ", ".join(header[:6]) + (", …" if len(names) > 6 else "")
        said = f"{path} has no line of names, it begins with {shown}: write a line of names above its rows"
        raise DataError(said)
    if twice:
        raise DataError(
            f"{path} has {len(twice)} column name{'s' if len(twice) > 1 else ''} more than once: "
            f"{', '.join(map(repr, twice))}: give each column a name of its own in the file"
        )
    return names


def _ragged(path: Path, wrong: Ragged, names: Sequence[str], without: bool, separator: str) -> str:
    """What is said of rows that have more or fewer cells than there are names."""
    wanted = len(names)
    if not without and wanted == 1 and separator == _separator(wrong.text) == ",":
        return (
            f"cannot read {path} as a table: its first line has one cell, {names[0]!r}, and {wrong.rows} "
            "rows have more: take out what stands above the line of names"
        )
    if not without and wrong.cells == wanted + 1 and wrong.is_every:
        if wrong.text.rstrip().endswith(separator):
            cure = f"write one more {SEPARATORS.get(separator, separator)!r} behind the line of names"
        else:
            cure = (
                f"write a name for the first column, which has none: `row{separator}{names[0]}{separator}…`"
            )
        return f"cannot read {path} as a table: all rows have one cell more than the line of names: {cure}"
    if separator == " ":
        out = str(path.with_suffix(".csv"))
        read = f"pandas.read_csv({str(path)!r}, sep=r'\\s+')"
        code = for_shell(f"import pandas; {read}.to_csv({out!r}, index=False)")
        return (
            f"cannot read {path} as a table: {wrong.rows} rows have not {wanted} cells with one blank "
            f'between them, {wrong.text[:60]!r} first: write anew, `python -c "{code}"`'
        )
    where = "names" if without else "the line of names"
    shown = wrong.text if len(wrong.text) <= 60 else wrong.text[:59] + "…"
    rows = f"{wrong.rows} row{'s have' if wrong.rows > 1 else ' has'} another number of cells"
    line = f" in line {wrong.line}" if wrong.line else ""
    other = f"another one than {SEPARATORS.get(separator, separator)!r}"
    return (
        f"cannot read {path} as a table: {rows} than the {wanted} of {where}, the first one {wrong.cells}: "
        f"{shown!r}{line}: complete or quote it; or is the separator {other} (write for instance "
        '`separator: ";"`)?'
    )


# ------------------------------------------------------------------------------------------------- Parquet


def _read_parquet(path: Path, layout: Layout, texts: Collection[str]) -> pd.DataFrame:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        # An index that pandas stored beside the columns is none of them.
        stored = [n for n in file.schema_arrow.names if not re.fullmatch(r"__index_level_\d+__", n)]
        names = _named(stored, path, layout)
        # A column at a time: a large table would be held twice.
        coded = coded_of(file.schema_arrow)
        columns = [
            as_series(column_of(file, old), name in texts or old in coded)
            for old, name in zip(stored, names, strict=True)
        ]
    frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
    frame.columns = pd.Index(names, dtype=object)
    frame.attrs[CATEGORIES] = [name for old, name in zip(stored, names, strict=True) if old in coded]
    return frame

"""What a file is by its first bytes, so that a workbook or an archive is not read as a table of text."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets import json_files
from harness.record import DataError

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = frozenset({".parquet", ".pq", ".parq"})
_UNPACK = "unpack it first"
_READ_BY = {
    b"ARROW1": ("is an Arrow file", "read_feather({0!r})"),
    b"FEA1": ("is an Arrow file", "read_feather({0!r})"),
    b"ORC": ("is an ORC file", "read_orc({0!r})"),
    b"\x89HDF": ("is an HDF5 file", "read_hdf({0!r})"),
    b"\x80\x04": ("is pickled Python", "read_pickle({0!r})"),
    b"\x80\x05": ("is pickled Python", "read_pickle({0!r})"),
}
"""First bytes → what is said, and how pandas reads it without changing a value."""
_SPARSE = re.compile(rb"[-+0-9.eE]+(?: qid:[0-9]+)?(?:\s+[0-9]+:[-+0-9.eE]+)+(?:\s*#.*)?")
"""A label, and columns by their numbers with a colon before each value."""
_SIMPLY = {
    b"\xd0\xcf\x11\xe0": ("is an Excel workbook", "save its sheet as CSV (UTF-8)"),
    b"SQLite": ("is an SQLite database", "write the table as CSV"),
    b"BZh": ("is packed with bzip2", _UNPACK),
    b"\xfd7zXZ": ("is packed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("is packed with zstd", _UNPACK),
}
"""First bytes → what is said, and the cure."""


def is_parquet(path: Path) -> bool:
    """Whether a file is read as Parquet: by its first bytes, whatever it is called.

    Raises:
        DataError: it is neither Parquet nor text, with what to do about it.
    """
    with path.open("rb") as stream:
        begins = stream.read(64)
    if begins.startswith(b"PAR1"):
        return True
    if path.suffix.lower() in PARQUET:
        raise DataError(f"{path} is called Parquet and does not begin like it: is it whole, or is it CSV?")
    if found := _other(path, begins):
        raise DataError(f"{path} {found[0]}: {found[1]}")
    return False


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[pa.NativeFile]:
    """The bytes of a file, unpacked where its name ends in `.gz`.

    Raises:
        DataError: it cannot be unpacked to its end.
    """
    import pyarrow as pa

    try:
        with pa.input_stream(str(path)) as stream:
            yield stream
    except OSError as error:
        if path.suffix.lower() != ".gz":
            raise
        cure = "it was cut off or changed on the way, so get it anew"
        raise DataError(f"{path} cannot be unpacked to its end ({error}): {cure}") from error


def refuse_folder(path: Path) -> None:
    """Say what to do about a folder where a table is wanted.

    Raises:
        DataError: it is a folder.
    """
    if not path.is_dir():
        return
    cure = "give the file in it"
    if any(file.suffix.lower() in PARQUET for file in path.rglob("*")):
        cure = f"put its Parquet files into one, {_as_parquet(path, 'read_parquet({0!r})')}"
    raise DataError(f"{path} is a folder, and a table is one file: {cure}")


def _other(path: Path, begins: bytes) -> tuple[str, str] | None:
    """What a file is that is no text, and the cure; None where it may be text."""
    for signature, (what, reader) in _READ_BY.items():
        if begins.startswith(signature):
            return what, f"write it as Parquet, {_as_parquet(path, reader)}"
    for signature, said in _SIMPLY.items():
        if begins.startswith(signature):
            return said
    if begins.startswith(b"PK\x03\x04"):
        return _SIMPLY[b"\xd0\xcf\x11\xe0"] if _is_workbook(path) else ("is a zip archive", _UNPACK)
    if begins.startswith(b"\x1f\x8b") and path.suffix.lower() != ".gz":
        return "is packed with gzip", "let its name end in .gz"
    if found := _of_lines(path, _first_line(path)):
        return found
    return ("is JSON", json_files.cure(path)) if json_files.BEGINS.match(begins) else None


def _of_lines(path: Path, first: bytes) -> tuple[str, str] | None:
    """What a text is by its first line that says anything, and the cure."""
    out = str(path.with_name(f"{path.stem}.parquet"))
    if first.lower().startswith((b"@relation", b"@attribute")):
        code = (
            "import pandas, scipy.io.arff as arff; "
            f"rows = pandas.DataFrame(arff.loadarff({str(path)!r})[0]); "
            "rows.apply(lambda c: c.str.decode('utf-8') if c.dtype == object else c)"
        )
        return "is ARFF", f'write it as Parquet, `python -c "{code}.to_parquet({out!r})"`'
    if _SPARSE.fullmatch(first):
        code = (
            "import pandas, sklearn.datasets as d; "
            f"x, y = d.load_svmlight_file({str(path)!r}); "
            "pandas.DataFrame(x.toarray()).add_prefix('x').assign(y=y)"
        )
        return "is a table in LIBSVM's form", f'write it as Parquet, `python -c "{code}.to_parquet({out!r})"`'
    return None


def _first_line(path: Path) -> bytes:
    """The first line that is neither empty nor a remark, of the first few thousand bytes."""
    with path.open("rb") as stream:
        head = stream.read(1 << 14).removeprefix(b"\xef\xbb\xbf")
    lines = (line.strip() for line in head.splitlines())
    return next((line for line in lines if line and not line.startswith((b"%", b"#"))), b"")


def _as_parquet(path: Path, reader: str) -> str:
    """A command that reads a file by pandas and writes it anew."""
    out = str(path.with_name(f"{path.stem}.parquet"))
    return f'`python -W ignore -c "import pandas; pandas.{reader.format(str(path))}.to_parquet({out!r})"`'


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        return path.suffix.lower().startswith(".xls")

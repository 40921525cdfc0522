"""What a file is by its first bytes, so that a workbook or an archive is not read as a table of text."""

from __future__ import annotations

import zipfile
from pathlib import Path

from harness.datasets import json_files
from harness.datasets.array_files import other_binary
from harness.datasets.commands import for_shell
from harness.datasets.line_formats import other_text
from harness.record import DataError

PARQUET = frozenset({".parquet", ".pq", ".parq"})
_UNPACK = "unpack it first"
_READ_BY = {
    b"ARROW1": ("is an Arrow file", "read_feather({0!r})"),
    b"FEA1": ("is an Arrow file", "read_feather({0!r})"),
    b"ORC": ("is an ORC file", "read_orc({0!r})"),
    b"\x89HDF": ("is an HDF5 file", "read_hdf({0!r})"),
}
"""First bytes → what is said, and how pandas reads it without changing a value."""
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
    if begins.startswith(b"\xff\xff\xff\xff"):
        out = str(path.with_name(f"{path.stem}.parquet"))
        code = for_shell(
            "import pyarrow.ipc as a, pyarrow.parquet as p; "
            f"p.write_table(a.open_stream({str(path)!r}).read_all(), {out!r})"
        )
        return "is a stream of Arrow's", f'write it as Parquet, `python -c "{code}"`'
    if arrays := other_binary(path, begins):
        return arrays
    for signature, said in _SIMPLY.items():
        if begins.startswith(signature):
            return said
    if begins.startswith(b"PK\x03\x04"):
        return _SIMPLY[b"\xd0\xcf\x11\xe0"] if _is_workbook(path) else ("is a zip archive", _UNPACK)
    if begins.startswith(b"\x1f\x8b") and path.suffix.lower() != ".gz":
        return "is packed with gzip", "let its name end in .gz"
    if found := other_text(path):
        return found
    return ("is JSON", json_files.cure(path)) if json_files.BEGINS.match(begins) else None


def _as_parquet(path: Path, reader: str) -> str:
    """A command that reads a file by pandas and writes it anew."""
    out = str(path.with_name(f"{path.stem}.parquet"))
    code = for_shell(f"import pandas; pandas.{reader.format(str(path))}.to_parquet({out!r})")
    return f'`python -W ignore -c "{code}"`'


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        return path.suffix.lower().startswith(".xls")

"""Own images that a table names: a CSV or Parquet file with a column of paths and a column of labels."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.codec import Json
from harness.datasets.arguments import complete, taken_by
from harness.datasets.decoding import colour_of, decoded
from harness.datasets.frames import (
    Source,
    UserTable,
    divide,
    read_table,
    source_of,
    stripped,
)
from harness.datasets.image_files import is_image
from harness.datasets.image_headers import check_white, headers_of, said_of
from harness.datasets.labels import raise_all
from harness.datasets.own_files import content_of
from harness.datasets.pictures import WHITE
from harness.datasets.splits import coded, counts_of, take
from harness.datasets.user_file import answers_of, said_of_several
from harness.protocols import Dataset, Split, Task
from harness.record import DataError

DESCRIPTION = (
    "your images, named in a CSV or Parquet file (path, image, label, label_separator, size, grey, test, …)"
)


def load(
    *,
    path: str,
    image: str = "image",
    label: str = "label",
    label_separator: str | None = None,
    size: int = 64,
    grey: bool = False,
    background: str = "white",
    white: int = WHITE,
    test_path: str | None = None,
    test: float = 0.2,
    group: str | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    separator: str | None = None,
    missing: Sequence[str | float] = (),
    labels: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Dataset:
    """Images (n, 3 or 1, size, size) uint8, the middle square of each, resized; ids are row numbers.

    Args:
        image: the column of paths, as beside the file. label: the column of classes.
        label_separator: what stands between several labels of one cell, `"|"` in `cat|dog`: the task is then
            multilabel_classification; none: one class an image.
        size: side in pixels. background: the colour that shows through transparent pixels.
        white: the value that is white in images of 16 bits.
        test_path: a file to test on; without it a share `test` is cut off by hash, stratified.
        group: a column whose equal values never straddle a split (patient, product).
        columns: further columns to slice results by.
        separator: between cells; none: the one that the line of names holds.
        missing: labels that stand for nothing.
        labels: a label as it stands → as it is to be read. rename: a column's name in a file → its name.
    Raises:
        DataError: a file, a column, a label or an image is missing; all mistakes at once.
    """
    given = locals()
    opened = _opened(given)
    look = (opened.task.input_shape, colour_of(background), white)
    images = decoded(list(opened.files), opened.root, *look)
    ids = np.arange(len(images), dtype=np.int64)
    names = np.array([file.name for file in opened.files], dtype=object)
    whole = Split(images, opened.targets, ids, opened.groups, {**opened.columns, "file": names})
    return Dataset(opened.task, take(whole, opened.train), take(whole, opened.test))


def task(**args: Json) -> Task:
    return _opened(args).task


def notes(**args: Json) -> tuple[str, ...]:
    """What is worth knowing of how the files were read."""
    opened = _opened(args)
    headers = headers_of(opened.files, opened.root)
    return (*opened.notes, *said_of(headers, complete(load, args)["background"]))


def class_counts(**args: Json) -> dict[str, int]:
    """Rows of each class or label, in both parts."""
    opened = _opened(args)
    return counts_of(opened.task, opened.targets)


def marks(column: str, **args: Json) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) what a column says of each row, as text, and the targets."""
    source = source_of(**taken_by(source_of, complete(load, args)))
    table = read_table(source, [column], as_text=[column])
    return stripped(table.frame[column]), _opened(args).targets


def checksum(**args: Json) -> str:
    """The table's content and the images'."""
    given = complete(load, args)
    opened = _opened(args)
    table = Source(given["path"], given["test_path"]).checksum()
    return f"{table}-{content_of(opened.files, opened.root)}"


class _Opened:
    """What is known before an image is decoded."""

    def __init__(self, table: UserTable, source: Source, given: Mapping[str, Any]) -> None:
        self.root, self.files = table.path.parent, _files(table, given["image"].strip())
        label, mark = given["label"].strip(), given["label_separator"]
        answers = answers_of(table, label, source, mark, "make few classes of them, such as 18-25")
        self.targets = answers.targets
        keys = [str(file) for file in self.files]
        self.groups, self.train, self.test = divide(table, keys, self.targets, source.test)
        answers.check(table, self.train, self.test)
        kind = answers.task_name("image_classification")
        side, channels = given["size"], 1 if given["grey"] else 3
        self.task = Task(kind, len(answers.names), answers.names, (channels, side, side), inputs="image")
        several = said_of_several(coded(keys)[0], answers, "images")
        self.columns, self.notes = table.columns, (*table.notes, *answers.notes, *several)


def _opened(args: Mapping[str, Any]) -> _Opened:
    given = complete(load, args)
    if given["size"] < 1:
        raise DataError(f"image_csv: size is {given['size']}, write the side of the square images in pixels")
    colour_of(given["background"])
    source = source_of(**taken_by(source_of, given))
    wanted = tuple((name, given[name]) for name in ("image", "label", "label_separator", "size", "grey"))
    opened = _read(source, source.checksum(), wanted)
    check_white(headers_of(opened.files, opened.root), given["white"])
    return opened


@lru_cache(maxsize=2)
def _read(source: Source, content: str, wanted: tuple[tuple[str, Any], ...]) -> _Opened:
    given = dict(wanted)
    names = [given["image"].strip(), given["label"].strip()]
    return _Opened(read_table(source, names, as_text=names), source, given)


def _files(table: UserTable, column: str) -> tuple[Path, ...]:
    """The image of each row.

    Raises:
        DataError: a cell is empty, or names no file; the first rows are named.
    """
    root, meant = table.path.parent, ""
    files: list[Path] = []
    mistakes: list[str] = []
    for row, cell in enumerate(table.frame[column]):
        name = "" if cell is None or cell != cell else str(cell).strip()
        file = root / name
        files.append(file)
        if not name or not file.is_file():
            told = f"names no file {name!r}" if name else "is empty"
            meant = meant or (_meant(root, name) if name and len(mistakes) < 5 else "")
            cure = meant or "put it beside the table"
            mistakes.append(f"{table.path}: column {column!r} {told} ({table.place(row)}): {cure}")
    more = [f"{table.path}: and {len(mistakes) - 5} more rows without an image"] if len(mistakes) > 5 else []
    raise_all([*mistakes[:5], *more])
    return tuple(files)


def _meant(root: Path, name: str) -> str:
    """What to write where a file with another ending or folder is meant; empty where none is found."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    for start in range(len(parts)):
        inner = "/".join(parts[start:])
        if inner != name and (root / inner).is_file():
            return f"write it as it is found from the table's folder, {inner!r}"
        beside = sorted((root / inner).parent.glob(f"{glob.escape(parts[-1])}.*"))
        if ending := next((file.suffix for file in beside if is_image(file)), ""):
            return f"write it with its ending, {inner + ending!r}"
    found = sorted(root.rglob(glob.escape(parts[-1]))) if parts else []
    return f"write its folder too, {found[0].relative_to(root).as_posix()!r}" if found else ""

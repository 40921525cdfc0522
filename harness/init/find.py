"""What a path is: images, a table, a user's own code, or something that no suite can be written for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.datasets.formats import is_parquet
from harness.datasets.image_files import SUFFIXES as IMAGES
from harness.datasets.image_layout import are_no_classes
from harness.datasets.part_names import TEST, TRAIN, VALIDATION
from harness.datasets.raw import PARQUET, Layout, first_cells
from harness.init.folders import AUDIO, nothing_read, of_one_form, rows_apart, sounds
from harness.init.joined import joined_by_id
from harness.init.listed import sorted_by
from harness.mistakes import noting
from harness.record import DataError

TABLES = frozenset({".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".tab", ".psv", *PARQUET})
"""Endings of files that are read as tables."""
SUITES = frozenset({".yaml", ".yml"})
SHOWN = 8
"""Tables that are named, at most."""
MANY = 20_000
"""Files of a folder that are looked at, at most: enough to know what it holds."""
CURES = {
    ".zip": "unpack it, and give the folder", ".gz": "unpack it, and give the file",
    ".tar": "unpack it, and give the folder", ".tgz": "unpack it, and give the folder",
    ".xlsx": "save the sheet as CSV", ".xls": "save the sheet as CSV", ".ods": "save the sheet as CSV",
    ".ipynb": "put the function that builds the network into a .py file",
    ".onnx": "give your data, and name the finished model as a candidate: `model: onnx:FILE`",
    ".pt": "give the .py file whose function builds the network",
    ".pth": "give the .py file whose function builds the network",
}  # fmt: skip
"""Ending → what to do instead, where a file's first bytes do not tell it better."""


@dataclass(frozen=True)
class Found:
    """What the user gave.

    Args:
        kind: of the data; `none` where only code was given. path: its file or folder.
        test_path: a file to test on. code: the user's own Python files.
    """

    kind: Literal["images", "table", "none"]
    path: Path | None = None
    test_path: Path | None = None
    code: tuple[Path, ...] = ()


def find(paths: Sequence[str]) -> Found:
    """What some paths are together: one data set, and any number of Python files.

    Raises:
        DataError: what cannot be used, each with the cure.
    """
    given, mistakes = list[Path](), list[str]()
    for path in paths:
        with noting(mistakes):
            given.append(_existing(path))
    if mistakes:
        raise DataError(*mistakes)
    code = tuple(path for path in given if path.is_file() and path.suffix == ".py")
    data = [path for path in given if path not in code]
    found = _together(data) if len(data) > 1 else _what_is(data[0]) if data else _beside(code)
    return Found(found.kind, found.path, found.test_path, code)


def _together(data: Sequence[Path]) -> Found:
    """Two tables that are called the training and the test part of one."""
    if (pair := _pair([path for path in data if _is_table(path)])) and len(data) == 2:
        return pair
    if all(map(_is_table, data)) and (told := joined_by_id(data)):
        raise DataError(told)
    names = ", ".join(str(path) for path in data)
    raise DataError(
        f"{names}: a suite is about one data set: give one of them (or two tables whose names say "
        "train and test)"
    )


def _existing(path: str) -> Path:
    given = Path(path).expanduser()
    if given.exists():
        return given.absolute()
    parent = given.parent
    entries = parent.iterdir() if parent.is_dir() else ()
    names = [entry.name for entry in entries if not entry.name.startswith(".")]
    near = difflib.get_close_matches(given.name, names, n=1)
    if near:
        raise DataError(f"{path} is not there: did you mean {parent / near[0]}?")
    there = ", ".join(sorted(names)[:8]) if names else "nothing"
    raise DataError(f"{path} is not there: {parent} holds {there}")


def _beside(code: Sequence[Path]) -> Found:
    """The data in the folder of the user's code, where it is clear which; else none."""
    try:
        return _in_folder(code[0].parent)
    except DataError:
        return Found("none")


def _what_is(path: Path) -> Found:
    if path.is_dir():
        return _in_folder(path)
    kind = path.suffix.lower()
    if _is_table(path):
        return Found("table", path)
    if kind in SUITES:
        raise DataError(f"{path} is a suite already: python -m harness run {path}")
    if kind in IMAGES:
        raise DataError(f"{path} is one image: give the folder that holds one folder of images per class")
    if kind in AUDIO:
        raise DataError(f"{path} is a sound: {sounds(path.parent, [path])}")
    if kind not in CURES and (is_parquet(path) or len(first_cells(path, Layout())) > 1):
        return Found("table", path)
    cure = CURES.get(kind, "give a folder of images, a CSV or Parquet file, a log, or a .py file")
    raise DataError(f"{path} is not data that a suite can name: {cure}")


def _is_table(file: Path) -> bool:
    """Whether a file is called a table, packed or not."""
    packed = file.suffix.lower() == ".gz"
    return Path(file.stem if packed else file.name).suffix.lower() in TABLES


def _in_folder(folder: Path) -> Found:
    files = _files(folder)
    heard = [file for file in files if file.suffix.lower() in AUDIO]
    if 2 * len(heard) > len(files):
        raise DataError(f"{folder} holds {len(heard)} sounds: {sounds(folder, heard)}")
    if apart := rows_apart(files):
        raise DataError(f"{folder} holds {apart}")
    images = [file for file in files if file.suffix.lower() in IMAGES]
    tables = [file for file in files if _is_table(file) and file.parent == folder]
    if images and not tables:
        return Found("images", folder)
    if images:
        return _mixed(folder, images, tables)
    if pair := _pair(tables):
        return pair
    if len(tables) == 1:
        return Found("table", tables[0])
    if tables:
        if told := joined_by_id(tables):
            raise DataError(f"{folder}: {told}")
        more = ", …" if len(tables) > SHOWN else ""
        names = ", ".join(sorted(file.name for file in tables)[:SHOWN]) + more
        raise DataError(
            f"{folder} holds {len(tables)} tables, {names}: give one of them, for instance {_example(tables)}"
            f"{of_one_form(folder, tables)}"
        )
    if len(files) == 1 and files[0].suffix not in {*SUITES, ".py"}:
        return _what_is(files[0])
    tables = [file for file in files if _is_table(file)]
    raise DataError(nothing_read(folder, files, tables))


def _mixed(folder: Path, images: Sequence[Path], tables: Sequence[Path]) -> Found:
    """Images beside a table: images in folders are classes, images in one heap are listed by the table."""
    folders = {file.parent for file in images}
    if folder not in folders and len(folders) > 1 and not are_no_classes([f.name for f in folders]):
        return Found("images", folder)
    if told := sorted_by(folder, images, tables):
        raise DataError(told)
    if folder not in folders and len(folders) > 1:
        return Found("images", folder)  # its reader says what they are
    raise DataError(
        f"{folder} holds {len(images)} images in one folder and {tables[0].name}: if that table "
        "says which class each image is of, sort the images into one folder per class, for instance with\n"
        f"  python -c \"import pandas, pathlib, shutil; t = pandas.read_csv('{tables[0].name}')\n"
        "  for f, c in zip(t.iloc[:, 0], t.iloc[:, 1]): pathlib.Path('sorted', str(c)).mkdir(parents=True, "
        "exist_ok=True); shutil.copy(str(f), f'sorted/{c}')\"\n"
        f"  or give {tables[0]} alone if it is the data"
    )


def _pair(tables: Sequence[Path]) -> Found | None:
    """`train.csv` and `test.csv`, in any spelling; where two are given alone `dev.csv` is one to test on."""
    if len(tables) != 2:
        return None
    parts = {part_of(file): file for file in tables}
    if "validation" in parts:
        parts["test"] = parts.pop("validation")
    if set(parts) != {"train", "test"} or parts["train"].suffix != parts["test"].suffix:
        return None
    return Found("table", parts["train"], parts["test"])


def _example(tables: Sequence[Path]) -> str:
    """The first table, or the two among several that are called train and test."""
    pair = _pair([file for file in tables if part_of(file) in ("train", "test")])
    return f"{tables[0]}" + (f", or both parts of one: {pair.path} {pair.test_path}" if pair else "")


def part_of(file: Path) -> str:
    """The part that a file is called, empty where it says none."""
    words = set(file.stem.casefold().replace("-", "_").replace(".", "_").split("_"))
    kinds = (("train", TRAIN), ("test", TEST), ("validation", VALIDATION))
    return next((part for part, names in kinds if words & names), "")


def _files(folder: Path) -> list[Path]:
    """Up to `MANY` files of a folder, hidden ones left out."""
    found: list[Path] = []
    for file in folder.rglob("*"):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            found.append(file)
        if len(found) == MANY:
            break
    return sorted(found)

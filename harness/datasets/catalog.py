"""Data sets by name and arguments: what they hold, which content they have, how they are got.

Everything here but `load_dataset` and `fetch` is quick and imports neither torch nor scikit-learn.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from harness.annotations import fits, instead
from harness.codec import JsonObject
from harness.datasets import DATASETS, ROWS
from harness.datasets.described import Described, described
from harness.datasets.files import fetch_files, verify_files
from harness.datasets.resplit import Part, predefined, recut
from harness.late import Late
from harness.protocols import DataFile, Dataset, Progress, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")


def dataset_module(name: str) -> ModuleType:
    """The module of a data set.

    Raises:
        DataError: there is none of this name; the nearest is named.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f", did you mean {near[0]}?" if near else f": there are {', '.join(sorted(DATASETS))}"
        raise DataError(f"unknown data set {name!r}{hint}")
    module = importlib.import_module(DATASETS[name])
    return OneOf(module, name) if isinstance(getattr(module, "DESCRIPTION", ""), Mapping) else module


class OneOf(ModuleType):
    """A data set of a module that has several: the module's functions, with the name given."""

    def __init__(self, module: ModuleType, name: str) -> None:
        super().__init__(f"harness.datasets.{name}")
        self._module, self._dataset = module, name
        self.DESCRIPTION = module.DESCRIPTION[name]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        return partial(found, self._dataset) if isinstance(found, FunctionType) else found


def checksum(name: str, args: JsonObject | None = None) -> str:
    """A hash of the content of a data set: what its files declare, or what the user's own files hold.

    Nothing is fetched for it. Own files are read once and remembered by size and time.
    """
    module = _checked(name, args)
    return content_hash({"name": name, "content": module.checksum(**(args or {}))})


def task_info(name: str, args: JsonObject | None = None) -> Task:
    """What a network needs to know of the data, without reading all of it."""
    module = _checked(name, args)
    if hasattr(module, "notes"):
        return _described(module, args).task
    task = module.task(**(args or {}))
    assert isinstance(task, Task)
    return task


def _described(module: ModuleType, args: JsonObject | None) -> Described:
    """Of the user's own files."""
    try:
        return described(module, module.checksum(**(args or {})), args or {})
    except DataError as error:
        from harness.datasets.holes import several_labels  # loads pandas, which most plans do not need

        raise DataError(*several_labels(error.mistakes, module, args or {})) from error


def notes(name: str, args: JsonObject | None = None) -> tuple[str, ...]:
    """What is worth knowing of how the user's own files were read; none for all other sets."""
    module = _checked(name, args)
    return _described(module, args).notes if hasattr(module, "notes") else ()


def class_counts(name: str, args: JsonObject | None = None) -> dict[str, int]:
    """Rows of each class in the user's own files; empty for numbers, and for all other sets."""
    module = _checked(name, args)
    return dict(_described(module, args).class_counts or {}) if hasattr(module, "class_counts") else {}


def known_rows(name: str, args: JsonObject | None = None) -> tuple[int, int] | None:
    """Training rows (validation still among them) and test rows, None where only loading would tell."""
    return None if args else ROWS.get(name)


TEST_SHARE = 0.2
"""Of own files without a test part."""


def counted_rows(name: str, args: JsonObject | None = None) -> tuple[int, int] | None:
    """About how many training and test rows: own files are counted, lines or images, not read; None where
    nothing can be counted."""
    known = known_rows(name, args)
    if known is not None or not args:
        return known
    total, test = (_count(args.get(key)) for key in ("path", "test_path"))
    if not total or test:
        return (total, test) if total else None
    share = args.get("test", TEST_SHARE)
    tested = round(total * share) if isinstance(share, float) and 0 < share < 1 else round(total * TEST_SHARE)
    return total - tested, tested


def _count(path: object) -> int:
    """Rows of a file or files of a folder; 0 where there is neither."""
    if not isinstance(path, str) or not Path(path).exists():
        return 0
    if Path(path).is_dir():
        return sum(1 for found in Path(path).rglob("*") if found.is_file())
    if path.endswith((".parquet", ".pq")):
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
    lines = 0
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
    return max(lines - 1, 1)


def fetch(name: str, args: JsonObject | None = None, progress: Progress | None = None) -> None:
    """Make a data set's files present and verified; what a library fetches by itself is loaded once.

    Raises:
        DataError: no place has a file, or its sha256 is wrong; says what to do by hand.
    """
    module = _checked(name, args)
    if hasattr(module, "fetch"):
        module.fetch(**(args or {}))
    fetch_files(files_of(name, args), progress)


def verify(name: str, args: JsonObject | None = None) -> dict[str, str]:
    """Hash a data set's files again: file name → `ok`, `missing`, or what is wrong with it."""
    return verify_files(files_of(name, args))


def files_of(name: str, args: JsonObject | None = None) -> tuple[DataFile, ...]:
    """The files that a data set fetches; none for own data and what packages carry."""
    return tuple(getattr(_checked(name, args), "FILES", ()))


def load_dataset(
    name: str, args: JsonObject | None = None, content: str | None = None, part: Part | None = None
) -> Dataset:
    """A data set as its source delivers it, or cut anew; the last ones are kept in this process."""
    module = _checked(name, args)
    if part is not None and hasattr(module, "load_part"):
        cut: Dataset = module.load_part(part, **(args or {}))
        return cut
    dataset = _load(_Call(content or checksum(name, args), module, dict(args or {})))
    if part is None:
        return dataset
    if part.by == "predefined":
        return recut(dataset, part, None, _marks(module, part, args)[0])
    order = None
    if part.by == "time":
        if not hasattr(module, "times"):
            raise DataError(f"data set {name} has no column of times to cut by: write `by: random`")
        order = module.times(part.column, **(args or {}))
    return recut(dataset, part, order)


def check_predefined(name: str, args: JsonObject | None, column: str, folds: int) -> None:
    """Whether a column of the user's divides the rows as a suite says.

    Raises:
        DataError: there is no such column, a row is of no fold, a fold has one class only, …
    """
    first = Part("predefined", column, 0.2, folds, 0, 0)
    module = _checked(name, args)
    marks, targets = _marks(module, first, args)
    groups = None
    if owner := (args or {}).get("group"):
        owners = _marks(module, replace(first, column=str(owner)), args)[0]
        groups = np.unique(owners.astype(str), return_inverse=True)[1]
    for number in range(max(1, folds)):
        predefined(replace(first, number=number), marks, targets, groups)


def _marks(module: ModuleType, part: Part, args: JsonObject | None) -> tuple[np.ndarray, np.ndarray]:
    if not hasattr(module, "marks"):
        raise DataError(
            f"data set {module.__name__.rpartition('.')[2]} has no columns to cut by: leave `column` out"
        )
    found: tuple[np.ndarray, np.ndarray] = module.marks(part.column, **(args or {}))
    return found


class _Call:
    """A call of `load` that compares by the checksum of what it reads and by its arguments."""

    def __init__(self, content: str, module: ModuleType, args: JsonObject) -> None:
        self.module, self.args = module, args
        self.key = (module.__name__, content, json.dumps(args, sort_keys=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=2)
def _load(call: _Call) -> Dataset:
    dataset = call.module.load(**call.args)
    assert isinstance(dataset, Dataset)
    return dataset


def _checked(name: str, args: JsonObject | None) -> ModuleType:
    """The module, when its `load` takes these arguments."""
    module = dataset_module(name)
    known = inspect.signature(module.load).parameters
    mistakes = []
    for arg, value in (args or {}).items():
        if arg not in known:
            near = difflib.get_close_matches(arg, known, n=1)
            hint = f", did you mean {near[0]}?" if near else f": it takes {', '.join(known) or 'none'}"
            mistakes.append(f"data set {name} has no argument {arg!r}{hint}")
        elif isinstance(wanted := known[arg].annotation, str):
            annotation = _parsed(wanted)
            if not fits(value, annotation):
                shown, cure = json.dumps(value, ensure_ascii=False, default=str), instead(value, annotation)
                mistakes.append(f"data set {name}: {arg} is {shown}, which is no `{wanted}`{cure}")
    for arg, parameter in known.items():
        if parameter.default is parameter.empty and arg not in (args or {}):
            mistakes.append(f"data set {name} needs the argument {arg!r}: write it under data.args")
    if mistakes:
        raise DataError(*mistakes)
    return module


@cache
def _parsed(annotation: str) -> ast.expr:
    return ast.parse(annotation, mode="eval").body

"""The files that a candidate brings: in the ids of its trials by their content, not by where they lie."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from harness.codec import JsonObject
from harness.datasets.own_files import absolute, content_of, content_of_file, is_path_argument
from harness.models.weights import carried_by, in_package
from harness.reading.components import parse_source
from harness.reading.imports import is_file, local_imports
from harness.reading.references import resolve_model
from harness.specification import Spec
from harness.suite.model_ref import ModelRef, own_code

Step = str | int

LIBRARIES = frozenset({
    "PIL", "accelerate", "catboost", "datasets", "faiss", "harness", "hnswlib", "keras", "lightgbm",
    "lightning", "matplotlib", "numpy", "onnx", "onnxruntime", "pandas", "ray",
    "safetensors", "scipy", "sklearn", "timm", "tokenizers", "torch", "torchmetrics",
    "torchvision", "transformers", "usearch", "xgboost",
})  # fmt: skip
"""What carries no weights of its own, and is large to look through."""


def file_arguments(args: object, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Path]]:
    """Where in a candidate's arguments a file is named by its whole path, as the reader writes it."""
    if isinstance(args, Mapping):
        for key, value in args.items():
            yield from file_arguments(value, (*path, str(key)))
    elif isinstance(args, (list, tuple)):
        for number, value in enumerate(args):
            yield from file_arguments(value, (*path, number))
    elif isinstance(args, str) and args.startswith("/") and is_file(Path(args)):
        yield path, Path(args)


def brought(ref: ModelRef, args: JsonObject, files: tuple[str, ...], folder: str) -> Spec:
    """What the specification of a candidate's trials says of its files.

    Args:
        files: the candidate's own list of them. folder: of the suite.
    Returns:
        `files`: content hashes, and `places`: where the specification says only where such a file lies, which
        is in no id. Empty where it brings none.
    """
    hashes: dict[str, str] = {}
    places: list[list[Step]] = []
    if ref.is_path and Path(ref.name).is_absolute() and Path(ref.name).exists():
        places.append(["model"])  # its content is in the code version
    for path, file in file_arguments(args):
        hashes["args." + ".".join(map(str, path))] = content_of_file(file)
        places.append(["args", *path])
    if (weights := args.get("pretrained")) and isinstance(weights, str) and weights.startswith("pip/"):
        file = in_package(weights.removeprefix("pip/"))
        hashes["args.pretrained"] = content_of_file(file)
    for number, name in enumerate(files):
        hashes[f"files.{number}"] = _content(absolute(Path(name)))
    for own in own_code(ref, args):
        hashes |= _carried(own, Path(folder))
    found: Spec = {}
    if hashes:
        found["files"] = hashes
    if places:
        found["places"] = places
    return found


def data_places(args: JsonObject) -> list[list[Step]]:
    """Arguments of a data set that only say where it lies: its content is there by its checksum."""
    return [["data", "args", name] for name, value in args.items() if is_path_argument(name) and value]


def _carried(ref: ModelRef, folder: Path) -> dict[str, str]:
    """Weights in the installed packages that a user's own code imports: name → hash."""
    try:
        source = resolve_model(str(ref), folder).path
    except LookupError:
        return {}  # its trial fails and says so
    names: set[str] = set()
    for file in local_imports(source, folder) if source is not None else ():
        names |= _imported(file, file.stat().st_mtime_ns)
    found = {name: carried_by(place) for name in sorted(names) if (place := _package(name)) is not None}
    return {f"packages.{name}": _together(files) for name, files in found.items() if files}


@cache
def _imported(file: Path, changed: int) -> frozenset[str]:
    """The first names of the packages that a source file imports."""
    try:
        tree = parse_source(file)
    except (OSError, SyntaxError):
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    return frozenset(names - LIBRARIES - sys.stdlib_module_names)


@cache
def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it; None for a module or what is not there."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    place = Path(spec.origin).parent if spec is not None and spec.origin else None
    return (
        place
        if place is not None
        and {"site-packages", "dist-packages"} & set(place.parts)
        and (place.name == name)
        else None
    )


def _content(path: Path) -> str:
    if path.is_dir():
        return content_of(sorted(f for f in path.rglob("*") if f.is_file()), path)
    return content_of_file(path)


def _together(files: list[Path]) -> str:
    root = Path(os.path.commonpath([file.parent for file in files]))
    return content_of(files, root)

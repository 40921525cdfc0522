"""The version of the code that produces a trial: part of its id, so that a changed model runs again.

Hashed is what the source files do that decide what comes out, and no others: a comment, a new model in
the table, a new report or another scheduler leaves every finished trial valid.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from harness.datasets.own_files import content_of
from harness.kinds import kind_of
from harness.reading.components import ROOT, module_file, table
from harness.reading.imports import local_imports
from harness.reading.own_metrics import metric_file
from harness.reading.references import find_function, resolve_model
from harness.runtimes import RUNTIMES
from harness.specification import Spec
from harness.store.behaviour import behaviour
from harness.suite.model_ref import OWN, OWN_ESTIMATOR, PREFIXES, ModelRef, own_code, parse_model
from harness.tasks import PIPELINES

CODE: Mapping[str, tuple[str, ...]] = {
    "train": ("streams.py", "datasets/parts.py", "datasets/splits.py", "models/fitted.py", "{dataset}",
              "{task}", "{model}"),
    "score": ("streams.py", "datasets/parts.py", "datasets/splits.py", "{dataset}", "{task}", "{runtime}",
              "kinds/quality.py", "{kind}"),
    "serve": ("streams.py", "datasets/parts.py", "datasets/splits.py", "{dataset}", "{runtime}",
              "serving/*.py", "tasks/sizes.py"),
}  # fmt: skip
"""Kind of trial → globs below `harness/`; `{…}` is the component's file with what it imports from its
own folder (tables in `__init__.py` apart). A score's `fitted` and a serve's `artifact` bring the rest."""

NETWORK = ("training/*.py", "models/build.py", "models/servable.py", "{kind}")
"""What fits a network, and neither an estimator nor a finished model."""

TOGETHER = ("training/together/*.py", "tasks/together.py")
"""What trains a network by several processes."""

OVER_HTTP = ("schedule/http/*.py", "models/endpoint.py", "models/endpoint_service.py")
"""What deploys a variant, and asks it over HTTP."""

TEXTS = ("models/encoding.py", "models/tokenizers.py", "models/vocabulary.py", "runtimes/texts.py")
"""What turns texts into what a model takes."""

TABLES = ("exported/tables.py", "datasets/encoding.py", "suite/encodings.py")
"""What turns rows of a table into what a model takes."""

SEARCH = ("planning/tuning.py", "kinds/quality.py", "{kind}")
"""What chooses the settings to train with."""

PRETRAINED = (".json", ".safetensors", ".bin", ".txt", ".model")
"""Files of a pretrained model: configuration, weights, tokenizer."""


class Versions:
    """The versions of one plan: trials that share their components share the work.

    Args:
        folder: where the suite file is, and so the user's own modules.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._known: dict[tuple[str | bool, ...], str] = {}

    def __call__(self, kind: str, spec: Spec) -> str:
        """The code version of a trial of the kind with the specification."""
        key = (
            kind,
            spec["task"],
            spec["model"],
            str(own_code(parse_model(spec["model"]), spec.get("args", {}))),
            spec["data"]["name"],
            str(spec.get("runtime")),
            str(spec.get("metrics")),
            _searches(spec),
            _together(spec),
            _own_recommender(spec),
            spec.get("transforms", ""),
            spec.get("over", ""),
        )
        if key not in self._known:
            self._known[key] = code_version(kind, spec, self.folder)
        return self._known[key]


def code_version(kind: str, spec: Spec, folder: str = "") -> str:
    """16 hex digits over what the source files behind a trial do; `folder` as for `Versions`."""
    patterns = list(CODE[kind])
    marks: list[str] = []
    if kind == "train":
        patterns += NETWORK if parse_model(spec["model"]).about.is_network else ()
        patterns += TOGETHER if _together(spec) else ()
        patterns += TEXTS if "text" in kind_of(spec["task"]).inputs else ()
        patterns += TABLES if "encoding" in spec else ()
        patterns += SEARCH if _searches(spec) else ()
        marks = _brought(parse_model(spec["model"]), Path(folder))
        marks += _own_code(_own_recommender(spec), Path(folder))
        marks += _own_code(spec.get("transforms", ""), Path(folder))
    files = [file for pattern in patterns for file in _files(pattern, spec, folder)]
    if spec.get("over") == "http":
        files += [file for pattern in OVER_HTTP for file in _below(ROOT, pattern)]
    for reference, _ in spec.get("metrics", {}).values():
        if (source := metric_file(reference, Path(folder))) is not None:
            files += sorted(local_imports(source, Path(folder)))
    digests = sorted(
        behaviour(file, file.stat().st_mtime_ns)[0] for file in dict.fromkeys(files) if file.is_file()
    )
    return hashlib.sha256("".join([*digests, *marks]).encode()).hexdigest()[:16]


def _own_recommender(spec: Spec) -> str:
    """The reference to a retriever of the user's own; empty for others."""
    model = str((spec.get("retrieval") or {}).get("model", ""))
    return model if parse_model(model).kind == OWN else ""


def _own_code(reference: str, folder: Path) -> list[str]:
    """Digests of a user's module and of what it imports from the suite's folder."""
    if not reference:
        return []
    files = _behind(parse_model(reference), folder)
    return sorted(behaviour(file, file.stat().st_mtime_ns)[0] for file in files)


def _behind(ref: ModelRef, folder: Path) -> set[Path]:
    """The source files of a user's own function or class."""
    try:
        return local_imports(find_function(ref.package, ref.name, folder), folder)
    except LookupError:
        return set()  # the suite was checked; a file that vanished since fails its trial with a reason


def _searches(spec: Spec) -> bool:
    return bool((spec.get("training") or {}).get("tuning"))


def _together(spec: Spec) -> bool:
    """Whether several workers train it."""
    return "resources" in (spec.get("training") or {})


def _files(pattern: str, spec: Spec, folder: str) -> list[Path]:
    if pattern == "{model}":
        return _model_files(spec, folder)
    if pattern == "{kind}":
        home = module_file(kind_of(spec["task"]).home)
        return sorted(home.parent.rglob("*.py")) if home.name == "__init__.py" else [home]
    if pattern == "{task}":
        file = module_file(PIPELINES[kind_of(spec["task"]).pipeline])
        # A folder of its own names its parts in tables: all count.
        home = file.parent
        return sorted(own_imports(file)) if home == ROOT / "tasks" else sorted(home.rglob("*.py"))
    if pattern == "{dataset}":
        module = table("datasets").get(spec["data"]["name"])
    elif pattern == "{runtime}":
        runtime = RUNTIMES.get(str(spec.get("runtime")))
        module = runtime.home if runtime else None
    else:
        return _below(ROOT, pattern)
    return sorted(own_imports(module_file(module))) if module else []


@cache
def _below(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))


def _model_files(spec: Spec, folder: str) -> list[Path]:
    ref = parse_model(spec["model"])
    own = [file for pattern in ref.about.code for file in _below(ROOT, pattern)]
    for named in own_code(ref, spec.get("args", {})) if ref.about.path == "always" else ():
        own += sorted(_behind(named, Path(folder)))
    if (ref.kind in PREFIXES and ref.kind != OWN_ESTIMATOR) or not spec["model"]:
        return own
    try:
        source = resolve_model(spec["model"], Path(folder))
    except LookupError:
        return []  # the suite was checked; a file that vanished since fails its trial with a reason
    if source.path is None:
        return []
    if ref.kind in (OWN, OWN_ESTIMATOR):
        return own + sorted(local_imports(source.path, Path(folder)))
    return sorted(own_imports(source.path))


def _brought(model: ModelRef, folder: Path) -> list[str]:
    """What says which weights a model brings: a hash of its files, or the version of their package.

    Of a model that only the Hub has, nothing here can tell.
    """
    path = (folder / model.name).expanduser()
    if model.about.path == "always" and path.is_file():
        beside = _external_data(path) if model.kind == "onnx" else []
        return [_content([path, *beside], path.parent)]
    if model.kind == "hf" and model.name.startswith("pip/"):
        try:
            return [importlib.metadata.version(model.name.removeprefix("pip/"))]
        except (importlib.metadata.PackageNotFoundError, ValueError):
            return []  # its trial fails and says so
    if model.kind == "hf" and (path / "config.json").is_file():
        return [_content(sorted(f for f in path.iterdir() if f.suffix in PRETRAINED and f.is_file()), path)]
    return []


def _content(files: list[Path], root: Path) -> str:
    return content_of(files, root)  # gigabytes are not read twice


_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x7f])")
"""The key of an external tensor's file in an ONNX file, and the length (a varint) of its name."""


def _external_data(model: Path) -> list[Path]:
    """The files beside an ONNX file that hold its weights, read from its bytes: `onnx` loads slowly."""
    content = model.read_bytes()
    names = set()
    for found in _LOCATION.finditer(content):
        length = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(found[1]))
        names.add(content[found.end() : found.end() + length].decode(errors="replace"))
    files = (model.parent / name for name in sorted(names) if "\0" not in name and not name.startswith("/"))
    return [file for file in files if file.is_file()]


def own_imports(path: Path) -> set[Path]:
    """A component's file and what it imports, directly or not, from its own folder or below."""
    home = f"{path.parent}{os.sep}"  # a text: comparing the parents of paths takes far longer
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in found and file.is_file():
            found.add(file)
            imported = _imported_files(file, file.stat().st_mtime_ns)
            waiting += [f for f in imported if str(f).startswith(home)]
    return found


@cache
def _imported_files(file: Path, changed: int) -> list[Path]:
    """The files of the harness that a file imports, tables in `__init__.py` apart."""
    _, modules = behaviour(file, changed)
    return [f for f in map(module_file, modules) if f.name != "__init__.py" and f.is_file()]

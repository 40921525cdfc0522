"""What a model reference points to, found without executing anything."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from harness.names import hint, nearest
from harness.reading.components import ROOT, module_file, parse_source, table
from harness.reading.imports import find_module, is_dir, is_file
from harness.reading.meant import as_reference
from harness.reading.signature import (
    ANYTHING,
    Parameter,
    Signature,
    find_definition,
    public_names,
    read_signature,
)
from harness.store.remembered import remembered
from harness.suite.model_ref import MODEL_KINDS, NAMED, OWN, OWN_ESTIMATOR, PREFIXES, ModelRef, parse_model


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Args:
        path: the source file of the builder, or the ONNX file; None for libraries.
        function: the builder's name in `path`.
        signature: what `args` may hold.
        gives_estimator: of a user's own builder, whether its source says that an estimator comes of it.
    """

    ref: ModelRef
    path: Path | None = None
    function: str | None = None
    signature: Signature = ANYTHING
    gives_estimator: bool = False


def resolve_model(reference: str, folder: Path) -> ModelSource:
    """What a reference points to.

    Args:
        folder: where the suite file is.
    Raises:
        LookupError: it points to nothing; the message is what is wrong and the cure.
    """
    ref = parse_model(reference)
    if ref.kind != NAMED and not ref.name:
        raise LookupError(f"`{reference}` names nothing after the colon")
    if ref.kind in (OWN, OWN_ESTIMATOR) and not ref.package:
        raise LookupError(f"`{reference}` names nothing before the colon")
    # As Python imports it, `sklearn.linear_model.Ridge`, with a point or a colon before the class.
    library, _, rest = reference.partition(".")
    if ref.kind in (NAMED, OWN) and library in LIBRARIES and rest:
        named = re.split(r"[.:]", rest)[-1]
        raise LookupError(f"`{reference}` is named by its library alone: write `{library}:{named}`")
    return _RESOLVE[ref.kind](ref, folder)


def _named(ref: ModelRef, folder: Path) -> ModelSource:
    models, name = table("models"), ref.name
    if name not in models:
        meant = as_reference(name)
        cure = f"write for instance `{meant}`" if meant else hint(name, models)
        raise LookupError(f"there is no model `{name}`: {cure}")
    path = module_file(models[name])
    try:
        return ModelSource(ref, path, "build", read_signature(path, "build", skip=1))
    except (OSError, LookupError) as error:
        raise LookupError(f"the model `{name}` is in the table but not in this version") from error


def _timm(ref: ModelRef, folder: Path) -> ModelSource:
    name = ref.name
    architecture = name.removeprefix("hf_hub:").partition(".")[0]
    known = _library_definitions("timm", ("models",), r"^def (\w+)\([^)]*\*\*kwargs")
    if not known:
        raise LookupError(f"`timm:{name}` needs timm: pip install timm")
    if not name.startswith("hf_hub:") and architecture not in known:
        cure = hint(architecture, known, most=0) if nearest(architecture, known) else "see timm.list_models()"
        raise LookupError(f"timm has no model `{architecture}`: {cure}")
    return ModelSource(ref)


_SKLEARN_ROOMS = (
    "calibration.py",
    "cluster",
    "compose",
    "decomposition",
    "discriminant_analysis.py",
    "dummy.py",
    "ensemble",
    "ensemble/_hist_gradient_boosting",
    "feature_extraction",
    "feature_selection",
    "gaussian_process",
    "impute",
    "isotonic.py",
    "kernel_approximation.py",
    "kernel_ridge.py",
    "linear_model",
    "model_selection",
    "multiclass.py",
    "multioutput.py",
    "naive_bayes.py",
    "neighbors",
    "neural_network",
    "pipeline.py",
    "preprocessing",
    "random_projection.py",
    "svm",
    "tree",
)


def _sklearn(ref: ModelRef, folder: Path) -> ModelSource:
    name = ref.name
    known = _library_definitions("sklearn", _SKLEARN_ROOMS, r"^class ([A-Z]\w+)\(")
    if not known:
        raise LookupError(f"`sklearn:{name}` needs scikit-learn: pip install scikit-learn")
    short = name.rpartition(".")[2]
    if short not in known:
        wanted = [k for k in known if k.endswith(("Classifier", "Regressor", "Regression", "NB", "SVC"))]
        alike = sorted(k for k in wanted if k.startswith(short))
        cure = (
            f"did you mean {' or '.join(f'`{k}`' for k in alike[:3])}?"
            if alike
            else hint(short, [*known, *wanted])
            if nearest(short, known)
            else f"there is {', '.join(wanted[:8])}, …"
        )
        raise LookupError(f"scikit-learn has no estimator `{short}`: {cure}")
    return ModelSource(ref, None, short, read_signature(Path(known[short]), short))


LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost", "timm")
"""Whose models are named by the library and the class or function alone."""

_BOOSTING_FILES = {"xgboost": "sklearn.py", "lightgbm": "sklearn.py", "catboost": "core.py"}


def _boosting(ref: ModelRef, folder: Path) -> ModelSource:
    """What it takes is asked of the library when its candidates are built, before any trial starts."""
    known = _library_definitions(ref.kind, (_BOOSTING_FILES[ref.kind],), r"^class ([A-Z]\w+)\(")
    if not known:
        raise LookupError(f"`{ref}` needs {ref.kind}: pip install -e '.[{MODEL_KINDS[ref.kind].extra}]'")
    short = ref.name.rpartition(".")[2]
    wanted = [name for name in known if name.endswith(("Classifier", "Regressor"))]
    if short not in wanted:
        cure = hint(short, wanted) if nearest(short, wanted) else f"there is {', '.join(wanted)}"
        raise LookupError(f"{ref.kind} has no estimator `{short}`: {cure}")
    return ModelSource(ref)


FEW = 4
"""States of a library that are kept: of several environments that share a memory."""


@cache
def _library_definitions(library: str, places: tuple[str, ...], pattern: str) -> Mapping[str, str]:
    """Name → path of what a library defines at top level, by text: importing it would take seconds."""
    root = find_module(library, [Path(entry or ".") for entry in sys.path])
    if root is None:
        return {}
    states = [state for place in places for state in _states(root.parent / place)]
    # A library changes when it is installed anew, which changes times: hundreds of files are not read again.
    key = hashlib.sha256(repr((pattern, states)).encode()).hexdigest()
    memory = remembered(f"library-{library}", most=FEW)  # one file a library: all of them take long to read
    if key not in memory:
        memory[key] = {name: file for file, *_ in states for name in _defined(Path(file), pattern)}
    return cast(Mapping[str, str], memory[key])  # as it was put there: thousands of names


def _states(place: Path) -> list[tuple[str, int, int]]:
    """The modules of a folder, or the file itself: path, time of change and size."""
    if place.is_file():
        return [(str(place), place.stat().st_mtime_ns, place.stat().st_size)]
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        files = [(entry.path, entry.stat()) for entry in entries if entry.name.endswith(".py")]
    return sorted((path, state.st_mtime_ns, state.st_size) for path, state in files)


def _defined(file: Path, pattern: str) -> list[str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    names = re.compile(pattern, re.MULTILINE | re.DOTALL).findall(text)
    return [name for name in names if not name.startswith("_")]


def _file(ref: ModelRef, folder: Path) -> ModelSource:
    path = folder / ref.name
    if not is_file(path):
        others = sorted(path.parent.glob(f"*{_ENDINGS[ref.kind]}")) if is_dir(path.parent) else []
        cure = f"there is {', '.join(p.name for p in others[:5])}" if others else "check the path"
        raise LookupError(f"there is no file `{ref.name}` beside the suite: {cure}")
    if ref.kind in _OTHERWISE and path.suffix != _ENDINGS[ref.kind]:
        raise LookupError(f"`{ref.name}` {_OTHERWISE[ref.kind]}")
    if ref.about.extra and find_module(ref.about.package, [Path(entry or ".") for entry in sys.path]) is None:
        raise LookupError(f"`{ref}` needs {ref.about.package}: pip install -e '.[{ref.about.extra}]'")
    return ModelSource(ref, path, None, _finished_arguments(ref.kind))


def _finished_arguments(kind: str) -> Signature:
    """What the candidate of a finished file takes: how its inputs and answers are, and what reads it."""
    found = read_signature(ROOT / "tasks" / "finished.py", "build", skip=1)
    own = {"lightning": {"class": TEXT, "hyper_parameters": MAPPING}, "keras": {"classes": LIST}}
    return Signature({**found.parameters, **own.get(kind, {})})


def _endpoint(ref: ModelRef, folder: Path) -> ModelSource:
    scheme, slashes, rest = ref.name.partition("://")
    if scheme not in ("http", "https", "grpc", "grpcs") or not slashes:
        raise LookupError(
            f"`{ref}` is not the address of a service: write endpoint:http://host:port/path, or "
            "endpoint:grpc://host:port/MODEL"
        )
    if "@" in rest.partition("/")[0]:
        raise LookupError(
            "the address holds credentials, which records would repeat: leave them out, and give "
            '`args: {headers: {Authorization: "Bearer $TOKEN"}}` the name of an environment variable'
        )
    places = [Path(entry or ".") for entry in sys.path]
    if scheme.startswith("grpc") and not all(find_module(name, places) for name in GRPC):
        raise LookupError(f"`{ref}` needs the protocol's client: pip install -e '.[grpc]'")
    return ModelSource(ref, signature=read_signature(ROOT / "models" / "endpoint.py", "build", skip=1))


GRPC = ("grpc", "open_inference.grpc.protocol")
"""What a service over gRPC is asked with."""

TEXT = Parameter(ast.Name("str"), None)
MAPPING, LIST = (Parameter(ast.Name(name), ast.Constant(None)) for name in ("dict", "list"))


def _huggingface(ref: ModelRef, folder: Path) -> ModelSource:
    if ref.is_path and not is_file(folder / ref.name / "config.json"):
        raise LookupError(
            f"`{ref.name}` is not a folder with a model (it has no config.json): check the path"
        )
    return ModelSource(ref)


def _user(ref: ModelRef, folder: Path) -> ModelSource:
    name = ref.function
    path = find_function(ref.package, name, folder)
    tree = parse_source(path)
    gives = ref.kind == OWN_ESTIMATOR or gives_estimator(tree, name)
    is_class = isinstance(find_definition(tree, name), ast.ClassDef)
    signature = read_signature(path, name, skip=0 if is_class and gives else 1)
    return ModelSource(ref, path, name, signature, gives)


ESTIMATOR_PACKAGES = ("sklearn", "xgboost", "lightgbm", "catboost", "imblearn")


def gives_estimator(tree: ast.Module, name: str) -> bool:
    """Whether a user's builder gives an object with `fit` and `predict`, as far as its source says it.

    It does where what it returns, or is annotated to return, is a class imported from a library of
    estimators, or a class of the same file that defines `fit` and `predict`; and where it is such a class.
    """
    found = find_definition(tree, name)
    origins = _origins(tree)
    if isinstance(found, ast.ClassDef):
        return _is_estimator_class(found, origins)
    if not isinstance(found, ast.FunctionDef):
        return False
    own = {s.name for s in tree.body if isinstance(s, ast.ClassDef) and _is_estimator_class(s, origins)}
    named: list[ast.expr] = [found.returns] if found.returns is not None else []
    made: dict[str, ast.expr] = {}
    for node in ast.walk(found):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            made[node.targets[0].id] = node.value
        elif isinstance(node, ast.Return) and node.value is not None:
            value = made.get(node.value.id) if isinstance(node.value, ast.Name) else node.value
            if isinstance(value, ast.Call):
                named.append(value.func)
    return any(_root(each) in own or origins.get(_root(each)) in ESTIMATOR_PACKAGES for each in named)


def _is_estimator_class(found: ast.ClassDef, origins: Mapping[str, str]) -> bool:
    methods = {s.name for s in found.body if isinstance(s, ast.FunctionDef)}
    return {"fit", "predict"} <= methods or any(
        origins.get(_root(base)) in ESTIMATOR_PACKAGES for base in found.bases
    )


def _origins(tree: ast.Module) -> dict[str, str]:
    """Name in a file, imported anywhere in it → the package that it comes from."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(a.asname or a.name).partition(".")[0]: a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {a.asname or a.name: node.module.partition(".")[0] for a in node.names}
    return found


def _root(node: ast.expr) -> str:
    """`Pipeline` of `Pipeline`, `xgboost` of `xgboost.XGBClassifier`, also where it is a string."""
    while isinstance(node, ast.Attribute):
        node = node.value
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.partition(".")[0]
    return node.id if isinstance(node, ast.Name) else ""


_RESOLVE: Mapping[str, Callable[[ModelRef, Path], ModelSource]] = {
    NAMED: _named,
    "timm": _timm,
    "hf": _huggingface,
    "sklearn": _sklearn,
    "xgboost": _boosting,
    "lightgbm": _boosting,
    "catboost": _boosting,
    "onnx": _file,
    "endpoint": _endpoint,
    "lightning": _file,
    "torch": _file,
    "keras": _file,
    OWN: _user,
    OWN_ESTIMATOR: _user,
}
"""Kind of reference → what finds it; raises LookupError with the cure."""

_ENDINGS: Mapping[str, str] = {"onnx": ".onnx", "lightning": ".ckpt", "torch": ".pt2", "keras": ".keras"}
"""Kind of reference to a file → how such files end."""

_OTHERWISE: Mapping[str, str] = {
    "lightning": "is not a checkpoint of Lightning (.ckpt), which trainer.save_checkpoint(FILE) writes",
    "torch": "is not a program of torch.export (.pt2): write torch.export.save(torch.export.export("
    "network.eval(), (example,), dynamic_shapes=({0: torch.export.Dim('batch')},)), 'net.pt2'). A file of "
    "weights alone, or a pickled model, is not read: its code is missing, or would run",
    "keras": "is not a .keras file, which model.save('net.keras') of Keras 3 writes",
}
"""Kind of reference → what is wrong with a file of another ending, with the cure."""


def find_function(module: str, function: str, folder: Path) -> Path:
    """The source file of a user's function, beside the suite file or on sys.path.

    Raises:
        LookupError: there is none; the message is what is wrong and the cure.
    """
    shown = f"{module}:{function}"
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module) or not function.isidentifier():
        if near := nearest(module, PREFIXES):
            raise LookupError(f"`{shown}` is not a model reference: did you mean `{near}:{function}`?")
        raise LookupError(f"`{shown}` is not a model reference: write NAME or package.module:function")
    path = find_module(module, [folder, *(Path(entry or ".") for entry in sys.path)])
    if path is None and module.endswith(".py"):
        raise LookupError(
            f"`{module}` is a file, not a module: write `{module.removesuffix('.py')}:{function}`"
        )
    if path is None:
        if near := nearest(module, PREFIXES):
            raise LookupError(f"there is no module `{module}`: did you mean `{near}:{function}`?")
        file = module.replace(".", "/") + ".py"
        raise LookupError(f"there is no module `{module}`: put {file} beside the suite file or on PYTHONPATH")
    try:
        find_definition(parse_source(path), function)
    except LookupError:
        names = public_names(parse_source(path))
        own = "write a function of your own that builds it, `def build(task)`, beside the suite file"
        cure = hint(function, names, "" if names else own)
        raise LookupError(f"{path.name} defines no `{function}`: {cure}") from None
    except SyntaxError as error:
        raise LookupError(f"{path.name}:{error.lineno or 1} is not valid Python: {error.msg}") from error
    except OSError as error:
        raise LookupError(f"{path} cannot be read: {error.strerror}") from error
    return path

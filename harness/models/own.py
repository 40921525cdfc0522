"""The user's own builders: found in a module beside the suite file, or on the import path; no torch here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from harness.models.names import nearest
from harness.suite.model_ref import ModelRef, parse_model


def find_function(ref: ModelRef, search: Path | None) -> Callable[..., object]:
    """The function or class that a reference names.

    Raises:
        ValueError: there is no such module, or it has none of this name; the nearest is named.
    """
    function_name, module = ref.function, import_own(ref.package, search)
    function: Callable[..., object] | None = getattr(module, function_name, None)
    if function is None or not callable(function):
        functions = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
        raise ValueError(
            f"{module.__file__} has no function {function_name!r}{nearest(function_name, functions)}"
        )
    return function


def bring_transforms(network: object, reference: str, search: Path | None) -> None:
    """Give a network the `transforms(train)` that a suite names for all of its networks.

    Raises:
        ValueError: there is no such function, or the network has its own.
    """
    if not reference:
        return
    if callable(getattr(network, "transforms", None)):
        raise ValueError(
            f"the network has transforms of its own, and data.transforms is {reference}: keep one"
        )
    network.transforms = find_function(parse_model(reference), search)  # type: ignore[attr-defined]


def import_own(name: str, search: Path | None) -> ModuleType:
    """Import a user's module, from beside the suite file if it is there.

    Worker processes are used again for other suites: a module of the same name from another folder
    is dropped first.
    """
    if search is not None:
        folder = str(search.resolve())
        if sys.path[:1] != [folder]:
            sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
        top = name.split(".")[0]
        loaded = sys.modules.get(top)
        beside = any((search / entry).exists() for entry in (f"{top}.py", top))
        if beside and loaded is not None and not Path(loaded.__file__ or "").is_relative_to(folder):
            for other in [key for key in sys.modules if key == top or key.startswith(f"{top}.")]:
                del sys.modules[other]
        importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise ValueError(
                f"model module {name!r} imports {error.name!r}, which is not installed"
            ) from error
        places = [str(search)] if search else []
        raise ValueError(
            f"no module {name!r}: put {name.replace('.', '/')}.py beside the suite file"
            f"{f' ({places[0]})' if places else ''} or on PYTHONPATH"
        ) from error

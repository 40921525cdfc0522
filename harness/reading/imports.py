"""A user's source files: the module of a name, and what a file imports beside it; nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from harness.reading.components import parse_source


def find_module(module: str, roots: Sequence[Path]) -> Path | None:
    """The source file of a module; unlike `importlib.util.find_spec` it imports no parent package."""
    for root in roots:
        path = root.joinpath(*module.split("."))
        for file in (path / "__init__.py", path.with_name(path.name + ".py")):
            if is_file(file):
                return file
    return None


def local_imports(path: Path, folder: Path) -> set[Path]:
    """A user's source file and what it imports from beside the suite or from its own package, and so on.

    Of an installed library only the file itself: its rest changes with its version.
    """
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        if {"site-packages", "dist-packages"} & set(file.parts):
            continue
        waiting += _packages(file, folder)
        try:
            tree = parse_source(file)
        except (OSError, SyntaxError):
            continue
        for node in ast.walk(tree):
            waiting += _imported(node, file, folder)
    return found


def _packages(file: Path, folder: Path) -> list[Path]:
    """The `__init__.py` of the packages that a file is in, which run before it does."""
    inits: list[Path] = []
    for parent in file.parents:
        if parent == folder or not is_file(parent / "__init__.py"):
            break
        inits.append(parent / "__init__.py")
    return inits


def _imported(node: ast.AST, file: Path, folder: Path) -> list[Path]:
    """The user's files that a statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        prefix = f"{node.module}." if node.module else ""
        names = [*filter(None, [node.module]), *(prefix + alias.name for alias in node.names)]
    else:
        return []
    if level := getattr(node, "level", 0):
        package = file.parents[min(level, len(file.parents)) - 1]
        found = [package / "__init__.py", *(find_module(name, [package]) for name in names)]
    else:
        inits = _packages(file, folder)
        top = inits[-1].parent.parent if inits else file.parent
        found = [find_module(name, [folder, top]) for name in names]
    return [each for each in found if each is not None and is_file(each)]


def is_file(path: Path) -> bool:
    """`Path.is_file`, False for what can be no name."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, a null byte
        return False


def is_dir(path: Path) -> bool:
    """`Path.is_dir`, False for what can be no name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False

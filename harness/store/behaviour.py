"""What a source file does, apart from how it is written: the hash for ids, and what it imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness.record import content_hash
from harness.store.remembered import remembered

FORMAT = "1"
"""Of the memory below; a change of `_described` needs a new one."""


@cache
def behaviour(file: Path, changed: int) -> tuple[str, tuple[str, ...]]:
    """A hash of what the file does, and the modules of the harness that it imports.

    The hash is that of the syntax tree without comments, docstrings and layout, so that words
    retrain nothing. A file that is no Python counts by its bytes.

    Args:
        changed: its time of change, for the cache.
    """
    content = file.read_bytes()
    key = hashlib.sha256(content).hexdigest()
    memory = remembered(f"behaviour-{FORMAT}")
    if key not in memory:
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # null bytes; absurd nesting
            return key, ()
        memory[key] = [digest_of(tree), *dict.fromkeys(_imported(tree))]
    found = memory[key]
    assert isinstance(found, list)
    digest, *modules = map(str, found)
    return digest, tuple(modules)


@cache
def formulas(*files: Path) -> str:
    """What some files do, as one hash: what was calculated by other formulas is calculated anew."""
    return content_hash([behaviour(file, file.stat().st_mtime_ns)[0] for file in files])


def digest_of(tree: ast.AST) -> str:
    """Of a syntax tree: alike for sources that differ in comments, docstrings and layout alone."""
    return hashlib.sha256("\n".join(_described(tree)).encode()).hexdigest()


def _described(node: ast.AST) -> Iterator[str]:
    """The tree as lines. `ast.dump` would change with Python's minor version, which adds fields: what is
    empty is left out here."""
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        if value is None or value == [] or name == "type_comment":
            continue
        if not isinstance(value, list):
            yield name
            yield from _described(value) if isinstance(value, ast.AST) else [repr(value)]
            continue
        yield f"{name}["
        for item in value:
            if not _is_docstring(item):
                yield from _described(item) if isinstance(item, ast.AST) else [repr(item)]
        yield "]"
    yield ")"


def _is_docstring(node: object) -> bool:
    """Any string that stands as a statement of its own: nothing reads it (a test holds that)."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness."):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("harness."))

"""A builder's keyword signature, read from its source: the schema of `args`, without importing torch."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.annotations import fits
from harness.reading.components import parse_source


@dataclass(frozen=True)
class Parameter:
    """A keyword that a builder takes; `annotation` and `default` as source, None where it has none."""

    annotation: ast.expr | None
    default: ast.expr | None

    @property
    def shown(self) -> str:
        """`int = 64`, for messages and lists."""
        kind = ast.unparse(self.annotation) if self.annotation else ""
        default = ast.unparse(self.default) if self.default else ""
        return " = ".join(part for part in (kind, default) if part)


@dataclass(frozen=True)
class Signature:
    """What a function may be called with by keyword.

    Args:
        open: it takes `**kwargs`, so that any keyword may be right.
    """

    parameters: Mapping[str, Parameter]
    open: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(name for name, p in self.parameters.items() if p.default is None)


ANYTHING = Signature({}, open=True)


def read_signature(path: Path, name: str, skip: int = 0) -> Signature:
    """The signature of a function, or of a class's `__init__`, in a source file.

    Args:
        skip: how many leading positional parameters the harness fills itself (`task`).
    Raises:
        LookupError: the file defines no such name.
        SyntaxError, OSError: the file is not Python, or cannot be read.
    """
    found = find_definition(parse_source(path), name)
    if isinstance(found, ast.ClassDef):
        inits = [
            s for s in found.body if isinstance(s, ast.FunctionDef) and s.name in ("__init__", "__new__")
        ]
        return _signature(inits[0], skip + 1) if inits else ANYTHING
    if isinstance(found, ast.FunctionDef):
        return _signature(found, skip)
    return ANYTHING  # imported or computed: only running it would tell


def find_definition(tree: ast.Module, name: str) -> ast.stmt:
    """The statement at the top level that binds a name.

    Raises:
        LookupError: none does.
    """
    found = None
    for statement in _top_level(tree.body):
        if name in _bound(statement):
            found = statement
    if found is None:
        raise LookupError(name)
    return found


def public_names(tree: ast.Module) -> list[str]:
    """The functions and classes that a file defines, without private ones."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [s.name for s in _top_level(tree.body) if isinstance(s, kinds) and not s.name.startswith("_")]


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a module, those inside its `if` and `try` included."""
    flat: list[ast.stmt] = []
    for statement in body:
        flat.append(statement)
        if isinstance(statement, (ast.If, ast.Try)):
            flat += _top_level([*statement.body, *statement.orelse])
        if isinstance(statement, ast.Try):
            flat += _top_level([s for handler in statement.handlers for s in handler.body])
    return flat


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign):
        return {t.id for t in statement.targets if isinstance(t, ast.Name)}
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return {statement.target.id}
    return set()


def _signature(function: ast.FunctionDef, skip: int) -> Signature:
    arguments = function.args
    positional = arguments.posonlyargs + arguments.args
    padding: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    by_keyword = list(zip(positional, padding + list(arguments.defaults), strict=True))
    by_keyword = by_keyword[max(skip, len(arguments.posonlyargs)) :]
    by_keyword += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    parameters = {argument.arg: Parameter(argument.annotation, default) for argument, default in by_keyword}
    return Signature(parameters, open=arguments.kwarg is not None)


def misfit(value: object, parameter: Parameter) -> str | None:
    """What the annotation wants where a literal from a suite cannot be meant; None where it fits.

    An annotation that says nothing about literals lets everything pass.
    """
    if parameter.annotation is None or fits(value, parameter.annotation):
        return None
    return ast.unparse(parameter.annotation)

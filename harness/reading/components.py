"""What there is to choose from: the component tables, and the files their entries stand in.

Tables are imported when a suite is checked, and what a builder accepts is read from its source: neither
needs torch.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.costs import load_prices
from harness.protocols import Metric

ROOT = Path(__file__).resolve().parents[1]
"""The package's own folder."""

_TABLES = {
    "models": ("models", "MODELS"),
    "datasets": ("datasets", "DATASETS"),
    "runtimes": ("runtimes", "RUNTIMES"),
    "metrics": ("metrics", "METRICS"),
    "tasks": ("kinds", "KINDS"),
}


def table(kind: str) -> Mapping[str, Any]:
    """A component table: `models`, `datasets`, `runtimes`, `metrics` or `tasks`."""
    package, name = _TABLES[kind]
    found: Mapping[str, Any] = getattr(importlib.import_module(f"harness.{package}"), name)
    return found


def is_metric(name: str) -> bool:
    """Whether the table knows a metric, `stem@K` with any K included."""
    return metric_named(name) is not None


def metric_named(name: str) -> Metric | None:
    """The table's entry of a metric, of `stem@K` its stem's; None where there is none."""
    metrics = table("metrics")
    match = re.fullmatch(r"(\w+)@[1-9]\d{0,6}", name)
    stems = (m for known, m in metrics.items() if match and known.startswith(f"{match[1]}@"))
    found: Metric | None = metrics.get(name) or next(stems, None)
    return found


@cache
def module_file(module: str) -> Path:
    """The source of a module of the harness, without importing it."""
    path = ROOT.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def price_names() -> tuple[str, ...]:
    """The rows of the price catalogue, as a suite names them: `aws/c7i.large`."""
    return tuple(price_cores())


def price_cores() -> Mapping[str, int]:
    """Name of a row of the price catalogue → its vCPUs."""
    rows = load_prices()
    short = {row.name: row.vcpus for row in reversed(rows)}
    long = {row.name_with_region: row.vcpus for row in rows}
    return {**short, **long}


def parse_source(path: Path) -> ast.Module:
    """The syntax tree of a source file.

    Raises:
        SyntaxError: it is not Python; OSError: it cannot be read.
    """
    return _parse_source(path, path.stat().st_mtime_ns)


@cache
def _parse_source(path: Path, changed: int) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; absurd nesting
        raise SyntaxError(str(error)) from error


def description(module: str, name: str) -> str:
    """One line on a component: its `DESCRIPTION` (a table by name where the module has several), else the
    first sentence of its docstring."""
    try:
        tree = parse_source(module_file(module))
    except (OSError, SyntaxError):
        return "(not in this version)"
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        if any(isinstance(target, ast.Name) and target.id == "DESCRIPTION" for target in targets):
            try:
                said = ast.literal_eval(statement.value)  # type: ignore[attr-defined]
                return " ".join(str(said[name] if isinstance(said, dict) else said).split())
            except ValueError:
                break
    doc = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
    return doc.removesuffix(".")

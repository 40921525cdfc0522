"""A user's Python file: which of its functions build a network or an estimator, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.reading.components import parse_source
from harness.reading.references import gives_estimator
from harness.record import DataError

CLASSES = (
    "num_classes",
    "n_classes",
    "classes",
    "num_labels",
    "out_features",
    "output_dim",
    "n_out",
    "out_dim",
)
CHANNELS = ("in_channels", "channels", "in_chans", "num_channels")
INPUTS = (
    "in_features",
    "input_dim",
    "input_size",
    "n_features",
    "num_features",
    "n_inputs",
    "in_dim",
    "n_in",
)
VALUES = {
    **dict.fromkeys(CLASSES, "task.num_classes or 1"),
    **dict.fromkeys(CHANNELS, "task.input_shape[0]"),
    **dict.fromkeys(INPUTS, "math.prod(task.input_shape)"),
}
"""What an argument of a network's class is called → what the task says of it."""


@dataclass(frozen=True)
class Builder:
    """A candidate of the user's own.

    Args:
        name: the candidate's. reference: as in a suite, `module:function`. is_network: or an estimator.
        file, source: a module to write beside the suite that builds a class of the user's; empty where the
            user's function is called itself. flat: the same where one number is predicted, since networks
            for that usually end in `Linear(…, 1)`, and one number a row is wanted.
    """

    name: str
    reference: str
    is_network: bool = True
    file: str = ""
    source: str = ""
    flat: str = ""

    def for_numbers(self) -> Builder:
        """Where one number is predicted."""
        return replace(self, source=self.flat)


def builders(files: Sequence[Path]) -> list[Builder]:
    """The builders of some files.

    Raises:
        DataError: a file has none, is not Python, or lies in another folder; with what to write.
    """
    folders = dict.fromkeys(file.parent for file in files)
    if len(folders) > 1:
        names = ", ".join(str(folder) for folder in folders)
        raise DataError(
            f"your Python files lie in {names}: put them beside each other, the suite goes there too"
        )
    found: list[Builder] = []
    for file in files:
        try:
            tree = parse_source(file)
        except SyntaxError as error:
            raise DataError(f"{file}:{error.lineno or 1} is not valid Python: {error.msg}") from error
        own = _functions(tree, file) or _classes(tree, file)
        if not own:
            raise DataError(_none(tree, file))
        found += own
    return found


def _functions(tree: ast.Module, file: Path) -> list[Builder]:
    made = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        first = next(iter([*node.args.posonlyargs, *node.args.args]), None)
        if first is None or not (first.arg == "task" or "Task" in _text(first.annotation)):
            continue
        estimator = gives_estimator(tree, node.name)
        made.append(Builder(node.name, f"{file.stem}:{node.name}", not estimator))
    return made


def _classes(tree: ast.Module, file: Path) -> list[Builder]:
    """Networks without a builder: the last class of the file, where the task says all that it asks for."""
    networks = [
        n for n in tree.body if isinstance(n, ast.ClassDef) and any("Module" in _text(b) for b in n.bases)
    ]
    if not networks:
        return []
    network = networks[-1]
    values = _arguments(network, file)
    arguments = ", ".join(f"{name}={value}" for name, value in values.items())
    module = f"{file.stem}_builder"
    head = f'"""Builds {network.name} of {file.name} for a suite; written by `init`, yours to change."""\n\n'
    head += "import math\n\n" if "math." in arguments else ""
    imports = f"from harness.protocols import Task\nfrom {file.stem} import {network.name}\n"
    made = f"{network.name}({arguments})"
    source = f"{head}{imports}\n\ndef build(task: Task) -> {network.name}:\n    return {made}\n"
    flat = (
        f"{head}from torch import nn\n\n{imports}\n\ndef build(task: Task) -> nn.Module:\n"
        f"    return nn.Sequential({made}, nn.Flatten(0))  # (rows, 1) → (rows,): one number a row\n"
    )
    return [Builder(network.name.lower(), f"{module}:build", True, f"{module}.py", source, flat)]


def _arguments(network: ast.ClassDef, file: Path) -> dict[str, str]:
    """Argument of a class → what to give it; those with a default that the task knows nothing of stay out.

    Raises:
        DataError: an argument without a default that nothing is known of.
    """
    init = next((n for n in network.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if init is None:
        return {}
    args = [*init.args.posonlyargs, *init.args.args][1:] + init.args.kwonlyargs
    plain = len(init.args.posonlyargs) + len(init.args.args) - 1
    needed = {a.arg for a in args[: plain - len(init.args.defaults)]}
    needed |= {a.arg for a, d in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True) if d is None}
    unknown = [a.arg for a in args if a.arg in needed and a.arg not in VALUES]
    if unknown:
        raise DataError(
            f"{file}:{network.lineno}: nothing says what {network.name} is to get as {', '.join(unknown)}: "
            f"add a builder to the file, `def build(task): return {network.name}("
            f"{', '.join(f'{a}=…' for a in unknown)})`"
        )
    return {a.arg: VALUES[a.arg] for a in args if a.arg in VALUES}


def _none(tree: ast.Module, file: Path) -> str:
    names = ", ".join(n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)))
    holds = f"it defines {names}" if names else "it defines no function"
    return (
        f"{file} has no builder and no torch.nn.Module ({holds}): write "
        "`def build(task, *, width=64): …` that returns your network or estimator, or give your data instead"
    )


def _text(node: ast.AST | None) -> str:
    return ast.unparse(node) if node is not None else ""

"""The page of the public names, written from their docstrings when the site is built.

Nothing is kept in the repository: signatures and words are those of the code as it is.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PUBLIC = {
    "harness/api.py": ("From Python", ("load_suite", "plan", "run", "open_run", "Run")),
    "harness/protocols.py": (
        "What a component is",
        ("Task", "Split", "Dataset", "Metric", "Section", "Job", "Outcome", "TaskModule", "RuntimeModule"),
    ),
    "harness/record.py": (
        "Records and errors",
        ("HarnessError", "SuiteError", "DataError", "TrialError", "RecordError", "Trial", "Variant",
         "Measurement", "Failure", "Record"),
    ),
    "harness/results.py": ("What a run says", ("Recommendation", "Row", "Tradeoff")),
}  # fmt: skip
"""Source file → the heading of its part, and what of it is public."""

HEAD = """# Names for programs

Signatures and words are the code's own. What they are for, with examples: [from Python](python.md),
[extending](extending.md).
"""


def api_page() -> str:
    """The page, Markdown.

    Raises:
        KeyError: a public name is not in its file, or has no docstring.
    """
    parts = [HEAD]
    for file, (heading, names) in PUBLIC.items():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        found = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        module = file.removesuffix(".py").replace("/", ".")
        parts.append(f"## {heading}: `{module}`\n")
        for name in names:
            parts += _entry(found[name], "harness" if module == "harness.api" else module)
    return "\n".join(parts)


def _entry(node: ast.FunctionDef | ast.ClassDef, module: str) -> Iterator[str]:
    yield f"### `{module}.{node.name}`\n"
    if isinstance(node, ast.FunctionDef):
        yield f"```python\n{_signature(node)}\n```\n"
    yield _words(node)
    if isinstance(node, ast.ClassDef):
        yield from _members(node)


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Fields with their defaults, then what is public and documented."""
    fields = [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    if fields:
        yield "```python\n" + "\n".join(fields) + "\n```\n"
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and ast.get_docstring(item):
            is_property = any("property" in ast.unparse(mark) for mark in item.decorator_list)
            given = f" → `{ast.unparse(item.returns)}`" if is_property and item.returns else ""
            yield f"#### `{node.name}.{item.name}`{given}\n"
            if not is_property:
                yield f"```python\n{_signature(item)}\n```\n"
            yield _words(item)


def _signature(node: ast.FunctionDef) -> str:
    """One argument a line where it is long."""
    arguments, result = ast.unparse(node.args), f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({arguments}){result}"
    if len(line) <= 90:
        return line
    split = re.split(r", (?=(?:[^\[\]()]*[\[(][^\[\]()]*[\])])*[^\[\]()]*$)", arguments)
    return f"{node.name}(\n" + "".join(f"    {one},\n" for one in split) + f"){result}"


def _words(node: ast.FunctionDef | ast.ClassDef) -> str:
    """A docstring as Markdown: its sections become lists.

    Raises:
        KeyError: there is none.
    """
    text = ast.get_docstring(node)
    if not text:
        raise KeyError(f"{node.name} is public and has no docstring")
    text = re.sub(r"(?m)^(Args|Returns|Raises|Yields):(.*)$", r"\n**\1**:\2\n", text)
    lines = []
    for line in text.splitlines():
        is_item = line.startswith("    ") and not line.startswith("     ")
        lines.append(f"- {line.strip()}" if is_item and re.match(r"\s+[\w, …]+: ", line) else line)
    return inspect.cleandoc("\n".join(lines)) + "\n"

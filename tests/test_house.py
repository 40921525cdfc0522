"""The house rules that a count can hold: types that say something, modules of a readable length, one meaning
a name."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import harness

ROOT = Path(harness.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

MOST_ANY = 6.0
"""Per 1,000 lines; most of what is left stands in files whose syntax tree is part of the trials' ids."""

MOST_LINES = 400

TWICE = 0
"""Names of public classes that stand for two things; may only fall."""


def test_any_stands_at_most_six_times_in_a_thousand_lines() -> None:
    texts = [file.read_text() for file in FILES]
    lines = sum(text.count("\n") for text in texts)
    found = sum(len(re.findall(r"\bAny\b", text)) for text in texts)
    assert 1000 * found / lines <= MOST_ANY, f"{found} in {lines} lines: name the type, or write object"


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lengths = {str(file.relative_to(ROOT)): file.read_text().count("\n") for file in FILES}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_no_further_class_name_has_two_meanings() -> None:
    names = Counter(
        node.name
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    twice = sorted(name for name, count in names.items() if count > 1)
    assert len(twice) <= TWICE, f"{len(twice)} names: {', '.join(twice)}"

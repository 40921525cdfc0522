"""The house rules that a count can hold: types that say something, modules of a readable length, one meaning
a name, no circle of imports, no test that is nowhere run."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import harness

ROOT = Path(harness.__file__).parent
TESTS = Path(__file__).parent
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


def test_a_broad_catch_raises_again_or_says_why() -> None:
    """Other people's code may raise anything; where that is not passed on, the line says why."""
    silent = []
    for file in FILES:
        source = file.read_text()
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "" if node.type is None else ast.unparse(node.type)
            broad = node.type is None or re.search(r"\b(Base)?Exception\b", caught)
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            if broad and not raises and "  # " not in lines[node.lineno - 1]:
                silent.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert silent == []


def test_what_takes_six_lines_or_more_says_what_it_means() -> None:
    """Public functions and classes; not what a component's protocol asks for by name (docs/extending.md)."""
    asked_for = {"task", "checksum", "load", "build", "built", "main"}
    bare = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in FILES
        for node in ast.parse(file.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and node.name not in asked_for
        and (node.end_lineno or 0) - node.lineno >= 5
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_function_serves_tests_alone() -> None:
    """Its name stands but once in the harness, and neither a benchmark nor a decorator uses it."""
    text = "\n".join(file.read_text() for file in FILES)
    beside = "\n".join(file.read_text() for file in (TESTS.parent / "benchmarks").glob("*.py"))
    words, others = Counter(re.findall(r"\w+", text)), set(re.findall(r"\w+", beside))
    dead = {
        node.name
        for file in FILES
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("__")
        and not node.decorator_list
        and words[node.name] == 1
        and node.name not in others
    }
    by_others = {"_load_pyfunc"}  # MLflow calls it
    in_ids = {"policy_after", "ideal_slates"}  # without them every trial on the mock shop would run again
    assert dead == by_others | in_ids


def test_what_a_base_install_skips_is_run_by_make_test_compat() -> None:
    beside = "keras|lightning|openvino|nncf|xgboost|lightgbm|catboost|onnxmltools"
    asked = re.compile(rf'(?:importorskip|find_spec|needs)\("(?:{beside})"|f"not installed: ')
    skipping = {f"tests/{file.name}" for file in TESTS.glob("test_*.py") if asked.search(file.read_text())}
    run = set(re.findall(r"tests/test_\w+\.py", (TESTS.parent / "Makefile").read_text()))
    assert "tests/test_models_keras.py" in skipping
    assert skipping - run - {"tests/test_house.py"} == set()


def test_no_link_and_no_environment_is_part_of_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=TESTS.parent, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    files = [(line.split()[0], line.partition("\t")[2]) for line in listed.stdout.splitlines()]
    assert ("100644", "tests/test_house.py") in files
    assert [name for mode, name in files if mode == "120000" or name.startswith(".venv")] == []


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import of a module by another: those inside functions and those for types alone, too."""
    return grimp.build_graph("harness", cache_dir=None)


def test_no_modules_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    assert "harness.planning.plan" in imports.modules
    assert _circle(imports) == ()


def test_a_circle_of_three_modules_is_found(imports: grimp.ImportGraph) -> None:
    back = {"importer": "harness.planning.estimate", "imported": "harness.planning.plan"}
    imports.add_import(**back)
    try:
        assert set(_circle(imports)) >= set(back.values())
    finally:
        imports.remove_import(**back)


def _circle(graph: grimp.ImportGraph) -> tuple[str, ...]:
    """Modules of which each imports the one before it, the first again at the end; none: empty."""
    try:
        TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()
    except CycleError as found:
        return tuple(found.args[1])
    return ()

"""Ids follow what code does: words and layout retrain nothing, an operator retrains what it decides."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reading.components import ROOT
from harness.store.behaviour import digest_of

IDS = """
import json, pathlib, harness
from importlib.util import find_spec
from harness.reading import read_suites
found = {}
for file in sorted(pathlib.Path("suites").glob("*.yaml")):
    needs = {"ann_index": "hnswlib", "trees_vs_nets_boosters": "xgboost"}.get(file.stem)
    if needs and not find_spec(needs):
        continue
    trials = [t for suite in read_suites(file).values() for t in harness.plan(suite).trials]
    for trial in trials:
        found[trial.id] = f"{file.stem} {trial.kind} {trial.candidate}"
print(json.dumps(found))
"""


def ids(folder: Path) -> dict[str, str]:
    """Trial id → suite, kind and candidate, of all shipped suites, as the folder's package plans them."""
    done = subprocess.run(
        [sys.executable, "-c", IDS], cwd=folder, capture_output=True, text=True, check=True, timeout=280
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and the suites."""
    shutil.copytree(ROOT, tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT.parent / "suites", tmp_path / "suites")
    shutil.copytree(ROOT.parent / "examples", tmp_path / "examples")
    return tmp_path


class _OtherWords(ast.NodeTransformer):
    """Every docstring says something else."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = f"{node.value.value} In other words."
        return node


def test_no_id_of_a_shipped_suite_depends_on_comments_docstrings_or_layout(copy: Path) -> None:
    before = ids(copy)
    for file in (copy / "harness").rglob("*.py"):
        tree = _OtherWords().visit(ast.parse(file.read_bytes()))
        file.write_text(f"# Another comment.\n{ast.unparse(tree)}\n", encoding="utf-8")
    assert ids(copy) == before


def test_an_operator_changed_in_a_model_changes_the_ids_of_its_trials_and_no_others(copy: Path) -> None:
    before = ids(copy)
    file = copy / "harness" / "models" / "small_cnn.py"
    source = file.read_text(encoding="utf-8")
    changed = source.replace("+", "-", 1) if "+" in source else source.replace("*", "+", 1)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    file.write_text(changed, encoding="utf-8")
    after = ids(copy)
    gone = {what for id, what in before.items() if id not in after}
    uses_it = {what for what in before.values() if what.split()[-1] in ("small_cnn", "cnn")}
    assert gone and gone == uses_it


def test_nothing_at_run_time_reads_a_docstring() -> None:
    readers = [
        file.relative_to(ROOT).as_posix()
        for file in ROOT.rglob("*.py")
        if "__doc__" in file.read_text(encoding="utf-8").replace('"__doc__"', "")
    ]
    # Their `--help`; no trial runs them.
    assert sorted(readers) == ["exported/predict.py", "exported/recommend.py"]


@pytest.mark.parametrize(
    "one, other",
    [
        (
            "def f(x):\n    return x + 1",
            'def f(x):\n    """Adds."""\n    # one\n    return (x\n  + 1)',
        ),
        ("x = 1  # first", "x = 1"),
        ("class A:\n    pass", 'class A:\n    "words"\n    pass'),
        ("s = 'a'", 's = "a"'),
    ],
)
def test_sources_that_do_the_same_are_alike(one: str, other: str) -> None:
    assert digest_of(ast.parse(one)) == digest_of(ast.parse(other))


@pytest.mark.parametrize(
    "one, other",
    [
        ("x = a + b", "x = a - b"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("f(a, b)", "f(b, a)"),
        ("f(*a)", "f(a)"),
        ("x = [a, [b]]", "x = [[a], b]"),
        ("x = 'words'", "x = 'other words'"),
        ("def f(a=1): ...", "def f(a=2): ..."),
        ("def f(a, *, b): ...", "def f(a, b): ..."),
        ("if a:\n    b\nelse:\n    c", "if a:\n    b\n    c"),
        ("x: int = 1", "x: float = 1"),
        ("global a", "nonlocal a"),
    ],
)
def test_sources_that_do_something_else_differ(one: str, other: str) -> None:
    assert digest_of(ast.parse(one)) != digest_of(ast.parse(other))


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "1", "'s'"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*@"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"f({', '.join(items)})"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    ),
    max_leaves=8,
)


@given(
    EXPRESSIONS.flatmap(lambda e: st.tuples(st.just(e), st.sampled_from([e, e.replace("+", "-"), f"{e}[a]"])))
)
def test_two_expressions_are_alike_exactly_where_python_reads_them_alike(pair: tuple[str, str]) -> None:
    trees = [ast.parse(source) for source in pair]
    alike = ast.dump(trees[0]) == ast.dump(trees[1])
    assert (digest_of(trees[0]) == digest_of(trees[1])) == alike

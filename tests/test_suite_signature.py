"""Builders' signatures, read from source: what fits, what does not."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from harness.reading.components import module_file, table
from harness.reading.signature import fits, read_signature

SOURCE = """
from elsewhere import imported
try:
    import fast
except ImportError:
    def fallback(task, *, width=1): ...

def build(task, depth: int = 2, *, width: int = 64, act: str = "", shape: tuple[int, ...] = ()): ...
def needs(task, *, width): ...
def free(task, **kwargs): ...
class Net:
    def __init__(self, task, width=3): ...
computed = object()
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(SOURCE)
    return path


def test_keywords_are_read_without_what_the_harness_passes(source: Path) -> None:
    signature = read_signature(source, "build", skip=1)
    assert list(signature.parameters) == ["depth", "width", "act", "shape"]
    assert signature.required == ()
    assert signature.parameters["width"].shown == "int = 64"
    assert read_signature(source, "needs", skip=1).required == ("width",)
    assert list(read_signature(source, "Net", skip=1).parameters) == ["width"]
    assert list(read_signature(source, "fallback", skip=1).parameters) == ["width"]


def test_what_only_running_would_tell_is_open(source: Path) -> None:
    for name in ("free", "imported", "computed"):
        assert read_signature(source, name, skip=1).open
    with pytest.raises(LookupError):
        read_signature(source, "nothing")


@pytest.mark.parametrize("name", sorted(table("models")))
def test_the_source_says_what_the_imported_builder_says(name: str) -> None:
    """The reading without import agrees with `inspect` on every model of the table."""
    import importlib

    module, _, function = table("models")[name].partition(":")
    builder = getattr(importlib.import_module(module), function or "build")
    known = list(inspect.signature(builder).parameters)[1:]
    read = read_signature(module_file(module), function or "build", skip=1)
    assert list(read.parameters) == [n for n in known if n != "kwargs"]


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        ("int", [0, 5], [True, 1.5, "1", None, [1]]),
        ("float", [1, 1.5], [True, "1", None]),
        ("bool", [True], [0, "yes"]),
        ("str", ["a"], [1, None]),
        ("int | None", [1, None], ["a"]),
        ("Optional[str]", ["a", None], [1]),
        ("Literal['a', 1]", ["a", 1], ["b", 2, True]),
        ("list[int]", [[], [1, 2]], [["a"], 1]),
        ("tuple[int, ...]", [[1, 2, 3]], [[1.5]]),
        ("tuple[int, str]", [[1, "a"]], [[1], [1, 2]]),
        ("dict[str, float]", [{"a": 1}], [{"a": "b"}, []]),
        ("Path", ["a/b"], [3]),
        ("nn.Module", [1, "a", None], []),
        ("'int'", [1], ["a"]),
    ],
)
def test_literals_fit_their_annotation_or_do_not(
    annotation: str, right: list[object], wrong: list[object]
) -> None:
    parsed = ast.parse(annotation, mode="eval").body
    assert all(fits(value, parsed) for value in right)
    assert not any(fits(value, parsed) for value in wrong)

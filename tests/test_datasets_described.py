"""Own files are read once for all plans, and again as soon as they, or how they are read, have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets import catalog, tabular_csv
from harness.record import DataError


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each time that the table itself is read."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))
    reads: list[str] = []
    read = tabular_csv.read_table
    monkeypatch.setattr(tabular_csv, "read_table", lambda *a, **k: (reads.append("read"), read(*a, **k))[1])
    return reads


def plan_of(path: Path, **args: object) -> tuple[object, ...]:
    """What a fresh process asks for a plan."""
    tabular_csv._load.cache_clear()
    given = {"path": str(path), "target": "y", **args}
    return (
        catalog.task_info("tabular_csv", given),
        catalog.notes("tabular_csv", given),
        catalog.class_counts("tabular_csv", given),
    )


def table(path: Path, rows: int, last: str = "c") -> None:
    lines = [f"{i},{'abc'[i % 3] if i + 1 < rows else last}" for i in range(rows)]
    path.write_text("x,y\n" + "\n".join(lines) + "\n")


def test_a_second_plan_does_not_read_the_table(asked: list[str], tmp_path: Path) -> None:
    table(tmp_path / "t.csv", 30)
    first = plan_of(tmp_path / "t.csv")
    assert asked == ["read"]
    assert plan_of(tmp_path / "t.csv") == first
    assert asked == ["read"]
    assert first[2] == {"a": 10, "b": 10, "c": 10}


def test_a_changed_file_or_argument_is_read_again(asked: list[str], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table(path, 30)
    plan_of(path)
    table(path, 33)
    assert plan_of(path)[2] == {"a": 11, "b": 11, "c": 11}
    plan_of(path, kind="classes")
    assert len(asked) == 3


def test_a_mistake_is_said_each_time_and_never_remembered(asked: list[str], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table(path, 30, last="")
    for _ in range(2):
        with pytest.raises(DataError, match="has no value in 1 of 30 rows"):
            plan_of(path)
    table(path, 30)
    assert plan_of(path)[2] == {"a": 10, "b": 10, "c": 10}


def test_a_damaged_memory_is_read_again(asked: list[str], tmp_path: Path) -> None:
    table(tmp_path / "t.csv", 30)
    first = plan_of(tmp_path / "t.csv")
    for memory in (tmp_path / "cache" / "described").iterdir():
        memory.write_text('{"task": 3}')
    assert plan_of(tmp_path / "t.csv") == first
    assert len(asked) == 2

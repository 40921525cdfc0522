"""Drills: break a real run in every way that happens, and write down what became of it.

`make drills` runs them and prints the table; with HARNESS_WRITE_FAULTS=1 it also writes docs/faults.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from breaking import HEAD, TABLE, Started, write_faults


@pytest.fixture
def note() -> Callable[[str, str, str, str], None]:
    """Write a row of the table: fault, kept, retried, seen; called last, so only drills that passed."""

    def write(fault: str, kept: str, retried: str, seen: str) -> None:
        TABLE.append((fault, kept, retried, " ".join(seen.split())))

    return write


@pytest.fixture
def start() -> Iterator[Callable[..., Started]]:
    """Start a run; whatever is left of it at the end of the drill is killed."""
    begun: list[Started] = []

    def begin(folder: Path, *arguments: Any, **more: str) -> Started:
        begun.append(Started(folder, *arguments, **more))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not TABLE:
        return
    terminalreporter.section("what happened in the drills")
    for row in TABLE:
        terminalreporter.write_line(f"* {row[0]}")
        for name, cell in zip(HEAD[1:], row[1:], strict=True):
            terminalreporter.write_line(f"    {name:18s} {cell}")
    if os.environ.get("HARNESS_WRITE_FAULTS"):
        write_faults()

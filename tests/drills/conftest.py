"""Drills: break a real run in every way that happens, and write down what became of it.

`make drills` runs them all and ends with the table; with HARNESS_KEEP_DRILLS=1, which it sets, the rows also
go into benchmarks/results/drills.json and docs/faults.md. A call of some drills replaces their rows alone, so
the table may be made in pieces.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from breaking import Started
from outcome import HEAD, Drill, keep, neutral

SAID: dict[str, tuple[str, str, str, str]] = {}
TOOK: dict[str, float] = {}
ENDED: dict[str, str] = {}


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str, str, str, str], None]:
    """Say the row of the table: fault, kept, retried, seen."""

    def write(fault: str, kept: str, retried: str, seen: str) -> None:
        SAID[request.node.nodeid] = (fault, kept, retried, neutral(seen))

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


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "drills/" not in report.nodeid:
        return
    TOOK[report.nodeid] = TOOK.get(report.nodeid, 0.0) + report.duration
    told = report.when == "call" or report.outcome != "passed"
    if told and ENDED.get(report.nodeid, "passed") == "passed":
        ENDED[report.nodeid] = report.outcome


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A table that is kept has no drill that was only skipped."""
    skipped = any(how != "passed" for how in ENDED.values())
    if os.environ.get("HARNESS_KEEP_DRILLS") and exitstatus == 0 and skipped:
        session.exitstatus = 1


def drills() -> list[Drill]:
    return [
        Drill(test, how, round(TOOK[test], 1), *SAID.get(test, ())) for test, how in sorted(ENDED.items())
    ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = drills()
    if not found:
        return
    terminalreporter.section("what happened in the drills")
    for drill in found:
        name, *cells = drill.cells
        terminalreporter.write_line(f"* {name}: {drill.outcome}, {drill.seconds:.0f} s")
        for head, cell in zip(HEAD[1:4], cells, strict=False):
            terminalreporter.write_line(f"    {head:18s} {cell}")
    passed = sum(drill.outcome == "passed" for drill in found)
    terminalreporter.write_line(f"{passed} of {len(found)} drills passed")
    if os.environ.get("HARNESS_KEEP_DRILLS"):
        keep(found)

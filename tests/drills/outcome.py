"""What became of the drills: a row for each, kept over calls of pytest, and the page made of them."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "benchmarks" / "results" / "drills.json"
PAGE = ROOT / "docs" / "faults.md"
HEAD = ("fault", "what is kept", "what is retried", "what the user sees", "outcome", "seconds")

_FOLDERS = re.compile(r"(?:/[\w.@+-]+)*/pytest-of-\w+/pytest-\d+/[\w.-]+")
_SITE = re.compile(r"(?:/[\w.@+-]+)+/(?=site-packages/)")


@dataclass(frozen=True)
class Drill:
    """One drill. `fault`, `kept`, `retried`, `seen` are empty where it said nothing, because it failed."""

    test: str
    outcome: str
    seconds: float
    fault: str = ""
    kept: str = ""
    retried: str = ""
    seen: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        name = self.fault or self.test.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        took = f"{self.seconds:.0f}"
        return (name, self.kept or "–", self.retried or "–", self.seen or "–", self.outcome, took)


def neutral(text: str) -> str:
    """One line, without the folders of the machine that the drill ran on."""
    return _SITE.sub("…/", _FOLDERS.sub("…", " ".join(text.split())))


def merged(before: Sequence[Mapping[str, Any]], now: Sequence[Drill]) -> list[dict[str, Any]]:
    """The rows of earlier calls, those that ran again replaced; in the order of the tests."""
    rows = {row["test"]: dict(row) for row in before}
    rows.update({drill.test: asdict(drill) for drill in now})
    return [rows[test] for test in sorted(rows)]


def keep(now: Sequence[Drill]) -> None:
    """Add the rows to the kept result, and write the page."""
    before = json.loads(KEPT.read_text())["drills"] if KEPT.exists() else []
    kept = {
        "benchmark": "drills",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "drills": merged(before, now),
    }
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(kept))


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def page(kept: Mapping[str, Any]) -> str:
    """docs/faults.md, of what is kept."""
    every = [Drill(**row) for row in kept["drills"]]
    drills = [drill for drill in every if drill.fault or drill.outcome != "passed"]  # else it is no fault
    passed = sum(drill.outcome == "passed" for drill in drills)
    lines = [
        "# Faults: what is kept, what is retried, what you see",
        "",
        "Each row is a real run that was broken that way, and what became of it: written by the drills",
        f"(`make drills`) and not by hand. Last written {kept['date'][:10]} on a machine with",
        f"{kept['machine']['cpus']} cores: {passed} of {len(drills)} drills passed. Seconds are those of the",
        "whole drill, its repetition included; rows of 0 s share the run of another row.",
        "",
        "A finished trial is never run again; a failed one is retried by the next `run`. Whatever is killed,",
        "cut off or filled up, no half-written record ever counts: files appear whole or not at all.",
        "",
        *markdown(drills),
        "",
    ]
    return "\n".join(lines)


def markdown(drills: Sequence[Drill]) -> list[str]:
    rows = [[_cell(cell) for cell in drill.cells] for drill in drills]
    return [
        "| " + " | ".join(HEAD) + " |",
        "|---|---|---|---|---|---:|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _cell(text: str) -> str:
    shown = (
        text if len(text) <= 320 else text[:317].rstrip() + "…" + ("`" if text[:317].count("`") % 2 else "")
    )
    return shown.replace("|", "\\|")

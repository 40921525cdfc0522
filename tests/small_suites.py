"""Suites that are done in seconds, and a way to run them as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

SUITE = """\
name: tiny
question: Does it work at all?
task: image_classification
data: {name: digits}
training: {seeds: [0], epochs: 2, batch_size: 256, precision: fp32}
candidates:
  logistic: sklearn:LogisticRegression
serving:
  runtimes: [torch, onnx]
  rounds: 1
  scenarios:
    single_stream: {seconds: 0.2, min_calls: 20, max_calls: 200}
machine: {usd_per_hour: 0.09}
decision:
  constraints: ["accuracy >= 0.5"]
  objective: maximize accuracy
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, arguments)]


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """A test's own lock folder and cache: runs of other tests are not waited for."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    own = {"HARNESS_LOCKS": str(folder / "locks"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    own |= {"HARNESS_OUTPUT": "verbose"}  # a line for each trial: tests wait for some of them
    return {**kept, **own, **more}


def harness(folder: Path, *arguments: str | Path, timeout_s: float = 900, **more: str) -> Ended:
    """`python -m harness …` in a folder."""
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=surroundings(folder, **more),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def write_suite(folder: Path, text: str = SUITE, name: str = "tiny.yaml", **replaced: str) -> Path:
    """A suite file; `candidates="…"` replaces the block of that name, as indented YAML lines."""
    for key, block in replaced.items():
        before, _, rest = text.partition(f"\n{key}:")
        lines = rest.splitlines()
        after = next((i for i, line in enumerate(lines) if i and line[:1] not in (" ", "")), len(lines))
        text = f"{before}\n{key}:{block}\n" + "\n".join(lines[after:]) + "\n"
    path = folder / name
    path.write_text(text)
    return path


def trials_of(folder: Path, suite: str = "tiny") -> dict[str, dict[str, Any]]:
    """Trial id → its record, of the latest run."""
    records = (folder / "results" / suite / "latest" / "trials").glob("*/record.json")
    return {path.parent.name: json.loads(path.read_text()) for path in records}


def stamps(folder: Path, suite: str = "tiny") -> dict[str, int]:
    """Finished trial → when its record was written (ns): shows whether it was run again."""
    paths = (folder / "results" / suite / "latest" / "trials").glob("*/record.json")
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in paths
        if json.loads(path.read_text())["status"] == "finished"
    }

"""What follows from content is found out once; libraries load when they are needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from harness.late import Late
from harness.planning.trials import interleaved
from harness.record import Trial
from harness.streams import generator

ROOT = Path(__file__).parent.parent
PLAN = """
import sys
from harness.cli.main import main
main(["plan", "suites/cnn_vs_vit.yaml", "--json"])
heavy = ("numpy", "urllib.request", "harness.facts.serving")
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""


def _run(code: str, memory: Path) -> subprocess.CompletedProcess[str]:
    """In a process whose memory of source files is in a folder of its own, its data where they are."""
    memory.mkdir(exist_ok=True)
    data = Path(os.environ.get("HARNESS_DATA", Path.home() / ".cache" / "harness"))
    for kept in data.glob("*") if data.is_dir() else ():
        if kept.name != "code" and not (memory / kept.name).exists():
            (memory / kept.name).symlink_to(kept)
    environment = {**os.environ, "HARNESS_DATA": str(memory)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )


def test_the_same_plan_made_again_needs_no_numpy_and_has_the_same_trials_in_the_same_order(
    tmp_path: Path,
) -> None:
    first, again = _run(PLAN, tmp_path / "data"), _run(PLAN, tmp_path / "data")
    assert [t["id"] for t in json.loads(again.stdout)["trials"]] == [
        t["id"] for t in json.loads(first.stdout)["trials"]
    ]
    assert again.stderr.splitlines()[-1] == "[]"


def test_a_damaged_memory_costs_time_and_nothing_else(tmp_path: Path) -> None:
    first = _run(PLAN, tmp_path / "data")
    files = list((tmp_path / "data" / "code").glob("*.json"))
    # Source files, rounds, the names of scikit-learn and of timm, what skl2onnx converts.
    assert len(files) == 5
    for file in files:
        file.write_text("{not JSON")
    assert _run(PLAN, tmp_path / "data").stdout == first.stdout


def test_the_order_of_a_round_is_that_of_its_stream() -> None:
    trials = [Trial("serve", f"m{n}", {"n": n}, scenario="offline", round=n // 6) for n in range(12)]
    expected = []
    for number in (0, 1):
        block = sorted((t for t in trials if t.round == number), key=lambda t: t.candidate)
        expected += [block[i] for i in generator(7, "rounds", number).permutation(len(block))]
    assert interleaved(trials, 7) == expected


def test_a_late_library_is_the_library() -> None:
    late = Late("numpy")
    assert late.ndarray is np.ndarray
    assert isinstance(np.zeros(2), late.ndarray)  # type: ignore[arg-type]

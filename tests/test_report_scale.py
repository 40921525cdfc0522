"""What a report may take: of 10,000 records and 300 variants (slow), and at its start."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.decide_speed import _cpu_seconds
from harness.report.render import render
from tests.report_samples import WORLD, make_records, make_run, make_suite


@pytest.mark.slow
def test_ten_thousand_records_are_rendered_in_seconds(tmp_path: Path) -> None:
    world = [replace(WORLD[i % 5], name=f"{WORLD[i % 5].name}_{i:03d}") for i in range(100)]
    records = make_records(world, seeds=range(5), rounds=8, calls=100)
    run = make_run(tmp_path, records, make_suite(world), files=False)
    started = time.process_time()
    evidence = render(run)
    seconds = time.process_time() - started
    assert len(evidence.records) > 10_000 and len(evidence.rows) == 300
    # 13 to 16.5 s on two loaded virtual cores: a third more is a mistake in the code, not in the machine.
    assert seconds < 20
    assert len(run.read_text("report.html")) < 3_000_000
    assert len(run.read_text("report.md")) < 65_536  # what GitHub takes as a comment


def test_a_report_loads_scipys_tests_only_where_it_tests_something() -> None:
    code = "import sys, harness.report.render; sys.exit('scipy.stats' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_refusal_is_no_timing(tmp_path: Path) -> None:
    missing = f"import sys; from harness.cli.main import main; sys.exit(main(['report', {str(tmp_path)!r}]))"
    with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
        _cpu_seconds(missing, str(tmp_path))

"""docs/faults.md is what the drills last wrote, and a failed or missing drill shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "drills"))

from outcome import KEPT, PAGE, Drill, merged, neutral, page  # noqa: E402


def test_the_page_of_faults_is_made_of_the_kept_result() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(KEPT.read_text())), "run the drills"


@pytest.mark.slow  # the page shows what is missing or failed; `make test-slow` does not let it pass
def test_at_least_twenty_kinds_of_faults_were_drilled_and_all_passed() -> None:
    rows = json.loads(KEPT.read_text())["drills"]
    assert len({row["fault"] for row in rows if row["fault"]}) >= 20
    assert [row["test"] for row in rows if row["outcome"] != "passed"] == []


def test_a_repeated_drill_replaces_its_row_and_leaves_the_others() -> None:
    before = [{"test": "b", "outcome": "failed"}, {"test": "a", "outcome": "passed"}]
    rows = merged(before, [Drill("b", "passed", 3.0, "it burns")])
    assert [(row["test"], row["outcome"]) for row in rows] == [("a", "passed"), ("b", "passed")]


def test_a_failed_drill_is_a_row_by_its_name() -> None:
    assert Drill("drills/t.py::test_a_full_disk", "failed", 1.2).cells[0] == "a full disk"


def test_folders_of_the_machine_are_left_out() -> None:
    said = "cannot write /tmp/pytest-of-me/pytest-3/test_x0/results/a: full"
    assert neutral(said) == "cannot write …/results/a: full"

"""What a plan says before anything runs, and that a run says it too."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.planning.notes import floor_note, plan_notes
from harness.planning.plan import Plan
from harness.reading import read_suite
from harness.running.run import _say_notes
from harness.suite.schema import Suite

TEXT = """
name: noted
task: image_classification
data: {name: digits}
candidates: {linear: "sklearn:LogisticRegression"}
machine: {usd_per_hour: 0.1, cores: 64}
serving: {rounds: 1, scenarios: {SCENARIOS}}
decision: {DECISION}
"""


def asked(folder: Path, decision: str, scenarios: str = "single_stream: {}, offline: {}") -> Suite:
    file = folder / "suite.yaml"
    file.write_text(TEXT.replace("DECISION", decision).replace("SCENARIOS", scenarios))
    return read_suite(file)


@pytest.mark.parametrize(
    ("decision", "scenarios", "said"),
    [
        ("objective: minimize cost_per_month_usd", "offline: {}", "decides and will be a floor: no load"),
        (
            'constraints: ["cost_per_million_usd <= 1"]',
            "offline: {}",
            "a floor, which meets no limit: no load",
        ),
        (
            'objective: maximize value, value: "900*accuracy - cost_per_month_usd"',
            "offline: {}",
            "a floor: no",
        ),
        ("objective: maximize accuracy", "offline: {}", ""),
        ("objective: minimize cost_per_month_usd", "server: {latency_p99_ms: 10}", ""),
        (
            'constraints: ["cost_per_month_usd <= 1", "latency_p99_ms <= 9"]',
            "single_stream: {}, offline: {}",
            "",
        ),
    ],
)
def test_a_cost_that_decides_and_will_be_a_floor_is_told_before_it_is_measured(
    decision: str, scenarios: str, said: str, tmp_path: Path
) -> None:
    note = floor_note(asked(tmp_path, decision, scenarios))
    assert said in note and bool(note) is bool(said)


def test_a_run_prints_the_notes_of_its_plan_once_for_all_data_sets(tmp_path: Path) -> None:
    suite = asked(tmp_path, "objective: minimize cost_per_month_usd")
    notes = plan_notes(suite)
    assert [note.split()[0] for note in notes] == ["cost_per_month_usd", "the"]
    assert "64 cores, of which 1 serves" in notes[1]
    told, file = set[str](), io.StringIO()
    for found in (notes, (*notes, "of another data set alone")):
        _say_notes(Plan(suite, (), notes=found), told, Console(file=file, width=60))
    lines = file.getvalue().splitlines()
    assert lines == [f"Note: {note}" for note in (*notes, "of another data set alone")]

"""What a plan says before anything runs, and that a run says it too."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.planning.notes import floor_note, idle_note, plan_notes
from harness.planning.plan import Plan
from harness.reading import read_suite
from harness.running.run import _say_notes
from harness.suite.schema import Machine, Suite

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


@pytest.mark.parametrize(
    ("machine", "workers", "said"),
    [
        (Machine(price="aws/c7i.large"), None, "2 cores, of which 1 serves: _; with _ all of them do"),
        (Machine(price="aws/c7i.large", cores=2), "auto", ""),
        (
            Machine(price="aws/c7i.large", cores=2),
            (1,),
            "2 cores, of which 1 serves: _; with _ all of them do",
        ),
        (
            Machine(price="aws/c7i.4xlarge"),
            None,
            "16 cores, of which 1 serves: _; with _ the 2 of this computer do",
        ),
        (
            Machine(price="aws/c7i.4xlarge", cores=2),
            "auto",
            "16 cores, of which 2 serve: _; this computer has 2",
        ),
        (Machine(price="aws/p3.2xlarge"), None, ""),
        (Machine(), None, ""),
    ],
)
def test_cores_that_are_paid_and_do_nothing_are_told_before_anything_runs(
    machine: Machine,
    workers: object,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a machine of 16 cores priced whole, and a computer of two, `plan` said nothing."""
    monkeypatch.setattr("harness.planning.notes.local_cores", lambda: 2)
    suite = asked(tmp_path, "objective: maximize accuracy")
    serving = suite.serving.model_copy(update={"workers": workers})
    suite = suite.model_copy(update={"machine": machine, "serving": serving})
    note = idle_note(suite).replace("costs are ceilings", "_").replace("`serving.workers: auto`", "_")
    assert note == (f"the machine is priced with {said}" if said else "")


@pytest.mark.parametrize(("limit", "is_told"), [(5, True), (10, False), (20, False)])
def test_a_limit_that_is_tighter_than_the_one_load_is_measured_within_is_told(
    limit: int, is_told: bool, tmp_path: Path
) -> None:
    suite = asked(
        tmp_path,
        f'constraints: ["latency_p99_ms <= {limit}"]',
        "single_stream: {}, server: {latency_p99_ms: 10}",
    )
    told = [note for note in plan_notes(suite) if "write `server: {latency_p99_ms: 5}`" in note]
    assert bool(told) is is_told


INSIDE = "args: {estimator: 'sklearn:LogisticRegression'}"


@pytest.mark.parametrize(
    ("candidate", "is_told"),
    [
        (f"model: 'sklearn:TunedThresholdClassifierCV', {INSIDE}", True),
        (
            "model: 'sklearn:Pipeline', args: {steps: {scale: 'sklearn:StandardScaler', model: "
            f"{{model: 'sklearn:model_selection.FixedThresholdClassifier', {INSIDE}}}}}}}",
            True,
        ),
        (f"model: 'sklearn:CalibratedClassifierCV', {INSIDE}", False),
    ],
)
def test_a_threshold_that_an_estimator_brings_along_is_told_to_decide_nothing(
    candidate: str, is_told: bool, tmp_path: Path
) -> None:
    """Answers are probabilities: the tuned did as well as the untuned, and nothing said why."""
    (tmp_path / "suite.yaml").write_text(
        "name: tuned\ntask: tabular_classification\ndata: {name: breast_cancer}\n"
        f"candidates: {{one: {{{candidate}}}, other: 'sklearn:LogisticRegression'}}\n"
        "decision: {objective: maximize accuracy}\n"
    )
    notes = plan_notes(read_suite(tmp_path / "suite.yaml"))
    told = [note for note in notes if "decides nothing here" in note]
    assert bool(told) is is_told and all("of one (" in note and "other" not in note for note in told)

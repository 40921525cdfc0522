"""Launches that are finished stay what is asked for, where other rounds or another limit would ask for fewer
calls of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import environment
from harness.planning.plan import Plan, plan_run
from harness.planning.request import RunRequest
from harness.reading import read_suite
from harness.record import Record
from harness.running.again import with_another_session
from harness.store.runs import open_run

SUITE = """\
name: tails
task: image_classification
data: {name: digits}
candidates: {linear: "sklearn:LogisticRegression", cnn: small_cnn}
serving: {runtimes: [torch, onnx], rounds: 3, scenarios: {single_stream: {}, offline: {}}}
decision: {objective: maximize accuracy, constraints: [latency_p99_ms <= 50]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tails.yaml"
    path.write_text(SUITE)
    return path


def planned(suite: Path, out: Path, *overrides: str) -> Plan:
    return plan_run(read_suite(suite, overrides), None, str(out))[0]


def finish(plan: Plan, out: Path) -> None:
    """As if it had been run."""
    run = open_run(out, plan.suite.name, plan.hash)
    here = {"machine": {"class": environment.machine_class()}}
    for trial in plan.trials:
        run.commit(Record(trial, "finished", environment=here), run.scratch(trial.id))


def calls(plan: Plan) -> set[int]:
    return {t.spec["scenario"]["min_calls"] for t in plan.trials if t.scenario == "single_stream"}


def test_more_rounds_asked_later_leave_finished_ones_as_they_are(suite: Path, tmp_path: Path) -> None:
    """A p99 needs 662 calls over all rounds, 221 of 3 and 133 of 5: the first three were served anew."""
    first = planned(suite, tmp_path / "out")
    assert calls(first) == {221}
    finish(first, tmp_path / "out")
    more = planned(suite, tmp_path / "out", "serving.rounds=5")
    assert {(t.kind, t.round) for t in more.missing} == {("serve", 3), ("serve", 4)} and calls(more) == {221}
    assert any("221 calls of each variant, and 133 would be enough now" in note for note in more.notes)
    finish(more, tmp_path / "out")
    again = planned(suite, tmp_path / "out", "serving.rounds=5")
    assert again.missing == () and again.hash == more.hash, "the run of then is found"
    request = RunRequest(suite, ["serving.rounds=5"], out=str(tmp_path / "out"), again=True)
    assert with_another_session(read_suite(suite, request.overrides), request, 0.0).serving.rounds == 10


def test_a_limit_under_which_fewer_calls_would_do_serves_nothing_anew(suite: Path, tmp_path: Path) -> None:
    finish(planned(suite, tmp_path / "out"), tmp_path / "out")
    assert planned(suite, tmp_path / "out", "decision.constraints=[]").missing == ()


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ("serving.rounds=2", 331),  # 221 calls of each would be too few
        ("serving.scenarios.single_stream.min_calls=150", 150),  # the user's word
        ("serving.threads=2", 221),  # other launches
    ],
)
def test_launches_that_are_not_what_is_asked_for_are_served_anew(
    suite: Path, tmp_path: Path, change: str, made: int
) -> None:
    finish(planned(suite, tmp_path / "out"), tmp_path / "out")
    plan = planned(suite, tmp_path / "out", change)
    assert calls(plan) == {made}
    assert not any("further ones make as many" in note for note in plan.notes)
    missing = [t for t in plan.missing if t.scenario == "single_stream"]
    assert len(missing) == len([t for t in plan.trials if t.scenario == "single_stream"])

"""`run --again`: every variant is served once more, beside what is finished."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from harness.planning.plan import plan_run
from harness.planning.request import RunRequest
from harness.reading import read_suite
from harness.record import HarnessError
from harness.report import gather
from harness.report.terminal import terminal_summary
from harness.running.again import again_command, of_the_served, with_another_session
from harness.store.runs import RunFolder
from tests.report_samples import WORLD, make_records, make_run, make_suite
from tests.runs_here import run_here
from tests.small_suites import write_suite


def asked(suite: Path, out: Path, **more: bool) -> RunRequest:
    return RunRequest(suite, ["serving.rounds=2"], out=str(out), again=True, **more)


def rounds_after(suite: Path, out: Path) -> int:
    """How many rounds `--again` asks for."""
    request = asked(suite, out)
    return with_another_session(read_suite(suite, request.overrides), request, 0.0).serving.rounds


def without_round(run: RunFolder, number: int, *but: str) -> None:
    """As if the run had been stopped before it."""
    for record in run.records():
        if record.trial.round == number and record.trial.runtime not in but:
            shutil.rmtree(Path(run.url) / "trials" / record.trial.id)


def test_each_again_asks_for_one_session_more_and_serves_nothing_twice(tmp_path: Path) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "results"
    assert rounds_after(suite, out) == 2
    run_here(suite, out, "serving.rounds=2")
    assert rounds_after(suite, out) == 4

    plan, cached = plan_run(read_suite(suite, ["serving.rounds=4"]), None, str(out))
    assert {t.round for t in plan.missing} == {2, 3} and len(cached) == 1 + 2 + 4
    run = run_here(suite, out, "serving.rounds=4")
    assert rounds_after(suite, out) == 6

    without_round(run, 3)
    assert rounds_after(suite, out) == 4, "a session that was interrupted goes on"


def test_a_variant_that_fails_in_every_session_keeps_none_from_beginning(tmp_path: Path) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "results"
    run = run_here(suite, out, "serving.rounds=2")
    without_round(run, 0, "onnx")
    without_round(run, 1, "onnx")
    assert rounds_after(suite, out) == 4


def test_again_is_refused_beside_what_serves_less(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    request = asked(suite, tmp_path, smoke=True)
    with pytest.raises(HarnessError, match="--again serves every variant once more, --smoke does not"):
        with_another_session(read_suite(suite), request, 0.0)


def test_who_was_ruled_out_before_it_was_decided_stays_out_of_further_sessions(tmp_path: Path) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "results"
    run = run_here(suite, out, "serving.rounds=3")
    without_round(run, 1, "onnx")
    without_round(run, 2)  # no session of three is whole
    for record in run.records():
        if record.trial.runtime == "sklearn" and record.trial.kind == "serve":
            shutil.rmtree(Path(run.url) / "trials" / record.trial.id)  # ruled out by its score

    request = RunRequest(suite, ["serving.rounds=3"], out=str(out), again=True)
    once = read_suite(suite, request.overrides)
    assert with_another_session(once, request, 0.0).serving.rounds == 3, (
        "a whole run goes on where it stopped"
    )
    longer = with_another_session(once, request, 0.0, stops=True)
    assert longer.serving.rounds == 6
    plan = of_the_served(plan_run(longer, None, str(out))[0], each=3)
    assert {(t.kind, t.runtime, t.round) for t in plan.missing} == {("serve", "onnx", r) for r in (3, 4, 5)}


def test_the_suggested_command_asks_for_what_was_run_where_it_was_run() -> None:
    request = RunRequest(
        "my suites/a.yaml", ["serving.rounds=2"], only="cnn*", out="/shared/runs", address="ray://head:10001",
        budget=60.0, smoke=False,
    )  # fmt: skip
    command = shlex.split(again_command(request))
    assert command[:5] == ["python", "-m", "harness", "run", "my suites/a.yaml"]
    given = command[5:]
    assert given == [
        "--out", "/shared/runs", "--address", "ray://head:10001",
        "--set", "serving.rounds=2", "--only", "cnn*", "--again",
    ]  # fmt: skip
    assert again_command(RunRequest("a.yaml")) == "python -m harness run a.yaml --again"
    passing = RunRequest("/tmp/suite.yaml", ["seed=3"], only="cnn*", dataset="wine", is_passing=True)
    told = "python -m harness run runs/s/1/suite.yaml --only 'cnn*' --again"
    assert again_command(passing, "runs/s/1") == told, "a mapping's file is gone, the run keeps it resolved"
    stopped = again_command(RunRequest("a.yaml", until_decided=True))
    assert stopped == "python -m harness run a.yaml --until-decided --again", "what was ruled out stays out"


def test_a_run_of_one_session_suggests_the_command_that_it_was_given(tmp_path: Path) -> None:
    evidence = gather(make_run(tmp_path, make_records(WORLD[:3], seeds=(0, 1)), make_suite(WORLD[:3])))
    summary = terminal_summary(
        evidence.tradeoff, evidence.recommendation, run="a/1", suite=evidence.suite, again="the command"
    )
    assert summary.next_commands[2][0] == "the command"

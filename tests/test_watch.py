"""Looking on at a run needs its files alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from fake_trials import chain
from rich.console import Console

from harness.record import Failure, Measurement, Record, RecordError, Trial
from harness.store import RunFolder, open_run
from harness.watch import Onlooker, watch


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = open_run(tmp_path, "shop", "0123456789abcdef")
    trials = [*chain("good"), *chain("bad")]
    plan = [{"id": t.id, "kind": t.kind, "label": t.label, "expected_seconds": 60.0} for t in trials]
    run.write_text("plan.json", json.dumps({"trials": plan}))
    return run


def commit(run: RunFolder, trial: Trial, reason: str = "") -> None:
    failure = Failure(reason) if reason else None
    record = Record(
        trial, "failed" if reason else "finished", (Measurement("accuracy", 0.5),), failure=failure
    )
    run.commit(record, run.scratch(trial.id))


def test_a_look_counts_what_is_finished_failed_running_and_left(run: RunFolder) -> None:
    good, bad = chain("good"), chain("bad")
    commit(run, good[0])
    commit(run, bad[0], "out of memory")
    run.scratch(good[1].id)
    glance = Onlooker(run).look()
    assert glance.line == "train 1/2 (1 failed)  score 0/2  serve 0/2"
    assert list(glance.running) == [good[1].label]
    assert glance.failed == {"train bad seed 0 n 10": "out of memory"}
    assert glance.seconds_left == 4 * 60.0
    assert not glance.done


def test_watching_ends_with_the_run_and_names_what_failed(run: RunFolder) -> None:
    for trial in chain("good"):
        commit(run, trial)
    for trial in chain("bad"):
        commit(run, trial, "out of memory")
    console = Console(file=io.StringIO(), width=100)
    assert watch(run, console=console) == 1
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "train 1/2 (1 failed)  score 1/2 (1 failed)  serve 1/2 (1 failed)" in text
    assert "FAILED  train bad seed 0 n 10: out of memory" in text


def test_one_look_does_not_wait(run: RunFolder) -> None:
    assert watch(run, once=True, console=Console(file=io.StringIO())) == 0


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no readable plan\.json: is it a run folder\?"):
        Onlooker(open_run(tmp_path, "shop", "f" * 16)).look()

"""Looking on at a run needs its files alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from harness.record import Failure, Measurement, Record, RecordError, Trial
from harness.running.watch import Onlooker, watch
from harness.store.runs import RunFolder, open_run
from tests.fake_trials import chain


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
    assert glance.line == "1 of 2 trainings (1 failed), 0 of 2 scores, 0 of 2 servings"
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
    assert "1 of 2 trainings (1 failed), 1 of 2 scores (1 failed), 1 of 2 servings (1 failed)" in text
    assert "FAILED  train bad seed 0 n 10: out of memory" in text


def said(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def hold(run: RunFolder) -> subprocess.Popen[str]:
    """Another process that runs it."""
    code = "import sys, time; from harness.store.runs import RunFolder\n"
    code += "with RunFolder(sys.argv[1]).in_use(): print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, run.url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_watching_a_run_that_is_killed_ends_and_says_so(run: RunFolder) -> None:
    commit(run, chain("good")[0])
    console = Console(file=io.StringIO(), width=200)
    with hold(run) as runner:
        killer = threading.Timer(0.3, runner.kill)
        killer.start()
        assert watch(run, every_s=0.05, console=console) == 1
        killer.join()
    assert said(console).endswith("it is no longer running; the same `run` command continues it\n")


def test_watching_goes_on_while_failed_trials_are_tried_again(run: RunFolder) -> None:
    """All is recorded, but somebody still runs it: it may also be between two steps."""
    first, *others = [*chain("good"), *chain("bad")]
    for trial in others:
        commit(run, trial)
    commit(run, first, "out of memory")
    console = Console(file=io.StringIO(), width=200)
    with hold(run) as runner:
        later = [threading.Timer(0.3, commit, (run, first)), threading.Timer(0.6, runner.kill)]
        for timer in later:
            timer.start()
        assert watch(run, every_s=0.05, console=console) == 0
        for timer in later:
            timer.join()
    assert said(console).splitlines()[-1].endswith("2 of 2 trainings, 2 of 2 scores, 2 of 2 servings")


@pytest.mark.parametrize(("all_recorded", "code"), [(False, 1), (True, 0)])
def test_a_run_that_nobody_can_ask_is_given_up_after_its_silence(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, all_recorded: bool, code: int
) -> None:
    for trial in [*chain("good"), *chain("bad")] if all_recorded else chain("good"):
        commit(run, trial)
    run.write_text(".holder", "process 1 on another-host")
    monkeypatch.setattr("harness.running.watch.QUIET_S", 0.5)
    monkeypatch.setattr("harness.running.watch.SETTLED_S", 0.2)
    console, began = Console(file=io.StringIO(), width=200), time.monotonic()
    assert watch(run, every_s=0.02, console=console) == code
    assert time.monotonic() - began >= (0.2 if all_recorded else 0.5)
    assert ("nothing has changed for" in said(console)) is not all_recorded


def test_a_trial_whose_process_is_dead_is_not_running(run: RunFolder) -> None:
    scratch = run.scratch(chain("good")[0].id)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    scratch.rename(scratch.with_name(scratch.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-")))
    assert Onlooker(run).look().running == {}


def test_a_look_lists_the_working_folders_once(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.scratch(chain("good")[0].id)
    listed: list[str] = []
    real = Path.iterdir

    def counted(self: Path) -> Iterator[Path]:
        listed.append(self.name)
        return real(self)

    monkeypatch.setattr(Path, "iterdir", counted)
    assert len(Onlooker(run).look().running) == 1
    assert listed == [".scratch"]


def test_one_look_does_not_wait(run: RunFolder) -> None:
    assert watch(run, once=True, console=Console(file=io.StringIO())) == 0


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no readable plan\.json: is it a run folder\?"):
        Onlooker(open_run(tmp_path, "shop", "f" * 16)).look()


def test_a_published_report_has_nothing_to_watch(run: RunFolder) -> None:
    run.write_text("recommendation.json", "{}")
    with pytest.raises(RecordError, match=r"holds no trials \(a published report\?\)"):
        watch(run, once=True)

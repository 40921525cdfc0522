"""Whatever a trial does, a record says what happened."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.protocols import Job, Outcome
from harness.record import DataError, Measurement, Record, Resources, Trial
from harness.store.runs import RunFolder, open_run
from harness.trial import watchdog
from harness.trial.trial import is_out_of_memory, not_run, run_trial
from harness.trial.watchdog import Watchdog, last_words
from tests.fake_trials import chain, fake_dispatch


def quiet(info: Mapping[str, Any]) -> None: ...


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return open_run(tmp_path, "shop", "0123456789abcdef")


def measured(run: RunFolder, *measurements: Measurement, trial: Trial | None = None) -> Record:
    return run_trial(trial or chain("cnn")[0], run, quiet, dispatch=lambda job: Outcome(measurements))


def reason_of(record: Record | None) -> str:
    assert record is not None and record.status == "failed" and record.failure is not None
    return record.failure.reason


def test_a_finished_trial_is_recorded_with_its_files_log_and_surroundings(run: RunFolder) -> None:
    told: list[Mapping[str, Any]] = []
    trial = chain("cnn")[0]
    record = run_trial(trial, run, told.append, dispatch=fake_dispatch, session="s1")
    assert run.record(trial.id) == record
    assert record.status == "finished" and record.value("accuracy") == 0.5
    assert record.environment["session"] == "s1"
    assert record.environment["threads"]["device"] == "cpu"
    assert record.seconds > 0 and record.started.endswith("+00:00")
    folder = run.trial_folder(trial.id)
    assert (folder / "artifact.txt").read_text() == "made by train cnn seed 0 n 10"
    assert (folder / "log.txt").read_text() == "said by train cnn seed 0 n 10\n"
    assert told == [{"epoch": 1, "epochs": 2, "score": 0.5}]


@pytest.mark.parametrize(
    ("do", "reason", "kind"),
    [
        ("raise", "ValueError: the layer does not fit", "ValueError"),
        ("refuse", "no such runtime here", "TrialError"),
        ("memory", "out of memory", "MemoryError"),
        ("leave", "SystemExit: 4", "SystemExit"),
    ],
)
def test_an_error_of_user_code_becomes_a_failed_record(
    run: RunFolder, do: str, reason: str, kind: str
) -> None:
    record = run_trial(chain("cnn", do)[0], run, quiet, dispatch=fake_dispatch)
    assert reason_of(record) == reason
    assert record.failure is not None and record.failure.type == kind
    assert "fake_trials.py" in record.failure.traceback
    assert run.record(record.trial.id) == record


def test_out_of_memory_names_the_batch(run: RunFolder) -> None:
    def greedy(job: Job) -> Outcome:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 1 TB")

    trial = Trial("train", "cnn", {"training": {"batch_size": 128}})
    assert reason_of(run_trial(trial, run, quiet, dispatch=greedy)) == "out of memory at batch 128"
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_headline_figure_that_is_not_a_number_fails_the_trial(run: RunFolder, value: float) -> None:
    assert reason_of(measured(run, Measurement("accuracy", value))) == f"accuracy is not a number ({value})"


def test_measuring_nothing_fails_the_trial(run: RunFolder) -> None:
    assert reason_of(measured(run)) == "nothing was measured"
    record = measured(run, Measurement("accuracy", None), trial=chain("other")[0])
    assert reason_of(record) == "accuracy has neither a value nor a note that says why"


def test_an_answer_that_is_no_number_is_fine_when_it_says_why(run: RunFolder) -> None:
    assert measured(run, Measurement("latency_p99_ms", None, note="unsteady")).status == "finished"


def test_a_known_error_is_said_as_it_is(run: RunFolder) -> None:
    def no_data(job: Job) -> Outcome:
        raise DataError("fashion_mnist is not here: python -m harness data fetch fashion_mnist")

    trial = chain("cnn")[0]
    assert reason_of(run_trial(trial, run, quiet, dispatch=no_data)).startswith(
        "fashion_mnist is not here: python"
    )


def test_a_missing_gpu_is_said_and_not_replaced_by_a_cpu(run: RunFolder) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    trial = Trial("train", "cnn", {"n": 1}, resources=Resources(gpus=1.0))
    assert "the GPU that it claims is gone" in reason_of(run_trial(trial, run, quiet, dispatch=fake_dispatch))


def test_a_job_gets_its_needs_threads_and_the_same_checkpoint_folder(run: RunFolder) -> None:
    seen: list[Job] = []

    def look(job: Job) -> Outcome:
        seen.append(job)
        if job.trial.kind == "train":
            assert job.checkpoint is not None
            (job.checkpoint / "epoch").write_text("1")
            if len(seen) == 1:
                raise ValueError("once")
        return fake_dispatch(job)

    train, score, serve = chain("cnn")
    assert run_trial(train, run, quiet, dispatch=look).status == "failed"
    assert run_trial(train, run, quiet, dispatch=look).status == "finished"
    run_trial(score, run, quiet, dispatch=look)
    run_trial(serve, run, quiet, dispatch=look)
    assert seen[0].checkpoint == seen[1].checkpoint
    assert seen[2].checkpoint is None
    assert (seen[2].needs[train.id] / "artifact.txt").exists()
    assert seen[3].threads == 1


def test_a_trial_that_was_not_run_has_a_record_too() -> None:
    record = not_run(chain("cnn")[0], "not run: budget of 10 min spent", "s1")
    assert reason_of(record) == "not run: budget of 10 min spent"


class Exit:
    """Stands for the end of the process: lets the test look at what was written before it."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.ended = threading.Event()

    def __call__(self, code: int) -> None:
        self.code = code
        self.ended.set()


def watched(tmp_path: Path, limit_s: float, memory_mb: int = 0, body_s: float = 5.0, eat_mb: int = 0) -> Any:
    end, said = Exit(), list[tuple[str, str]]()
    with Watchdog(
        limit_s, memory_mb, lambda *words: said.append(words), tmp_path / "stacks.txt", exit_process=end
    ):
        eaten = bytearray(eat_mb * 2**20)
        end.ended.wait(body_s)
        del eaten
    return end.code, said


def test_a_trial_over_its_time_is_ended_with_its_stacks(tmp_path: Path) -> None:
    code, said = watched(tmp_path, limit_s=0.3)
    assert code == 137
    assert said[0][0] == "timed out after 0.3 s"
    assert "test_trial.py" in said[0][1]


def test_a_trial_over_its_memory_is_ended_and_one_within_it_is_not(tmp_path: Path) -> None:
    code, said = watched(tmp_path, limit_s=30, memory_mb=100, eat_mb=300)
    assert code == 137
    assert said[0][0].startswith("out of memory: 3") and "100 MB claimed" in said[0][0]
    assert watched(tmp_path, limit_s=30, memory_mb=600, eat_mb=50, body_s=0.5) == (None, [])


def test_a_trial_is_ended_before_the_node_is_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "host_memory", lambda: (0.97, 2**20))
    code, said = watched(tmp_path, limit_s=30)
    assert code == 137
    assert said[0][0].startswith("out of memory: the node is 97% full")


def test_a_trial_that_ends_in_time_is_left_alone(tmp_path: Path) -> None:
    assert watched(tmp_path, limit_s=30, body_s=0.1) == (None, [])
    time.sleep(0.3)
    assert not [t for t in threading.enumerate() if t.name == "harness-watchdog"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Fatal Python error: Segmentation fault\n\nThread 0x1", "worker died (segmentation fault)"),
        ("Timeout (0:00:20)!\nThread 0x1", "timed out after 5 s"),
        ("", ""),
    ],
)
def test_last_words_of_a_dead_process_are_read(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "stacks.txt").write_text(text)
    assert last_words(tmp_path / "stacks.txt", 5.0)[0] == reason
    assert last_words(tmp_path / "none.txt", 5.0) == ("", "")


def test_what_a_trial_leaves_in_memory_is_freed_before_the_next_and_modules_are_not_looked_at_again(
    run: RunFolder,
) -> None:
    import gc
    import weakref

    class Weights:
        """Refers to itself, as networks with hooks do: only the garbage collector frees it."""

        def __init__(self) -> None:
            self.itself = self

    left: list[weakref.ref[Weights]] = []

    def leaves(job: Job) -> Outcome:
        assert not [one for one in left if one() is not None], (
            "the weights of the trial before are still here"
        )
        left.append(weakref.ref(Weights()))
        return fake_dispatch(job)

    gc.disable()
    try:
        for name in ("a", "b", "c"):
            assert run_trial(chain(name)[0], run, quiet, dispatch=leaves).status == "finished"
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.enable()
        gc.unfreeze()

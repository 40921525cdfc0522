"""Run one trial: make its job, hand it to its task or to serving, commit the record.

This is the boundary that user code cannot cross: whatever it raises becomes a failed record. It
holds the only broad `except` of the harness.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness import environment
from harness.codec import JsonObject
from harness.facts import FittedFacts
from harness.facts.surroundings import Commit, Surroundings, Threads
from harness.planning import tuning
from harness.protocols import Job, Outcome, Progress
from harness.record import Failure, HarnessError, Record, Trial, TrialError
from harness.runtimes import Runtime
from harness.runtimes.offered import of_deployment
from harness.store.runs import RunFolder
from harness.streams import seed_for
from harness.suite.model_ref import parse_model
from harness.trial.freed_memory import keep_freed_memory
from harness.trial.watchdog import CHECK_S, Watchdog

Dispatch = Callable[[Job], Outcome]

STACKS = "stacks.txt"
"""Where a dying process writes what every thread was doing."""

SERVE_GRACE_S = 60.0
"""A serve trial's child has its own time limit; this process waits that much longer."""

SERVE_CHECK_S = 2.0
"""A watchdog that looks often would disturb what is being measured."""

_CPU_MEMORY_SIGNS = ("can't allocate memory", "not enough memory", "cannot allocate memory", "std::bad_alloc")


def run_trial(
    trial: Trial,
    run: RunFolder,
    progress: Progress,
    *,
    dispatch: Dispatch | None = None,
    session: str = "",
    settings: JsonObject | None = None,
) -> Record:
    """Run a trial and commit its record, finished or failed.

    Args:
        progress: told of epochs and scores while the trial runs.
        dispatch: what runs the job; default by the trial's kind and task.
        session: names this `run` of the harness in the record's environment, so that a worker
            that is started again knows which failures are from this session.
        settings: of a tuning trial: what its search proposed.

    Raises:
        HarnessError: the record could not be written (disk full, read-only, object store down).
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    scratch = run.scratch(trial.id, session)
    surroundings: Surroundings = {**environment.capture(), "session": session, "process": os.getpid()}
    if repository := _repository(run):
        surroundings["repository"] = repository
    blank = Record(trial, "failed", environment=surroundings, started=started)

    def end(reason: str, stacks: str) -> None:
        failure = Failure(reason, "Watchdog", stacks)
        run.commit(replace(blank, failure=failure, seconds=time.monotonic() - clock), scratch)

    limit = trial.time_limit_s + (SERVE_GRACE_S if trial.kind == "serve" else 0.0)
    check_s = SERVE_CHECK_S if trial.kind == "serve" else CHECK_S
    with (
        log_to(scratch / "log.txt"),
        Watchdog(limit, trial.resources.memory_mb, end, scratch / STACKS, check_s),
        run.checkpoints(trial.id) if trial.kind == "train" else contextlib.nullcontext() as checkpoint,
    ):
        record = _outcome(blank, run, scratch, progress, dispatch, settings or {}, checkpoint)
        record = replace(record, seconds=time.monotonic() - clock)
    _drop_empty(scratch / "log.txt", scratch / STACKS)
    run.commit(record, scratch)
    return record


def _repository(run: RunFolder) -> Commit:
    """The commit of the user's own repository, as the driver found it; workers may stand elsewhere."""
    try:
        found: Commit | None = json.loads(run.read_text("environment.json")).get("repository")
    except (HarnessError, OSError, ValueError, AttributeError):
        return {}
    return found or {}


def not_run(trial: Trial, reason: str, session: str = "", type_: str = "", stacks: str = "") -> Record:
    """The failed record of a trial that left none: its worker died, or it was never started."""
    return Record(
        trial,
        "failed",
        environment={"session": session},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        failure=Failure(reason, type_, stacks),
    )


def _outcome(
    blank: Record,
    run: RunFolder,
    scratch: Path,
    progress: Progress,
    dispatch: Dispatch | None,
    settings: JsonObject,
    checkpoint: Path | None,
) -> Record:
    """The record of running the trial; user code's every error becomes a failure."""
    trial = blank.trial
    try:
        job = _make_job(trial, run, scratch, progress, checkpoint)
        fresh(trial, job.threads)
        do = dispatch or _dispatch(trial)
        if trial.tuning is not None:
            outcome = _attempt(job, settings, do)
        elif tuning.is_tuned(trial):
            found = tuning.chosen_facts([r for i in trial.needs if (r := run.record(i)) is not None])
            outcome = do(replace(job, trial=tuning.with_settings(trial, found.settings or {})))
            assert isinstance(outcome.facts, FittedFacts)
            outcome = replace(outcome, facts=replace(outcome.facts, tuning=found))
        else:
            outcome = do(job)
        outcome = _validated(outcome)
        threads: Threads = {**blank.environment["threads"], "used": job.threads, "device": job.device}
        if job.device == "cpu" and trial.resources.gpus > 0:
            threads["why_not_on_gpu"] = next((r.why_not_on_gpu() for r in _runtimes(trial)), "")
        surroundings: Surroundings = {
            **blank.environment,
            "threads": threads,
            "versions": environment.versions(),
        }
        return replace(
            blank,
            status="finished",
            measurements=outcome.measurements,
            facts=outcome.facts,
            environment=surroundings,
        )
    except (Exception, SystemExit) as error:  # the boundary: a trial that fails is a record
        failure = Failure(failure_reason(error, trial), type(error).__name__, traceback.format_exc())
        return replace(blank, failure=failure)


def _attempt(job: Job, settings: JsonObject, do: Dispatch) -> Outcome:
    """A tuning trial; only its score is kept, the model it fitted is nobody's."""
    attempt = tuning.Attempt(job.trial, settings)
    trial = tuning.with_settings(job.trial, settings)
    started = time.monotonic()
    try:
        outcome = attempt.concluded(do(replace(job, trial=trial, progress=attempt.watched(job.progress))))
    except tuning.EnoughError:
        outcome = attempt.stopped(time.monotonic() - started)
    except (TrialError, MemoryError, RuntimeError, ValueError) as error:
        # The suite's own recipe must work; what a search proposes may diverge or not fit the memory.
        if job.trial.tuning == 0 or not (isinstance(error, TrialError) or is_out_of_memory(error)):
            raise
        outcome = attempt.failed(failure_reason(error, trial), time.monotonic() - started)
    for path in ("fitted", "validation.parquet"):
        shutil.rmtree(job.folder / path, ignore_errors=True)
        (job.folder / path).unlink(missing_ok=True)
    return outcome


def failure_reason(error: BaseException, trial: Trial) -> str:
    """What a table cell shows, one line."""
    if isinstance(error, TrialError):
        return error.reason
    if is_out_of_memory(error):
        training = trial.spec.get("training")
        batch = (
            training.get("batch_size") if trial.kind == "train" and isinstance(training, Mapping) else None
        )
        return f"out of memory at batch {batch}" if batch else "out of memory"
    first = (str(error).strip().splitlines() or [""])[0]
    text = first if isinstance(error, HarnessError) else f"{type(error).__name__}: {first}".rstrip(": ")
    return text if len(text) <= 300 else text[:297] + "..."


def is_out_of_memory(error: BaseException) -> bool:
    """Python's, torch's (by name: torch may not be imported) and the C++ allocators' ways to say it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or any(sign in text for sign in _CPU_MEMORY_SIGNS)
    )


def _make_job(
    trial: Trial, run: RunFolder, scratch: Path, progress: Progress, checkpoint: Path | None
) -> Job:
    return Job(
        trial=trial,
        folder=scratch,
        needs={needed: run.trial_folder(needed) for needed in trial.needs},
        progress=progress,
        device=_device(trial),
        threads=_threads(trial),
        checkpoint=checkpoint,
    )


def _threads(trial: Trial) -> int:
    """A serve trial claims its whole node but uses the threads that the suite asks for; of several workers
    each has its part."""
    claimed = trial.spec.get("threads", 1) if trial.kind == "serve" else trial.resources.cpus
    return max(1, int(claimed) // trial.workers)


def _device(trial: Trial) -> str:
    """Where the trial computes: on the GPU that it claims, unless its runtimes serve on processors alone."""
    if trial.resources.gpus <= 0:
        if environment.hardware()["gpus"]:
            # Ray leaves a machine's GPUs visible to who claims none, and libraries take what they see.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise TrialError("the GPU that it claims is gone or not usable by torch")
    served = _runtimes(trial)
    return "cuda" if not served or any(not r.why_not_on_gpu() for r in served) else "cpu"


def _runtimes(trial: Trial) -> list[Runtime]:
    """The runtimes that it serves or scores on, the opponent's of a duel included; none of a training."""
    names = [trial.runtime, trial.spec.get("scenario", {}).get("opponent", {}).get("runtime")]
    return [found for name in names if name and (found := of_deployment(name))]


def _dispatch(trial: Trial) -> Dispatch:
    """The function that runs this kind of trial; modules are imported here, in the worker."""
    if trial.kind == "serve":
        from harness.serving.serve import serve

        return serve
    if trial.spec.get("inherits"):
        from harness.tasks.inherited import inherit

        return inherit
    if trial.workers > 1:
        raise TrialError(f"{trial.workers} workers train it together, which only the scheduler starts")
    from harness.tasks import task_module

    function: Dispatch = getattr(task_module(trial.spec["task"]), trial.kind)
    return function


def _validated(outcome: Outcome) -> Outcome:
    """Refuse what would stand in a table as if it were a number.

    Raises:
        TrialError: nothing was measured, or a headline figure is not finite.
    """
    if not outcome.measurements:
        raise TrialError("nothing was measured")
    for m in outcome.measurements:
        if m.value is not None and not math.isfinite(m.value) and not m.at:
            raise TrialError(f"{m.metric} is not a number ({m.value})")
        if m.value is None and not m.note:
            raise TrialError(f"{m.metric} has neither a value nor a note that says why")
    return outcome


_FROZEN = {"modules": 0}
"""How many modules this process had loaded when what they hold was last set aside."""


def _collect() -> None:
    """Free what the last trial left in memory.

    What is still alive after that is what modules hold. It is set aside from further looks whenever modules
    were loaded since: to go through torch's and Ray's objects takes 110 ms of CPU, 20 times all else here.
    """
    gc.collect()
    if len(sys.modules) != _FROZEN["modules"]:
        _FROZEN["modules"] = len(sys.modules)
        gc.freeze()


def fresh(trial: Trial, threads: int) -> None:
    """Make a reused worker like a new one: memory, randomness, threads."""
    _collect()
    keep_freed_memory(trial.kind != "serve" and _is_network(trial))
    seed = seed_for(trial.seed or 0, "process", trial.id)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)  # for libraries that are loaded later
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)


def _is_network(trial: Trial) -> bool:
    model = trial.spec.get("model")
    return isinstance(model, str) and parse_model(model).about.is_network


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[None]:
    """What the trial prints goes to its own `log.txt`, not to the terminal of whoever runs it."""
    with (
        path.open("a", encoding="utf-8", buffering=1) as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        yield


def _drop_empty(*paths: Path) -> None:
    for path in paths:
        if path.exists() and path.stat().st_size == 0:
            path.unlink()

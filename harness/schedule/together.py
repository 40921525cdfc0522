"""One candidate trained by several processes of Ray Train, on the node of its Tune trial.

The trial claims what all of its workers need, so that Tune packs it like any other; the workers take a
sliver of its node's own resource, which only says where they run. Ray Train makes a placement group of its
own and knows nothing of Tune's: workers that claimed CPUs would wait for those that the trial itself holds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from harness.codec import Json
from harness.protocols import Job, Outcome, Progress
from harness.record import Failure, HarnessError, TrialError
from harness.trial.trial import STACKS, failure_reason, fresh, log_to
from harness.trial.watchdog import Watchdog, last_words

DEATHS = 2
"""How often the workers are started again, from the last checkpoint, when one was killed from outside."""

LOOK_S = 0.2
"""How often news of the workers is looked for."""

GRACE_S = 30.0
"""A worker ends itself so long after the trial's time limit; the trial ended it long before, if it could."""

SLIVER = 0.001
"""Of `node:<address>`, which each node of Ray offers once."""

_ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # by default a death is noticed after 2 s
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # one process more; Tune's node is the workers'
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # what is printed goes to the trial's log
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}

log = logging.getLogger("harness")


@dataclass(frozen=True)
class _Told:
    """What every worker is told.

    Args:
        job: of the trial; threads: of one worker. private: a folder that all of them see.
        gpus: ids of the GPUs that the trial was given, one for each worker; empty: on CPUs.
    """

    job: Job
    private: Path
    paths: tuple[str, ...]
    gpus: tuple[str, ...]


class _WorkerError(Exception):
    """The traceback of a worker, which cannot travel as one."""


def train_together(job: Job, paths: tuple[str, ...] = ()) -> Outcome:
    """Train a trial's candidate by `trial.workers` processes and wait for them.

    Args:
        paths: put in front of each worker's sys.path.

    Raises:
        TrialError: a worker failed, with its reason; or workers were killed from outside again and again.
    """
    size = job.trial.workers
    gpus = tuple(_visible_gpus()[:size]) if job.device == "cuda" else ()
    if job.device == "cuda" and len(gpus) < size:
        raise TrialError(f"{size} workers need a GPU each, and this trial was given {len(gpus)}")
    cause = ""
    for _ in range(DEATHS + 1):
        with tempfile.TemporaryDirectory(prefix="harness-together-") as folder:
            # The job's own progress holds Tune's session: it stays here.
            told = _Told(replace(job, progress=_unheard), Path(folder), paths, gpus)
            outcome, cause = _attempt(told, job.progress)
            if outcome is not None:
                return outcome
            _raise_reason(told, size)
        log.warning("a worker of %s died: %s", job.trial.label, cause)
    raise TrialError(f"one of {size} workers died {DEATHS + 1} times without a word (killed: out of memory?)")


def _unheard(info: Mapping[str, Json]) -> None:
    """What a worker that does not lead has to tell."""


def _visible_gpus() -> list[str]:
    return [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]


def _attempt(told: _Told, progress: Progress) -> tuple[Outcome | None, str]:
    """Run Ray Train once: the leader's outcome, or why there is none."""
    os.environ.update(_ENVIRONMENT)  # before ray.train is imported
    from ray.train import TrainingFailedError

    with ThreadPoolExecutor(1, "harness-together") as thread:
        running = thread.submit(_fit, told)
        heard = 0
        while not running.done():
            wait_for([running], timeout=LOOK_S)
            heard = _forward(told.private / "progress.jsonl", heard, progress)
        return _ended(running, TrainingFailedError)


def _ended(running: Future[Outcome], died: type[Exception]) -> tuple[Outcome | None, str]:
    try:
        return running.result(), ""
    except died as error:
        return None, str(error).strip().splitlines()[-1]


def _fit(told: _Told) -> Outcome:
    """Ray Train's run of the workers, all on this node.

    Raises:
        TrainingFailedError: a worker failed or died.
    """
    import ray
    from ray.train.torch import TorchConfig
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.torch.torch_trainer import TorchTrainer  # `ray.train.torch` has it, untyped

    node = ray.get_runtime_context().get_node_id()
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    trainer = TorchTrainer(
        _work,
        train_loop_config={"told": told},
        torch_config=TorchConfig(
            backend="nccl" if told.gpus else "gloo", timeout_s=int(told.job.trial.time_limit_s + GRACE_S)
        ),
        scaling_config=ScalingConfig(
            num_workers=told.job.trial.workers,
            resources_per_worker={f"node:{address}": SLIVER},
            placement_strategy="STRICT_PACK",
            label_selector={"ray.io/node-id": node},
        ),
        run_config=RunConfig(
            name=told.private.name,
            storage_path=str(told.private / "ray"),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
        ),
    )
    result = trainer.fit()
    return cast(Outcome, result.return_value)  # type: ignore[attr-defined]  # typed as the old API's


def _forward(path: Path, heard: int, progress: Progress) -> int:
    """Tell what the leader said since the last look; how many lines were heard in all."""
    if not path.exists():
        return heard
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    for line in lines[heard:]:
        progress(json.loads(line))
    return len(lines)


def _raise_reason(told: _Told, size: int) -> None:
    """The reason of the worker that failed first, as the trial's; nothing where none failed by its own fault.

    Raises:
        TrialError: with the worker's traceback as its cause.
    """
    left = [(path.stat().st_mtime_ns, json.loads(path.read_text())) for path in told.private.glob("failed-*")]
    if left:
        failure = Failure(**min(left, key=lambda each: each[0])[1])
        raise TrialError(failure.reason) from _WorkerError(f"{failure.type}\n{failure.traceback}")
    for rank in range(size):
        reason, stacks = last_words(told.private / f"{STACKS}-{rank}", told.job.trial.time_limit_s)
        if reason:
            raise TrialError(f"{reason}, worker {rank + 1} of {size}") from _WorkerError(stacks)


def _work(config: dict[str, _Told]) -> Outcome | None:
    """What Ray Train runs in each worker: its part of the training; the outcome of the one that leads."""
    from ray.train import get_context

    told, context = config["told"], get_context()
    sys.path[:0] = [path for path in told.paths if path not in sys.path]
    rank, size, job = context.get_world_rank(), context.get_world_size(), told.job
    if rank:
        aside = told.private / f"worker-{rank}"
        aside.mkdir()
        job = replace(job, folder=aside)
    else:
        job = replace(job, progress=lambda info: _say(told.private / "progress.jsonl", info))

    def end(reason: str, stacks: str) -> None:
        _leave(told.private, rank, Failure(reason, "Watchdog", stacks))

    limit_s, memory_mb = job.trial.time_limit_s + GRACE_S, job.trial.resources.memory_mb // size
    with (
        log_to(job.folder / "log.txt"),
        Watchdog(limit_s, memory_mb, end, told.private / f"{STACKS}-{rank}"),
    ):
        return _train(job, told, rank, size)


def _train(job: Job, told: _Told, rank: int, size: int) -> Outcome | None:
    """The training itself; why it failed is left for the trial, unless another worker's end is the cause."""
    from harness.tasks.together import train
    from harness.training.together.group import PeerLostError, TrainingGroup

    try:
        fresh(job.trial, job.threads)
        if told.gpus:
            _take_gpu(told.gpus[rank])
        return train(job, TrainingGroup(rank, size))
    except PeerLostError:
        raise
    except (Exception, SystemExit) as error:
        failure = Failure(failure_reason(error, job.trial), type(error).__name__, traceback.format_exc())
        _leave(told.private, rank, failure)
        raise HarnessError(failure.reason) from error


def _take_gpu(gpu: str) -> None:
    """This worker's GPU becomes torch's `cuda`; Ray gave it to the trial, so all are visible here."""
    import torch

    visible = _visible_gpus()
    torch.cuda.set_device(visible.index(gpu) if gpu in visible else int(gpu))


def _say(path: Path, info: Mapping[str, Json]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(dict(info)) + "\n")


def _leave(private: Path, rank: int, failure: Failure) -> None:
    """A file that is there is whole."""
    unfinished = private / f".failed-{rank}"
    unfinished.write_text(json.dumps(asdict(failure)))
    unfinished.rename(private / f"failed-{rank}")

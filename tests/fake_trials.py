"""Trials that do what their specification says, for tests of scheduling alone."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from harness.protocols import Job, Outcome
from harness.record import Measurement, Resources, Trial, TrialError


def fake_dispatch(job: Job) -> Outcome:
    """Does `spec["do"]`, after `spec["sleep"]` seconds; appends to `spec["log"]` that it was here."""
    spec = job.trial.spec
    if "log" in spec:
        with Path(spec["log"]).open("a") as file:
            file.write(f"{job.trial.id} {time.time():.3f} {os.getpid()}\n")
    job.progress({"epoch": 1, "epochs": 2, "score": 0.5})
    time.sleep(spec.get("sleep", 0.0))
    _do(spec.get("do", "finish"), job)
    (job.folder / "artifact.txt").write_text(f"made by {job.trial.label}")
    print("said by", job.trial.label)
    if "log" in spec:
        with Path(spec["log"]).open("a") as file:
            file.write(f"{job.trial.id} {time.time():.3f} end\n")
    return Outcome((Measurement("accuracy", 0.5, "fraction"),), {"threads": job.threads})


def _do(what: str, job: Job) -> None:
    if what == "raise":
        raise ValueError("the layer does not fit\nsecond line")
    if what == "refuse":
        raise TrialError("no such runtime here")
    if what == "memory":
        raise MemoryError
    if what == "eat":
        eaten = bytearray(500 * 2**20)
        time.sleep(60)
        del eaten
    if what == "exit":
        os._exit(3)
    if what == "leave":
        raise SystemExit(4)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "segfault":
        ctypes.string_at(0)
    if what == "hang":
        time.sleep(600)
    if what == "die once":
        marker = job.checkpoint / "attempt" if job.checkpoint else None
        if marker is not None and not marker.exists():
            marker.write_text("1")
            os.kill(os.getpid(), signal.SIGKILL)


def chain(name: str, do: str = "finish", limit_s: float = 60.0, **spec: object) -> tuple[Trial, Trial, Trial]:
    """A training trial, the scoring and the serving of what it fits."""
    own = {"name": name, "do": do, **spec}
    train = Trial("train", name, own, seed=0, train_size=10, time_limit_s=limit_s)
    score = Trial("score", name, {**spec, "of": train.id}, "torch", seed=0, train_size=10, needs=(train.id,))
    serve = Trial(
        "serve",
        name,
        {**spec, "of": score.id, "threads": 1},
        "torch",
        scenario="single_stream",
        round=0,
        needs=(score.id,),
        resources=Resources(),
    )
    return train, score, serve

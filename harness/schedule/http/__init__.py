"""A serve trial over HTTP: the variant behind Ray Serve on this machine, its load over loopback.

The deployment is a Ray of its own, in processes of its own (`deployment`): fresh for each trial, whatever
cluster the trial itself runs on. Another process loads it (`client`), by the connections that services
elsewhere are asked through. Whatever happens, nothing of either is left behind.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from harness.environment import cpus_allowed
from harness.facts.serving import DeployedFacts, ServeFacts
from harness.protocols import Job, Outcome
from harness.record import Measurement, TrialError
from harness.serving.child import OF_THE_MACHINE
from harness.serving.serve import (
    LOG,
    child_environment,
    crash_reason,
    failed,
    kill_group,
    read_result,
    run_child,
    serve_job,
)
from harness.specification import Spec

CLIENT = "harness.schedule.http.client"
LOADED_BY = "harness.schedule.http.connection"
"""What stands in for the variant in the client's process."""
NOT_OVER_HTTP = "not measured over http"
OF_THE_PROCESS = tuple(name for name in OF_THE_MACHINE if name != "model_size_mb")
"""Metrics that the client's process would tell of itself."""


@dataclass
class Deployed:
    """A deployment that answers.

    Args:
        load_ms: how long its slowest replica loaded the variant. start_s: from nothing to the first answer.
    """

    process: subprocess.Popen[bytes]
    line: Connection
    url: str
    load_ms: float
    start_s: float
    version: str

    def peak_mb(self) -> float | None:
        """Peak resident memory of all its processes so far; pages that several map count once."""
        self.line.send("memory")
        found: float | None = self.line.recv()
        return found


def serve(job: Job) -> Outcome:
    """Deploy a variant, measure it from without, and end all of it.

    Raises:
        TrialError: it does not start, crashes, hangs or answers wrongly; the reason says which.
    """
    began = time.monotonic()
    job.folder.mkdir(parents=True, exist_ok=True)
    result, request, own = (job.folder / name for name in ("result.json", "job.json", "deployment.json"))
    asked = serve_job(job, result)
    asked.write(own)
    try:
        with deployed(own, job, began) as found:
            spec: Spec = {**asked.spec, "subject": LOADED_BY, "address": found.url}
            # The client keeps to no core of its own: it shares them with what it asks.
            replace(asked, spec=spec, threads=cpus_allowed(), workers=1, device="cpu").write(request)
            left = max(1.0, job.trial.time_limit_s - (time.monotonic() - began))
            log = job.folder / LOG
            code, expired, said = run_child(request, child_environment(1), left, log, CLIENT)
            if (died := found.process.poll()) is not None:
                raise failed(f"the deployment ended: {crash_reason(died, '')}", said)
            outcome = read_result(job, result, code, expired, said)
            return _of_the_deployment(outcome, job, found)
    finally:
        for path in (request, result, own):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def deployed(request: Path, job: Job, began: float) -> Iterator[Deployed]:
    """A deployment in processes of its own, which are all gone afterwards.

    Args:
        request: the job's file. began: time.monotonic() of the trial.
    Raises:
        TrialError: it does not start; the reason says why.
    """
    ours, theirs = Pipe()
    folder = tempfile.mkdtemp(prefix="harness-http-")
    with (job.folder / LOG).open("ab") as output:
        words = [str(request), str(theirs.fileno()), folder]
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.schedule.http.deployment", *words],
            env=child_environment(job.threads),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    theirs.close()
    try:
        if not ours.poll(max(1.0, job.trial.time_limit_s - (time.monotonic() - began))):
            limit_s = job.trial.time_limit_s
            raise TrialError(f"Ray Serve did not start within {limit_s:g} s: raise serving.time_limit")
        try:
            kind, said = ours.recv()
        except EOFError:
            text = (job.folder / LOG).read_text(errors="replace")
            raise failed(f"Ray Serve did not start: {crash_reason(process.wait(), text)}", text) from None
        if kind == "failed":
            raise TrialError(str(said))
        yield Deployed(process, ours, said["url"], said["load_ms"], said["start_s"], said["version"])
    finally:
        _end(process)
        ours.close()
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a deployment at once, with all that it started: Ray puts its processes into groups of their own."""
    started: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(process.pid).children(recursive=True)
    kill_group(process.pid)
    process.wait()
    for one in started:
        with contextlib.suppress(psutil.Error):
            one.kill()
    psutil.wait_procs(started, timeout=5.0)


def _of_the_deployment(outcome: Outcome, job: Job, found: Deployed) -> Outcome:
    """What the client found, with the deployment's memory and start in place of the client's own."""
    kept = [m for m in outcome.measurements if m.metric not in OF_THE_PROCESS]
    first_ms = next((m.value for m in kept if m.metric == "cold_start_ms"), None) or 0.0
    kept = [m for m in kept if m.metric != "cold_start_ms"]
    peak = found.peak_mb()
    note = "" if peak is not None else "not measured: this platform has no /proc"
    kept.append(Measurement("peak_memory_mb", peak, "MB", note=note))
    kept.append(Measurement("cold_start_ms", found.load_ms + first_ms, "ms"))
    kept.append(Measurement("cpu_seconds_per_example", None, "s", note=NOT_OVER_HTTP))
    assert isinstance(outcome.facts, ServeFacts)
    scenario = job.trial.spec["scenario"]
    batches = scenario["name"] == "server"
    told = DeployedFacts(
        server=f"Ray Serve {found.version}",
        max_batch=int(scenario.get("max_batch", 1)) if batches else 1,
        max_wait_ms=float(scenario.get("max_wait_ms", 0.0)) if batches else 0.0,
        start_s=round(found.start_s, 2),
    )
    replicas = int(job.trial.spec.get("workers", 1))
    facts = replace(outcome.facts, threads=job.threads, workers=replicas, device=job.device, deployed=told)
    return Outcome(tuple(kept), facts)

"""The parent's half of a serve trial: start a fresh process, wait, end it at its time limit.

The parent blocks in `wait` and does not poll: a polling parent burns the core that is being measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from harness.codec import from_json
from harness.facts.serving import SERVE_FACTS
from harness.protocols import Job, Outcome
from harness.record import Measurement, TrialError
from harness.serving.job import ServeJob
from harness.serving.memory import OUT_OF_MEMORY, SPENT

LOG = "log.txt"


def serve(job: Job) -> Outcome:
    """Measure a variant in a process of its own.

    Raises:
        TrialError: the variant failed, crashed, hung or ran out of memory; the reason says which. What
            the process wrote to stderr is attached as a note.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    result = job.folder / "result.json"
    request = job.folder / "job.json"
    serve_job(job, result).write(request)
    try:
        code, expired, said = run_child(
            request, child_environment(job.threads), job.trial.time_limit_s, job.folder / LOG
        )
        return read_result(job, result, code, expired, said)
    finally:
        for path in (request, result):
            path.unlink(missing_ok=True)


def serve_job(job: Job, result: Path) -> ServeJob:
    """What the child needs to know."""
    spec = job.trial.spec
    subjects = (spec, spec["scenario"].get("opponent", {}))
    names = [subject["artifact"] for subject in subjects if "artifact" in subject]
    folders = [str((path / "artifact").absolute()) for path in job.needs.values()]
    return ServeJob(
        spec,
        folder=str(job.folder.absolute()),
        result=str(result.absolute()),
        artifacts=dict(zip(names, folders, strict=False)),
        threads=job.threads,
        workers=int(spec.get("workers", 1)),
        device=job.device,
        memory_mb=job.trial.resources.memory_mb,
    )


def child_environment(threads: int) -> dict[str, str]:
    """The environment of a measured process: as many threads as the variant has, which wait without spinning.

    Two spinning OpenMP threads on a busy machine gave 5 images/s, passive ones 43, one thread 68.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    environment.update(dict.fromkeys(pools, str(threads)))
    environment |= {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "KMP_BLOCKTIME": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # The user's own modules stand beside the suite file: what the parent can import, the child can.
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
    }
    return environment


def run_child(
    request: Path,
    environment: Mapping[str, str],
    limit_s: float,
    log: Path,
    module: str = "harness.serving.child",
) -> tuple[int, bool, str]:
    """Run the child to its end, or to the time limit, and leave no process of its group behind.

    Args:
        log: appended to; the trial's own log may already stand there.
    Returns:
        Its exit code (negative: the signal that ended it), whether the limit was reached, and what it
        wrote to stdout and stderr.
    """
    expired = threading.Event()
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(request)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

        def end() -> None:
            expired.set()
            kill_group(process.pid)

        watchdog = threading.Timer(limit_s, end)
        watchdog.daemon = True
        watchdog.start()
        try:
            code = process.wait()
        finally:
            watchdog.cancel()
            kill_group(process.pid)
            process.wait()
    text = log.read_bytes()[before:].decode(errors="replace")
    return code, expired.is_set(), text


def kill_group(pid: int) -> None:
    """End a process and all that it started, if any still live."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def read_result(job: Job, result: Path, code: int, expired: bool, said: str) -> Outcome:
    """The child's result, or the reason why there is none."""
    if result.exists():
        data = json.loads(result.read_text())
        if failure := data.get("failure"):
            raise failed(failure["reason"], failure.get("traceback", ""))
        measurements = tuple(
            Measurement(**{**m, "samples": tuple(m["samples"])}) for m in data["measurements"]
        )
        scenario = str(job.trial.spec["scenario"]["name"])
        return Outcome(measurements, from_json(SERVE_FACTS[scenario], data["facts"]))
    if expired:
        raise failed(f"timed out after {job.trial.time_limit_s:g} s", said)
    raise failed(crash_reason(code, said), said)


def crash_reason(code: int, text: str) -> str:
    """Why a process ended without a result, for a table cell."""
    if any(sign in text for sign in OUT_OF_MEMORY):
        return SPENT
    tail = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    said = f": {tail[:160]}" if tail else ""
    if code == -signal.SIGKILL:
        return f"killed by SIGKILL (most likely out of memory){said}"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"crashed with {name}{said}"
    return f"the serving process ended with code {code} and without a result{said}"


def failed(reason: str, details: str) -> TrialError:
    """A TrialError that carries the end of the child's output."""
    error = TrialError(reason)
    if details.strip():
        error.add_note(details[-4000:])
    return error

"""A variant behind Ray Serve: `python -m harness.schedule.http.deployment job.json PIPE FOLDER`.

It starts a Ray of its own whose HTTP proxy listens on 127.0.0.1 alone, deploys the variant, says on the pipe
where it answers, and lives until whoever asked for it ends it. Ray's daemons end with it.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypedDict

import psutil

from harness.record import HarnessError, TrialError
from harness.schedule.cluster import prepare_environment
from harness.serving.job import ServeJob
from harness.serving.process import cores_of, die_with_parent, go_first

HOST = "127.0.0.1"
APPLICATION = "variant"
QUIET = {"enable_access_log": False, "log_level": "ERROR"}
"""Serve's logging: a line for each request would be written while it is timed."""


class Ready(TypedDict):
    """Where a deployment answers, and how long it took to come up."""

    url: str
    load_ms: float
    start_s: float
    version: str


def main(argv: list[str]) -> None:
    """Deploy, say so, answer what is asked about it; end where nobody is left to ask."""
    request, pipe, folder = argv
    die_with_parent()
    line = Connection(int(pipe))
    job = ServeJob.read(Path(request))
    go_first()  # what Ray starts inherits it
    try:
        with running(job, Path(request), folder) as ready:
            line.send(("ready", ready))
            while line.recv() == "memory":
                line.send(peak_mb())
    except EOFError:
        return
    except HarnessError as error:
        line.send(("failed", str(error)))


@contextmanager
def running(job: ServeJob, request: Path, folder: str) -> Iterator[Ready]:
    """Ray Serve with the variant inside, reachable on a free port.

    Raises:
        TrialError: the variant cannot be loaded, or Ray Serve does not come up.
    """
    began = time.monotonic()
    prepare_environment(None)
    import ray
    from ray import serve

    from harness.schedule.http.replica import application, load_ms_of

    cores = cores_of(job.threads, job.workers)
    port = free_port()
    ray.init(
        address="local",
        num_cpus=job.workers * job.threads,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        object_store_memory=128 * 2**20,
        _temp_dir=folder,
    )
    serve.start(http_options={"host": HOST, "port": port}, logging_config=QUIET)
    app = application(job, request, cores)
    try:
        handle = serve.run(app, name=APPLICATION, route_prefix="/", logging_config=QUIET)
    except RuntimeError as error:  # that it failed; why, only the status tells
        told = [one.message for one in serve.status().applications[APPLICATION].deployments.values()]
        raise TrialError(f"its replica did not start: {last_line(' '.join(told)) or error}") from error
    load_ms = load_ms_of(handle)
    yield Ready(
        url=f"http://{HOST}:{port}/",
        load_ms=load_ms,
        start_s=time.monotonic() - began,
        version=str(ray.__version__),
    )


def last_line(text: str) -> str:
    """What a traceback ends with, without the module of its exception."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"^(?:\w+\.)+(\w+: )", r"\1", lines[-1]).removeprefix("TrialError: ") if lines else ""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def peak_mb() -> float | None:
    """Peak resident memory of this process and all that it started, in MB of 10^6 bytes.

    Of the others, pages that they share now are not counted again, as for the workers of a machine.
    """
    own = psutil.Process()
    total: float | None = None
    for process in [own, *own.children(recursive=True)]:
        peak = _kilobytes(Path(f"/proc/{process.pid}/status"), ("VmHWM",))
        if peak is None:
            continue
        rollup = Path(f"/proc/{process.pid}/smaps_rollup")
        shared = _kilobytes(rollup, ("Shared_Clean", "Shared_Dirty")) if total is not None else 0.0
        total = (total or 0.0) + peak - (shared or 0.0)
    return total


def _kilobytes(path: Path, fields: tuple[str, ...]) -> float | None:
    """The sum of lines `field:  1234 kB` of a /proc file in MB; None where it cannot be read."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    found = [int(words[1]) for words in lines if words and words[0].rstrip(":") in fields]
    return sum(found) * 1024 / 1e6 if found else None


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)

"""`run --submit http://HEAD:8265`: the same command as a Ray job on a cluster, its log followed here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import Json
from harness.mistakes import refuse
from harness.planning.asked import contradictions
from harness.planning.request import RunRequest
from harness.record import HarnessError, SuiteError
from harness.store.files import holds_password, is_remote, open_files
from harness.suite.trackers import TRACKERS

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

MOST_BYTES = 50 * 2**20
"""Of the user's own code that travels with a run; data travels by a shared path or a URL."""

CODE = (".py", ".yaml", ".yml")

FORWARDED = (
    "AWS_ENDPOINT_URL",
    "FSSPEC_S3_ENDPOINT_URL",
    "HARNESS_DATA",
    *(name for tracker in TRACKERS.values() for name in tracker.forwarded),
)
"""Environment variables that a job gets from here; secrets are the cluster's own to provide."""

FOLLOW_AGAIN_S = 1.0
"""Pause before a log is followed again whose connection closed while the job goes on."""

LOST_AFTER_S = 120.0
"""A head that does not answer for so long is given up; the job may go on."""


@contextlib.contextmanager
def code_package(suite_path: str | Path) -> Iterator[dict[str, Json]]:
    """A Ray runtime environment with the harness's own code and the user's modules and suites.

    Raises:
        HarnessError: what stands beside the suite file is too much to be code.
    """
    with tempfile.TemporaryDirectory(prefix="harness-code-") as folder:
        copy_code(Path(suite_path).resolve().parent, Path(folder))
        package = str(Path(__file__).resolve().parents[1])
        yield {"working_dir": folder, "py_modules": [package], "excludes": ["__pycache__"]}


def copy_code(source: Path, target: Path) -> None:
    """Copy Python and YAML files, without hidden folders, environments and results."""
    total = 0
    for folder, names, files in os.walk(source):
        here = Path(folder)
        names[:] = [n for n in names if n[0] != "." and n not in ("results", "__pycache__", "node_modules")]
        if (here / "pyvenv.cfg").exists():
            names[:] = []
            continue
        for name in files:
            path = here / name
            if path.suffix not in CODE or name[0] == "." or not path.is_file():
                continue
            total += path.stat().st_size
            if total > MOST_BYTES:
                raise HarnessError(
                    f"more than {MOST_BYTES >> 20} MB of code beside the suite file ({source}): "
                    "put the suite and its modules into a folder of their own"
                )
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)


def submit_run(request: RunRequest) -> int:
    """Send a run to a cluster, follow its log on stderr, read its result back.

    Returns:
        the exit code that the run had there.
    Raises:
        SuiteError: the suite is wrong (found here, before anything is sent), or `out` is not a place
            that both sides see.
        HarnessError: no cluster answers at the URL, or what would travel holds a password.
    """
    from harness.reading import read_suites

    assert request.submit is not None
    refuse(contradictions(request))
    read_suites(request.suite, request.overrides, request.dataset)
    out = request.out
    open_files(out)  # a URL with a password would stand in the job's command
    if not (is_remote(out) or Path(out).is_absolute()):
        raise SuiteError(
            f"--submit needs --out that the cluster and this machine both see, not {out!r}: "
            "a URL (s3://bucket/results), or the absolute path of a shared folder"
        )
    arguments = [
        "run",
        Path(request.suite).name,
        "--address",
        "auto",
        "--out",
        out,
        "--json",
        *request.arguments,
    ]
    return _run_job(request.submit, arguments, request.suite, request.json_out)


def _run_job(url: str, arguments: Sequence[str], suite_path: str | Path, json_out: bool) -> int:
    variables, client, shown = _forwarded(), _client(url), _shown(url)
    with code_package(suite_path) as runtime_env:
        job = client.submit_job(
            entrypoint=f"python -m harness {shlex.join(arguments)}",
            runtime_env={**runtime_env, "env_vars": variables},
        )
    sys.stderr.write(f"submitted as {job} to {shown}\n")
    try:
        said = asyncio.run(_follow(client, job, shown))
    except KeyboardInterrupt:
        client.stop_job(job)
        sys.stderr.write(f"stopped {job}; what is finished is kept, the same command continues\n")
        return 130
    result = _result_in(said)
    if result is None:
        info = client.get_job_info(job)
        sys.stderr.write(f"{job} ended without a result: {info.message or info.status}\n")
        return int(info.driver_exit_code or 1)
    if json_out:
        print(json.dumps(result, indent=2))
    sys.stderr.write(f"results: {result['run']}\n")
    code = result["exit_code"]
    assert isinstance(code, int), f"the exit code is {code!r}"
    return code


def _forwarded() -> dict[str, str]:
    """Raises: HarnessError where a value holds a password: Ray shows a job's variables to all who see it."""
    variables = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    for name, value in variables.items():
        if holds_password(value):
            raise HarnessError(
                f"{name} holds a password, which everyone who sees the cluster's jobs could read: "
                f"set it on the cluster's nodes, and submit without it (env -u {name} python -m harness ...)"
            )
    return variables


def _shown(text: str) -> str:
    """Without the passwords of its URLs."""
    return re.sub(r"://[^/\s]*@", "://", text)


def _client(url: str) -> JobSubmissionClient:
    try:
        from ray.job_submission import JobSubmissionClient as Client

        for handler in logging.getLogger("ray").handlers:
            handler.setLevel(logging.WARNING)  # else it tells of each package and of each connection's end
        return Client(url)
    except (ConnectionError, RuntimeError) as error:
        if "ray[default]" in str(error):
            raise HarnessError("--submit needs a package more: pip install -e '.[submit]'") from error
        raise HarnessError(
            f"no Ray cluster answers at {_shown(url)}: {_shown(str(error))} "
            "(the head's dashboard address, by default port 8265)"
        ) from error


async def _follow(client: JobSubmissionClient, job: str, where: str) -> str:
    """Print a job's log as it comes, until the job has ended; all of it.

    A connection may close, in order or not, while the job goes on: a proxy's time limit, a dashboard that
    starts again.

    Raises:
        HarnessError: the cluster does not answer any more.
    """
    log, answered = _Log(), time.monotonic()
    while True:
        with contextlib.suppress(*_lost()):
            log.begin_again()
            async for text in client.tail_job_logs(job):
                log.add(text)
        try:
            ended = client.get_job_status(job).is_terminal()
            if ended:
                log.begin_again()
                log.add(client.get_job_logs(job))
                return log.said
            answered = time.monotonic()
        except _lost() as error:
            if time.monotonic() - answered > LOST_AFTER_S:
                raise HarnessError(
                    f"{where} does not answer any more ({error}); {job} may go on: the same command, or "
                    f"`ray job logs --address {where} --follow {job}`, looks again"
                ) from error
        await asyncio.sleep(FOLLOW_AGAIN_S)


class _Log:
    """What a job said; each time that it is followed, it is told from its beginning."""

    def __init__(self) -> None:
        self.said, self._told = "", 0

    def begin_again(self) -> None:
        self._told = 0

    def add(self, text: str) -> None:
        """Print what is new of it."""
        self._told += len(text)
        new = self._told - len(self.said)
        if new > 0:
            self.said += text[-new:]
            sys.stderr.write(text[-new:])
            sys.stderr.flush()


def _lost() -> tuple[type[Exception], ...]:
    """What the client raises when a connection breaks."""
    import aiohttp

    return (RuntimeError, OSError, aiohttp.ClientError)


def _result_in(said: str) -> dict[str, Json] | None:
    """The JSON object that the job's run printed last."""
    start = said.rfind('\n{\n  "run":')
    start = 0 if start < 0 and said.startswith('{\n  "run":') else start
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(said[start:].lstrip())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

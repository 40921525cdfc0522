"""`run --submit http://HEAD:8265`: the same command as a Ray job on a cluster, its log followed here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import harness
from harness.files import is_remote
from harness.record import HarnessError, SuiteError

MOST_BYTES = 50 * 2**20
"""Of the user's own code that travels with a run; data travels by a shared path or a URL."""

CODE = (".py", ".yaml", ".yml")

FORWARDED = (
    "AWS_ENDPOINT_URL",
    "FSSPEC_S3_ENDPOINT_URL",
    "HARNESS_DATA",
    "WANDB_MODE",
    "MLFLOW_TRACKING_URI",
)
"""Environment variables that a job gets from here; secrets are the cluster's own to provide."""


@contextlib.contextmanager
def code_package(suite_path: str | Path) -> Iterator[dict[str, Any]]:
    """A Ray runtime environment with the harness's own code and the user's modules and suites.

    Raises:
        HarnessError: what stands beside the suite file is too much to be code.
    """
    with tempfile.TemporaryDirectory(prefix="harness-code-") as folder:
        copy_code(Path(suite_path).resolve().parent, Path(folder))
        package = str(Path(harness.__file__).parent)
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


def submit_run(
    url: str,
    suite_path: str | Path,
    *,
    overrides: Sequence[str] = (),
    only: str | None = None,
    out: str = "results",
    budget: float | None = None,
    smoke: bool = False,
    track: Sequence[str] = (),
    json_out: bool = False,
) -> int:
    """Send a run to a cluster, follow its log on stderr, read its result back.

    Returns:
        the exit code that the run had there.
    Raises:
        SuiteError: the suite is wrong (found here, before anything is sent), or `out` is not a place
            that both sides see.
        HarnessError: no cluster answers at the URL.
    """
    from harness.suite import read_suite

    read_suite(suite_path, overrides)
    if not (is_remote(out) or Path(out).is_absolute()):
        raise SuiteError(
            f"--submit needs --out that the cluster and this machine both see, not {out!r}: "
            "a URL (s3://bucket/results), or the absolute path of a shared folder"
        )
    arguments = ["run", Path(suite_path).name, "--address", "auto", "--out", out, "--json"]
    arguments += [part for text in overrides for part in ("--set", text)]
    arguments += ["--only", only] if only else []
    arguments += ["--budget", f"{budget}s"] if budget is not None else []
    arguments += ["--smoke"] if smoke else []
    arguments += ["--track", ",".join(track)] if track else []
    return _run_job(url, arguments, suite_path, json_out)


def _run_job(url: str, arguments: Sequence[str], suite_path: str | Path, json_out: bool) -> int:
    client = _client(url)
    with code_package(suite_path) as runtime_env:
        variables = {name: os.environ[name] for name in FORWARDED if name in os.environ}
        job = client.submit_job(
            entrypoint=f"python -m harness {shlex.join(arguments)}",
            runtime_env={**runtime_env, "env_vars": variables},
        )
    sys.stderr.write(f"submitted as {job} to {url}\n")
    try:
        said = asyncio.run(_follow(client, job))
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
    return int(result["exit_code"])


def _client(url: str) -> Any:
    try:
        from ray.job_submission import JobSubmissionClient

        return JobSubmissionClient(url)
    except (ConnectionError, RuntimeError) as error:
        if "ray[default]" in str(error):
            raise HarnessError("--submit needs a package more: pip install 'ray[default]'") from error
        raise HarnessError(
            f"no Ray cluster answers at {url}: {error} (the head's dashboard address, by default port 8265)"
        ) from error


async def _follow(client: Any, job: str) -> str:
    """Print a job's log as it comes; all of it."""
    said = []
    async for text in client.tail_job_logs(job):
        said.append(text)
        sys.stderr.write(text)
        sys.stderr.flush()
    return "".join(said)


def _result_in(said: str) -> dict[str, Any] | None:
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

"""Disks that are full or read-only, files that are damaged, object stores that fail or dawdle."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from breaking import SLOW_MODEL, wait_until_gone

from tests.small_suites import harness, stamps, trials_of, write_suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system at results/, where this machine lets us mount one."""
    point = tmp_path / "results"
    point.mkdir()
    mounts = 0

    def mount(options: str) -> Path:
        nonlocal mounts
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)], check=False)
        if done.returncode:
            pytest.skip("mounting needs root")
        mounts += 1
        return point

    try:
        yield mount
        wait_until_gone(tmp_path)
    finally:
        for _ in range(mounts):
            subprocess.run(["umount", "--lazy", str(point)], check=True)


def test_a_full_disk(tmp_path: Path, mounted: Callable[[str], Path], note: Callable[..., None]) -> None:
    results = mounted("size=4m")
    ballast = results / "ballast"
    suite = write_suite(tmp_path)
    ballast.write_bytes(b"x" * (3 * 2**20 + 900 * 2**10))
    ended = harness(tmp_path, "run", suite)
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    line = next(line for line in ended.err.splitlines() if "the disk is full" in line)
    before = stamps(tmp_path)
    ballast.unlink()
    again = harness(tmp_path, "run", suite)
    assert again.code == 0, again.err
    assert before.items() <= stamps(tmp_path).items()
    note(
        "the disk is full",
        f"{len(before)} of 5 trials",
        "the others, once there is space",
        f"`{line}`; exit code 2",
    )


def test_a_read_only_results_folder(
    tmp_path: Path, mounted: Callable[[str], Path], note: Callable[..., None]
) -> None:
    mounted("ro")
    ended = harness(tmp_path, "run", write_suite(tmp_path))
    assert ended.code == 2
    assert "Traceback" not in ended.err and "starting Ray" not in ended.err
    line = next(line for line in ended.err.splitlines() if "read-only" in line)
    note(
        "the results folder is read-only",
        "everything: nothing is written",
        "nothing is started",
        f"`{line}`; exit code 2",
    )


def test_damaged_records_and_files(tmp_path: Path, note: Callable[..., None]) -> None:
    suite = write_suite(tmp_path)
    assert harness(tmp_path, "run", suite).code == 0
    before = stamps(tmp_path)
    victim = sorted(before)[0]
    path = tmp_path / "results" / "tiny" / "latest" / "trials" / victim / "record.json"
    path.write_bytes(path.read_bytes()[:200])
    again = harness(tmp_path, "run", suite)
    assert again.code == 0 and "counts as missing" in again.err
    after = stamps(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {victim}
    line = next(line for line in again.err.splitlines() if "counts as missing" in line)
    note("a record is cut short", "all other trials", "that one", f"`{line}`")


def test_a_corrupt_checkpoint_is_not_continued_from(
    tmp_path: Path, start: Callable[..., Any], note: Callable[..., None]
) -> None:
    import signal

    (tmp_path / "slow_models.py").write_text(SLOW_MODEL)
    suite = write_suite(
        tmp_path,
        candidates="\n  slow: slow_models:build",
        training=" {seeds: [0], epochs: 60, batch_size: 256, precision: fp32}",
    )
    run = start(tmp_path, "run", suite)
    folder = tmp_path / "results" / "tiny"
    end = time.monotonic() + 600
    while not list(folder.glob(".checkpoints/*/epoch-*/*.safetensors")):
        assert time.monotonic() < end and run.process.poll() is None, run.text
        time.sleep(0.05)
    run.signal(signal.SIGKILL)
    run.end()
    wait_until_gone(tmp_path)
    spoilt = list(folder.glob(".checkpoints/*/epoch-*/*.safetensors"))
    assert spoilt, "the checkpoint of the last epoch stays when the run is killed"
    for path in spoilt:
        path.write_bytes(os.urandom(100))
    ended = harness(tmp_path, "run", suite)
    assert ended.code == 0, ended.err
    assert all(r["status"] == "finished" for r in trials_of(tmp_path).values())
    note(
        "a checkpoint is corrupt",
        "all finished trials",
        "its trial, from the beginning",
        "nothing: the trial is finished",
    )


def test_own_data_that_changes_under_a_run(tmp_path: Path, note: Callable[..., None]) -> None:
    rows = "\n".join(f"{i % 7},{i % 5},{'yes' if (i % 7) > 3 else 'no'}" for i in range(400))
    (tmp_path / "own.csv").write_text(f"a,b,label\n{rows}\n")
    (tmp_path / "spoils.py").write_text(
        "import torch\nfrom pathlib import Path\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x):\n"
        "        if self.training and torch.is_grad_enabled():\n"
        f"            path = Path({str(tmp_path / 'own.csv')!r})\n"
        "            path.write_text(path.read_text().replace('yes', 'YES', 50))\n"
        "        return super().forward(x)\n"
        "def build(task):\n    return Net(task.input_shape[0], task.num_classes)\n"
    )
    suite = write_suite(
        tmp_path,
        task=" tabular_classification",
        data=" {name: tabular_csv, args: {path: own.csv, target: label}}",
        candidates="\n  spoils: spoils:build",
    )
    ended = harness(tmp_path, "run", suite, "--json")
    assert ended.code == 1, ended.err
    reasons = {f["reason"] for f in ended.json["failed"]}
    assert any("has changed since the run was planned" in reason for reason in reasons)
    note(
        "the data changes under a run",
        "what was measured on the old data",
        "all of it, on the new data, by the next run",
        f"`{sorted(reasons)[0]}`",
    )


def test_a_data_file_that_is_damaged(tmp_path: Path, note: Callable[..., None]) -> None:
    cached = Path.home() / ".cache" / "harness" / "fashion_mnist"
    if not cached.is_dir():
        pytest.skip("fashion_mnist was never fetched here")
    cache = tmp_path / "cache"
    shutil.copytree(cached, cache / "fashion_mnist")
    victim = cache / "fashion_mnist" / "train-labels-idx1-ubyte"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    suite = write_suite(tmp_path, data=" {name: fashion_mnist, train_sizes: [200]}")
    ended = harness(tmp_path, "run", suite, HARNESS_DATA=str(cache))
    assert ended.code == 2 and "Traceback" not in ended.err
    line = next(line for line in ended.err.splitlines() if "sha256" in line)
    assert "starting Ray" not in ended.err
    note(
        "a data file is damaged (one bit)", "what is finished", "nothing is started", f"`{line}`; exit code 2"
    )


def test_a_clock_that_jumps_while_a_trial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Callable[..., None]
) -> None:
    from harness.protocols import Job, Outcome
    from harness.store.runs import open_run
    from harness.trial.trial import run_trial
    from tests.fake_trials import chain, fake_dispatch

    real = time.time

    def jumping(job: Job) -> Outcome:
        monkeypatch.setattr(time, "time", lambda: real() - 86400)
        return fake_dispatch(job)

    run = open_run(tmp_path, "tiny", "0123456789abcdef")
    record = run_trial(chain("cnn", sleep=0.2)[0], run, lambda info: None, dispatch=jumping)
    assert record.status == "finished" and 0.2 <= record.seconds < 30
    note(
        "the clock jumps a day back",
        "everything",
        "nothing",
        "nothing: durations are measured by a clock that only goes forward",
    )


def test_a_tracker_that_is_down(tmp_path: Path, note: Callable[..., None]) -> None:
    suite = write_suite(tmp_path)
    text = suite.read_text() + "track: {mlflow: {uri: 'http://127.0.0.1:9'}}\n"
    suite.write_text(text)
    ended = harness(
        tmp_path, "run", suite, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_HTTP_REQUEST_TIMEOUT="5"
    )
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    line = next(line for line in ended.err.splitlines() if "mlflow" in line.lower())
    note("a tracker is down", "everything", "nothing", f"`{line}`; exit code 0")


class Weak:
    """Around an object store's WSGI application: every third request fails, every request takes its time."""

    def __init__(self, store: Callable[..., Any]) -> None:
        self.store = store
        self.asked = 0
        self.failed = 0
        self._one_by_one = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        from werkzeug.wsgi import get_input_stream

        with self._one_by_one:
            self.asked += 1
            fails = self.asked % 3 == 0
            self.failed += fails
        time.sleep(0.05)
        if not fails:
            return self.store(environ, start_response)
        get_input_stream(environ).read()  # as far as the request goes: the connection goes on
        body = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
        sizes = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        start_response("503 Slow Down", sizes)
        return [body]


@contextlib.contextmanager
def served(store: Callable[..., Any]) -> Iterator[str]:
    """The URL at which a WSGI application answers on this machine."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()


@pytest.fixture
def store() -> Callable[..., Any]:
    """A local S3, as a WSGI application."""
    pytest.importorskip("s3fs")
    application = pytest.importorskip("moto.moto_server.werkzeug_app")
    made: Callable[..., Any] = application.DomainDispatcherApplication(application.create_backend_app)
    return made


@pytest.fixture
def bucket(store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A local S3 with a bucket `bucket`; the environment that reaches it."""
    with served(store) as url:
        known = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
        known["AWS_ENDPOINT_URL"] = known["AWS_ENDPOINT_URL_S3"] = url
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="bucket")
        yield known


def objects(url: str, prefix: str) -> list[str]:
    import boto3

    pages = boto3.client("s3", endpoint_url=url).get_paginator("list_objects_v2")
    found = pages.paginate(Bucket="bucket", Prefix=prefix)
    return [entry["Key"] for page in found for entry in page.get("Contents", ())]


def test_a_run_in_an_object_store_is_complete_and_continues(
    tmp_path: Path, bucket: dict[str, str], note: Callable[..., None]
) -> None:
    suite = write_suite(tmp_path)
    cache = {"HARNESS_DATA": str(tmp_path / "cache")}
    first = harness(tmp_path, "run", suite, "--out", "s3://bucket/results", "--json", **cache)
    assert first.code == 0, first.err
    keys = objects(bucket["AWS_ENDPOINT_URL"], "results/tiny/")
    assert sum(key.endswith("/record.json") for key in keys) == 5
    assert any(key.endswith("/report.html") for key in keys) and "results/tiny/latest" in keys
    assert not (tmp_path / "results").exists()
    second = harness(tmp_path, "run", suite, "--out", "s3://bucket/results", **cache)
    assert second.code == 0 and "starting Ray" not in second.err
    decided = harness(tmp_path, "recommend", "tiny/latest", "--out", "s3://bucket/results", "--json", **cache)
    assert decided.code == 0 and json.loads(decided.out)["verdict"]


def test_an_object_store_that_fails_and_dawdles(
    tmp_path: Path, store: Callable[..., Any], bucket: dict[str, str], note: Callable[..., None]
) -> None:
    weak = Weak(store)
    with served(weak) as url:
        ended = harness(
            tmp_path,
            "run",
            write_suite(tmp_path),
            "--out",
            "s3://bucket/weak",
            HARNESS_DATA=str(tmp_path / "cache"),
            AWS_ENDPOINT_URL=url,
            AWS_ENDPOINT_URL_S3=url,
            AWS_MAX_ATTEMPTS="1",
        )
    assert ended.code == 0, ended.err
    assert weak.failed > 10
    keys = objects(bucket["AWS_ENDPOINT_URL"], "weak/tiny/")
    assert sum(key.endswith("/record.json") for key in keys) == 5
    note(
        "the object store fails and dawdles",
        "everything",
        f"each request: {weak.failed} of {weak.asked} failed",
        "nothing: the run is complete; exit code 0",
    )


def test_an_object_store_that_is_gone(
    tmp_path: Path, bucket: dict[str, str], note: Callable[..., None]
) -> None:
    gone = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    ended = harness(
        tmp_path, "run", write_suite(tmp_path), "--out", "s3://bucket/gone", AWS_MAX_ATTEMPTS="1", **gone
    )
    assert ended.code == 2
    assert "Traceback" not in ended.err
    line = next(line for line in ended.err.splitlines() if "failed 4 times" in line)
    note(
        "the object store is gone",
        "what is finished, there",
        "each request 4 times",
        f"`{line}`; exit code 2",
    )

"""A run that is submitted to a real job server of Ray."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from breaking import wait_until_gone

from tests.small_suites import harness, surroundings, trials_of, write_suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NO_AUTH = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0"}


@pytest.fixture
def head(tmp_path: Path) -> Iterator[str]:
    """The URL of a job server on this machine.

    A temporary folder of its own: else Ray's jobs join the newest cluster of the host, whosever it is.
    """
    pytest.importorskip("aiohttp_cors", reason="needs ray[default]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = os.pathsep.join(path for path in sys.path if path)  # ray[default] may be beside the rest
    surround = surroundings(tmp_path, **NO_AUTH, PYTHONPATH=places)
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as own:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port=0"]
        command += [
            "--include-dashboard=true",
            f"--dashboard-port={port}",
            f"--temp-dir={own}",
            "--num-cpus=1",
        ]
        command += ["--resources", '{"harness_node": 1}', f"--object-store-memory={80 * 2**20}"]
        with subprocess.Popen(command, env=surround, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            url = f"http://127.0.0.1:{port}"
            while not answers(f"{url}/api/version"):
                assert process.poll() is None
                time.sleep(0.2)
            yield url
            process.terminate()
        wait_until_gone(tmp_path)


def answers(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=5).ok)
    except requests.ConnectionError:
        return False


def test_a_submitted_run_is_recorded_and_its_result_comes_back(tmp_path: Path, head: str) -> None:
    out = tmp_path / "results"
    ended = harness(
        tmp_path, "run", write_suite(tmp_path), "--submit", head, "--out", out, "--json", **NO_AUTH
    )
    assert ended.code == 0, ended.err
    assert "submitted as raysubmit_" in ended.err and "Traceback" not in ended.err
    assert ended.json["finished"] == len(trials_of(tmp_path)) and ended.json["failed"] == []
    assert (Path(ended.json["run"]) / "report.html").exists()

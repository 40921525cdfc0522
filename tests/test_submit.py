"""`--submit`: the job is followed to its end, and no secret travels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.planning.request import RunRequest
from harness.record import HarnessError
from harness.running.run import run_suite
from harness.schedule import submit
from tests.small_suites import write_suite

# The client's own sockets are left to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)

RESULT = json.dumps({"run": "/shared/tiny/1", "exit_code": 1, "finished": 3}, indent=2)
LOG = f"tiny: 3 train\n   1.0s  start   train cnn\n{RESULT}\n"


class JobServer:
    """Speaks as much of Ray's job API as a submission needs.

    Args:
        closings: how each connection that follows the log ends, after so many characters of it:
            in order, by an abort, or (None) only with the job.
    """

    def __init__(self, *closings: tuple[int, str | None]) -> None:
        self.closings, self.followed = list(closings), 0
        self.asked: dict[str, Any] = {}
        self.packages = 0
        self.goes_on = True
        self.breaks = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/version", self.version),
            web.get("/api/packages/{protocol}/{name}", self.no_package),
            web.put("/api/packages/{protocol}/{name}", self.package),
            web.post("/api/jobs/", self.submit),
            web.get("/api/jobs/{job}", self.job),
            web.get("/api/jobs/{job}/logs", self.logs),
            web.get("/api/jobs/{job}/logs/tail", self.tail),
        ]

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""}
        )

    async def no_package(self, request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def package(self, request: web.Request) -> web.Response:
        await request.read()
        self.packages += 1
        return web.Response()

    async def submit(self, request: web.Request) -> web.Response:
        self.asked = await request.json()
        return web.json_response({"job_id": "raysubmit_1", "submission_id": "raysubmit_1"})

    async def job(self, request: web.Request) -> web.Response:
        if self.breaks:
            return web.Response(status=503)
        status = "RUNNING" if self.goes_on else "SUCCEEDED"
        known = {"type": "SUBMISSION", "submission_id": "raysubmit_1", "status": status, "entrypoint": "x"}
        return web.json_response({**known, "message": "it ended", "driver_exit_code": 1})

    async def logs(self, request: web.Request) -> web.Response:
        return web.json_response({"logs": LOG})

    async def tail(self, request: web.Request) -> web.StreamResponse:
        closing = self.closings[self.followed]
        self.followed += 1
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        length, how = closing
        for start in range(0, length, 7):
            await socket.send_str(LOG[start : min(start + 7, length)])
        await asyncio.sleep(0.02)
        if how == "abort":
            assert request.transport is not None
            request.transport.abort()
        else:
            self.goes_on = how is not None
            await socket.close()
        return socket


@contextlib.contextmanager
def serving(server: JobServer) -> Iterator[str]:
    """Its URL while it answers."""
    begun: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        application = web.Application(client_max_size=2**26)
        application.add_routes(server.routes())
        runner = web.AppRunner(application, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        over = asyncio.Event()
        begun.set_result((f"http://127.0.0.1:{runner.addresses[0][1]}", asyncio.get_running_loop(), over))
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    url, loop, over = begun.result(10)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "FOLLOW_AGAIN_S", 0.01)
    for name in submit.FORWARDED:
        monkeypatch.delenv(name, raising=False)


def test_a_job_is_sent_with_its_code_and_its_result_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never")
    server = JobServer((len(LOG), None))
    with serving(server) as url:
        where = "s3://bucket/results"
        code = run_suite(RunRequest(write_suite(tmp_path), submit=url, out=where, json_out=True, smoke=True))
    assert code == 1, "the exit code that the run had there"
    told = capsys.readouterr()
    assert json.loads(told.out)["run"] == "/shared/tiny/1"
    assert told.err == f"submitted as raysubmit_1 to {url}\n{LOG}results: /shared/tiny/1\n"
    command = "python -m harness run tiny.yaml --address auto --out s3://bucket/results --json --smoke"
    assert server.asked["entrypoint"] == command
    assert server.asked["runtime_env"]["env_vars"] == {"WANDB_MODE": "offline"}
    assert server.packages == 2, "the suite's folder, and the harness"


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_log_whose_connection_closes_while_the_job_goes_on_is_followed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    server = JobServer((20, how), (0, how), (40, how), (len(LOG), None))
    with serving(server) as url:
        assert run_suite(RunRequest(write_suite(tmp_path), submit=url, out="s3://bucket/results")) == 1
    assert server.followed == 4
    err = capsys.readouterr().err
    assert err == f"submitted as raysubmit_1 to {url}\n{LOG}results: /shared/tiny/1\n", "each line once"


def test_what_the_connection_left_out_is_read_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = JobServer((20, None))
    with serving(server) as url:
        assert run_suite(RunRequest(write_suite(tmp_path), submit=url, out="s3://bucket/results")) == 1
    assert LOG in capsys.readouterr().err


def test_a_head_that_does_not_answer_any_more_is_given_up_with_a_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "LOST_AFTER_S", 0.1)
    server = JobServer(*[(0, "close")] * 1000)
    server.breaks = True
    with (
        serving(server) as url,
        pytest.raises(HarnessError, match="does not answer any more .*raysubmit_1 may go on"),
    ):
        run_suite(RunRequest(write_suite(tmp_path), submit=url, out="s3://bucket/results"))


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL"])
def test_a_variable_with_a_password_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "https://user:pass/word@tracker.example")
    server = JobServer()
    with serving(server) as url, pytest.raises(HarnessError) as error:
        run_suite(RunRequest(write_suite(tmp_path), submit=url, out="s3://bucket/results"))
    assert f"{name} holds a password" in str(error.value) and f"env -u {name} python" in str(error.value)
    assert "pass/word" not in str(error.value)
    assert server.asked == {}


def test_a_place_with_a_password_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="the URL holds a password"):
        run_suite(
            RunRequest(
                write_suite(tmp_path), submit="http://127.0.0.1:9", out="s3://user:secret@host/results"
            )
        )


def test_no_cluster_at_the_url_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no Ray cluster answers at http://127.0.0.1:9: ") as error:
        url = "http://user:secret@127.0.0.1:9"
        run_suite(RunRequest(write_suite(tmp_path), submit=url, out="s3://bucket/results"))
    assert "secret" not in str(error.value)

"""A service as a candidate: scored on the test part, loaded over HTTP, priced by nobody here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.tradeoff import tradeoff
from harness.datasets.parts import load_parts
from harness.models import endpoint
from harness.protocols import Task
from harness.reading import read_suite
from harness.record import SuiteError, TrialError
from harness.running.preflight import build as preflight
from tests.runs_here import run_here
from tests.small_suites import SUITE, write_suite

IMAGES = Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))

SERVICE = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LATENCY_S = float(sys.argv[1])
CONNECTIONS = set()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self):
        began = time.perf_counter()
        CONNECTIONS.add(self.client_address)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v2/models/net/infer":
            given = body["inputs"][0]
            assert (given["name"], given["datatype"]) == ("pixels", "UINT8")
            size = len(given["data"]) // given["shape"][0]
            rows = [sum(given["data"][i:i + size]) for i in range(0, len(given["data"]), size)]
            flat = [float(c == r % 10) for r in rows for c in range(10)]
            told = {"outputs": [{"name": "p", "shape": [len(rows), 10], "datatype": "FP32", "data": flat}]}
        else:
            rows = [sum(map(sum, image[0])) for image in body["model"]["images"]]
            told = {"result": {"scores": [[9.0 * (c == r % 10) for c in range(10)] for r in rows]}}
        status = 200
        if self.path == "/broken":
            status, told = 503, {"error": "warming up"}
        if self.path == "/narrow":
            told = {"result": {"scores": [[1.0, 0.0] for r in rows]}}
        if self.path == "/words":
            told = {"result": {"scores": "none today"}}
        left = LATENCY_S - (time.perf_counter() - began)
        if left > 0:
            time.sleep(left)
        answer = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    def do_GET(self):
        answer = str(len(CONNECTIONS)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
ARGS = {"request": {"model": {"images": endpoint.INPUTS}}, "answer": "result.scores"}


def started(service: str, *said: object, scheme: str = "http") -> Iterator[str]:
    """The address of a service in a process of its own, which prints its port; afterwards it is ended."""
    command = [sys.executable, "-c", service, *map(str, said)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"{scheme}://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def quick() -> Iterator[str]:
    yield from started(SERVICE, 0.0)


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    yield from started(SERVICE, 0.1)


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


def last_digits(inputs: np.ndarray) -> np.ndarray:
    """What the service answers: the last digit of the sum of all pixels."""
    return np.asarray(inputs.astype(np.int64).reshape(len(inputs), -1).sum(axis=1) % 10)


def ask(url: str, **args: object) -> np.ndarray:
    return endpoint.connect(url, endpoint.build(IMAGES, **{**ARGS, **args}))(images(3))  # type: ignore[arg-type]


def test_a_template_says_what_is_asked_and_where_the_answer_is(quick: str) -> None:
    assert ask(f"{quick}/predict").argmax(axis=1).tolist() == last_digits(images(3)).tolist()


def test_kserves_protocol_carries_types_and_shapes(quick: str) -> None:
    service = endpoint.build(IMAGES, protocol="v2", input="pixels")
    answers = endpoint.connect(f"{quick}/v2/models/net/infer", service)(images(3))
    assert answers.argmax(axis=1).tolist() == last_digits(images(3)).tolist()


@pytest.mark.parametrize(
    ("path", "args", "said"),
    [
        ("/broken", {}, r"answered 503 Service Unavailable: \{\"error\": \"warming up\"\}"),
        ("/words", {}, "holds no numbers .*name where they are in args.answer"),
        ("/predict", {"answer": "result.probabilities"}, "holds no numbers .*args.answer"),
    ],
)
def test_bad_answers_are_named_with_the_cure(quick: str, path: str, args: dict[str, str], said: str) -> None:
    with pytest.raises(TrialError, match=said):
        ask(quick + path, **args)


def test_a_service_that_takes_too_long_or_is_not_there_is_named(slow: str) -> None:
    with pytest.raises(TrialError, match=r"did not answer within 0.02 s: raise args.timeout_s"):
        ask(f"{slow}/predict", timeout_s=0.02)
    with pytest.raises(TrialError, match=r"nobody answers at http://127.0.0.1:9/x: start the service first"):
        ask("http://127.0.0.1:9/x")


def test_preflight_asks_one_row(quick: str) -> None:
    request = {
        "data": {"name": "digits", "args": {}},
        "folder": "",
        "candidates": {
            "good": {"model": f"endpoint:{quick}/predict", "args": ARGS, "seed": 0},
            "narrow": {"model": f"endpoint:{quick}/narrow", "args": ARGS, "seed": 0},
            "absent": {"model": "endpoint:http://127.0.0.1:9/x", "args": ARGS, "seed": 0},
        },
    }
    wrong = preflight(request)
    assert set(wrong) == {"narrow", "absent"}
    assert "answers 1 examples with (1, 2), the task needs (1, 10)" in wrong["narrow"]
    assert "start the service first" in wrong["absent"]


@pytest.mark.parametrize(
    ("model", "args", "said"),
    [
        ("endpoint:localhost/x", {}, "is not the address of a service: write endpoint:http://host:port/path"),
        ("endpoint:http://localhost/x", {"requests": {}}, "did you mean `request`"),
    ],
)
def test_a_suite_that_says_it_wrongly_is_refused(tmp_path: Path, model: str, args: dict, said: str) -> None:  # type: ignore[type-arg]
    suite = write_suite(tmp_path, SUITE, candidates=f"\n  s: {json.dumps({'model': model, 'args': args})}")
    with pytest.raises(SuiteError, match=said):
        read_suite(suite)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"request": {"x": 1}}, "request has no place for the examples"),
        ({"protocol": "grpc"}, "write json, or v2"),
        ({"protocol": "v2", "request": {"x": endpoint.INPUTS}}, "leave it out"),
        ({"datatype": "float32"}, "write auto, or a type of the protocol: BOOL, UINT8"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(args: dict, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=said):
        endpoint.build(IMAGES, **args)


@pytest.mark.quiet
def test_a_service_gives_the_latency_and_the_accuracy_that_it_was_built_with(
    slow: str, tmp_path: Path
) -> None:
    candidate = json.dumps({"model": f"endpoint:{slow}/predict", "args": ARGS})
    text = SUITE.replace(
        "{seconds: 0.2, min_calls: 20, max_calls: 200}", "{seconds: 2, min_calls: 20, max_calls: 40}"
    )
    suite = write_suite(tmp_path, text, candidates=f"\n  service: {candidate}")
    run = run_here(suite, tmp_path / "results")
    records = run.records()
    assert [r.failure.reason for r in records if r.failure] == []
    assert {r.trial.kind: r.status for r in records} == dict.fromkeys(("train", "score", "serve"), "finished")

    by_kind = {r.trial.kind: r for r in records}
    test = load_parts(by_kind["score"].trial.spec["data"], None, ("test",)).test
    assert by_kind["score"].value("accuracy") == pytest.approx(
        np.mean(last_digits(test.inputs) == test.targets)
    )
    took = by_kind["serve"].value("latency_p50_ms")
    assert took is not None and 99.0 < took < 110.0, "what a request takes on its way comes on top"
    measured = {m.metric for m in by_kind["serve"].measurements}
    assert not measured & {"peak_memory_mb", "cpu_seconds_per_example", "model_size_mb"}

    row = tradeoff(records, read_suite(suite)).rows[0]
    cell = row.estimates["cost_per_million_usd"]
    assert (row.variant, cell.value) == ("service/endpoint", None) and "its owner asks" in cell.note

"""A service over gRPC as a candidate: KServe's second protocol, asked by a real client of a real server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.parts import load_parts
from harness.models import endpoint, endpoint_v2
from harness.reading import read_suite, references
from harness.record import SuiteError, TrialError
from harness.running.preflight import build as preflight
from tests.runs_here import run_here
from tests.small_suites import SUITE, harness, write_suite
from tests.test_endpoint import IMAGES, images, last_digits, started

IS_INSTALLED = all(find_spec(name) for name in ("grpc", "open_inference"))
needs_grpc = pytest.mark.skipif(not IS_INSTALLED, reason="not installed (extra grpc)")

SERVER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor

import grpc, numpy as np
from open_inference.grpc import protocol, service

LATENCY_S, TOKEN = float(sys.argv[1]), sys.argv[2]
PEERS = set()

class Service(service.GRPCInferenceServiceServicer):
    def ServerMetadata(self, request, context):
        return protocol.ServerMetadataResponse(name=str(len(PEERS)))

    def ModelInfer(self, request, context):
        began = time.perf_counter()
        PEERS.add(context.peer())
        told = dict(context.invocation_metadata()).get("authorization", "")
        if TOKEN and told != f"Bearer {TOKEN}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"who is {told or 'nobody'}?")
        if request.model_name not in ("net", "narrow", "typed", "words", "texts"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.model_name}'")
        (given,), (raw,) = request.inputs, request.raw_input_contents
        wanted = {"net": ("pixels", "UINT8"), "typed": ("pixels", "FP32")}.get(request.model_name)
        if wanted and (given.name, given.datatype) != wanted:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"expected {wanted}, got {given.datatype}")
        if given.datatype == "BYTES":
            rows, place = [], 0
            while place < len(raw):
                length = int.from_bytes(raw[place:place + 4], "little")
                rows.append(len(raw[place + 4:place + 4 + length].decode()))
                place += 4 + length
        else:
            values = np.frombuffer(raw, {"UINT8": "u1", "FP32": "<f4"}[given.datatype])
            rows = values.reshape(given.shape).reshape(given.shape[0], -1).sum(1, dtype=np.int64)
        classes = 2 if request.model_name == "narrow" else 10
        scores = np.array([[float(c == r % 10) for c in range(classes)] for r in rows], np.float32)
        kind = "BYTES" if request.model_name == "words" else "FP32"
        output = protocol.ModelInferResponse.InferOutputTensor
        label = output(name="label", datatype="INT64", shape=[len(rows)])
        said = output(name="p", datatype=kind, shape=scores.shape)
        answer = protocol.ModelInferResponse(model_name=request.model_name)
        if request.model_name == "typed":
            label.contents.int64_contents.extend(range(len(rows)))
            said.contents.fp32_contents.extend(scores.ravel())
            answer.outputs.extend([label, said])
        else:
            answer.outputs.append(said)
            answer.raw_output_contents.append(scores.tobytes())
        left = LATENCY_S - (time.perf_counter() - began)
        if left > 0:
            time.sleep(left)
        return answer

server = grpc.server(ThreadPoolExecutor(4))
service.add_GRPCInferenceServiceServicer_to_server(Service(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""
ARGS = {"input": "pixels"}
SECRET = "a7f3-not-to-be-seen"


@pytest.fixture(scope="module")
def quick() -> Iterator[str]:
    yield from started(SERVER, 0.0, "", scheme="grpc")


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    yield from started(SERVER, 0.1, "", scheme="grpc")


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    """A server that lets in who knows the token."""
    yield from started(SERVER, 0.0, SECRET, scheme="grpc")


def ask(url: str, inputs: np.ndarray | None = None, **args: object) -> np.ndarray:
    given = images(3) if inputs is None else inputs
    return endpoint.connect(url, endpoint.build(IMAGES, **{**ARGS, **args}))(given)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- what is sent and read


@needs_grpc
def test_examples_go_as_raw_tensors_over_one_channel_that_stays_open(quick: str) -> None:
    import grpc
    from open_inference.grpc import protocol, service

    def peers() -> int:
        with grpc.insecure_channel(quick.removeprefix("grpc://")) as channel:
            told = service.GRPCInferenceServiceStub(channel).ServerMetadata(protocol.ServerMetadataRequest())
        return int(told.name)

    before, predict = peers(), endpoint.connect(f"{quick}/net", endpoint.build(IMAGES, input="pixels"))
    for _ in range(20):
        answers = predict(images(3))
    assert answers.argmax(axis=1).tolist() == last_digits(images(3)).tolist()
    assert peers() == before + 1


@needs_grpc
def test_typed_contents_another_type_and_an_output_by_its_name_are_read(quick: str) -> None:
    answers = ask(f"{quick}/v2/models/typed/versions/2", datatype="FP32", answer="p")
    assert answers.argmax(axis=1).tolist() == last_digits(images(3)).tolist()
    assert ask(f"{quick}/typed", datatype="FP32").tolist() == [0.0, 1.0, 2.0]


@needs_grpc
def test_texts_go_with_their_lengths(quick: str) -> None:
    answers = ask(f"{quick}/texts", np.array(["abc", "", "Größe"]), input="text")
    assert answers.argmax(axis=1).tolist() == [3, 0, 5]


def test_numbers_of_every_type_are_read_and_others_are_named() -> None:
    for name, kind in endpoint_v2.TYPES.items():
        assert endpoint_v2.numbers(np.array([[0, 1]], kind).tobytes(), name, [1, 2]).tolist() == [[0.0, 1.0]]
    half = (np.array([1.5, -3.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    assert endpoint_v2.numbers(half.tobytes(), "BF16", [2]).tolist() == [1.5, -3.0]
    with pytest.raises(ValueError, match="its output is of type BYTES"):
        endpoint_v2.numbers(b"", "BYTES", [0])


@needs_grpc
@pytest.mark.parametrize(
    ("path", "args", "said"),
    [
        ("/nte", {}, "answered NOT_FOUND: Request for unknown model: 'nte' .the address names the model nte"),
        ("/net", {"input": "image"}, "INVALID_ARGUMENT: expected .'pixels', 'UINT8'.* see args.input and"),
        ("/words", {}, "holds no numbers for the examples: its output is of type BYTES"),
        ("/net", {"answer": "q"}, "it has no output 'q': write p in args.answer"),
    ],
)
def test_bad_answers_are_named_with_the_cure(quick: str, path: str, args: dict[str, str], said: str) -> None:
    with pytest.raises(TrialError, match=said):
        ask(quick + path, **args)


@needs_grpc
def test_a_service_that_takes_too_long_or_is_not_there_is_named(slow: str) -> None:
    with pytest.raises(TrialError, match=r"did not answer within 0.02 s: raise args.timeout_s"):
        ask(f"{slow}/net", timeout_s=0.02)
    with pytest.raises(TrialError, match=r"nobody answers at grpc://127.0.0.1:9/net: start the service"):
        ask("grpc://127.0.0.1:9/net")


# ---------------------------------------------------------------------------- what is refused before a run


@needs_grpc
def test_preflight_asks_one_row(quick: str) -> None:
    addresses = {"good": f"{quick}/net", "narrow": f"{quick}/narrow", "absent": "grpc://127.0.0.1:9/net"}
    candidates = {
        name: {"model": f"endpoint:{url}", "args": ARGS, "seed": 0} for name, url in addresses.items()
    }
    wrong = preflight({"data": {"name": "digits", "args": {}}, "folder": "", "candidates": candidates})  # type: ignore[typeddict-item]
    assert set(wrong) == {"narrow", "absent"}
    assert "answers 1 examples with (1, 2), the task needs (1, 10)" in wrong["narrow"]
    assert "start the service first" in wrong["absent"]


@needs_grpc
def test_a_run_with_a_wrong_name_ends_before_it_begins(quick: str, tmp_path: Path) -> None:
    candidate = json.dumps({"model": f"endpoint:{quick}/nte", "args": ARGS})
    suite = write_suite(tmp_path, SUITE, candidates=f"\n  theirs: {candidate}")
    ended = harness(tmp_path, "run", suite, "--out", tmp_path / "results")
    assert ended.code == 2
    assert f"{suite}:7: theirs: {quick}/nte answered NOT_FOUND" in ended.err
    assert not list(tmp_path.glob("results/tiny/*/trials"))


@pytest.mark.parametrize(
    ("model", "args", "said"),
    [
        (
            "grpc://localhost:8001",
            {},
            "is no address of a model over gRPC: write endpoint:grpc://host:port/M",
        ),
        ("grpc://localhost/net", {}, "is no address of a model over gRPC"),
        ("grpc://localhost:8001/net", {"protocol": "json"}, "over gRPC there is protocol v2 alone"),
        ("grpc://localhost:8001/net", {"request": {"x": "{inputs}"}}, "leave protocol and request out"),
        ("grpc://me:word@localhost:8001/net", {}, "the address holds credentials, which records would"),
        ("http://me:word@localhost:8000/x", {}, "the address holds credentials, which records would"),
        ("ftp://localhost:8001/net", {}, "is not the address of a service"),
    ],
)
def test_a_suite_that_says_it_wrongly_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, args: dict[str, object], said: str
) -> None:
    monkeypatch.setattr(references, "GRPC", ())
    candidate = json.dumps({"model": f"endpoint:{model}", "args": args})
    suite = write_suite(tmp_path, SUITE, candidates=f"\n  s: {candidate}")
    with pytest.raises(SuiteError, match=f"tiny.yaml:7: .*{said}"):
        read_suite(suite)


def test_where_the_client_is_missing_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "GRPC", ("no_such_client",))
    suite = write_suite(tmp_path, SUITE, candidates='\n  s: "endpoint:grpc://localhost:8001/net"')
    with pytest.raises(SuiteError, match=r"pip install -e '.\[grpc\]'"):
        read_suite(suite)


# ---------------------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Authorization": "Bearer abc"}, "would stand in the records: write the name of an environment"),
        ({"X-Api-Key": "abc"}, "would stand in the records"),
        ({"X-Tenant": "a$"}, r"after \$ comes a variable's name"),
        ({"X-Tenant": "a\nb"}, "no text of plain characters"),
        ({"X-Tenant": 3}, "a mapping does not fit `dict.str, str."),
        ({"Content-Type": "text/plain"}, "the client sets it"),
        ({"two words": "a"}, "no header has such a name"),
    ],
)
def test_headers_that_hold_a_secret_or_cannot_be_sent_are_refused(
    tmp_path: Path, headers: dict[str, object], said: str
) -> None:
    candidate = json.dumps({"model": "endpoint:http://localhost/x", "args": {"headers": headers}})
    suite = write_suite(tmp_path, SUITE, candidates=f"\n  s: {candidate}")
    with pytest.raises(SuiteError, match=said):
        read_suite(suite)


BEARER = {"Authorization": "Bearer $SERVICE_TOKEN", "X-Team": "returns"}


@needs_grpc
def test_what_a_service_repeats_of_a_secret_is_said_by_its_name(
    closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    assert ask(f"{closed}/net", headers=BEARER).shape == (3, 10)
    monkeypatch.setenv("SERVICE_TOKEN", "an-old-one")
    with pytest.raises(TrialError, match=r"UNAUTHENTICATED: who is Bearer \$SERVICE_TOKEN. .*args.headers"):
        ask(f"{closed}/net", headers=BEARER)


@pytest.mark.parametrize(
    ("value", "said"), [("", "SERVICE_TOKEN, which is not set"), (f"{SECRET}\n", "holds a line break")]
)
def test_a_variable_that_is_not_set_or_cannot_be_sent_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", value)
    with pytest.raises(TrialError, match=said) as refused:
        ask("http://127.0.0.1:9/x", headers=BEARER)
    assert SECRET not in str(refused.value)


@needs_grpc
def test_a_whole_run_keeps_no_secret_anywhere(closed: str, tmp_path: Path) -> None:
    candidates = {
        "theirs": {"model": f"endpoint:{closed}/net", "args": {**ARGS, "headers": BEARER}},
        "elsewhere": {"model": f"endpoint:{closed}/words", "args": {**ARGS, "headers": BEARER}},
    }
    lines = "".join(f"\n  {name}: {json.dumps(told)}" for name, told in candidates.items())
    suite, results = write_suite(tmp_path, SUITE, candidates=lines), tmp_path / "results"
    with tempfile.TemporaryDirectory() as temporary:  # short: Ray's sockets lie below it, as its logs do
        told = {"SERVICE_TOKEN": SECRET, "TMPDIR": temporary}
        refused = harness(tmp_path, "run", suite, "--out", results, **told)
        ended = harness(tmp_path, "run", suite, "--only", "theirs", "--out", results, **told)
        places = (tmp_path, Path(temporary))
        kept = {str(p): p.read_bytes() for place in places for p in place.rglob("*") if p.is_file()}
    assert refused.code == 2 and "elsewhere: " in refused.err
    assert ended.code == 0, ended.err
    assert any("/ray/session_" in path for path in kept)
    assert any(path.endswith("record.json") and b"$SERVICE_TOKEN" in data for path, data in kept.items())
    assert [path for path, data in kept.items() if SECRET.encode() in data] == []
    assert SECRET not in refused.out + refused.err + ended.out + ended.err


# ---------------------------------------------------------------------------- figures


@needs_grpc
@pytest.mark.quiet
def test_a_service_gives_the_latency_the_load_and_the_accuracy_that_it_was_built_with(
    slow: str, tmp_path: Path
) -> None:
    candidate = json.dumps({"model": f"endpoint:{slow}/net", "args": ARGS})
    text = SUITE.replace(
        "{seconds: 0.2, min_calls: 20, max_calls: 200}",
        "{seconds: 2, min_calls: 20, max_calls: 40}\n    server: {latency_p99_ms: 500, seconds: 20}",
    )
    suite = write_suite(tmp_path, text, candidates=f"\n  service: {candidate}")
    run = run_here(suite, tmp_path / "results")
    records = run.records()
    assert [r.failure.reason for r in records if r.failure] == []
    score = next(r for r in records if r.trial.kind == "score")
    test = load_parts(score.trial.spec["data"], None, ("test",)).test
    assert score.value("accuracy") == pytest.approx(np.mean(last_digits(test.inputs) == test.targets))
    served = {r.trial.spec["scenario"]["name"]: r for r in records if r.trial.kind == "serve"}
    took = served["single_stream"].value("latency_p50_ms")
    assert took is not None and 99.0 < took < 110.0, "what a request takes on its way comes on top"
    # One request at a time, 0.1 s each: with a queue it carries a good part of ten a second, and no more.
    assert 4.0 < (served["server"].value("throughput_at_slo_qps") or 0) < 10.0

"""A variant deployed on Ray Serve and reached over loopback, beside its own figures in the process."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.datasets.parts import load_parts
from harness.exported import tables
from harness.facts import ServerFacts
from harness.facts.serving import LoadPoint
from harness.planning.plan import plan_run
from harness.planning.trials import plan_trials
from harness.protocols import Job
from harness.reading import checks, read_suite
from harness.record import SuiteError, TrialError
from harness.report import gather
from harness.report.render import sections
from harness.schedule.http import deployed, serve
from harness.schedule.http.capacity import find_load
from harness.schedule.http.connection import as_json, connected
from harness.schedule.http.connections import Connections
from harness.schedule.http.deployment import last_line
from harness.schedule.http.load import connections_for
from harness.serving import plain
from harness.serving.load import Calls, Observed, ServerSettings
from harness.serving.open_loop import observed, run_load
from harness.serving.queues import poisson_arrivals
from harness.serving.serve import serve_job
from harness.serving.subject import Subject
from harness.store.runs import RunFolder
from harness.suite.variants import cores_used, deployments, one_worker, scored_as, workers_of
from tests.small_suites import SUITE, command, harness, surroundings, write_suite

IS_INSTALLED = all(importlib.util.find_spec(name) for name in checks.RAY_SERVE)
needs_ray_serve = pytest.mark.skipif(not IS_INSTALLED, reason="Ray Serve is an extra: serve")

BOTH = "over: [process, http]"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suites are read as where Ray Serve is installed: planning imports nothing of it."""
    monkeypatch.setattr(checks, "RAY_SERVE", ())


def suite_with(folder: Path, *keys: str, text: str = SUITE) -> Path:
    """The small suite with further keys of `serving`."""
    more = "".join(f"  {key}\n" for key in keys)
    return write_suite(folder, text.replace("serving:\n", f"serving:\n{more}"))


# ---------------------------------------------------------------------------- what is planned


@pytest.mark.usefixtures("installed")
def test_ids_of_what_its_process_calls_do_not_know_of_http(tmp_path: Path) -> None:
    def ids(*keys: str) -> dict[str, str]:
        trials = plan_trials(read_suite(suite_with(tmp_path, *keys)))
        return {trial.label: trial.id for trial in trials}

    before, said, both = ids(), ids("over: [process]"), ids(BOTH)
    assert said == before
    assert before.items() <= both.items()
    new = both.keys() - before.keys()
    assert new == {f"serve logistic/{r}@http single_stream round 0" for r in ("sklearn", "onnx")}
    assert len(set(both.values())) == len(both)


@pytest.mark.usefixtures("installed")
def test_each_deployment_has_a_twin_over_http_that_was_scored_with_it(tmp_path: Path) -> None:
    keys = ("over: [http, process]", "workers: [1, 2]")
    text = SUITE.replace("single_stream: {seconds: 0.2, min_calls: 20, max_calls: 200}", "offline: {}")
    suite = read_suite(suite_with(tmp_path, *keys, text=text.replace("usd_per_hour: 0.09", "cores: 2")))
    found = deployments(suite.serving, "onnx", 2)
    assert [d.name for d in found] == ["onnx@1x1", "onnx@1x2", "onnx@1x1@http", "onnx@1x2@http"]
    name = found[-1].name
    assert (workers_of(name), cores_used(name, 1), scored_as(name, 1), one_worker(name)) == (
        2, 2, "onnx", "onnx@1",
    )  # fmt: skip
    assert [d.name for d in deployments(suite.serving, "endpoint", 2)] == ["endpoint@1x1", "endpoint@1x2"]


@pytest.mark.usefixtures("installed")
def test_a_plan_counts_what_http_takes(tmp_path: Path) -> None:
    def seconds(*keys: str) -> float:
        plan, _ = plan_run(read_suite(suite_with(tmp_path, *keys)), None, str(tmp_path / "results"))
        return plan.wall_seconds

    assert seconds(BOTH) > seconds() + 2 * 10.0  # two deployments are started


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("[process, grpc]", "`grpc` is not one of process, http"),
        ("[http, http]", "stands twice: keep one"),
        ("[]", "is empty: name at least one"),
        ("http", "in brackets"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_ways_that_there_are_not_are_refused(tmp_path: Path, over: str, said: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read_suite(suite_with(tmp_path, f"over: {over}"))
    assert "tiny.yaml:9: " in str(caught.value) and said in str(caught.value)


def test_a_runtime_is_not_where_http_is_asked_for(tmp_path: Path) -> None:
    text = SUITE.replace("runtimes: [torch, onnx]", "runtimes: [torch, onnx@http]")
    with pytest.raises(SuiteError, match=r"write `onnx` here, and serving.over: \[process, http\]"):
        read_suite(write_suite(tmp_path, text))


def test_without_ray_serve_the_cure_comes_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "RAY_SERVE", ("starlette_of_nowhere",))
    with pytest.raises(SuiteError, match=r"needs starlette_of_nowhere, .*: pip install .*\[serve\]"):
        read_suite(suite_with(tmp_path, BOTH))
    assert read_suite(suite_with(tmp_path, "over: [process]"))


# ------------------------------------------------------------------------- the load from without


@pytest.fixture
def crew() -> Iterator[Callable[..., Connections]]:
    """So many connections to a service that takes a time for each answer."""

    def make(number: int, predict: Callable[[np.ndarray], np.ndarray]) -> Connections:
        return Connections([Subject(predict, np.zeros((8, 1)), {}, ()) for _ in range(number)])

    yield make


def slow(inputs: np.ndarray) -> np.ndarray:
    time.sleep(0.02)
    return np.zeros(len(inputs))


@pytest.mark.quiet
def test_requests_are_sent_when_they_arrive_as_long_as_a_connection_is_free(
    crew: Callable[..., Connections],
) -> None:
    def latencies(number: int) -> np.ndarray:
        clients = crew(number, slow)
        subject = Subject(slow, np.zeros((8, 1)), {}, (), crew=clients)
        settings = ServerSettings(10_000.0, 1, 0.0, number)
        arrivals = poisson_arrivals(80.0, 2.0, 1)
        point, raw = run_load(subject, arrivals, 80.0, 2.0, settings)
        assert len(set(raw["worker"].tolist())) == number
        assert observed(point, raw, arrivals, settings).late.sum() == 0
        return np.asarray((raw["answered_ns"] - raw["scheduled_ns"]) / 1e6)

    many, one = latencies(16), latencies(1)
    # 80 a second of 20 ms each: sixteen connections never wait, one is asked for 1.6 times what it can.
    assert 20.0 <= np.median(many) < 23.0
    assert np.median(one) > 100.0


def test_a_service_that_keeps_failing_says_so_and_nobody_waits_for_it(
    crew: Callable[..., Connections],
) -> None:
    def failing(inputs: np.ndarray) -> np.ndarray:
        raise TrialError("answered 500")

    clients = crew(4, failing)
    clients.shared.fill((poisson_arrivals(500.0, 1.0, 1) * 1e9).astype(np.int64))
    settings = ServerSettings(50.0, 1, 0.0, 4)
    with pytest.raises(TrialError, match="fails under load: answered 500"):
        clients.together(None, "serve", requests=500, seconds=1.0, settings=settings)
    began = time.monotonic()
    with pytest.raises(TrialError, match="answered 500"):
        clients.together(None, "window", batch=1, seconds=0.1, max_calls=10, offset=0)
    assert time.monotonic() - began < 5


def test_connections_are_enough_for_full_batches_and_not_without_end() -> None:
    assert (connections_for(8, 1), connections_for(8, 2), connections_for(1, 1)) == (16, 32, 4)
    assert connections_for(64, 8) == 64


def served_in_turn(rate: float, seconds: float, seed: int, service_s: float, limit_s: float) -> Observed:
    """A run against a server that takes one request after the other, always as long."""
    arrivals = poisson_arrivals(rate, seconds, seed)
    done, free = np.empty(len(arrivals)), 0.0
    for i, came in enumerate(arrivals):
        free = done[i] = max(free, came) + service_s
    late = done - arrivals > limit_s
    nothing = np.zeros(0)
    point = LoadPoint(rate, rate, len(late), int(late.sum()))
    return Observed(point, arrivals, late, Calls(*[nothing] * 6))


def test_the_load_within_a_limit_is_found_from_late_requests_alone() -> None:
    """Service of 5 ms and a limit of 20 ms: the true load is looked up in a run of 400,000 requests."""
    share = {rate: served_in_turn(rate, 4000.0, 0, 0.005, 0.020).late.mean() for rate in range(90, 150, 2)}
    truth = max(rate for rate, late in share.items() if late <= 0.01)
    covered, values = 0, []
    for seed in range(40):
        found = find_load(
            lambda rate, each, s: served_in_turn(rate, each, s, 0.005, 0.020),
            200.0, 20.0, np.random.default_rng(seed),
        )  # fmt: skip
        assert found.value is not None and found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
        values.append(found.value / truth)
    assert 0.93 < float(np.median(values)) < 1.07
    # An interval of 95 % covers 35 of 40 or more with probability 0.99.
    assert covered >= 35


def test_a_limit_that_no_load_keeps_is_no_load() -> None:
    found = find_load(
        lambda rate, each, s: served_in_turn(rate, each, s, 0.005, 0.004),
        200.0, 20.0, np.random.default_rng(0),
    )  # fmt: skip
    assert found.value == 0.0 and "are late already" in found.note


def test_rows_of_a_table_travel_as_they_are() -> None:
    columns = [
        {"name": "size", "kind": "number"},
        {"name": "day", "kind": "date", "shape": "%Y-%m-%d", "mark": ""},
        {"name": "colour", "kind": "category"},
    ]
    rows = np.array(
        [(1.5, "2024-02-29", "red"), (np.nan, "NaT", None), (3.0, "1999-12-31T23:59:58", "blue")],
        dtype=tables.row_type(columns),
    )
    sent = json.loads(json.dumps(np.asarray(as_json(rows)).tolist()))
    assert sent[1] == {"size": None, "day": None, "colour": None}
    back = tables.TableEncoding(columns, [], {"decimal": ".", "thousands": None, "missing": []}).rows(sent)
    assert back["day"].astype(str).tolist() == rows["day"].astype(str).tolist()
    assert back["colour"].tolist() == rows["colour"].tolist()
    np.testing.assert_array_equal(back["size"], rows["size"])


# ------------------------------------------------------------------------------- the real Ray Serve


def left_over() -> list[str]:
    """Processes of deployments that still live."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if "harness-http-" in words or "harness.schedule.http" in words:
            found.append(words[:120])
    return found


def gone(within_s: float = 20.0) -> bool:
    end = time.monotonic() + within_s
    while left_over():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


SLEEPER = """
import time

from torch import nn


class Sleeper(nn.Module):
    def __init__(self, inputs, classes, ms):
        super().__init__()
        self.linear, self.ms = nn.Linear(inputs, classes), ms

    def forward(self, x):
        if not self.training and not x.is_meta:
            time.sleep(self.ms / 1e3)
        return self.linear(x.flatten(1))


def build(task, *, ms: float = 20.0):
    channels, height, width = task.input_shape
    return Sleeper(channels * height * width, task.num_classes, ms)
"""
SLEEPING_MS = 20.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite of a model that sleeps 20 ms whenever it answers, of one example or of four."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "sleeper.py").write_text(SLEEPER)
    scenarios = (
        "    single_stream: {seconds: 1.5, min_calls: 20, max_calls: 400}\n"
        "    server: {latency_p99_ms: 200, seconds: 8, max_batch: 4, max_wait_ms: 2}\n"
    )
    text = SUITE.replace("    single_stream: {seconds: 0.2, min_calls: 20, max_calls: 200}\n", scenarios)
    text = text.replace("runtimes: [torch, onnx]", f"runtimes: [torch]\n  {BOTH}")
    write_suite(folder, text, candidates='\n  sleeper: "sleeper:build"')
    return folder


@pytest.fixture(scope="module")
def run(world: Path) -> RunFolder:
    """The suite run once, by the command."""
    ended = harness(world, "run", "tiny.yaml", "--json")
    assert ended.code == 0, ended.err
    assert left_over() == []
    return RunFolder(str(world / "results" / "tiny" / "latest"))


@needs_ray_serve
@pytest.mark.quiet
def test_both_ways_stand_side_by_side(run: RunFolder) -> None:
    served = {(r.trial.runtime, r.trial.scenario): r for r in run.records() if r.trial.kind == "serve"}
    assert {r.status for r in served.values()} == {"finished"}
    here = served["torch", "single_stream"].value("latency_p50_ms")
    there = served["torch@http", "single_stream"].value("latency_p50_ms")
    assert here is not None and there is not None
    assert SLEEPING_MS <= here < 1.2 * SLEEPING_MS
    assert here + 1.0 < there < here + 100.0

    loaded = served["torch@http", "server"]
    facts = loaded.facts_as(ServerFacts)
    assert facts.deployed is not None and facts.deployed.server.startswith("Ray Serve 2.")
    assert (facts.deployed.max_batch, facts.connections, facts.workers, facts.threads) == (4, 8, 1, 1)
    # One after the other it were 50 a second at most: the deployment answers several together.
    assert facts.closed_loop_bound_qps is not None and facts.closed_loop_bound_qps > 60.0
    capacity = loaded.value("throughput_at_slo_qps")
    assert capacity is not None and 0 < capacity <= facts.closed_loop_bound_qps
    assert loaded.value("peak_memory_mb") > 300  # type: ignore[operator]
    unknown = next(m for m in loaded.measurements if m.metric == "cpu_seconds_per_example")
    assert (unknown.value, unknown.note) == (None, "not measured over http")

    e = gather(run)
    rows = {row.variant: row for row in e.tradeoff.rows}
    assert set(rows) == {"sleeper/torch", "sleeper/torch@http"}
    assert rows["sleeper/torch"].estimates["accuracy"] == rows["sleeper/torch@http"].estimates["accuracy"]
    assert rows["sleeper/torch@http"].estimates["cost_per_million_usd"].value is not None
    told = sections(e, ["network"])["network"].markdown
    assert "p50 latency" in told and "load within the limit" in told and "over 8 connections" in told


@pytest.fixture(scope="module")
def job(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The job of a serve trial over HTTP, with its artifact at hand."""
    trial = next(r.trial for r in run.records() if r.trial.spec.get("over") and r.trial.scenario == "server")
    needs = {needed: run.trial_folder(needed) for needed in trial.needs}
    return Job(trial, tmp_path_factory.mktemp("job"), needs, lambda info: None)


@needs_ray_serve
def test_the_answers_are_those_of_the_process_and_loopback_alone_is_listened_on(job: Job) -> None:
    asked, own = serve_job(job, job.folder / "result.json"), job.folder / "deployment.json"
    asked.write(own)
    inputs = load_parts(job.trial.spec["data"], None, ("test",)).test.inputs[:50]
    artifact = asked.artifact_of(asked.spec)
    assert artifact is not None
    expected = plain.load_variant(asked.spec, artifact, 1, "cpu")(inputs)
    with deployed(own, job, time.monotonic()) as found:
        np.testing.assert_allclose(connected(found.url)(inputs), expected, atol=1e-6)
        with ThreadPoolExecutor(8) as clients:  # asked at the same time, each gets its own answer
            rows = list(clients.map(lambda i: connected(found.url)(inputs[i : i + 1]), range(16)))
        np.testing.assert_allclose(np.concatenate(rows), expected[:16], atol=1e-6)
        with pytest.raises(TrialError, match=r"answered 500 .*: ValueError"):
            connected(found.url)(np.array([["x"]]))
        port = int(found.url.rsplit(":", 1)[1].strip("/"))
        children = psutil.Process(found.process.pid).children(recursive=True)
        places = {
            c.laddr.ip for p in children for c in p.net_connections() if c.laddr and c.laddr.port == port
        }
        assert places == {"127.0.0.1"}
        assert found.load_ms > 0 and found.start_s > 0
        process = found.process
    assert process.poll() is not None and gone()


def test_of_what_ray_tells_of_a_replica_the_cause_is_said() -> None:
    told = "The deployment failed to start 3 times in a row. Error:\nray::Replica (pid=1)\n  File x, line 1\n"
    assert last_line(told + "harness.record.TrialError: there is no model\n") == "there is no model"
    assert last_line(told + "builtins.OSError: no file: x.onnx") == "OSError: no file: x.onnx"
    assert last_line("") == ""


@needs_ray_serve
def test_a_model_that_cannot_be_loaded_says_why(job: Job, tmp_path: Path) -> None:
    broken = replace(job, folder=tmp_path, needs=dict.fromkeys(job.needs, tmp_path / "nowhere"))
    with pytest.raises(TrialError) as caught:
        serve(broken)
    assert re.search("its replica did not start: .*nowhere", caught.value.reason), caught.value.reason
    assert gone()


@needs_ray_serve
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_whoever_ends_a_run_leaves_nothing_behind(world: Path, tmp_path: Path, how: signal.Signals) -> None:
    words = ["run", "tiny.yaml", "--out", str(tmp_path / how.name), "--set", "training.epochs=1"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            command(*words, "--set", "serving.scenarios.single_stream.seconds=30"),
            cwd=world, env=surroundings(tmp_path), stdout=said, stderr=said,
        )  # fmt: skip
        end = time.monotonic() + 180
        while not any("http.client" in words for words in left_over()):
            assert process.poll() is None and time.monotonic() < end, (tmp_path / "said").read_text()
            time.sleep(0.2)
        process.send_signal(how)
        code = process.wait(60)
    assert code == (130 if how is signal.SIGINT else -how)
    assert gone(), left_over()

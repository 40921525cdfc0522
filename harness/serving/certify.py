"""The `certify` scenario: the same variant through MLPerf LoadGen, beside the harness's own figure.

LoadGen aborts or segfaults the interpreter when a callback raises, hangs for good when a sample never
completes, and aborts when two tests run at once. It therefore runs here, in the measured child, one
test per process: a crash or a hang becomes the reason of a failed trial (measurement: MLPerf LoadGen).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import numpy as np

from harness.facts.serving import Certified, CertifyFacts
from harness.record import Measurement, TrialError
from harness.serving.closed import Found
from harness.serving.job import ServeJob
from harness.serving.subject import Subject
from harness.serving.windows import measure_window, warm_up

SUMMARY = "mlperf_log_detail.txt"
KEYS = {
    "SingleStream": "result_50.00_percentile_latency_ns",
    "Server": "result_99.00_percentile_latency_ns",
}


def certify(subject: Subject, job: ServeJob) -> Found:
    """Measure the p50 (SingleStream) or the p99 at a load (Server) both ways.

    Raises:
        TrialError: LoadGen is not installed, wrote no result, or the model failed under it. A run that
            LoadGen calls invalid is a result, and the report says so.
    """
    try:
        import mlperf_loadgen as lg
    except ImportError as error:
        raise TrialError("LoadGen is not installed: pip install -e '.[certify]'") from error
    scenario = job.scenario
    mode = str(scenario.get("mode", "SingleStream"))
    seconds = float(scenario.get("seconds", 3.0))
    warm = warm_up(subject, 1)
    if mode == "Server":
        ours, mine = _own_server(subject, scenario, seconds, job.seed)
    else:
        window = measure_window(subject, 1, seconds)
        ours, mine = float(np.median(window.latencies_ms)), (len(window.issued_ns), None)
    settings = _settings(lg, mode, scenario, seconds, warm.typical_ms)
    folder = job.file("loadgen")
    folder.mkdir(exist_ok=True)
    errors = _run(lg, subject, settings, folder)
    said = read_detail(folder / SUMMARY)
    if errors:
        raise TrialError(f"fails under LoadGen: {errors[0]}")
    theirs = said.get(KEYS[mode])
    if theirs is None:
        raise TrialError(f"LoadGen wrote no result: {said.get('problem', 'see loadgen/')}")
    metric = "latency_p50_ms" if mode == "SingleStream" else "latency_p99_ms"
    queries = said.get("result_query_count", said.get("generated_query_count"))
    theirs_ms, valid = theirs / 1e6, said.get("result_validity")
    both = Certified(mode, metric, ours, theirs_ms, ours / theirs_ms, valid, queries, *mine)
    return [
        Measurement(metric, ours, "ms", at={"by": "harness", "mode": mode}),
        Measurement(metric, theirs / 1e6, "ms", at={"by": "loadgen", "mode": mode}),
    ], CertifyFacts(certify=both)


def _settings(
    lg: ModuleType, mode: str, scenario: Mapping[str, Any], seconds: float, typical_ms: float
) -> Any:
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, mode)
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = int(seconds * 1e3)
    settings.max_duration_ms = int(seconds * 1e3) * 4
    settings.min_query_count = 100
    if mode == "SingleStream":
        # LoadGen plans its queries by this guess: at most half the real time, or it runs out of them.
        settings.single_stream_expected_latency_ns = max(1000, int(typical_ms * 1e6 / 2))
    else:
        settings.server_target_qps = float(scenario["qps"])
        settings.server_target_latency_ns = int(float(scenario["latency_p99_ms"]) * 1e6)
        settings.server_target_latency_percentile = 0.99
    settings.schedule_rng_seed = int(scenario.get("rng_seed", 1))
    return settings


def _run(lg: ModuleType, subject: Subject, settings: Any, folder: Path) -> list[str]:
    """One LoadGen test; calls run in a thread of ours, so that an exception never enters LoadGen."""
    requests = subject.requests(1)
    queue: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
    errors: list[str] = []

    def work() -> None:
        while (sample := queue.get()) is not None:
            identity, index = sample
            try:
                subject.check(subject.predict(requests[index]), 1)
            except Exception as error:  # a failed query that is completed counts as valid: we count it
                errors.append(f"{type(error).__name__}: {error}")
            lg.QuerySamplesComplete([lg.QuerySampleResponse(identity, 0, 0)])

    worker = threading.Thread(target=work, daemon=True)
    worker.start()

    def issue(samples: Any) -> None:
        for sample in samples:
            queue.put((sample.id, sample.index))

    system = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(len(requests), len(requests), lambda _: None, lambda _: None)
    output = lg.LogOutputSettings()
    output.outdir = str(folder)
    output.copy_summary_to_stdout = False
    log = lg.LogSettings()
    log.log_output = output
    log.enable_trace = False
    lg.StartTestWithLogSettings(system, library, settings, log)
    queue.put(None)
    worker.join(timeout=5)
    lg.DestroyQSL(library)
    lg.DestroySUT(system)
    return errors


def _own_server(
    subject: Subject, scenario: Mapping[str, Any], seconds: float, seed: int
) -> tuple[float, tuple[int, float | None]]:
    """The harness's own open loop at the same load, without batching, as LoadGen's server does."""
    from harness.serving.load import ServerSettings
    from harness.serving.open_loop import run_load
    from harness.serving.queueing import sharpen_timer
    from harness.serving.queues import poisson_arrivals

    sharpen_timer()
    rate = float(scenario["qps"])
    settings = ServerSettings(float(scenario["latency_p99_ms"]), 1, 0.0)
    point, _ = run_load(subject, poisson_arrivals(rate, seconds, seed), rate, seconds, settings)
    if point.p99_ms is None:
        raise TrialError(f"not estimable: {point.requests} requests in {seconds:g} s at {rate:g} per s")
    return point.p99_ms, (point.requests, point.late_share)


def read_detail(path: Path) -> dict[str, Any]:
    """LoadGen's detail log, lines of `:::MLLOG {json}`, as key → value; `problem` for its own errors."""
    found: dict[str, Any] = {}
    if not path.exists():
        return {"problem": f"{path.name} was not written"}
    for line in path.read_text(errors="replace").splitlines():
        if not line.startswith(":::MLLOG "):
            continue
        try:
            entry = json.loads(line.removeprefix(":::MLLOG "))
        except ValueError:  # a line cut short by a crash
            continue
        found[entry["key"]] = entry["value"]
        if entry.get("metadata", {}).get("is_error"):
            found["problem"] = str(entry["value"])
    return found

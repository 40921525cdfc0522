"""One run of MLPerf LoadGen's Server scenario over a network that batches as the measured server does.

Started by `benchmarks.capacity_real`, which writes what is asked for to its input: the specification, the
artifact, the load and the seconds, as JSON. LoadGen's own thread has a core, the worker another one.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import mlperf_loadgen as lg

from benchmarks.serving_models import images, load_variant
from harness.serving.certify import SUMMARY, read_detail


def main() -> None:
    asked = json.loads(sys.stdin.read())
    spec, inputs = asked["spec"], images(200, 7).inputs
    limit_ms, most = spec["scenario"]["latency_p99_ms"], spec["scenario"]["max_batch"]
    predict = load_variant(spec, Path(asked["artifact"]), 1, "cpu")
    for k in range(300):
        predict(inputs[: 1 + k % most])
    sys.setswitchinterval(1e-4)
    queue: SimpleQueue[int | None] = SimpleQueue()
    cores = sorted(os.sched_getaffinity(0))

    def work() -> None:
        os.sched_setaffinity(0, {cores[0]})
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        answered = 0
        while (sample := queue.get()) is not None:
            batch = [sample]
            try:
                while len(batch) < most and (more := queue.get_nowait()) is not None:
                    batch.append(more)
            except Empty:
                pass
            at = answered % (len(inputs) - most)
            predict(inputs[at : at + len(batch)])
            lg.QuerySamplesComplete([lg.QuerySampleResponse(i, 0, 0) for i in batch])
            answered += len(batch)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    os.sched_setaffinity(0, {cores[-1]})
    said = run(queue, asked["qps"], limit_ms, asked["seconds"])
    queue.put(None)
    worker.join(timeout=5)
    p99_ms = said["result_99.00_percentile_latency_ns"] / 1e6
    count = said.get("result_query_count", said.get("generated_query_count"))
    told = {"p99_ms": round(p99_ms, 3), "keeps": p99_ms <= limit_ms, "valid": said.get("result_validity")}
    print(json.dumps({**told, "requests": count}), flush=True)
    os._exit(0)


def run(queue: SimpleQueue[int | None], qps: float, limit_ms: float, seconds: float) -> dict[str, Any]:
    """LoadGen's detail log of one test."""
    settings = lg.TestSettings()
    settings.scenario, settings.mode = lg.TestScenario.Server, lg.TestMode.PerformanceOnly
    settings.min_duration_ms, settings.max_duration_ms = int(seconds * 1e3), int(seconds * 4e3)
    settings.min_query_count = 100
    settings.server_target_qps = qps
    settings.server_target_latency_ns = int(limit_ms * 1e6)
    settings.server_target_latency_percentile = 0.99
    settings.schedule_rng_seed = settings.sample_index_rng_seed = 1

    def issue(samples: Any) -> None:
        for sample in samples:
            queue.put(sample.id)

    with tempfile.TemporaryDirectory() as folder:
        output, log = lg.LogOutputSettings(), lg.LogSettings()
        output.outdir, output.copy_summary_to_stdout = folder, False
        log.log_output, log.enable_trace = output, False
        system = lg.ConstructSUT(issue, lambda: None)
        library = lg.ConstructQSL(200, 200, lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(system, library, settings, log)
        return read_detail(Path(folder) / SUMMARY)


if __name__ == "__main__":
    main()

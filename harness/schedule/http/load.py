"""The scenarios of a deployment that one connection cannot load: `offline` with replicas, and `server`.

Offline, every replica has a connection, and a request holds a batch. In `server` each request holds one
example and is sent when it arrives: it is the deployment that makes batches of what comes together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.facts.serving import BatchingFacts
from harness.schedule.http.capacity import find_load
from harness.schedule.http.connection import connections
from harness.schedule.http.connections import Connections
from harness.serving import closed, open_loop
from harness.serving.capacity import Capacity
from harness.serving.closed import Found
from harness.serving.job import ServeJob
from harness.serving.load import Observed, ServerSettings
from harness.serving.queueing import sharpen_timer
from harness.serving.queues import poisson_arrivals
from harness.serving.subject import Subject
from harness.serving.windows import measure_window, warm_up
from harness.streams import generator

IN_FLIGHT, LEAST, MOST = 2, 4, 64
"""Connections: twice what all replicas answer together, so that a batch is full when one is done; within
these. A request that finds none free waits for one, which its latency counts."""
ALONE_S, FULL_S = 0.3, 1.0
"""Seconds of closed loop by one connection, and by all of them."""


def offline(subject: Subject, job: ServeJob) -> Found:
    """Throughput at each batch size, every replica asked at the same time."""
    replicas = int(job.spec.get("workers", 1))
    if replicas > 1:
        subject.crew = Connections(connections(subject, job.spec["address"], replicas))
    return closed.offline(subject, job)


def server(subject: Subject, job: ServeJob) -> Found:
    """Find the highest load that keeps the p99 under the limit, over many connections."""
    scenario = job.scenario
    limit_ms, batch = float(scenario["latency_p99_ms"]), max(1, int(scenario.get("max_batch", 8)))
    number = connections_for(batch, int(job.spec.get("workers", 1)))
    settings = ServerSettings(limit_ms, 1, 0.0, number, float(scenario.get("burstiness", 1.0)))
    sharpen_timer()
    warm = warm_up(subject, 1)
    alone = measure_window(subject, 1, ALONE_S).latencies_ms
    subject.crew = crew = Connections(connections(subject, job.spec["address"], number))
    crew.together(None, "warm_up", batch=1, seconds=ALONE_S)
    bound = _full_load(subject)
    random = generator(job.seed, "loads", job.round)
    log: list[dict[str, np.ndarray]] = []

    def run(rate: float, each: float, arrival_seed: int) -> Observed:
        arrivals = poisson_arrivals(rate, each, arrival_seed, settings.burstiness)
        point, raw = open_loop.run_load(subject, arrivals, rate, each, settings)
        log.append(raw)
        return open_loop.observed(replace(point, seed=arrival_seed), raw, arrivals, settings)

    if (alone_ms := float(np.median(alone))) > limit_ms:
        note = f"a request alone takes {alone_ms:.3g} ms, the limit is {limit_ms:g} ms"
        found = Capacity(0.0, 0.0, 0.0, None, (), note)
    else:
        found = find_load(run, bound, float(scenario.get("seconds", 20.0)), random)
    open_loop.save_requests(job.file("requests.npz"), log)
    facts = replace(
        open_loop.said(found, {1: alone}, settings),
        warm_up=warm,
        batching=BatchingFacts(batch, float(scenario.get("max_wait_ms", 1.0))),
        closed_loop_bound_qps=bound,
        connections=number,
    )
    return open_loop.measurements(found), facts


def connections_for(batch: int, replicas: int) -> int:
    """How many clients ask at the same time."""
    return int(np.clip(IN_FLIGHT * batch * replicas, LEAST, MOST))


def _full_load(subject: Subject) -> float:
    """Requests per second where every connection asks again as soon as it is answered."""
    window = measure_window(subject, 1, FULL_S)
    return len(window.issued_ns) / window.seconds

"""Several workers on one machine: one queue, all cores, one set of figures."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.protocols import Job, Outcome
from harness.record import Trial, TrialError
from harness.serving.load import ServerSettings
from harness.serving.process import cores_of
from harness.serving.queues import Services, poisson_arrivals, sojourns
from harness.serving.serve import serve

pytestmark = [
    pytest.mark.quiet,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]

OFFLINE = {"name": "offline", "seconds": 0.6, "batch_sizes": [1]}


def measure(folder: Path, workers: int, args: Mapping[str, Any], scenario: Mapping[str, Any]) -> Outcome:
    spec = {
        "subject": "tests.known_models", "task": "known", "args": dict(args), "scenario": dict(scenario),
        "round": 0, "seed": 0, "workers": workers,
    }  # fmt: skip
    trial = Trial("serve", "known", spec, time_limit_s=90.0)
    return serve(Job(trial, folder / str(workers), {}, lambda event: None))


def value(outcome: Outcome, metric: str) -> float:
    found = next(m for m in outcome.measurements if m.metric == metric and not m.at)
    assert found.value is not None, found.note
    return found.value


def test_two_workers_that_wait_busily_answer_twice_as_much_as_one(tmp_path: Path) -> None:
    one, two = (measure(tmp_path, n, {"kind": "busy", "ms": 4.0}, OFFLINE) for n in (1, 2))
    ratio = value(two, "throughput_offline_per_s") / value(one, "throughput_offline_per_s")
    assert ratio == pytest.approx(2.0, rel=0.05)
    assert value(two, "throughput_offline_per_s") == pytest.approx(500, rel=0.05)


def test_memory_is_that_of_all_workers_and_shared_pages_count_once(tmp_path: Path) -> None:
    one, two = (measure(tmp_path, n, {"kind": "asleep", "ms": 2.0}, OFFLINE) for n in (1, 2))
    single, both = value(one, "peak_memory_mb"), value(two, "peak_memory_mb")
    assert 1.2 * single < both < 2.1 * single


def test_each_request_is_answered_once_by_whoever_is_free(tmp_path: Path) -> None:
    scenario = {"name": "server", "latency_p99_ms": 60.0, "max_batch": 2, "max_wait_ms": 0.0, "seconds": 3.0}
    outcome = measure(tmp_path, 2, {"kind": "asleep", "ms": 4.0}, scenario)
    assert outcome.facts.workers == 2
    assert len(set(outcome.facts.pinned_to)) == 2
    raw = np.load(tmp_path / "2" / "requests.npz")
    answered = raw["answered_ns"] > 0
    assert np.all(raw["answered_ns"][answered] > raw["issued_ns"][answered])
    assert set(raw["worker"][answered]) == {0, 1}
    for run in np.unique(raw["run"]):
        for worker in (0, 1):  # a worker's own calls follow each other, the two workers' overlap
            mine = answered & (raw["run"] == run) & (raw["worker"] == worker)
            issued, first = np.unique(raw["issued_ns"][mine], return_index=True)
            assert np.all(issued[1:] >= raw["answered_ns"][mine][first][:-1])
    # The queue on paper, with the service times seen and two servers, makes the same requests late.
    for point in outcome.facts.load_curve:
        assert point.predicted == pytest.approx(point.violations, abs=max(3, 0.05 * point.requests))
    bound = outcome.facts.closed_loop_bound_qps
    assert bound == pytest.approx(2 * 2 / 4.06e-3, rel=0.08)


def test_a_worker_that_crashes_under_load_ends_the_trial_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"crashed with SIGSEGV"):
        measure(tmp_path, 2, {"kind": "crash", "after": 30}, OFFLINE)


def test_what_a_model_raises_in_any_worker_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"raised ValueError .*the cache is full"):
        measure(tmp_path, 2, {"kind": "raising"}, OFFLINE)


def test_a_batch_that_does_not_fit_leaves_the_workers_in_step(tmp_path: Path) -> None:
    outcome = measure(tmp_path, 2, {"kind": "hungry"}, {**OFFLINE, "batch_sizes": [1, 32]})
    notes = {m.at.get("batch_size"): m.note for m in outcome.measurements if "batch_size" in m.at}
    assert notes[32] == "failed: out of memory at batch 32"


def test_more_workers_than_cores_are_refused() -> None:
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(TrialError, match=rf"need {2 * cores} cores, this machine has {cores}"):
        cores_of(2, cores)


def erlang_late(rate: float, service_s: float, limit_s: float) -> float:
    """P(time in system > limit) of an M/M/2 queue, from Erlang's C formula."""
    a, mu = rate * service_s, 1 / service_s
    wait = (a**2 / 2) / (1 - a / 2) / (1 + a + (a**2 / 2) / (1 - a / 2))
    theta = 2 * mu - rate
    alone, t = math.exp(-mu * limit_s), limit_s
    return (1 - wait) * alone + wait * theta / (theta - mu) * (alone - mu / theta * math.exp(-theta * t))


def erlang_capacity(service_s: float, limit_s: float, promise: float = 0.01) -> float:
    low, high = 0.0, 1.999 / service_s
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if erlang_late(rate, service_s, limit_s) <= promise else (low, rate)
    return low


def test_two_servers_on_paper_are_late_as_erlang_says() -> None:
    """400,000 requests at 1.5 of 2 servers' worth: the share's standard error is about 3 %."""
    random, arrivals = np.random.default_rng(1), poisson_arrivals(1500.0, 270.0, seed=3)
    services = Services(
        np.array([0.0, 1e-3]), random.exponential(size=len(arrivals)), np.zeros(len(arrivals))
    )
    sojourn = sojourns(arrivals, services, ServerSettings(8.0, 1, 0.0, workers=2))
    assert np.mean(sojourn > 8e-3) == pytest.approx(erlang_late(1500.0, 1e-3, 8e-3), rel=0.12)


@pytest.mark.slow
def test_the_capacity_of_two_exponential_workers_is_that_of_the_m_m_2_queue(tmp_path: Path) -> None:
    scenario = {"name": "server", "latency_p99_ms": 48.0, "max_batch": 1, "max_wait_ms": 0.0, "seconds": 60.0}
    outcome = measure(tmp_path, 2, {"kind": "exponential", "ms": 8.0}, scenario)
    assert value(outcome, "throughput_at_slo_qps") == pytest.approx(erlang_capacity(8e-3, 48e-3), rel=0.05)

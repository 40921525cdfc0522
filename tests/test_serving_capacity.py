"""The search for the highest load, against queues whose theory is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.serving.capacity import LoadPoint, adjusted, crossing, find_capacity, isotonic, knee
from harness.serving.open_loop import QueueModel
from harness.serving.queueing import Settings
from harness.serving.queues import poisson_arrivals, simulate, simulated_load, true_capacity


def test_the_isotonic_fit_pools_what_falls() -> None:
    fitted = isotonic(np.array([0.0, 0.4, 0.2, 0.9]), np.array([1.0, 1.0, 3.0, 1.0]))
    assert fitted == pytest.approx([0.0, 0.25, 0.25, 0.9])


def test_arrivals_are_poisson_and_the_same_luck_at_every_rate() -> None:
    slow, fast = poisson_arrivals(100, 50, seed=3), poisson_arrivals(200, 25, seed=3)
    assert len(slow) == len(fast)
    assert slow == pytest.approx(2 * fast)
    # 5000 ± 3 standard deviations of 71; a false alarm in 3 of 1000 seeds, and this seed is fixed.
    assert abs(len(slow) - 5000) < 213
    gaps = np.diff(slow)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.05)


def test_the_simulated_queue_agrees_with_the_theory_of_m_m_1() -> None:
    # P(time in system > t) = exp(-(mu - lambda) t): 99 % within t at lambda = mu - ln(100) / t.
    services = np.random.default_rng(0).exponential(0.001, 400_000)
    limit = 0.010
    expected = 1000 - np.log(100) / limit
    found = true_capacity(lambda batch, call: services[call % len(services)], limit, high=1000.0)
    assert found == pytest.approx(expected, rel=0.03)


def test_a_lone_request_waits_for_the_batch_window_and_a_full_batch_does_not() -> None:
    sojourn = simulate(np.array([0.0]), lambda batch, call: 0.001, max_batch=4, max_wait=0.002)
    assert sojourn == pytest.approx([0.003])
    together = simulate(np.zeros(4), lambda batch, call: 0.001, max_batch=4, max_wait=0.002)
    assert together == pytest.approx([0.001] * 4)


def test_one_at_a_time_is_the_same_queue_by_recursion_and_by_events() -> None:
    arrivals = poisson_arrivals(400, 5, seed=0)
    service = 0.002
    fast = simulate(arrivals, lambda batch, call: service)
    free, slow = 0.0, []
    for arrival in arrivals:
        free = max(free, arrival) + service
        slow.append(free - arrival)
    assert fast == pytest.approx(slow)


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_capacity_of_a_server_whose_times_vary(seed: int) -> None:
    service, limit = 0.002, 0.010
    varied = service * np.random.default_rng(5).gamma(16, 1 / 16, 4096)
    expected = true_capacity(lambda batch, call: varied[call % 4096], limit, high=500.0, requests=100_000)
    base = simulated_load(lambda batch, call: varied[call % 4096], limit)
    paper = QueueModel({1: np.full(9, service * 1e3)}, Settings(limit * 1e3, 1, 0.0))

    def run(rate: float, seconds: float, arrival_seed: int) -> LoadPoint:
        arrivals = poisson_arrivals(rate, seconds, arrival_seed)
        return replace(base(rate, seconds, arrival_seed), predicted=paper.late(arrivals, 0.0))

    found = find_capacity(run, 500.0, 30.0, np.random.default_rng(seed), model=paper.long_run(500.0))
    # Over 20 seeds the ratio's standard deviation was 0.025; the model has the mean right and no variation.
    assert found.value == pytest.approx(expected, rel=0.10)
    assert found.low is not None and found.high is not None
    assert found.low <= found.value <= found.high
    assert [p.stage for p in found.points[:7]] == ["coarse"] * 7


def test_the_luck_of_the_arrivals_is_taken_out_without_bias() -> None:
    points = [replace(point(100, 0.03), predicted=25), replace(point(100, 0.01), predicted=5)]
    assert adjusted(points, lambda load: 0.015) == pytest.approx([20.0, 20.0])
    assert adjusted(points, None) == pytest.approx([30.0, 10.0])


def test_one_over_latency_overstates_capacity() -> None:
    # Known: at 3 times the service time, variation 0.25, 46 % may be used and not 100 %.
    services = np.random.default_rng(0).gamma(16, 0.005 / 16, 50_000)
    found = true_capacity(lambda batch, call: services[call % len(services)], 0.015, high=200.0)
    assert found < 0.5 * 200


def point(offered: float, share: float, valid: bool = True) -> LoadPoint:
    return LoadPoint(offered, offered, 1000, int(1000 * share), p50_ms=2.0, p99_ms=5.0, valid=valid)


def test_no_crossing_where_every_load_keeps_the_promise() -> None:
    found = find_capacity(lambda rate, s, seed: point(rate, 0.0), 100.0, 1.0, np.random.default_rng(0))
    assert found.value == pytest.approx(100.0)
    assert found.note.startswith("at least")


def test_no_load_that_keeps_the_promise_is_a_capacity_of_zero() -> None:
    found = find_capacity(lambda rate, s, seed: point(rate, 0.5), 100.0, 1.0, np.random.default_rng(0))
    assert found.value == 0.0
    assert "late already" in found.note


def test_invalid_runs_are_repeated_once_and_never_counted() -> None:
    found = find_capacity(
        lambda rate, s, seed: point(rate, 0.5, valid=False), 100.0, 1.0, np.random.default_rng(0)
    )
    assert found.value is None
    assert found.note.startswith("too noisy (")


def test_loads_too_noisy_at_the_low_end_leave_the_capacity_open() -> None:
    found = find_capacity(
        lambda rate, s, seed: point(rate, 0.5, valid=rate > 50), 100.0, 1.0, np.random.default_rng(0)
    )
    assert found.value is None


def test_the_crossing_lies_between_the_loads_around_it() -> None:
    points = [point(10, 0.0), point(20, 0.002), point(30, 0.05), point(40, 0.4)]
    found = crossing(points)
    assert found is not None and 20 < found < 30


def test_the_knee_is_where_throughput_per_waiting_is_highest() -> None:
    points = [LoadPoint(x, x, 100, 0, p50_ms=1 / (1 - x / 100), p99_ms=9.0) for x in (10, 30, 50, 70, 90)]
    # In M/M/1, x (1 - x / 100) is highest at half the capacity (Kleinrock).
    assert knee(points) == 50

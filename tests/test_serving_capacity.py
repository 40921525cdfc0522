"""The search for the highest load, against queues whose theory is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.facts.serving import LoadPoint
from harness.serving import queues
from harness.serving.belief import Belief, dispersion, late_counts, together
from harness.serving.capacity import find_capacity, per_s
from harness.serving.load import Calls, Observed, ServerSettings, knee
from harness.serving.queues import (
    Services,
    highest_load,
    poisson_arrivals,
    served,
    simulated_run,
    sojourns,
    true_capacity,
    unit_arrivals,
)
from harness.serving.series import series_of


def fixed(*seconds: float) -> Services:
    return Services.fixed(np.array(seconds))


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
    services = Services(
        np.array([0.0, 0.001]), np.random.default_rng(0).exponential(size=400_000), np.zeros(400_000)
    )
    expected = 1000 - np.log(100) / 0.010
    assert true_capacity(services, ServerSettings(10.0, 1, 0.0)) == pytest.approx(expected, rel=0.03)


def test_a_lone_request_waits_for_the_batch_window_and_a_full_batch_does_not() -> None:
    patient = ServerSettings(10.0, 4, 2.0)
    services = fixed(0.001, 0.001, 0.001, 0.001)
    assert sojourns(np.array([0.0]), services, patient) == pytest.approx([0.003])
    assert sojourns(np.zeros(4), services, patient) == pytest.approx([0.001] * 4)


def test_the_compiled_queue_is_the_queue_by_events() -> None:
    arrivals = poisson_arrivals(900, 4, seed=0)
    random = np.random.default_rng(1)
    services = Services(
        np.array([0, 2e-3, 2.5e-3, 2.8e-3]), random.uniform(0.8, 1.2, 500), np.zeros(500), 1e-4
    )
    settings = ServerSettings(10.0, 3, 1.0)
    free, i, call, expected = 0.0, 0, 0, []
    while i < len(arrivals):
        start = max(free, arrivals[i])
        while True:  # wait for company until the batch is full or its oldest request has waited a millisecond
            waiting = int(np.sum(arrivals[i : i + 3] <= start))
            close = max(free, arrivals[i] + 1e-3)
            if waiting == 3 or start >= close:
                break
            later = [t for t in arrivals[i : i + 3] if t > start]
            start = min([close, *later])
        done = start + services.base[waiting] * services.factor[call % 500] + (1e-4 if start > free else 0.0)
        expected += [done - t for t in arrivals[i : i + waiting]]
        free, i, call = done, i + waiting, call + 1
    assert sojourns(arrivals, services, settings) == pytest.approx(expected)


def test_one_at_a_time_is_lindley_s_recursion() -> None:
    arrivals, service = poisson_arrivals(400, 5, seed=0), 0.002
    worked = service * np.arange(1, len(arrivals) + 1)
    done = worked + np.maximum.accumulate(arrivals - (worked - service))
    assert sojourns(arrivals, fixed(service), ServerSettings(10.0, 1, 0.0)) == pytest.approx(done - arrivals)


def test_one_over_latency_overstates_capacity() -> None:
    # Known: at 3 times the service time, variation 0.25, 46 % may be used and not 100 %.
    factor = np.random.default_rng(0).gamma(16, 1 / 16, 50_000)
    services = Services(np.array([0.0, 0.005]), factor, np.zeros(50_000))
    assert true_capacity(services, ServerSettings(15.0, 1, 0.0)) < 0.5 * 200


def test_batches_that_wait_longer_than_the_limit_make_light_loads_the_worse_ones() -> None:
    # A batch of 4 closes when full: at 1000/s after 3 ms, at 20/s after the 20 ms that are waited at most.
    settings = ServerSettings(10.0, 4, 20.0)
    services = fixed(0.001, 0.001, 0.001, 0.001)
    gaps = unit_arrivals(20_000, np.random.default_rng(0))
    found = highest_load(gaps, services, settings)
    assert found is not None and found > 2000
    assert np.mean(sojourns(gaps / 20, services, settings) > 0.010) > 0.5


# --------------------------------------------------------------------------- service times as seen


def test_a_run_s_own_service_times_on_its_own_arrivals_are_the_run() -> None:
    random = np.random.default_rng(2)
    closed = np.array([0.001, 0.0015, 0.002, 0.0025])
    true = Services(
        np.concatenate([[0.0], 1.2 * closed]), random.gamma(100, 1 / 100, 4000), np.zeros(4000), 2e-4
    )
    settings = ServerSettings(10.0, 4, 0.5)
    arrivals = poisson_arrivals(900, 3, seed=1)
    run = served(arrivals, true, settings)
    seen = series_of([run], closed, settings).services
    assert seen.base[1:] == pytest.approx(
        1.2 * closed, rel=0.04
    )  # medians of 30 calls and more that vary by 10 %
    assert seen.woken == pytest.approx(2e-4, rel=0.2)
    assert sojourns(arrivals, seen, settings) == pytest.approx(sojourns(arrivals, true, settings), rel=0.05)


def test_stalls_are_kept_apart_from_the_usual_variation() -> None:
    extra = np.zeros(1000)
    extra[[100, 500, 900]] = 0.02
    true = Services(np.array([0.0, 0.002]), np.ones(1000), extra)
    settings = ServerSettings(10.0, 1, 0.0)
    run = served(poisson_arrivals(300, 3.0, seed=0), true, settings)
    series = series_of([run], np.array([0.002]), settings)
    assert series.slow_calls == int(np.sum(run.answered - run.issued > 0.01))
    assert series.without_stalls().extra.sum() == 0


def test_clock_readings_of_requests_become_calls() -> None:
    raw = {
        "scheduled_ns": np.array([0, 1, 2, 3, 9]),
        "issued_ns": np.array([1, 4, 4, 4, 9]),
        "answered_ns": np.array([3, 7, 7, 7, 0]),
    }
    calls = Calls.of_requests(raw)
    assert calls.size.tolist() == [1, 3]  # the last one failed
    assert (calls.first * 1e9).round().tolist() == [0, 1]
    assert (calls.last * 1e9).round().tolist() == [0, 3]
    assert ((calls.answered - calls.issued) * 1e9).round().tolist() == [2, 3]


# ------------------------------------------------------------------------------- what runs tell


def run_of(load: float, late: int, requests: int = 1000) -> Observed:
    flags = np.zeros(requests, bool)
    flags[np.linspace(0, requests - 1, late).astype(int)] = True
    none = np.zeros(0)
    return Observed(
        LoadPoint(load, load, requests, late), none, flags, Calls(none, none, none, none, none, none)
    )


def test_late_counts_place_the_capacity_between_loads_that_keep_and_that_break() -> None:
    found = late_counts([run_of(80, 0), run_of(90, 2), run_of(110, 60), run_of(120, 400)], 0.01, 200.0)
    assert found is not None
    assert 90 < np.exp(found.mean) < 110
    assert found.sd >= 0.05


def test_late_requests_in_bunches_count_for_less() -> None:
    spread, bunch = np.zeros(1000, bool), np.zeros(1000, bool)
    spread[::25] = True
    bunch[300:340] = True
    assert dispersion([spread]) == 2.0  # the least that is assumed
    # All 40 in one of ten blocks: mean 4, variance 40² / 10 = 160 with nine degrees of freedom.
    assert dispersion([bunch]) == pytest.approx(160 / 4)


def test_evidence_that_disagrees_widens_the_interval() -> None:
    agreed = together(Belief(5.0, 0.1), Belief(5.0, 0.1))
    assert (agreed.mean, agreed.sd) == pytest.approx((5.0, 0.1 / 2**0.5))
    apart = together(Belief(5.0, 0.1), Belief(6.0, 0.1))
    assert apart.mean == pytest.approx(5.5)
    assert apart.sd == pytest.approx(agreed.sd * 1.0 / 0.02**0.5)


# ----------------------------------------------------------------------------------- the search


@pytest.mark.parametrize("in_situ", [1.0, 1.15])
def test_the_search_finds_the_capacity_of_a_server_that_batches(in_situ: float) -> None:
    closed = (0.12 + 0.13 * np.arange(1, 9)) / 1e3
    random = np.random.default_rng(5)
    services = Services(
        np.concatenate([[0.0], in_situ * closed]), random.gamma(200, 1 / 200, 50_000), np.zeros(50_000)
    )
    settings = ServerSettings(5.0, 8, 1.0)
    truth = true_capacity(services, settings)
    bound = 8 / closed[7]
    for seed in range(3):
        found = find_capacity(
            simulated_run(services, settings), closed, settings, 5.0, np.random.default_rng(seed)
        )
        # Over 90 searches of such a server the errors' root mean square was .012.
        assert found.value == pytest.approx(truth, rel=0.05)
        assert found.low is not None and found.high is not None
        assert found.low <= found.value <= found.high <= bound
        assert found.confirmed
        assert [p.stage for p in found.points] == ["search"] * 6 + ["confirm"] * 2
        assert all(p.predicted == pytest.approx(p.violations, abs=0.01 * p.requests) for p in found.points)


def test_the_first_call_of_a_run_after_a_pause_is_no_slow_call_of_the_load() -> None:
    """It took 5 to 20 ms where others take .6: eight such calls made 1 % of ten seconds' requests late."""
    cold = np.zeros(20_000)
    cold[0] = 0.02
    closed = np.array([0.6, 1.0, 1.35, 1.7, 2.1, 2.45, 2.9, 3.3]) / 1e3
    services = Services(
        np.append(0.0, closed), np.random.default_rng(0).gamma(400, 1 / 400, 20_000), np.zeros(20_000)
    )
    settings = ServerSettings(5.0, 8, 0.0)
    run = simulated_run(replace(services, extra=cold), settings)
    found = find_capacity(run, closed, settings, 10.0, np.random.default_rng(1))
    assert found.value == pytest.approx(true_capacity(services, settings), rel=0.05)
    assert found.slow_calls == 0 and found.high is not None and found.low is not None
    assert found.high < 1.3 * found.low


def test_the_answer_is_never_above_the_closed_loop_bound() -> None:
    # Faster under load than alone, which no server is: the bound holds all the same.
    services, settings = fixed(0.0005), ServerSettings(50.0, 1, 0.0)
    found = find_capacity(
        simulated_run(services, settings), np.array([0.001]), settings, 4.0, np.random.default_rng(0)
    )
    assert found.value == pytest.approx(1000.0)
    assert found.high == pytest.approx(1000.0)


@pytest.mark.parametrize("seed", range(6))
def test_no_server_is_said_to_carry_more_than_its_workers_do_in_a_closed_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    settings = ServerSettings(float(random.uniform(2, 50)), int(random.choice([1, 4, 8])), 0.0, 1 + seed % 3)
    sizes = np.arange(1, settings.max_batch + 1)
    closed = (random.uniform(0.2, 1.0) + random.uniform(0.05, 0.4) * sizes) / 1e3
    # From half as fast to twice as fast under load as in a closed loop, which was measured in a slow moment.
    under_load = closed * np.exp(random.uniform(-0.7, 0.7))
    services = Services(np.concatenate([[0.0], under_load]), random.gamma(50, 1 / 50, 5000), np.zeros(5000))
    found = find_capacity(simulated_run(services, settings), closed, settings, 2.0, random)
    bound = settings.workers * float(np.max(sizes / closed))
    assert found.value is not None and found.low is not None and found.high is not None
    assert found.low <= found.value <= found.high <= bound * (1 + 1e-9)


def test_slow_calls_that_decide_an_answer_are_told() -> None:
    extra = np.where(np.random.default_rng(0).random(20_000) < 0.003, 0.012, 0.0)
    services, settings = (
        Services(np.array([0.0, 0.002]), np.ones(20_000), extra),
        ServerSettings(10.0, 1, 0.0),
    )
    found = find_capacity(
        simulated_run(services, settings, lambda seed: seed % 20_000), np.array([0.002]), settings, 20.0,
        np.random.default_rng(1),
    )  # fmt: skip
    assert found.slow_calls > 0
    assert f"{found.slow_calls} slow calls decide this" in found.note


def test_an_answer_that_breaks_its_promise_when_tried_again_is_not_confirmed() -> None:
    services, settings = fixed(0.002), ServerSettings(10.0, 1, 0.0)
    run, runs = simulated_run(services, settings), 0

    def then_neighbours_come(rate: float, seconds: float, seed: int) -> Observed:
        nonlocal runs
        runs += 1
        seen = run(rate, seconds, seed)
        return replace(seen, late=np.ones_like(seen.late)) if runs > 6 else seen

    found = find_capacity(then_neighbours_come, np.array([0.002]), settings, 20.0, np.random.default_rng(0))
    assert found.confirmed is False
    assert found.note.startswith("not confirmed: 100.0% were late in further runs at it; its lower end is ")


def test_no_load_that_keeps_the_promise_is_a_capacity_of_zero() -> None:
    services, settings = fixed(0.02), ServerSettings(10.0, 1, 0.0)
    found = find_capacity(
        simulated_run(services, settings), np.array([0.005]), settings, 8.0, np.random.default_rng(0)
    )
    assert found.value == 0.0
    assert "late already" in found.note


def noisy(run: object, valid: object, note: str = "") -> object:
    def seen(rate: float, seconds: float, seed: int) -> Observed:
        found, counts = run(rate, seconds, seed), valid()  # type: ignore[operator]
        return replace(found, point=replace(found.point, valid=counts, note=note if counts else "neighbours"))

    return seen


def test_invalid_runs_are_repeated_a_few_times_and_never_counted() -> None:
    services, settings = fixed(0.002), ServerSettings(10.0, 1, 0.0)
    run = noisy(simulated_run(services, settings), lambda: False)
    found = find_capacity(run, np.array([0.002]), settings, 4.0, np.random.default_rng(0))  # type: ignore[arg-type]
    assert found.value is None
    assert found.note == "too noisy (12 of 12 runs: neighbours)"
    turns = iter([False, True] * 20)
    run = noisy(simulated_run(services, settings), lambda: next(turns))
    found = find_capacity(run, np.array([0.002]), settings, 20.0, np.random.default_rng(0))  # type: ignore[arg-type]
    assert found.value == pytest.approx(true_capacity(services, settings), rel=0.15)
    assert sum(not p.valid for p in found.points) == 6


def test_runs_beside_neighbours_are_repeated_and_said_to_be_noisy_where_there_are_no_others() -> None:
    services, settings = fixed(0.002), ServerSettings(10.0, 1, 0.0)
    truth = true_capacity(services, settings)
    run = noisy(simulated_run(services, settings), lambda: True, "neighbours")
    found = find_capacity(run, np.array([0.002]), settings, 20.0, np.random.default_rng(0))  # type: ignore[arg-type]
    assert found.value == pytest.approx(truth, rel=0.15)
    assert found.note.endswith("noisy: 8 of 8 runs (neighbours), alone it may carry more")
    assert sum(not p.valid for p in found.points) == 4


def test_the_knee_is_where_throughput_per_waiting_is_highest() -> None:
    points = [LoadPoint(x, x, 100, 0, p50_ms=1 / (1 - x / 100), p99_ms=9.0) for x in (10, 30, 50, 70, 90)]
    # In M/M/1, x (1 - x / 100) is highest at half the capacity (Kleinrock).
    assert knee(points) == 50


@pytest.mark.parametrize("burstiness", [0.5, 1.0, 2.0])
def test_the_capacity_under_bursts_is_that_of_the_g_m_1_queue(burstiness: float) -> None:
    """Gamma gaps, one exponential server of 1 ms: times in system are exponential with rate mu (1 - sigma),
    where sigma = A*(mu (1 - sigma)), A* the gaps' Laplace transform; the p99 is ln 100 / (mu (1 - sigma))."""
    mu, limit_s, shape = 1000.0, 0.020, burstiness**-2
    wanted = math.log(100) / limit_s  # mu (1 - sigma)
    sigma = 1 - wanted / mu
    # (1 + s / (shape load))^-shape = sigma, solved for the load.
    expected = wanted / (shape * (sigma ** (-1 / shape) - 1))
    random = np.random.default_rng(5)
    services = Services(np.array([0.0, 1.0]), random.exponential(1 / mu, 200_003), np.zeros(200_003))
    found = true_capacity(
        services, ServerSettings(limit_s * 1e3, 1, 0.0, burstiness=burstiness), requests=400_000
    )
    assert found == pytest.approx(expected, rel=0.03)


def test_gaps_have_the_variation_that_is_asked_for() -> None:
    for burstiness in (0.3, 1.0, 3.0):
        gaps = np.diff(poisson_arrivals(1000.0, 60.0, 4, burstiness))
        assert gaps.mean() == pytest.approx(1e-3, rel=0.05)
        assert gaps.std() / gaps.mean() == pytest.approx(burstiness, rel=0.06)


@pytest.mark.parametrize("load", [20.0, 60.0, 85.0, 92.0, 97.0, 110.0])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_load_keeps_its_promise_where_so_few_of_its_requests_are_late(load: float, workers: int) -> None:
    services = Services.fixed(np.array([0.010, 0.015, 0.018]))
    settings = ServerSettings(60.0, 3, 2.0, workers)
    gaps = unit_arrivals(5000, np.random.default_rng(3))
    for promise in (0.01, 0.1):
        late = sojourns(gaps / load, services, settings)[250:] > 0.060
        most = queues.most_late(len(gaps), promise)
        room = queues._room(len(gaps))
        kept = queues._answer(gaps / load, services, settings, 0, most, room) >= 0
        assert kept == (late.mean() <= promise)


def test_loads_are_said_without_powers_of_ten() -> None:
    assert [per_s(x) for x in (304_074.0, 6087.3, 0.51234)] == ["304,000 per s", "6,090 per s", "0.512 per s"]

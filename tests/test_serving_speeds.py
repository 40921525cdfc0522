"""Machines with two speeds: what a batch's size takes is told apart from how fast the machine was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.capacity_real import compared
from benchmarks.capacity_real_loop import crossing
from harness.facts.serving import LoadPoint, NoiseFacts
from harness.serving.belief import around, dispersion, late_counts
from harness.serving.capacity import find_capacity
from harness.serving.load import Calls, Observed, ServerSettings
from harness.serving.queues import (
    Services,
    highest_load,
    poisson_arrivals,
    served,
    simulated_run,
    true_capacity,
    unit_arrivals,
)
from harness.serving.series import _own, series_of
from harness.serving.speeds import SLOWEST, by_size, slowness

CLOSED = (0.5 + 0.4 * np.arange(1, 9)) / 1e3
SETTINGS = ServerSettings(10.0, 8, 0.0)
SLOW = 1.6


def two_speeds(seed: int, calls: int = 40_000) -> Services:
    """A fifth of the calls, some hundreds on end, takes 1.6 times as long; all vary by 5 %."""
    random = np.random.default_rng(seed)
    level, k = np.ones(calls), 0
    while k < calls:
        k += int(random.exponential(1600))
        slow = int(random.exponential(400))
        level[k : k + slow] = SLOW
        k += slow
    factor = level * random.gamma(400, 1 / 400, calls)
    return Services(np.concatenate([[0.0], CLOSED]), factor, np.zeros(calls))


def runs_of(services: Services, loads: list[float], seconds: float = 3.0) -> list[Calls]:
    return [
        served(poisson_arrivals(load, seconds, seed), services, SETTINGS, 5000 * seed)
        for seed, load in enumerate(loads)
    ]


def test_large_batches_that_came_in_slow_moments_are_not_taken_for_dear_ones() -> None:
    calls = runs_of(two_speeds(1), [900.0] * 8)
    size = np.concatenate([c.size for c in calls])
    seconds = np.concatenate([c.answered - c.issued for c in calls])
    lane = np.repeat(np.arange(8), [len(c.size) for c in calls])
    own = np.median(seconds[size == 7]) / np.median(seconds[size == 1])
    assert own > 1.4 * CLOSED[6] / CLOSED[0]  # the middle call of seven was a slow one, that of one was not
    found = by_size(size, seconds, lane, CLOSED[0] * np.arange(1, 9) ** 0.5)  # a closed loop of another shape
    assert found[:7] / found[0] == pytest.approx(CLOSED[:7] / CLOSED[0], rel=0.03)


def test_chance_that_makes_the_next_batch_large_does_not_make_sizes_alike() -> None:
    # Calls vary by 30 %. A long one lets more requests come, so the call before a large batch was a long one.
    random = np.random.default_rng(2)
    services = Services(np.concatenate([[0.0], CLOSED]), random.gamma(11, 1 / 11, 40_000), np.zeros(40_000))
    calls = runs_of(services, [900.0] * 8)
    size = np.concatenate([c.size for c in calls])
    seconds = np.concatenate([c.answered - c.issued for c in calls])
    found = by_size(size, seconds, np.repeat(np.arange(8), [len(c.size) for c in calls]), CLOSED)
    assert found[4] / found[0] == pytest.approx(CLOSED[4] / CLOSED[0], rel=0.03)


def test_a_size_that_never_came_has_the_closed_loop_s_place_beside_those_that_did() -> None:
    calls = runs_of(Services.fixed(1.2 * CLOSED), [300.0])[0]
    assert calls.size.max() < 8
    found = by_size(calls.size, calls.answered - calls.issued, np.zeros(len(calls.size), int), CLOSED)
    assert found == pytest.approx(1.2 * CLOSED, rel=0.01)


def test_slow_moments_are_no_stalls_and_stalls_are_no_slow_moments() -> None:
    ratio = np.ones(640)
    ratio[128:256] = SLOW
    ratio[300] = 9.0
    ratio[384:448] = 5.0
    level = slowness(ratio, np.zeros(640, int))
    assert level[128:256] == pytest.approx(SLOW)
    assert level[300] == 1.0
    assert level[384:448] == pytest.approx(SLOWEST)  # nothing is slower than that but stalls on end
    assert level[:128] == pytest.approx(1.0)


def test_a_search_finds_what_a_machine_of_two_speeds_carries() -> None:
    services = two_speeds(4, 400_000)
    truth = true_capacity(services, SETTINGS)
    found = [
        find_capacity(
            simulated_run(services, SETTINGS, lambda seed: seed % 400_000), CLOSED, SETTINGS, 20.0,
            np.random.default_rng(seed),
        ).value
        for seed in range(8)
    ]  # fmt: skip
    assert np.median(found) == pytest.approx(truth, rel=0.06)


def test_the_model_of_long_runs_on_a_machine_of_two_speeds_is_the_machine() -> None:
    services = two_speeds(5, 400_000)
    truth = true_capacity(services, SETTINGS)
    calls = served(poisson_arrivals(truth, 200.0, 1), services, SETTINGS)
    model = series_of([calls], CLOSED, SETTINGS).services
    found = highest_load(unit_arrivals(200_000, np.random.default_rng(1)), model, SETTINGS)
    assert found == pytest.approx(truth, rel=0.03)  # each size's own middle call said .70 of it


def run_of(load: float, late: int) -> Observed:
    flags = np.zeros(1000, bool)
    flags[np.linspace(0, 999, late).astype(int)] = True
    none = np.zeros(0)
    return Observed(LoadPoint(load, load, 1000, late), none, flags, Calls(none, none, none, none, none, none))


def test_runs_that_a_line_does_not_explain_say_little() -> None:
    """A tenth late at 95, nobody at 105: the machine's speed was another. Within each run all looks even."""
    smooth = [run_of(load, late) for load, late in ((90, 0), (95, 1), (100, 10), (105, 80), (110, 300))]
    torn = [run_of(load, late) for load, late in ((90, 0), (95, 100), (100, 0), (105, 0), (110, 300))]
    assert dispersion([r.late for r in torn]) == dispersion([r.late for r in smooth])
    sure, unsure = late_counts(smooth, 0.01, 200.0), late_counts(torn, 0.01, 200.0)
    assert sure is not None and unsure is not None
    assert sure.sd == pytest.approx(0.05)
    assert unsure.sd > 0.3  # .05 too where runs are taken for alike
    assert np.exp(sure.mean) == pytest.approx(100, rel=0.02)


def test_one_request_where_nobody_is_expected_is_no_surprise() -> None:
    of = np.full(4, 1000.0)
    assert around(np.array([0.0, 1.0, 0.0, 1.0]), of, np.full(4, 1e-5)) < 1.1
    # (20 - 10)² over 10 · .99 + 1, twice, of two degrees of freedom.
    assert around(np.array([20.0, 10.0, 10.0, 0.0]), of, np.full(4, 0.01)) == pytest.approx(100 / 10.9)


# ------------------------------------------------------------------ the benchmark on real networks


def test_lighter_loads_that_were_late_more_often_by_chance_are_pooled() -> None:
    rates, of = [100.0, 110.0, 121.0, 133.0], [1000.0] * 4
    # 1.2 % and .2 % are .7 % together: the promise of 1 % is passed above both.
    found = crossing(rates, [0, 12, 2, 300], of)
    assert found is not None and 121 < found < 133
    assert crossing(rates, [0, 1, 2, 3], of) is None
    assert crossing(rates, [20, 30, 40, 50], of) is None


def test_answers_are_compared_where_the_truth_is_known_to_a_tenth_itself() -> None:
    answers = [{"qps": 95.0, "low": 60.0, "high": 120.0}, {"qps": 80.0, "low": 70.0, "high": 90.0}]
    found = compared(answers, 100.0, (95.0, 104.0))
    assert found == {"known": True, "ratios": [0.95, 0.8], "within_10_percent": 1, "covered": 1}
    assert not compared(answers, 100.0, (85.0, 104.0))["known"]
    assert not compared(answers, None, None)["known"]


@pytest.mark.parametrize("sizes", [1, 8])
def test_calls_without_neighbours_leave_the_closed_loops_shape_at_their_own_speed(sizes: int) -> None:
    closed = 0.01 * np.arange(1, sizes + 1)
    alone = by_size(np.array([1]), np.array([0.02]), np.array([0]), closed)
    assert alone == pytest.approx(2 * closed)
    each_its_own_lane = by_size(np.array([1, 1]), np.array([0.02, 0.02]), np.array([0, 1]), closed)
    assert each_its_own_lane == pytest.approx(2 * closed)


# ------------------------------------------------------------------------- time that others took


def test_a_core_that_others_had_is_no_slow_call_of_the_variant() -> None:
    """Overloaded runs that never pause lose 50 ms of each second; runs that pause lose nothing."""
    services = Services(np.concatenate([[0.0], CLOSED]), np.ones(4000), np.zeros(4000))
    stopped = replace(services, extra=np.where(np.arange(4000) % 270 == 200, 0.05, 0.0))  # calls of 3.7 ms
    rates = (1200.0, 1500.0, 2200.0, 2300.0)
    calls = [
        served(poisson_arrivals(rate, 2.0, k), stopped if rate > 2000 else services, SETTINGS)
        for k, rate in enumerate(rates)
    ]
    lost = [float(np.sum(c.answered - c.issued > 0.03)) * 0.05 for c in calls]
    assert lost[0] == lost[1] == 0.0 and min(lost[2:]) >= 0.05
    gaps, truth = unit_arrivals(40_000, np.random.default_rng(1)), true_capacity(services, SETTINGS)

    def said(runs: list[Calls]) -> float:
        return highest_load(gaps, series_of(runs, CLOSED, SETTINGS).services, SETTINGS) or 0.0

    assert said(calls) < 0.9 * truth
    told = [replace(c, waited=waited) for c, waited in zip(calls, lost, strict=True)]
    assert said(told) == pytest.approx(truth, rel=0.03)


def test_of_a_longer_stall_what_nobody_else_took_stays() -> None:
    extra = np.array([0.0, 0.02, 0.001, 0.03])
    assert _own(extra, 0.0) == pytest.approx(extra)
    assert _own(extra, 0.035) == pytest.approx([0.0, 0.015, 0.001, 0.0])
    assert _own(extra, 1.0) == pytest.approx(np.zeros(4))


def test_how_long_others_had_the_cores_of_a_run_is_read_with_it() -> None:
    noisy = LoadPoint(100.0, 100.0, 2, 0, noise=NoiseFacts(wait_share=0.1))
    second = 1_000_000_000
    raw = {
        "scheduled_ns": np.array([second, 2 * second]), "issued_ns": np.array([second, 2 * second]),
        "answered_ns": np.array([second + 5, 3 * second]), "counted": np.ones(2, bool),
    }  # fmt: skip
    settings = replace(SETTINGS, workers=2)
    assert Observed.of_requests(noisy, raw, settings).calls.waited == pytest.approx(0.1 * 2.0)
    assert Observed.of_requests(replace(noisy, noise=None), raw, settings).calls.waited == 0.0

"""Costs where no load was measured under a limit: a simulated queue stands in, held against exact ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.criteria import merge_constraints
from harness.analysis.flips import find_flips
from harness.analysis.money import with_costs
from harness.analysis.recommend import question_of
from harness.analysis.served import kept_within, load_within, service_times
from harness.analysis.tradeoff import complete
from harness.metrics import CAPACITY
from harness.record import Measurement
from harness.results import Estimate, Row, ServiceTimes, Tradeoff
from harness.suite.schema import Server
from tests.analysis_world import Truth, World, make_suite


def load(times: ServiceTimes, *limits: str) -> float | None:
    found = load_within(times, merge_constraints((), limits))
    assert found is not None
    return found.load


def test_a_queue_of_exponential_calls_carries_what_the_formula_says() -> None:
    """M/M/1: P(sojourn > t) = exp(-(mu - lambda) t), so lambda = mu - ln(100) / t keeps a p99 of t."""
    quantiles = -np.log1p(-(np.arange(200) + 0.5) / 200)
    times = ServiceTimes(((1, 1.0),), tuple(quantiles / quantiles.mean()))
    assert load(times, "latency_p99_ms <= 20") == pytest.approx(1000 - 1000 * math.log(100) / 20, rel=0.05)


def of_exponential_calls() -> ServiceTimes:
    quantiles = -np.log1p(-(np.arange(200) + 0.5) / 200)
    return ServiceTimes(((1, 1.0),), tuple(quantiles / quantiles.mean()))


def within(limit_ms: float) -> float:
    """What an M/M/1 queue of 1 ms a call carries with a p99 of that."""
    return 1000 - 1000 * math.log(100) / limit_ms


def test_a_load_within_a_promise_is_brought_to_a_tighter_limit_as_the_formula_says() -> None:
    limits = merge_constraints((), ("latency_p99_ms <= 8",))
    share, said = kept_within(of_exponential_calls(), limits, 20.0, 1.0)
    assert share == pytest.approx(within(8) / within(20), rel=0.05)
    assert said == "measured within a p99 of 20 ms, by a simulated queue brought to latency_p99_ms <= 8"
    for looser in ("latency_p99_ms <= 20", "latency_p99_ms <= 50", "accuracy >= 0.9", "latency_p50_ms <= 15"):
        assert kept_within(of_exponential_calls(), merge_constraints((), (looser,)), 20.0, 1.0) == (1.0, "")
    nobody = kept_within(of_exponential_calls(), merge_constraints((), ("latency_p99_ms <= 2",)), 20.0, 1.0)
    assert math.isnan(nobody[0])  # a call in a hundred alone takes 4.6 ms
    assert kept_within(None, limits, 20.0, 1.0) == (1.0, "floor: the load is that within a p99 of 20 ms")


def test_a_tighter_limit_than_the_servers_is_paid_for_in_machines() -> None:
    """770 requests per second within 20 ms, 424 within 8: 2,500 were priced at four machines and need six."""
    suite = make_suite(["net"], ["onnx"], traffic={"qps": 2500.0}, constraints=("latency_p99_ms <= 8",))
    scenarios = suite.serving.scenarios.model_copy(update={"server": Server(latency_p99_ms=20.0)})
    suite = suite.model_copy(update={"serving": suite.serving.model_copy(update={"scenarios": scenarios})})
    row = Row("net/onnx", "net", "onnx", {CAPACITY: Estimate(within(20))}, service=of_exponential_calls())
    table = Tradeoff((row,), (CAPACITY,), {CAPACITY: np.full((50, 1), within(20))})
    (found,) = with_costs(table, suite, {}).rows
    cell = found.estimates["cost_per_month_usd"]
    assert math.ceil(2500 / within(20)) == 4 and math.ceil(2500 / within(8)) == 6
    assert cell.value == pytest.approx(6 * 73.0) and "brought to latency_p99_ms <= 8" in cell.note


def test_a_switch_that_is_told_of_a_limit_on_latency_counts_the_machines_that_it_takes() -> None:
    """700 requests per second are carried within 15.35 ms and more, by the formula: below, a second machine
    makes the better one the worse one. By its calls alone it kept limits down to 5 ms, which was told."""
    suite = make_suite(
        ["good", "light"], ["onnx"], traffic={"qps": 700.0}, constraints=("latency_p99_ms <= 20",),
        objective="maximize value", value="1000*accuracy - cost_per_month_usd",
    )  # fmt: skip
    scenarios = suite.serving.scenarios.model_copy(update={"server": Server(latency_p99_ms=20.0)})
    suite = suite.model_copy(update={"serving": suite.serving.model_copy(update={"scenarios": scenarios})})
    times, carried = of_exponential_calls(), {"good": within(20), "light": 3000.0}
    light = replace(times, by_size=((1, 0.2),))
    figures = {"accuracy": (0.9, 0.88), CAPACITY: tuple(carried.values()), "latency_p99_ms": (4.7, 0.95)}
    rows = tuple(
        Row(f"{name}/onnx", name, "onnx", {m: Estimate(v[k]) for m, v in figures.items()}, service=service)
        for k, (name, service) in enumerate((("good", times), ("light", light)))
    )
    draws = {metric: np.tile(values, (50, 1)) for metric, values in figures.items()}
    question = question_of(complete(Tradeoff(rows, tuple(figures), draws), suite, {}), suite)
    assert question.winner == "good/onnx"
    told = next(f for f in find_flips(question) if f["what"] == "limit on latency_p99_ms")
    assert told["then"] == "light/onnx"
    assert told["at"] == pytest.approx(1000 * math.log(100) / 300, rel=0.05)


def test_two_workers_carry_more_than_twice_what_one_carries_under_a_tight_limit() -> None:
    one, two = (ServiceTimes(((1, 1.0),), (1.0,), workers) for workers in (1, 2))
    alone, both = load(one, "latency_p99_ms <= 3"), load(two, "latency_p99_ms <= 3")
    assert alone is not None and both is not None and 2 * alone < both <= 2000


def test_batches_no_longer_than_the_limit_leaves_time_for() -> None:
    times = ServiceTimes(((1, 1.0), (32, 20.0)))  # a full batch takes longer than the limit
    found = load(times, "latency_p99_ms <= 10")
    assert found is not None and 600 < found < times.peak


def test_no_load_keeps_a_limit_below_a_call_and_no_limit_means_no_queue() -> None:
    times = ServiceTimes(((1, 5.0),))
    assert load(times, "latency_p99_ms <= 4") is None
    assert load_within(times, merge_constraints((), ("accuracy >= 0.9",))) is None


def test_the_tighter_of_two_limits_decides() -> None:
    times = ServiceTimes(((1, 1.0), (8, 4.0)))
    loose, tight = load(times, "latency_p99_ms <= 50"), load(times, "latency_p99_ms <= 5")
    assert loose is not None and tight is not None and tight < loose <= times.peak
    assert load(times, "latency_p99_ms <= 50", "latency_p90_ms <= 2") == load(times, "latency_p90_ms <= 2")


def _fifo_late(calls: np.ndarray, rate: float, limit_ms: float) -> float:
    """The share of requests that one server answers late, one at a time: Lindley's recursion on raw calls."""
    rng = np.random.default_rng(7)
    came = np.cumsum(rng.exponential(1e3 / rate, 60_000))
    took, free, late = rng.choice(calls, len(came)), 0.0, 0
    for arrival, ms in zip(came, took, strict=True):
        free = max(arrival, free) + ms
        late += free - arrival > limit_ms
    return late / len(came)


def test_slow_calls_count_once() -> None:
    """Calls of which the mean lies far above the median: the load is that of a queue of these very calls."""
    calls = np.random.default_rng(1).lognormal(0.0, 0.6, 4000)  # ms; the mean is 1.2 times the median
    trial = next(r for r in World({"a": Truth(0.9, 1.0)}).records() if r.trial.scenario == "single_stream")
    p50, p99 = (float(np.percentile(calls, q)) for q in (50, 99))
    stream = replace(
        trial,
        measurements=(
            Measurement("latency_p50_ms", p50, "ms", samples=tuple(calls)),
            Measurement("latency_p99_ms", p99, "ms"),
        ),
    )
    windows = replace(
        trial,
        trial=replace(trial.trial, scenario="offline"),
        measurements=(
            Measurement("throughput_offline_per_s", 1e3 / calls.mean(), "1/s", at={"batch_size": 1}),
        ),
    )
    times = service_times([stream, windows], 1)
    assert times is not None and np.mean(times.varies) == pytest.approx(1, abs=0.01)
    found = load(times, "latency_p99_ms <= 12")
    assert found is not None
    assert _fifo_late(calls, 0.93 * found, 12) < 0.01 < _fifo_late(calls, 1.07 * found, 12)

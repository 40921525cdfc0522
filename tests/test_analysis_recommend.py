"""Verdicts, reasons and flips on a simulated world whose truth is known."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from harness.analysis.outputs import to_json, tradeoff_rows
from harness.analysis.recommend import recommend
from harness.analysis.tradeoff import tradeoff
from harness.record import SuiteError
from harness.results import Recommendation
from tests.analysis_world import Truth, World, failed, make_suite

TRUTHS = {
    "small": Truth(0.85, 2.0, throughput=600),
    "big": Truth(0.90, 6.0, throughput=150),
    "huge": Truth(0.95, 20.0, throughput=50),
}


def decide(world: World, **decision: object) -> Recommendation:
    suite = make_suite(list(world.truths), world.runtimes, **decision)
    return recommend(tradeoff(world.records(), suite, world.predictions.__getitem__), suite)


def test_the_most_accurate_variant_within_the_limits_is_recommended_with_its_figures() -> None:
    found = decide(World(TRUTHS), constraints=("latency_p99_ms <= 10",))
    assert (found.verdict, found.choice) == ("recommend", "big/torch")
    assert found.probability_best is not None and found.probability_best > 0.95
    assert any("latency_p99_ms <= 10" in reason for reason in found.reasons)
    whys = {r["variant"]: r["why"] for r in found.runners_up}
    assert "latency_p99_ms <= 10: is" in whys["huge/torch"] and "accuracy is worse" in whys["small/torch"]


def test_two_identical_candidates_under_two_names_end_in_a_tie() -> None:
    ties = 0
    for seed in range(10):
        world = World({"a": TRUTHS["big"], "b": TRUTHS["big"]}, rng=np.random.default_rng(seed))
        ties += decide(world).verdict == "tie"
    assert ties >= 8  # nominal 0.95 each: fewer than 8 of 10 has probability 0.012


def test_one_candidate_on_two_runtimes_with_the_same_answers_is_a_tie_that_the_cheaper_wins() -> None:
    world = World({"big": TRUTHS["big"]}, runtimes=("torch", "onnx"))
    found = decide(world)
    assert found.verdict == "tie" and len(found.tied_with) == 1
    assert found.probability_best == pytest.approx(0.5)
    assert found.expected_regret == pytest.approx(0, abs=1e-12)


def test_in_a_tie_the_cheapest_is_named_with_the_reason() -> None:
    cheap = Truth(0.90, 6.0, throughput=600)
    world = World({"dear": TRUTHS["big"], "cheap": cheap}, num_examples=300)
    found = decide(world, traffic={"qps": 1000.0}, tolerance=0.1)
    assert found.verdict == "tie" and found.choice == "cheap/torch"
    assert "costs less: cost_per_month_usd" in found.reasons[0]


def test_no_candidate_within_the_limits_names_the_nearest_miss() -> None:
    found = decide(World(TRUTHS), constraints=("latency_p99_ms <= 1", "accuracy >= 0.8"))
    assert (found.verdict, found.choice) == ("none_feasible", None)
    assert "Nearest miss: small/torch" in found.reasons[1]
    assert any(f["what"] == "limit on latency_p99_ms" and f["then"] == "small/torch" for f in found.flips)


def test_a_limit_on_what_nobody_measured_is_not_enough_evidence() -> None:
    found = decide(World(TRUTHS), constraints=("throughput_at_slo_qps >= 100",))
    assert (found.verdict, found.choice) == ("not_enough_evidence", None)
    assert "throughput_at_slo_qps (not measured)" in found.reasons[0]


def test_a_limit_with_a_probability_rejects_what_only_probably_meets_it() -> None:
    world = World({"safe": Truth(0.85, 2.0), "edge": Truth(0.90, 9.0, launch_sd=0.2)})
    assert decide(world, constraints=("latency_p99_ms <= 10",)).choice is not None
    found = decide(world, constraints=("latency_p99_ms <= 10 with 0.999",))
    assert found.choice == "safe/torch"


def test_a_candidate_whose_training_failed_is_out_with_its_reason() -> None:
    world = World(TRUTHS)
    records = [
        failed(r, "out of memory at batch 128")
        if r.trial.candidate == "big" and r.trial.kind == "train"
        else r
        for r in world.records()
        if r.trial.candidate != "big" or r.trial.kind == "train"
    ]
    suite = make_suite(list(TRUTHS), constraints=("latency_p99_ms <= 10",))
    found = recommend(tradeoff(records, suite, world.predictions.__getitem__), suite)
    assert found.choice == "small/torch"
    assert "failed: out of memory at batch 128" in str(found.runners_up)


def test_the_switch_point_of_a_limit_is_where_the_other_candidate_meets_it() -> None:
    found = decide(World(TRUTHS), constraints=("latency_p99_ms <= 10",))
    flips = {f["then"]: f for f in found.flips}
    assert 18 < flips["huge/torch"]["at"] < 24
    assert 5 < flips["small/torch"]["at"] < 7.5


def test_a_value_expression_decides_and_traffic_flips_it() -> None:
    """A call of 5.8 ms under a p99 of 10 ms carries 5.3 requests/s (M/D/1: 6), and a machine costs 65 USD a
    month: five points of accuracy, 400 USD, pay six machines more than the small one needs.
    """
    found = decide(
        World(TRUTHS),
        constraints=("latency_p99_ms <= 10",),
        objective="maximize value",
        value="8000*accuracy - cost_per_month_usd",
        traffic={"qps": 3.0},
    )
    assert (found.verdict, found.choice) == ("recommend", "big/torch")
    traffic = [f for f in found.flips if f["what"] == "traffic"]
    assert traffic and traffic[0]["then"] == "small/torch" and 30 < traffic[0]["at"] < 38


def test_the_value_is_a_column_with_its_interval_derived_and_decides() -> None:
    world = World({"a": Truth(0.85, 2.0), "b": Truth(0.9, 4.0)})
    suite = make_suite(list(world.truths), objective="maximize value", value="100*accuracy - latency_p50_ms")
    records = world.records()
    table = tradeoff(records, suite, world.predictions.__getitem__)
    assert table.metrics[-1] == "value"
    assert not any(m.metric == "value" for r in records for m in r.measurements), "derived, never stored"
    for row in table.rows:
        cell, parts = row.estimates["value"], row.estimates
        expected = 100 * (parts["accuracy"].value or 0) - (parts["latency_p50_ms"].value or 0)
        assert cell.value == pytest.approx(expected, abs=0.3)
        assert cell.low is not None and cell.high is not None and cell.low < cell.value < cell.high
    line = tradeoff_rows(table)[0]
    assert {"value", "value_low", "value_high"} <= set(line)


def test_recommendation_is_plain_json() -> None:
    found = decide(World(TRUTHS), constraints=("latency_p99_ms <= 10",))
    assert json.loads(to_json(asdict(found)))["verdict"] == "recommend"


def test_an_unknown_metric_in_a_limit_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="did you mean `accuracy`"):
        decide(World(TRUTHS), constraints=("acuracy >= 0.8",))

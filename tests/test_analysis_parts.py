"""A value that holds a bill: quality and load are pulled together, and bills stay whole machines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.whole_machines import KINDS, held
from harness.analysis.cost import HOURS_PER_MONTH
from harness.analysis.parts import WorthParts
from harness.analysis.recommend import question_of
from harness.analysis.sensitivity import Question
from harness.analysis.tradeoff import tradeoff
from tests.analysis_world import Truth, World, make_suite

USD_A_MONTH = 1.2 * HOURS_PER_MONTH
NEAR = {name: Truth(0.88, 6.0, throughput=qps) for name, qps in (("a", 400), ("b", 420), ("c", 410))}


def question(**decision: object) -> Question:
    """Three candidates alike in quality and load, at a peak that one machine or two carry."""
    world = World(NEAR, seeds=(0, 1), num_examples=500, rng=np.random.default_rng(3))
    suite = make_suite(list(NEAR), traffic={"qps": 200.0, "peak_qps": 410.0}, **decision)
    suite = suite.model_copy(update={"machine": suite.machine.model_copy(update={"usd_per_hour": 1.2})})
    return question_of(tradeoff(world.records(), suite, world.predictions.__getitem__), suite)


def test_a_bill_of_what_is_pulled_together_is_one_of_whole_machines() -> None:
    found = question(objective="minimize cost_per_month_usd")
    machines = -found.choice.shrunk / USD_A_MONTH
    assert machines == pytest.approx(np.round(machines)) and set(np.round(machines).ravel()) >= {1, 2}
    assert (machines != -found.choice.utility[:, found.choice.contenders] / USD_A_MONTH).any()


def test_quality_within_a_value_is_pulled_together_and_what_follows_from_it_is_computed_anew() -> None:
    found = question(objective="maximize value", value="2000 * accuracy - cost_per_month_usd")
    parts, rows = WorthParts(found.table, found.goal, found.suite), np.arange(3)
    cost = question(objective="minimize cost_per_month_usd").choice.shrunk  # the same draws of the load
    accuracy = (parts.of(rows) - cost) / 2000
    measured = found.table.draws["accuracy"]
    assert np.ptp(accuracy.mean(0)) < 0.8 * np.ptp(measured.mean(0))
    assert accuracy.mean() == pytest.approx(measured.mean(), abs=0.003)
    assert found.choice.regret < found.choice.raw_regret


def test_what_a_bill_holds_besides_machines_is_added_to_what_is_pulled_together() -> None:
    costs = {"trainings": 0, "items": {"a": {"monthly_usd": 7.0}, "b": {"once_usd": 36.0}}}
    plain = question(objective="minimize cost_per_month_usd").choice
    found = question(objective="minimize cost_per_month_usd", costs=costs).choice
    assert found.contenders.tolist() == plain.contenders.tolist() == [0, 1, 2]
    assert found.shrunk == pytest.approx(plain.shrunk - [7.0, 3.0, 0.0])


def test_rows_without_a_load_in_some_draws_are_not_pulled_by_it() -> None:
    plain = question(objective="minimize cost_per_month_usd")
    draws = {name: np.array(d) for name, d in plain.table.draws.items()}
    for name in ("throughput_at_slo_qps", "throughput_offline_per_s", "cost_per_month_usd"):
        if name in draws:
            draws[name][1:3, 0] = np.nan
    found = replace(plain, table=replace(plain.table, draws=draws)).choice
    assert (found.shrunk == found.utility[:, found.contenders]).all()


def test_who_leads_among_near_equals_is_called_the_best_hardly_oftener_than_who_knows_their_spread() -> None:
    """120 worlds leave differences of what is said on the same worlds an error of about .01."""
    found = held(KINDS["near each other, 10"], 120, np.random.default_rng(4))
    said = {way: figures["said"] for way, figures in found.items()}
    assert said["as drawn"] - said["known"] > 0.08
    assert abs(said["in parts"] - said["known"]) < 0.04
    assert found["in parts"]["brier"] < found["as drawn"]["brier"]

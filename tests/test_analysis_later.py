"""What is found when one looks says what finding all at once says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.analysis import served
from harness.analysis.cost import TrainCost
from harness.analysis.kept import read_evidence
from harness.analysis.later import can_wait, with_costs_later
from harness.analysis.measured import measured_table
from harness.analysis.money import COST_METRICS, with_costs
from harness.analysis.recommend import decide_again, decided
from harness.analysis.tradeoff import priced
from harness.analysis.winners import FIRST, Ranking, best_probability
from harness.results import Tradeoff
from harness.store.run_folder import RunFolder
from harness.suite.schema import Suite
from tests.analysis_world import Truth, World, make_suite, store

SECONDS = {"c0": TrainCost(60.0, 60.0, 180.0), "c3": TrainCost(20.0, 20.0, 60.0)}
LIMITS = ("latency_p99_ms <= 40",)


def world_of(count: int, **decision: object) -> tuple[World, Suite]:
    truths = {f"c{k}": Truth(0.9 - k / 1000, 2.0 + k % 7, throughput=150.0 + 40 * k) for k in range(count)}
    return World(truths, num_examples=100, calls=20), make_suite(list(truths), **decision)


@pytest.fixture(scope="module")
def asked() -> tuple[Tradeoff, Suite]:
    world, suite = world_of(30, constraints=LIMITS, traffic={"qps": 500.0, "peak_qps": 900.0})
    return measured_table(world.records(), suite), suite


def test_costs_that_are_looked_at_alone_or_together_are_those_of_the_whole_table(
    asked: tuple[Tradeoff, Suite],
) -> None:
    table, suite = asked
    whole, later = with_costs(table, suite, SECONDS), with_costs_later(table, suite, SECONDS)
    assert later.metrics == whole.metrics and set(later.draws) == set(whole.draws)
    for k in (7, 3, 0, 29):
        assert dict(later.rows[k].estimates) == dict(whole.rows[k].estimates)
        assert later.rows[k].besides == whole.rows[k].besides
    everything = with_costs_later(table, suite, SECONDS)
    assert [dict(row.estimates) for row in everything.rows] == [dict(row.estimates) for row in whole.rows]
    for name in COST_METRICS:
        assert np.array_equal(later.draws[name], whole.draws[name], equal_nan=True)


def test_another_limit_on_latency_simulates_the_queues_of_who_is_shown_or_tied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, suite = world_of(60, constraints=LIMITS)
    run = store(world, world.records(), suite, tmp_path / "s" / "20250101-000000-0123abcd")
    decide_again(run)
    simulated = []
    simulate = served._simulated
    monkeypatch.setattr(served, "remembered", lambda name, most: {})
    monkeypatch.setattr(served, "_simulated", lambda *of: simulated.append(of) or simulate(*of))
    table, found = decide_again(run, ("latency_p99_ms <= 39.5",))
    assert found.choice and len(simulated) < 30
    few = len(simulated)
    assert table.rows[-1].estimates["cost_per_month_usd"].value
    assert few <= len(simulated) <= few + 1


@pytest.mark.parametrize(
    "decision",
    [
        {"constraints": LIMITS},
        {"constraints": ("latency_p99_ms <= 6", "accuracy >= 0.8 with 0.95")},
        {"constraints": ("latency_p99_ms <= 0.1",)},
        {"objective": "minimize latency_p50_ms"},
        {"objective": "minimize cost_per_month_usd", "constraints": LIMITS},
        {"value": "900*accuracy - cost_per_month_usd", "objective": "maximize value"},
    ],
)
def test_who_prices_later_recommends_what_pricing_all_does(
    tmp_path: Path, decision: dict[str, object]
) -> None:
    world, suite = world_of(12, **decision)
    run = store(world, world.records(), suite, tmp_path / "s" / "20250101-000000-0123abcd")
    asked = decide_again(run)[1]
    kept = read_evidence(run)
    assert kept is not None
    assert asked == decided(priced(kept.table, suite, kept.seconds), suite)[1]


def test_only_costs_that_follow_from_a_row_alone_can_wait() -> None:
    _, suite = world_of(2)
    assert can_wait(suite)
    for decision in ({"value": "accuracy"}, {"costs": {"storage_usd_per_gb_month": 0.02}}):
        assert not can_wait(world_of(2, **decision)[1])


def test_figures_come_back_from_the_kept_evidence_as_they_were_made(tmp_path: Path) -> None:
    world, suite = world_of(5, constraints=LIMITS)
    run = store(world, world.records(), suite, tmp_path / "s" / "20250101-000000-0123abcd")
    decide_again(run)
    made, kept = _made(run, suite), read_evidence(run)
    assert kept is not None
    for before, after in zip(made.rows, kept.table.rows, strict=True):
        assert dict(after.estimates) == dict(before.estimates)
        assert (after.variant, after.service, after.counted_share) == (
            before.variant,
            before.service,
            before.counted_share,
        )


def _made(run: RunFolder, suite: Suite) -> Tradeoff:
    from harness.analysis.predictions import predictions_of

    return measured_table(run.records(), suite, predictions_of(run))


@pytest.mark.parametrize("seed", range(12))
def test_a_ranking_counts_who_is_the_best_as_going_through_all_rows_does(seed: int) -> None:
    """Also where equals share a draw, and where none of the first keeps the limits."""
    random = np.random.default_rng(seed)
    count = FIRST + 1 + int(random.integers(200))
    utility = random.normal(size=(count, 150)) + random.normal(size=(count, 1)) * random.choice([0.1, 3])
    if seed % 3 == 0:
        utility = np.round(utility, 1)
    if seed % 4 == 0:
        utility[random.permutation(count)[:5]] = -np.inf
    ranking = Ranking(utility)
    for often in (0.0, 0.001, 0.05, 0.5, 1.0):
        keeps = random.random(utility.shape) < often
        assert (ranking.best_probability(keeps) == best_probability(utility.T, keeps.T)).all()

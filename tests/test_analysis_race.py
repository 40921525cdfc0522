"""Who is in the race: rows that surely break a limit teach the others nothing; and common sense."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.criteria import goal_of, limits_of
from harness.analysis.index import index_records
from harness.analysis.measure_next import is_beyond_reach, is_decided
from harness.analysis.race import in_the_race
from harness.analysis.recommend import Question, question_of
from harness.analysis.sanity import MOST_UNSEEN, doubts, nonsense, senseless
from harness.analysis.tradeoff import tradeoff
from harness.results import Baseline, Estimate, Row, Tradeoff
from tests.analysis_world import Truth, World, make_suite


def racing(truths: dict[str, Truth], **decision: object) -> dict[str, bool]:
    """Candidate → whether it is in the race."""
    records = World(truths, rng=np.random.default_rng(0)).records()
    suite = make_suite(list(truths), **{"objective": "maximize accuracy", **decision})
    index = index_records(records, suite)
    return {r.candidate: x for r, x in zip(index.rows, in_the_race(index, suite, {}), strict=True)}


def test_who_is_far_beyond_a_limit_is_out_of_the_race_and_who_barely_misses_it_is_not() -> None:
    found = racing(
        {"quick": Truth(0.9, 5.0), "near": Truth(0.9, 10.5), "far": Truth(0.9, 60.0)},
        constraints=("latency_p50_ms <= 10",),
    )
    assert found == {"quick": True, "near": True, "far": False}


def test_a_limit_on_quality_takes_out_who_is_far_below() -> None:
    found = racing({"good": Truth(0.9, 5.0), "poor": Truth(0.55, 5.0)}, constraints=("accuracy >= 0.85",))
    assert found == {"good": True, "poor": False}


def test_a_bill_that_is_too_high_even_at_the_highest_throughput_takes_a_row_out() -> None:
    """400 requests/s of one that answers half a one a second need 800 machines at 73 USD a month."""
    truths = {"usual": Truth(0.9, 5.0), "dear": Truth(0.95, 5.0, throughput=0.5)}
    found = racing(truths, constraints=("cost_per_month_usd <= 2000",), traffic={"qps": 400})
    assert found == {"usual": True, "dear": False}


def test_where_all_are_hopeless_all_race() -> None:
    found = racing({"a": Truth(0.9, 90.0), "b": Truth(0.9, 80.0)}, constraints=("latency_p50_ms <= 1",))
    assert found == {"a": True, "b": True}


def test_without_limits_all_race() -> None:
    assert all(racing({"a": Truth(0.9, 5.0), "b": Truth(0.2, 5.0)}).values())


@pytest.mark.parametrize("seed", range(3))
def test_the_usual_rows_are_drawn_the_same_with_hopeless_ones_and_without(seed: int) -> None:
    usual = {"a": Truth(0.9, 6.0), "b": Truth(0.89, 7.0)}
    wild = {"x": Truth(0.7, 8.0, seed_sd=0.08, throughput=0.5), "y": Truth(0.95, 300.0, launch_sd=0.4)}
    limits = ("latency_p50_ms <= 10", "cost_per_month_usd <= 2000")

    def draws(more: dict[str, Truth]) -> np.ndarray:
        world = World(usual, rng=np.random.default_rng(seed), seeds=(0, 1), num_examples=200)
        records = world.records()
        world.truths = {**usual, **more}
        records += [r for name in more for r in world.candidate(name)]
        decision = {"objective": "maximize accuracy", "constraints": limits, "traffic": {"qps": 400}}
        suite = make_suite(list(world.truths), **decision)
        table = tradeoff(records, suite, world.predictions.__getitem__)
        assert question_of(table, suite).choice.named is not None
        return np.stack([table.draws[n][:, :2] for n in ("accuracy", "latency_p50_ms")])

    assert np.array_equal(draws({}), draws(wild))


def test_a_hopeless_row_too_noisy_to_be_out_by_its_own_figures_teaches_nothing_either() -> None:
    """Two seeds of an accuracy near .35 that differ much: within six standard errors of .8, and hopeless."""
    usual = {"a": Truth(0.9, 6.0), "b": Truth(0.89, 7.0)}

    def table(more: dict[str, Truth]) -> Tradeoff:
        world = World(usual, rng=np.random.default_rng(3), seeds=(0, 1), num_examples=300)
        records = world.records()
        world.truths = {**usual, **more}
        records += [r for name in more for r in world.candidate(name)]
        limits = {"objective": "maximize accuracy", "constraints": ("accuracy >= 0.8",)}
        return tradeoff(records, make_suite(list(world.truths), **limits), world.predictions.__getitem__)

    wild = table({"wild": Truth(0.35, 6.0, seed_sd=0.15)})
    held = float((wild.draws["accuracy"][:, 2] >= 0.8).mean())
    assert 0 < held < 0.05, "a row that its own figures put out would test nothing"
    assert np.array_equal(table({}).draws["accuracy"], wild.draws["accuracy"][:, :2])


# ----------------------------------------------------------------- whether more measuring could settle it


def asked(a: float, b: float, seed: int = 0) -> Question:
    """Two candidates of these accuracies, asked for the more accurate."""
    world = World({"a": Truth(a, 5.0), "b": Truth(b, 5.0)}, rng=np.random.default_rng(seed))
    suite = make_suite(["a", "b"], objective="maximize accuracy")
    return question_of(tradeoff(world.records(), suite, world.predictions.__getitem__), suite)


def test_equal_candidates_are_beyond_the_reach_of_as_much_again_and_not_of_a_thousand_times() -> None:
    tied = [q for seed in range(6) if not is_decided(q := asked(0.85, 0.85, seed))]
    assert len(tied) >= 4
    assert np.mean([is_beyond_reach(q, 1.0) for q in tied]) >= 0.5
    assert not any(is_beyond_reach(q, 1000.0) for q in tied)


def test_what_a_budget_cannot_settle_a_smaller_one_cannot_either() -> None:
    for seed in range(6):
        question = asked(0.85, 0.86, seed)
        found = [is_beyond_reach(question, times) for times in (0.25, 1.0, 4.0, 16.0, 64.0)]
        assert found == sorted(found, reverse=True)


def test_what_is_decided_is_never_beyond_reach() -> None:
    question = asked(0.95, 0.6)
    assert is_decided(question) and not is_beyond_reach(question, 0.1)


# ------------------------------------------------------------------------------------ common sense


def made(values: dict[str, float], baseline: Baseline) -> Tradeoff:
    rows = tuple(Row(n, n, "torch", {"accuracy": Estimate(v)}) for n, v in values.items())
    return Tradeoff(rows, ("accuracy",), {}, baseline=baseline)


ACCURACY = goal_of(make_suite(["a"], objective="maximize accuracy"))


def test_who_is_worse_than_the_constant_answer_must_not_be_chosen_and_who_equals_it_may() -> None:
    table = made({"poor": 0.59, "equal": 0.6, "good": 0.9}, Baseline({"accuracy": 0.6}))
    assert senseless(table, (), ACCURACY) == {0: "accuracy 0.59 is worse than the constant answer's 0.6"}


def test_of_a_metric_that_is_to_be_low_worse_is_higher() -> None:
    goal = goal_of(make_suite(["a"], objective="minimize log_loss"))
    row = Row("a", "a", "torch", {"log_loss": Estimate(0.8)})
    table = Tradeoff((row,), ("log_loss",), {}, baseline=Baseline({"log_loss": 0.7}))
    assert list(senseless(table, (), goal)) == [0]


def test_a_limits_metric_is_held_against_the_constant_answer_too() -> None:
    suite = make_suite(["a"], objective="minimize latency_p50_ms", constraints=("accuracy >= 0.2",))
    table = made({"poor": 0.5}, Baseline({"accuracy": 0.6}))
    assert list(senseless(table, limits_of(suite), goal_of(suite))) == [0]


@pytest.mark.parametrize(
    ("limits", "objective", "barred"),
    [
        (("accuracy >= 0.8",), "maximize recall_macro", False),  # finds more than who always says no
        (("recall_macro >= 0.7",), "maximize accuracy", False),  # the constant answer breaks this limit
        (("accuracy >= 0.8", "latency_p50_ms <= 9"), "minimize latency_p50_ms", True),
        (("accuracy >= 0.8", "accuracy[class=yes] >= 0.5"), "minimize latency_p50_ms", False),  # not measured
        (("accuracy >= 0.8", "f1_macro >= 0.4"), "minimize latency_p50_ms", True),  # no better in any
    ],
)
def test_who_is_right_less_often_but_finds_rare_cases_may_be_chosen_where_that_decides(
    limits: tuple[str, ...], objective: str, barred: bool
) -> None:
    """Nine in ten are no: .87 right and .8 of either class found is no worse than always no (.9, .5)."""
    suite = make_suite(["a"], objective=objective, constraints=limits)
    figures = {"accuracy": 0.87, "recall_macro": 0.8, "f1_macro": 0.474, "latency_p50_ms": 3.0}
    row = Row(
        "a", "a", "torch", {n: Estimate(v) for n, v in (*figures.items(), ("accuracy[class=yes]", 0.7))}
    )
    baseline = Baseline({"accuracy": 0.9, "recall_macro": 0.5, "f1_macro": 0.474})
    table = Tradeoff((row,), tuple(row.estimates), {}, baseline=baseline)
    assert bool(senseless(table, limits_of(suite), goal_of(suite))) == barred


def test_one_figure_for_all_candidates_decides_nothing() -> None:
    table = made({"a": 0.9, "b": 0.9}, Baseline(same_for_all=("accuracy",)))
    assert nonsense(table, ACCURACY) == (
        "accuracy is 0.9 for every candidate and seed, so it tells nothing of them:"
        " look at the data, or decide by another metric.",
    )


@pytest.mark.parametrize(("value", "tells"), [(0.956, True), (0.6, False), (1.0, False), (0.0, False)])
def test_two_that_are_right_as_often_by_chance_are_tied_and_not_senseless(value: float, tells: bool) -> None:
    """Of 30 rows two often have 29 right: it was said to look at the data, and nobody was named."""
    figures = {"accuracy": Estimate(value)}
    rows = [Row(n, n, "torch", {**figures, "log_loss": Estimate(at)}) for n, at in (("a", 0.2), ("b", 0.3))]
    baseline = Baseline({"accuracy": 0.6}, same_for_all=("accuracy",))
    table = Tradeoff(tuple(rows), ("accuracy", "log_loss"), {}, baseline=baseline)
    assert (nonsense(table, ACCURACY) == ()) == tells
    alike = Baseline({"accuracy": 0.6}, same_for_all=("accuracy", "log_loss"))
    assert nonsense(Tradeoff(tuple(rows), table.metrics, {}, baseline=alike), ACCURACY)


@pytest.mark.parametrize("share", [0.0, 0.2, MOST_UNSEEN, 0.9])
def test_labels_that_training_never_saw_warn_and_from_a_half_on_forbid(share: float) -> None:
    baseline = Baseline(unseen=share, unseen_labels=("owl",))
    forbidden, warned = nonsense(made({"a": 0.9}, baseline), ACCURACY), doubts(baseline)
    assert bool(forbidden) == (share >= MOST_UNSEEN)
    assert bool(warned) == (0 < share < MOST_UNSEEN)
    assert all("(owl)" in said for said in (*forbidden, *warned))

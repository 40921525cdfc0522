"""Choosing from tables whose draws are known: what is named, how surely, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.analysis.choice import assess
from harness.analysis.criteria import merge_constraints, parse_objective
from harness.analysis.duels import Verdict
from harness.analysis.measure_next import _Units, is_decided, next_measurements
from harness.analysis.recommend import recommend
from harness.analysis.sensitivity import Question
from harness.analysis.tradeoff import judge, tradeoff, with_value
from harness.results import Estimate, Recommendation, Row, Tradeoff
from harness.suite.schema import Suite
from tests.analysis_world import Truth, World, make_suite

DRAWS = 4000
Spread = tuple[float, float]
"""Mean and standard deviation of a figure's normal draws."""


def table_of(suite: Suite, **rows: Mapping[str, Spread]) -> Tradeoff:
    """A judged table of variants with independent normal figures, costs among them."""
    rng = np.random.default_rng(0)
    metrics = dict.fromkeys(name for figures in rows.values() for name in figures)
    draws = {
        name: np.column_stack(
            [
                rng.normal(*figures[name], DRAWS) if name in figures else np.full(DRAWS, np.nan)
                for figures in rows.values()
            ]
        )
        for name in metrics
    }
    made = tuple(
        Row(f"{name}/torch", name, "torch", {m: _cell(figures.get(m)) for m in metrics})
        for name, figures in rows.items()
    )
    table = Tradeoff(made, tuple(metrics), draws)
    question = asked(suite, table)
    return judge(table, question.limits, question.goal, suite)


def _cell(spread: Spread | None) -> Estimate:
    if spread is None:
        return Estimate(None, note="not measured")
    mean, sd = spread
    return Estimate(mean, mean - 1.96 * sd, mean + 1.96 * sd)


def asked(suite: Suite, table: Tradeoff) -> Question:
    decision = suite.decision
    goal = parse_objective(decision.objective, decision.value)
    return Question(table, suite, merge_constraints(decision.constraints, ()), goal)


@pytest.mark.parametrize(
    ("decision", "named"),
    [
        ({"objective": "maximize accuracy"}, "light/torch"),
        ({"objective": "maximize value", "value": "100*accuracy - 0.3*latency_p50_ms"}, "heavy/torch"),
        ({"objective": "maximize 100*accuracy - 0.3*latency_p50_ms"}, "heavy/torch"),
        ({"objective": "maximize value", "value": "100*accuracy"}, "light/torch"),
    ],
)
def test_what_the_objective_weighs_settles_no_tie_once_more(decision: dict[str, str], named: str) -> None:
    """Heavy leads by .3 of a point, or by .15 where half a millisecond counts, within intervals of 4: a tie.
    Where it is weighed what a millisecond is worth, that light is faster is in the .15 already."""
    suite = make_suite(("heavy", "light"), **decision)
    table = table_of(
        suite,
        heavy={"accuracy": (0.910, 0.01), "latency_p50_ms": (4.0, 0.001), "model_size_mb": (40.0, 0.0)},
        light={"accuracy": (0.907, 0.01), "latency_p50_ms": (3.5, 0.001), "model_size_mb": (10.0, 0.0)},
    )
    assert recommend(table, suite).choice == named


def suite_of(*names: str, **decision: Any) -> Suite:
    return make_suite(names, **{"objective": "maximize accuracy", **decision})


EDGE = {
    "a": {"accuracy": (0.80, 0.005), "latency_p99_ms": (5.0, 0.1)},
    "b": {"accuracy": (0.95, 0.005), "latency_p99_ms": (10.1, 1.0)},
}


def test_who_may_yet_keep_the_limits_counts_in_how_sure_the_choice_is_not_in_its_regret() -> None:
    suite = suite_of("a", "b", constraints=("latency_p99_ms <= 10",))
    table = table_of(suite, **EDGE)
    found = recommend(table, suite)
    assert (found.verdict, found.choice) == ("recommend", "a/torch")
    assert found.probability_best == pytest.approx(0.54, abs=0.03)
    assert found.expected_regret == 0, "among those that may be chosen there is none but a"
    assert found.may_keep_limits[0]["variant"] == "b/torch"
    assert found.may_keep_limits[0]["keeps_all"] == pytest.approx(0.46, abs=0.03)
    assert found.probability_best == table.rows[0].best_probability
    assert found.runners_up[0]["probability_best"] == table.rows[1].best_probability
    assert not is_decided(asked(suite, table))


def test_where_none_meets_the_limits_what_barely_misses_them_is_worth_measuring() -> None:
    world = World({"only": Truth(0.9, 9.4)}, rng=np.random.default_rng(3))
    suite = suite_of("only", constraints=("latency_p99_ms <= 10",))
    records = world.records()
    question = asked(suite, tradeoff(records, suite, world.predictions.__getitem__))
    assert 0.3 < (question.table.rows[0].feasible_probability or 0) < 0.9
    assert question.choice.named is None
    assert recommend(question.table, suite).verdict == "not_enough_evidence", "it may, but not surely enough"
    steps = next_measurements(question, records)
    assert steps and steps[0].kind == "round"


def test_where_none_comes_near_the_limits_nothing_is_worth_measuring() -> None:
    world = World({"only": Truth(0.9, 20.0)}, rounds=10)
    suite = suite_of("only", constraints=("latency_p99_ms <= 10",))
    records = world.records()
    question = asked(suite, tradeoff(records, suite, world.predictions.__getitem__))
    assert next_measurements(question, records) == ()


def test_a_broken_limit_costs_what_the_suite_says_and_nothing_else() -> None:
    """b earns .05 more and breaks the limit with probability .16: worth it below .05 / .16 = .31."""
    rows = {
        "a": {"accuracy": (0.80, 0.0), "latency_p99_ms": (5.0, 0.1)},
        "b": {"accuracy": (0.85, 0.0), "latency_p99_ms": (9.0, 1.0)},
    }
    named = {}
    for price in (None, 0.2, 0.45):
        suite = suite_of("a", "b", constraints=("latency_p99_ms <= 10",), broken_limit=price)
        named[price] = recommend(table_of(suite, **rows), suite).choice
    assert named == {None: "a/torch", 0.2: "b/torch", 0.45: "a/torch"}
    suite = suite_of("a", "b", constraints=("latency_p99_ms <= 10",), confidence=0.8)
    found = recommend(table_of(suite, **rows), suite)
    assert found.choice == "b/torch" and found.limit_risk == pytest.approx(0.16, abs=0.02)


def test_limits_hold_together_with_the_confidence_and_one_with_its_own_alone() -> None:
    """Two limits that hold with .93 each hold together with .865."""
    rows = {"a": {"accuracy": (0.8, 0.0), "latency_p99_ms": (8.52, 1.0), "peak_memory_mb": (98.52, 1.0)}}
    both = ("latency_p99_ms <= 10", "peak_memory_mb <= 100")
    suite = suite_of("a", constraints=both)
    found = recommend(table_of(suite, **rows), suite)
    assert (found.verdict, found.choice) == ("not_enough_evidence", None)
    assert found.nearest is not None and found.nearest["keeps_all"] == pytest.approx(0.865, abs=0.02)
    assert (
        "which keeps all limits with probability 8" in found.reasons[1] and "together" not in found.reasons[1]
    )
    suite = suite_of("a", constraints=(both[0], f"{both[1]} with 0.9"))
    assert recommend(table_of(suite, **rows), suite).choice == "a/torch"


def test_rows_that_cannot_be_chosen_change_nothing_that_is_said_of_the_others() -> None:
    rows = {
        "a": {"accuracy": (0.90, 0.01), "latency_p99_ms": (5.0, 0.1)},
        "b": {"accuracy": (0.89, 0.01), "latency_p99_ms": (8.0, 1.0)},
    }
    hopeless = {
        "wild": {"accuracy": (0.5, 0.3), "latency_p99_ms": (500.0, 9.0)},
        "quick": {"accuracy": (0.99, 0.2), "latency_p99_ms": (50.0, 1.0)},
        "unmeasured": {"accuracy": (0.95, 0.01)},
    }
    limits = ("latency_p99_ms <= 10",)
    alone = suite_of(*rows, constraints=limits)
    crowd = suite_of(*rows, *hopeless, constraints=limits)
    first = recommend(table_of(alone, **rows), alone)
    table = table_of(alone, **rows)
    second = recommend(wider(table, table_of(crowd, **rows, **hopeless)), crowd)
    assert (second.verdict, second.choice, second.tied_with) == (first.verdict, first.choice, first.tied_with)
    assert second.probability_best == first.probability_best and second.expected == first.expected
    assert second.expected_regret == first.expected_regret and second.tolerance == first.tolerance
    assert second.reasons[0] == first.reasons[0]


def wider(table: Tradeoff, crowd: Tradeoff) -> Tradeoff:
    """The crowd's table with the draws of a smaller one in its first columns."""
    count = len(table.rows)
    draws = {n: np.column_stack([table.draws[n], d[:, count:]]) for n, d in crowd.draws.items()}
    return replace(crowd, draws=draws)


def tie_of(*, limits: tuple[str, ...] = (), duels: Sequence[Verdict] = (), goal: str = "maximize accuracy",
           tolerance: float | None = None, **rows: Mapping[str, Spread]) -> Recommendation:  # fmt: skip
    suite = suite_of(*rows, constraints=limits, objective=goal, tolerance=tolerance)
    found = recommend(table_of(suite, **rows), suite, duels=duels)
    assert found.verdict == "tie"
    return found


def of(
    accuracy: float, cost: float | None = None, p50: float | None = None, sd: float = 0.01, **more: Spread
) -> dict[str, Spread]:
    known = {"cost_per_month_usd": cost, "latency_p50_ms": p50}
    return {"accuracy": (accuracy, sd), **{n: (v, 0.0) for n, v in known.items() if v is not None}, **more}


def test_a_tie_that_the_limits_settle_says_so() -> None:
    found = tie_of(
        limits=("latency_p99_ms <= 10",),
        a=of(0.900, 100.0, 3.0, latency_p99_ms=(5.0, 0.1)),
        b=of(0.899, 50.0, 5.0, latency_p99_ms=(9.25, 0.5)),
    )
    assert (found.choice, found.settled_by) == ("a/torch", "limits")
    assert (
        "a/torch is named because it keeps the limits with probability over 99 %, b/torch with 9"
        in found.reasons[0]
    )
    assert "cost" not in found.reasons[0]


def test_costs_within_five_per_cent_leave_it_to_what_is_lighter() -> None:
    found = tie_of(a=of(0.900, 102.0, 3.0), b=of(0.901, 100.0, 5.0))
    assert (found.choice, found.settled_by) == ("a/torch", "latency_p50_ms")
    assert (
        "because both cost the same within 5 % and it is the lighter: latency_p50_ms 3, against 5"
        in found.reasons[0]
    )


def test_who_is_lighter_but_behind_is_not_called_heavier_than_the_named_one() -> None:
    """c is tied with a and b, the lightest of all, and too far behind for that to count."""
    found = tie_of(a=of(0.900, 102.0, 3.0), b=of(0.9001, 100.0, 5.0), c=of(0.888, 101.0, 1.0))
    assert (found.choice, found.settled_by) == ("a/torch", "objective")
    assert {"b/torch", "c/torch"} == set(found.tied_with)
    assert found.named_because == (
        "a/torch is named because it and b/torch are best on average, cost the same within 5 %, and it is "
        "the lighter: latency_p50_ms 3, against 5."
    )


def test_of_two_equally_near_the_limits_the_better_one_is_the_nearest() -> None:
    """One model on two runtimes: the one of 0.48 ms was named before that of 0.041 ms."""
    rows = {
        name: {"accuracy": (0.993, 0.0), "latency_p50_ms": (ms, 0.0)}
        for name, ms in (("slow", 0.48), ("quick", 0.04))
    }
    suite = suite_of(*rows, constraints=("accuracy >= 0.999",), objective="minimize latency_p50_ms")
    found = recommend(table_of(suite, **rows), suite)
    assert found.choice is None and found.nearest is not None and found.nearest["variant"] == "quick/torch"


def test_who_is_sure_enough_alone_and_not_as_the_pick_is_not_said_to_be_sure_only_so_much() -> None:
    """The terminal read "with probability 94 % only, and they must hold with probability 90 %"."""
    rows = {
        "a": {"accuracy": (0.98, 0.01), "latency_p50_ms": (1.0, 0.0)},
        "b": {"accuracy": (0.98, 0.01), "latency_p50_ms": (2.0, 0.0)},
        "safe": {"accuracy": (0.99, 0.0), "latency_p50_ms": (5.0, 0.0)},
    }
    suite = suite_of(*rows, constraints=("accuracy >= 0.9655",), objective="minimize latency_p50_ms")
    found = recommend(table_of(suite, **rows), suite)
    assert found.choice == "safe/torch"
    assert re.search(
        r"; a/torch keeps the limits with probability 9[1-4] % taken alone, but with 8\d % as the pick of "
        r"several variants near a limit, and they must hold with probability 90 %\.$",
        found.why_not_likeliest,
    )
    strict = suite_of(
        "a", "safe", constraints=("accuracy >= 0.9655 with 0.97",), objective="minimize latency_p50_ms"
    )
    found = recommend(table_of(strict, a=rows["a"], safe=rows["safe"]), strict)
    assert (
        "a/torch is not sure enough of a limit: accuracy >= 0.9655 with 0.97: is" in found.why_not_likeliest
    )


def test_several_who_are_best_on_average_stand_in_one_list() -> None:
    """A published page read "because it and tfidf/sklearn, bilstm/torch and bilstm/onnx are best"."""
    named = {"a": of(0.900, 102.0, 3.0), "b": of(0.9001, 100.0, 5.0), "d": of(0.9001, 101.0, 5.0)}
    found = tie_of(**named, c=of(0.888, 101.0, 1.0))
    assert found.named_because.startswith(
        "a/torch is named because it, b/torch and d/torch are best on average, "
    )


def test_a_tie_without_costs_does_not_speak_of_them() -> None:
    found = tie_of(a=of(0.900), b=of(0.901))
    assert (found.choice, found.settled_by) == ("b/torch", "objective")
    assert "named because it is the best on average." in found.reasons[0]
    same = tie_of(a=of(0.9, sd=0.0), b=of(0.9, sd=0.0))
    assert same.settled_by == "" and "nothing that was measured tells them apart" in same.reasons[0]


def test_a_tie_that_a_duel_settles_is_not_explained_by_cost() -> None:
    duel = Verdict("a/torch", "b/torch", 1.1, 1.05, 1.15, 0.01, "a/torch", 400)
    speed = {"latency_p50_ms": (3.0, 0.3)}
    rows = {name: {**speed, "cost_per_month_usd": (cost, 0.0)} for name, cost in (("a", 100.0), ("b", 50.0))}
    found = tie_of(goal="minimize latency_p50_ms", duels=(duel,), **rows)
    assert (found.choice, found.settled_by) == ("a/torch", "duel")
    assert "because loaded together and called in turn it is faster than b/torch" in found.reasons[0]
    assert "cost" not in " ".join(found.reasons)


def test_the_named_one_of_a_tie_may_trail_who_is_out_and_its_regret_is_its_own() -> None:
    rows = {"a": of(0.90, 100.0, sd=0.002), "b": of(0.88, 50.0, sd=0.02), "c": of(0.885, 100.0, sd=0.002)}
    found = tie_of(**rows)
    assert (found.choice, found.settled_by) == ("a/torch", "objective"), "50 dollars do not buy two points"
    found = tie_of(tolerance=0.03, **rows)
    assert (found.choice, found.tied_with) == ("b/torch", ("a/torch",))
    (behind,) = (r for r in found.reasons if r.startswith("It is behind c/torch with "))
    assert re.search(r"with [56]\d %: by 0\.00\d* on average \(-", behind), behind
    why = {r["variant"]: r["why"] for r in found.runners_up}["c/torch"]
    assert why.startswith("accuracy is worse by 0.01") and why.endswith("than that of a/torch")
    # A noisy figure is drawn towards the others: half of the .02 may be bad luck.
    assert found.expected_regret == pytest.approx(0.011, abs=0.003)


def test_a_value_that_is_undefined_in_a_few_draws_still_counts() -> None:
    value = "log(latency_p50_ms - 0.1) + accuracy"
    suite = suite_of("a", "b", "c", objective="maximize value", value=value)
    rows = {
        "a": {"accuracy": (0.9, 0.01), "latency_p50_ms": (0.4, 0.1)},
        "b": {"accuracy": (0.9, 0.01), "latency_p50_ms": (0.2, 0.001)},
        "c": {"accuracy": (0.9, 0.01)},
    }
    table = with_value(table_of(suite, **rows), suite)
    cell = table.rows[0].estimates["value"]
    assert cell.value == pytest.approx(0.9 - 1.27, abs=0.1) and "of 4,000 draws" in cell.note
    assert table.rows[2].estimates["value"].note == "not measured"
    question = asked(suite, table)
    found = assess(table, question.limits, question.goal, suite)
    assert found.named == 0 and found.able.tolist() == [True, True, False] and 0.9 < found.best[0] < 1
    assert question.winner == "a/torch"
    assert judge(table, question.limits, question.goal, suite).rows[0].best_probability == found.best[0]
    assert recommend(table, suite).choice == "a/torch"


def test_a_limit_on_a_slice_does_not_borrow_the_spread_of_the_whole() -> None:
    units = _Units(World({"a": Truth(0.9, 5.0)}).records(), 1000)
    assert units.pooled_variance("accuracy", served=False) > 0
    assert units.pooled_variance("accuracy[class=1]", served=False) == 0

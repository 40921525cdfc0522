"""Choosing from tables whose draws are known: what is named, how surely, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.analysis.choice import assess
from harness.analysis.criteria import merge_constraints, parse_objective
from harness.analysis.measure_next import is_decided, next_measurements
from harness.analysis.recommend import recommend
from harness.analysis.sensitivity import Question
from harness.analysis.tradeoff import complete, tradeoff
from harness.protocols import Estimate, Row, Tradeoff
from harness.suite.schema import Suite
from tests.analysis_world import Truth, World, make_suite

DRAWS = 4000
Spread = tuple[float, float]
"""Mean and standard deviation of a figure's normal draws."""


def table_of(suite: Suite, **rows: Mapping[str, Spread]) -> Tradeoff:
    """A complete table of variants with independent normal figures."""
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
    return complete(Tradeoff(made, tuple(metrics), draws), suite, {})


def _cell(spread: Spread | None) -> Estimate:
    if spread is None:
        return Estimate(None, note="not measured")
    mean, sd = spread
    return Estimate(mean, mean - 1.96 * sd, mean + 1.96 * sd)


def asked(suite: Suite, table: Tradeoff) -> Question:
    decision = suite.decision
    goal = parse_objective(decision.objective, decision.value)
    return Question(table, suite, merge_constraints(decision.constraints, ()), goal)


def suite_of(*names: str, **decision: Any) -> Suite:
    return make_suite(names, **{"objective": "maximize accuracy", **decision})


EDGE = {
    "a": {"accuracy": (0.80, 0.005), "latency_p99_ms": (5.0, 0.1)},
    "b": {"accuracy": (0.95, 0.005), "latency_p99_ms": (10.1, 1.0)},
}


def test_a_variant_that_barely_misses_a_limit_still_counts_in_how_sure_the_choice_is() -> None:
    suite = suite_of("a", "b", constraints=("latency_p99_ms <= 10",))
    table = table_of(suite, **EDGE)
    found = recommend(table, suite)
    assert (found.verdict, found.choice) == ("recommend", "a/torch")
    assert found.probability_best == pytest.approx(0.54, abs=0.03)
    assert found.expected_regret == pytest.approx(0.46 * 0.15, abs=0.01)
    assert found.probability_best == table.rows[0].best_probability
    assert found.runners_up[0]["probability_best"] == table.rows[1].best_probability
    assert not is_decided(asked(suite, table))


def test_where_none_meets_the_limits_what_barely_misses_them_is_worth_measuring() -> None:
    world = World({"only": Truth(0.9, 9.8)}, rng=np.random.default_rng(3))
    suite = suite_of("only", constraints=("latency_p99_ms <= 10",))
    records = world.records()
    question = asked(suite, tradeoff(records, suite, world.predictions.__getitem__))
    assert 0.1 < (question.table.rows[0].feasible_probability or 0) < 0.5
    assert assess(question.table, question.limits, question.goal, suite).choice is None
    steps = next_measurements(question, records)
    assert steps and steps[0].kind == "round"


def test_where_none_comes_near_the_limits_nothing_is_worth_measuring() -> None:
    world = World({"only": Truth(0.9, 20.0)}, rounds=10)
    suite = suite_of("only", constraints=("latency_p99_ms <= 10",))
    records = world.records()
    question = asked(suite, tradeoff(records, suite, world.predictions.__getitem__))
    assert next_measurements(question, records) == ()


def test_among_equals_a_broken_limit_costs_something() -> None:
    suite = suite_of("sure", "edge", constraints=("latency_p99_ms <= 10",))
    rows = {
        "edge": {"accuracy": (0.9, 0.0), "latency_p99_ms": (9.9, 1.0)},
        "sure": {"accuracy": (0.9, 0.0), "latency_p99_ms": (5.0, 1.0)},
    }
    question = asked(suite, table_of(suite, **rows))
    found = assess(question.table, question.limits, question.goal, suite)
    assert found.choice == 1 and found.regrets[0] > 0.1

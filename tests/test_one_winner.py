"""No two places name different winners for the same question: 200 simulated tables."""

from __future__ import annotations

import numpy as np

from harness.analysis.choice import assess
from harness.analysis.money import with_costs
from harness.analysis.recommend import answer, question_of, recommend
from harness.analysis.sensitivity import NOBODY, at_price_band, winner_map
from harness.analysis.tradeoff import with_value
from harness.report.terminal import ranked, verdict
from harness.results import Estimate, Row, Tradeoff
from harness.suite.schema import Suite
from tests.analysis_world import make_suite

DRAWS = 500
LIMIT = "latency_p99_ms <= 10"


def table_of(random: np.random.Generator, suite: Suite) -> Tradeoff:
    """Three to six variants near each other and near the limit, some with the figures of another."""
    count = int(random.integers(3, 7))
    accuracy = 0.9 + 0.02 * random.normal(size=count) + 0.01 * random.normal(size=(DRAWS, count))
    if random.random() < 0.3:
        accuracy[:, 1] = accuracy[:, 0]
    p99 = 9.5 * np.exp(0.15 * random.normal(size=count) + 0.05 * random.normal(size=(DRAWS, count)))
    load = 60 * np.exp(0.6 * random.normal(size=count) + 0.1 * random.normal(size=(DRAWS, count)))
    draws = {"accuracy": accuracy, "latency_p99_ms": p99, "latency_p50_ms": p99 / 3}
    draws["throughput_offline_per_s"] = load
    rows = tuple(
        Row(f"c{k}/torch", f"c{k}", "torch", {n: Estimate(float(d[:, k].mean())) for n, d in draws.items()})
        for k in range(count)
    )
    return with_value(with_costs(Tradeoff(rows, tuple(draws), draws), suite, {}), suite)


def test_verdict_map_flips_costs_and_terminal_name_one_winner() -> None:
    objectives = ("maximize accuracy", "minimize cost_per_month_usd", "maximize value")
    ties = 0
    for number in range(200):
        random, goal = np.random.default_rng(number), objectives[number % 3]
        value = "2000*accuracy - cost_per_month_usd" if goal == "maximize value" else None
        suite = make_suite(
            [f"c{k}" for k in range(6)],
            constraints=(LIMIT,),
            objective=goal,
            value=value,
            traffic={"qps": 100.0, "peak_qps": 200.0},
        )
        table = table_of(random, suite)
        found = answer(question_of(table, suite), flips=number % 10 == 1)
        named = found.choice or NOBODY
        ties += found.verdict == "tie"
        question = question_of(table, suite)
        assert question.winner == named == (recommend(table, suite, flips=False).choice or NOBODY)
        assert question.with_prices(1.0, 1.0).winner == named, "as priced"
        again = assess(table, question.limits, question.goal, suite).named
        assert (NOBODY if again is None else table.rows[again].variant) == named
        assert all(flip["then"] != named for flip in found.flips)
        if found.choice:
            shown = [row.variant for row in ranked(table, found)]
            behind = [str(r["variant"]) for r in found.runners_up if r["variant"] not in found.tied_with]
            assert shown[0] == named and shown[1 + len(found.tied_with) :] == behind, "the page's order"
            assert named in "".join(p if isinstance(p, str) else p[0] for p in verdict(table, found))
        if number % 10 == 1 and goal != "maximize accuracy":
            assert at_price_band(question)["as priced"] == named
            grid = winner_map(question, size=3)
            assert grid is not None and grid.winners[1][1] == named
            assert grid.ties[1][1] == (found.verdict == "tie")
    assert 10 < ties < 190, "both kinds of verdict were met"

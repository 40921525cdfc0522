"""A table, limits and an objective → the arrays that the rule decides by (`harness.analysis.rule`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.analysis.criteria import HARNESS_METRICS, VALUE, DecisionObjective, worth_of
from harness.analysis.duels import Verdict
from harness.analysis.rule import MORE_LIKELY, Choice, Terms, TieBreaker
from harness.analysis.sanity import senseless
from harness.analysis.stats import Array
from harness.analysis.values import count_draws, metric_draws, utility_draws, where_held
from harness.results import Estimate, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Decision, Suite

CHEAPNESS = {
    "cost_per_month_usd": 0.01,
    "cost_per_million_usd": 0.0,
    "latency_p50_ms": 0.1,
    "model_size_mb": 0.1,
    "parameters": 0.0,
}
"""What settles a tie: the first of these on which the tied differ by 5 %, and by this much in its unit."""


def terms_of(decision: Decision) -> Terms:
    """On what terms a suite wants to be decided."""
    return Terms(decision.confidence, decision.broken_limit, decision.tolerance)


def asked_of(limit: Constraint, terms: Terms) -> float:
    """How surely a limit must hold, by its own word or by what counts for all."""
    shared = terms.confidence if terms.broken_limit is None else MORE_LIKELY
    return shared if limit.probability is None else limit.probability


def assess(
    table: Tradeoff,
    limits: Sequence[Constraint],
    goal: DecisionObjective,
    suite: Suite,
    duels: Sequence[Verdict] = (),
    utility: Array | None = None,
) -> Choice:
    """The choice for a table with its draws.

    Args:
        utility: `utility_draws`, where the caller has them: other limits leave them as they are.
    """
    holds = np.ones((len(limits), count_draws(table), len(table.rows)), dtype=bool)
    for number, limit in enumerate(limits):
        holds[number] = where_held(table, limit)
    worth = utility_draws(table, goal, suite) if utility is None else utility
    if barred := list(senseless(table, limits, goal)):
        worth = np.array(worth)
        worth[:, barred] = np.nan
    return Choice(
        worth,
        holds,
        np.array([np.nan if c.probability is None else c.probability for c in limits], dtype=float),
        terms_of(suite.decision),
        settling_figures(table),
        _faster(table, goal, duels),
        counts_costs=counts_costs(goal, suite),
        slack=lambda number, rows: _inside(table, limits[number], rows),
    )


def _inside(table: Tradeoff, limit: Constraint, rows: Array) -> Array:
    """(draws, rows) of the limited metric, higher is farther inside the limit."""
    drawn = metric_draws(table, limit.metric)[:, rows]
    return -drawn if limit.is_upper else drawn


def counts_costs(goal: DecisionObjective, suite: Suite) -> bool:
    """Whether the objective holds what serving costs, so that a tie must not count it again."""
    names = set(goal.expression.names)
    if VALUE in names and suite.decision.value:
        names |= set(worth_of(suite).expression.names)
    return "usd_per_hour" in names or any(_is_serving_cost(n) for n in names)


def _is_serving_cost(name: str) -> bool:
    entry = HARNESS_METRICS.get(name)
    return entry is not None and entry.about == "money" and entry.rests_on_speed


def settling_figures(table: Tradeoff) -> tuple[TieBreaker, ...]:
    return tuple(TieBreaker(name, _reader(table, name), least) for name, least in CHEAPNESS.items())


def _reader(table: Tradeoff, name: str) -> Callable[[int], float]:
    """A row's figure; costs from the draws, which follow other prices and traffic."""

    def figure(k: int) -> float:
        if _is_serving_cost(name) and name in table.draws:
            drawn = table.draws[name][:, k]
            return float(np.nan if np.isnan(drawn).all() else np.quantile(drawn, 0.5, method="nearest"))
        found = table.rows[k].estimates.get(name, Estimate(None)).value
        return float("nan") if found is None else found

    return figure


def _faster(table: Tradeoff, goal: DecisionObjective, duels: Sequence[Verdict]) -> list[tuple[int, int]]:
    """(winner, loser) of the duels, where speed or its cost is what is asked for."""
    if not duels or not (goal.subject in HARNESS_METRICS and HARNESS_METRICS[goal.subject].rests_on_speed):
        return []
    places = {row.variant: k for k, row in enumerate(table.rows)}
    return [
        (places[v.faster], places[v.second if v.faster == v.first else v.first])
        for v in duels
        if v.faster and {v.first, v.second} <= set(places)
    ]

"""A table, limits and an objective → the arrays that the rule decides by (`harness.analysis.rule`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from harness.analysis.criteria import HARNESS_METRICS, VALUE, DecisionObjective, worth_of
from harness.analysis.draws import look_at, row_of
from harness.analysis.duels import Verdict
from harness.analysis.order import nearest_quantiles
from harness.analysis.parts import WorthParts, rests_on_load, scatters_by_share
from harness.analysis.rule import MORE_LIKELY, Choice, Terms, TieBreaker
from harness.analysis.sanity import senseless
from harness.analysis.selection import Standings
from harness.analysis.stats import Array
from harness.analysis.values import count_draws, floors_of, metric_draws, utility_draws
from harness.analysis.worths import Worths
from harness.metrics import metrics_of
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
) -> Choice:
    """The choice for a table with its draws."""
    return Assessment(table, limits, goal, suite, duels).choice(limits)


class Assessment:
    """`assess` under one set of limits after another on the same metrics: what other bounds leave as it is,
    is found once."""

    def __init__(
        self,
        table: Tradeoff,
        limits: Sequence[Constraint],
        goal: DecisionObjective,
        suite: Suite,
        duels: Sequence[Verdict] = (),
    ) -> None:
        self._table = table
        worth = utility_draws(table, goal, suite)
        if barred := list(senseless(table, limits, goal)):
            worth = np.array(worth)
            worth[:, barred] = np.nan
        self._weighs_lightness = weighs_lightness(goal, suite)
        in_parts = WorthParts(table, goal, suite).of if counts_costs(goal, suite) else None
        models = [row.candidate for row in table.rows]
        self._worths = Worths(worth, in_parts, models, scatters_by_share(goal, suite))
        self._terms = terms_of(suite.decision)
        self._figures, self._faster = settling_figures(table), _faster(table, goal, duels)
        self._held: dict[Constraint, Array] = {}
        self._columns: dict[str, tuple[Array, Array]] = {}
        self._standings: dict[tuple[str, bool], Standings] = {}

    def choice(self, limits: Sequence[Constraint], passing: Constraint | None = None) -> Choice:
        """What the rule says.

        Args:
            passing: one of the limits that will not be asked for again.
        """
        holds = np.empty((len(limits), len(self._table.rows), count_draws(self._table)), dtype=bool)
        for number, limit in enumerate(limits):
            holds[number] = self._where_held(limit) if limit is passing else self._kept(limit)
        return Choice(
            self._worths,
            holds.transpose(0, 2, 1),
            np.array([np.nan if c.probability is None else c.probability for c in limits], dtype=float),
            self._terms,
            self._figures,
            self._faster,
            self._weighs_lightness,
            standing=lambda number, rows: self._standing(limits[number]).of(rows),
        )

    def _kept(self, limit: Constraint) -> Array:
        if limit not in self._held:
            self._held[limit] = self._where_held(limit)
        return self._held[limit]

    def _where_held(self, limit: Constraint) -> Array:
        """`where_held` as (rows, draws): a row's draws lie side by side, as most of the rule takes them."""
        name = limit.metric
        if name not in self._columns:
            drawn = metric_draws(self._table, name)
            self._columns[name] = np.ascontiguousarray(drawn.T), floors_of(self._table, name)
        drawn, floors = self._columns[name]
        held = limit.holds(drawn)
        if limit.is_upper:
            held[floors] = False
        return held

    def _standing(self, limit: Constraint) -> Standings:
        side = limit.metric, limit.is_upper
        if side not in self._standings:
            drawn = metric_draws(self._table, limit.metric)
            # Higher is farther inside the limit.
            self._standings[side] = Standings(-drawn if limit.is_upper else drawn)
        return self._standings[side]


def weighs_lightness(goal: DecisionObjective, suite: Suite) -> bool:
    """Whether the objective weighs cost, speed or size against quality, so that a tie must not count them
    again: in 60 simulated worlds of accuracy against latency the lighter of a tie lost .095, the leader .054.
    """
    known = metrics_of(suite)
    weighed = {known[n].about for n in _names(goal, suite) if n in known and n != VALUE}
    return counts_costs(goal, suite) or ("quality" in weighed and len(weighed) > 1)


def counts_costs(goal: DecisionObjective, suite: Suite) -> bool:
    """Whether the objective holds what serving costs."""
    names = _names(goal, suite)
    return "usd_per_hour" in names or any(rests_on_load(n) for n in names)


def _names(goal: DecisionObjective, suite: Suite) -> set[str]:
    """What the objective is made of, and the worth that it may ask for."""
    names = set(goal.expression.names)
    if VALUE in names and suite.decision.value:
        names |= set(worth_of(suite).expression.names)
    return names


def settling_figures(table: Tradeoff) -> tuple[TieBreaker, ...]:
    """What settles a tie, in order: cheaper, faster, smaller by so much at least."""
    return tuple(
        TieBreaker(name, _reader(table, name), least, partial(look_at, table.draws, name))
        for name, least in CHEAPNESS.items()
    )


def _reader(table: Tradeoff, name: str) -> Callable[[int], float]:
    """A row's figure; costs from the draws, which follow other prices and traffic."""

    @cache
    def figure(k: int) -> float:
        if rests_on_load(name) and name in table.draws:
            drawn = row_of(table.draws, name, k)
            return float(nearest_quantiles(drawn, [0.5])[0])
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

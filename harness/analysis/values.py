"""What a table's draws say of metrics and objectives: arrays for those who decide."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.analysis import cost
from harness.analysis.criteria import DecisionObjective
from harness.analysis.stats import Array
from harness.results import Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Suite
from harness.suite.value import settings_of


def count_draws(table: Tradeoff) -> int:
    return next((len(d) for d in table.draws.values()), 1)


def metric_draws(table: Tradeoff, name: str) -> Array:
    """(draws, rows) of a metric; NaN all over where nobody measured it."""
    found = table.draws.get(name)
    return np.full((count_draws(table), len(table.rows)), np.nan) if found is None else found


def where_held(table: Tradeoff, limit: Constraint) -> Array:
    """(draws, rows) bool: where a limit holds. A floor may be higher in truth: it meets no upper limit."""
    held = limit.holds(metric_draws(table, limit.metric))
    if limit.is_upper:
        held[:, floors_of(table, limit.metric)] = False
    return held


def floors_of(table: Tradeoff, name: str) -> Array:
    """(rows,) bool: whose figure of a metric is a floor."""
    cells = [row.estimates.get(name) for row in table.rows]
    return np.array([cell is not None and cell.floor for cell in cells], dtype=bool)


def values_for(table: Tradeoff, suite: Suite, names: Iterable[str]) -> dict[str, Array | float]:
    """What an expression names: draws of a metric, traffic or price."""
    price = cost.price_of(suite.machine)
    traffic = suite.decision.traffic
    settings = settings_of(traffic.mean, traffic.peak, price.usd_per_hour if price else None)
    return {n: settings[n] if n in settings else metric_draws(table, n) for n in names}


def utility_draws(table: Tradeoff, objective: DecisionObjective, suite: Suite) -> Array:
    """(draws, rows): the objective, higher is better; NaN where a row lacks one of its metrics, and in draws
    in which the expression is undefined."""
    names = objective.expression.names
    result = objective.sign * objective.expression(values_for(table, suite, names))
    return np.broadcast_to(result, (count_draws(table), len(table.rows)))

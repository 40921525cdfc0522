"""A value that holds a bill, pulled together part by part.

A bill comes in whole machines: its draws lie in heaps, which no normal law describes, and drawing the heaps
together makes who needs one machine more seldom the best (`benchmarks/whole_machines.py`). Quality, and the
logarithm of the load that one machine carries, have no heaps: they are pulled together, and the bill is made
of them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from harness.analysis import cost
from harness.analysis.bill import asked_for
from harness.analysis.criteria import HARNESS_METRICS, VALUE, DecisionObjective, worth_of
from harness.analysis.instances import too_large
from harness.analysis.money import throughputs
from harness.analysis.shrink import Shrinking
from harness.analysis.stats import Array
from harness.analysis.values import count_draws, metric_draws, values_for
from harness.metrics import metrics_of, stem
from harness.results import Tradeoff
from harness.suite.schema import Suite
from harness.suite.variants import is_elsewhere

LOAD = "throughput"
"""Requests per second of one machine, the part behind a bill; no metric of a suite has this name."""


class WorthParts:
    """The objective of a table by its parts.

    Args:
        table: priced, with its draws.
    """

    def __init__(self, table: Tradeoff, goal: DecisionObjective, suite: Suite) -> None:
        self._table, self._goal, self._suite = table, goal, suite

    def of(self, rows: Array) -> Array:
        """(draws, len(rows)) of the objective, higher is better, of rows that are near rivals."""
        inner = self._inner
        names = {*self._goal.expression.names, *(inner.expression.names if inner else ())} - {VALUE}
        values = values_for(self._table, self._suite, names)
        own = {n: v if isinstance(v, float) else v[:, rows] for n, v in values.items()}
        own |= {n: v for n, v in self._pulled(rows).items() if n in own}
        if inner:
            own[VALUE] = inner.sign * inner.expression({n: own[n] for n in inner.expression.names})
        worth = self._goal.sign * self._goal.expression({n: own[n] for n in self._goal.expression.names})
        return np.broadcast_to(worth, (count_draws(self._table), len(rows)))

    def figures(self, rows: Array) -> dict[str, Array]:
        """Metric of the objective → (draws, len(rows)), pulled together as the worth of near rivals is, for
        what is said beside P(best)."""
        bills = {name for name in self._goal.metrics if rests_on_load(name)}
        shares = [n for n in self._goal.metrics if n not in {*quality_of(self._goal, self._suite), *bills}]
        drawn = {n: metric_draws(self._table, n)[:, rows] for n in shares}
        models = [self._table.rows[k].candidate for k in rows]
        found = {
            n: np.exp(Shrinking(np.log(x), models).together(np.arange(len(rows))).T)
            for n, x in drawn.items()
            if (x > 0).all()
        }
        return found | {n: x for n, x in self._pulled(rows).items() if n in self._goal.metrics}

    def _pulled(self, rows: Array) -> dict[str, Array]:
        """Part, and what is made of it → (draws, len(rows)) of near rivals."""
        parts = {
            name: shrinking.together(rows).T
            for name, shrinking in self._shrinking.items()
            if np.isfinite(shrinking.draws[rows]).all()
        }
        return parts | self._bills(parts, rows)

    @cached_property
    def _inner(self) -> DecisionObjective | None:
        """The suite's value, where the objective names it."""
        named = VALUE in self._goal.expression.names and self._suite.decision.value
        return worth_of(self._suite) if named else None

    @cached_property
    def _shrinking(self) -> Mapping[str, Shrinking]:
        """Of each part, as a quantity that scatters about normally."""
        names, models = quality_of(self._goal, self._suite), [row.candidate for row in self._table.rows]
        found = {n: Shrinking(metric_draws(self._table, n), models) for n in names}
        if has_plain_bill(self._table, self._suite):
            with np.errstate(invalid="ignore", divide="ignore"):
                found[LOAD] = Shrinking(np.log(self._load), models)
        return found

    @cached_property
    def _load(self) -> Array:
        return throughputs(self._table, self._suite)[0]

    def _bills(self, pulled: Mapping[str, Array], rows: Array) -> dict[str, Array]:
        price = cost.price_of(self._suite.machine)
        if LOAD not in pulled or price is None:
            return {}
        traffic = self._suite.decision.traffic
        machines = cost.cost_per_month(np.exp(pulled[LOAD]), traffic, price.usd_per_hour)
        month = machines + _besides(self._table, self._suite)[rows]
        return {"cost_per_month_usd": month, "cost_per_million_usd": cost.per_million(month, traffic)}


def quality_of(goal: DecisionObjective, suite: Suite) -> tuple[str, ...]:
    """The metrics of quality that an objective holds, by way of the suite's value too."""
    names = list(goal.expression.names)
    if VALUE in names and suite.decision.value:
        names += worth_of(suite).expression.names
    known = metrics_of(suite)
    return tuple(n for n in dict.fromkeys(names) if stem(n) in known and known[stem(n)].about == "quality")


def scatters_by_share(goal: DecisionObjective, suite: Suite) -> bool:
    """Whether an objective is a product or quotient that holds more than quality.

    Speeds scatter by a share of themselves, and so does what is made of them: the noise of accuracy a
    millisecond grows with it, on a logarithmic scale it is the same for all.
    """
    asked = [goal.expression]
    if VALUE in goal.expression.names and suite.decision.value:
        asked.append(worth_of(suite).expression)
    names = {name for one in asked for name in one.names} - {VALUE}
    return all(one.is_product for one in asked) and not names <= set(quality_of(goal, suite))


def has_plain_bill(table: Tradeoff, suite: Suite) -> bool:
    """Whether price, traffic, the load of one machine and the items beside it make the whole bill, by one
    formula."""
    return not why_no_plain_bill(table, suite)


def why_no_plain_bill(table: Tradeoff, suite: Suite) -> str:
    """What else the bill is made of; empty where there is nothing else."""
    price = cost.price_of(suite.machine)
    if price is None:
        return "the suite names no price of a machine"
    if "cost_per_month_usd" not in table.draws:
        return "no cost was found for any variant"
    if suite.decision.traffic.curve:
        return "traffic is a curve of hours"
    if suite.machines:
        return "other traffic may want another of the suite's machines"
    if too_large(table.rows, suite):
        return "a variant needs more memory than the machine has"
    machines = cost.cost_per_month(throughputs(table, suite)[0], suite.decision.traffic, price.usd_per_hour)
    month = np.where(elsewhere(table, suite), 0.0, machines) + _besides(table, suite)
    stored = table.draws["cost_per_month_usd"]
    # Coarse throughputs may need one machine more or less in a few draws.
    both = np.isfinite(month) & np.isfinite(stored)
    same = np.isclose(month, stored, rtol=1e-6) | ~both
    if both.any() and same.mean() > 0.98 and (np.isfinite(month) == np.isfinite(stored)).mean() > 0.98:
        return ""
    return "what one machine carries follows from the limits, by a simulated queue"


def rests_on_load(name: str) -> bool:
    """Whether a metric is a cost of serving."""
    entry = HARNESS_METRICS.get(name)
    return entry is not None and entry.about == "money" and entry.rests_on_speed


def elsewhere(table: Tradeoff, suite: Suite) -> Array:
    """(rows,) bool, a service whose owner's price is its whole bill."""
    return np.array(
        [is_elsewhere(r.runtime) and asked_for(suite, r.candidate) is not None for r in table.rows], bool
    )


def _besides(table: Tradeoff, suite: Suite) -> Array:
    """(rows,) USD a month beyond the machines."""
    requests = suite.decision.traffic.mean * cost.SECONDS_PER_MONTH
    return np.array([row.besides.monthly(requests) for row in table.rows], float)

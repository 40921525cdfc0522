"""The same decision under other traffic and prices: the map of winners, and what quality must be worth.

All from the same draws: a grid point is another decision, not another measurement; `rule` names every winner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from harness.analysis import cost
from harness.analysis.choice import Assessment
from harness.analysis.criteria import VALUE, DecisionObjective, worth_of
from harness.analysis.draws import overlaid
from harness.analysis.duels import Verdict
from harness.analysis.instances import Fleet, fleet
from harness.analysis.money import COST_METRICS, throughputs
from harness.analysis.rule import Choice
from harness.analysis.sanity import senseless
from harness.analysis.stats import Array
from harness.analysis.uncompared import Uncompared, uncompared
from harness.analysis.values import metric_draws, utility_draws
from harness.results import Estimate, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Machine, Suite

PRICE_BAND = 0.3
"""Sources of one price disagree by this much and more: the decision is always shown at −30 % and +30 %."""

NOBODY = "no variant"
OPEN = "no decision"
"""The answer where one that was not compared may be the better choice."""


@dataclass(frozen=True)
class Question:
    """A decision to ask again under other circumstances: whoever names a winner asks it here.

    Args:
        table: priced, with its draws. duels: what settles a tie where speed is the objective.
        own: the suite that the run was measured under, where other prices and traffic are asked.
    """

    table: Tradeoff
    suite: Suite
    limits: tuple[Constraint, ...]
    goal: DecisionObjective
    duels: tuple[Verdict, ...] = ()
    own: Suite | None = None

    @cached_property
    def choice(self) -> Choice:
        """What the rule says of it."""
        return self.assessment.choice(self.limits)

    @cached_property
    def assessment(self) -> Assessment:
        """What answers it, and the same under other bounds."""
        return Assessment(self.table, self.limits, self.goal, self.suite, self.duels)

    @cached_property
    def barred(self) -> Mapping[int, str]:
        """Rows that must not be chosen, and why: common sense."""
        return senseless(self.table, self.limits, self.goal)

    @cached_property
    def _loads(self) -> Array:
        """(draws, rows) requests per second of one machine, which no traffic and no price changes."""
        return throughputs(self.table, self.suite)[0]

    @cached_property
    def _fleet(self) -> Fleet:
        return fleet(self.table, self._loads, self.suite)

    def _fleet_at(self, suite: Suite, price_factor: float) -> Fleet:
        """The fleet at another traffic and price: of one machine nobody moves to another for either."""
        if suite.machines:
            return fleet(self.table, self._loads, suite)
        return replace(self._fleet, usd_per_hour=self._fleet.usd_per_hour * price_factor)

    @cached_property
    def uncompared(self) -> Uncompared:
        """Who was not run to the end and may be the better choice."""
        return self._uncompared(self.limits, self.choice)

    def _uncompared(self, limits: Sequence[Constraint], choice: Choice) -> Uncompared:
        return uncompared(self.table, limits, self.goal, self.suite, choice, self.barred, self.own)

    @cached_property
    def ahead(self) -> str:
        """The variant that it names of those that were compared, or `no variant`."""
        return NOBODY if self.choice.named is None else self.table.rows[self.choice.named].variant

    @property
    def winner(self) -> str:
        """The variant that it names, `no variant`, or `no decision` where one that was not compared may be
        better."""
        return OPEN if self.uncompared.matters else self.ahead

    @cached_property
    def deployed(self) -> str:
        """The same, with its machine where the suite has several: `resnet/onnx on big`."""
        return self._deployed(self.choice, self.uncompared)

    def deployed_under(self, limits: Sequence[Constraint], passing: Constraint) -> str:
        """The same under other bounds on the same metrics; `passing` is one that will not be asked again."""
        choice = self.assessment.choice(limits, passing=passing)
        return self._deployed(choice, self._uncompared(limits, choice))

    def _deployed(self, choice: Choice, others: Uncompared) -> str:
        if others.matters:
            return OPEN
        return NOBODY if choice.named is None else self.table.rows[choice.named].deployed

    @cached_property
    def is_tie(self) -> bool:
        """Whether another is not separated from the one that is named."""
        return len(self.choice.tied) > 1

    def with_prices(self, qps_factor: float = 1.0, price_factor: float = 1.0) -> Question:
        """The same question with all traffic and the machine's price multiplied."""
        if cost.price_of(self.suite.machine) is None:
            return self
        traffic = self.suite.decision.traffic.scaled(qps_factor)
        suite = self.suite.model_copy(
            update={
                "machine": _times(self.suite.machine, price_factor),
                "machines": {name: _times(m, price_factor) for name, m in self.suite.machines.items()},
                "decision": self.suite.decision.model_copy(update={"traffic": traffic}),
            }
        )
        return replace(
            self,
            suite=suite,
            table=repriced(self.table, suite, self._fleet_at(suite, price_factor), price_factor),
            own=self.own or self.suite,
        )


def _times(machine: Machine, factor: float) -> Machine:
    """The machine at so many times its price."""
    price = cost.price_of(machine)
    usd = None if price is None else price.usd_per_hour * factor
    return machine.model_copy(update={"usd_per_hour": usd})


def repriced(table: Tradeoff, suite: Suite, where: Fleet, price_factor: float) -> Tradeoff:
    """Cost draws (and the value's) for another price and traffic; a fraction of the work of `complete`.

    Args:
        where: the rows' machines under the suite's limits, traffic and price.
    """
    traffic = suite.decision.traffic
    rows = where.on(table.rows)
    if price_factor != 1:
        rows = tuple(replace(row, besides=row.besides.at(price_factor)) for row in rows)
    requests = traffic.mean * cost.SECONDS_PER_MONTH
    other = np.array([row.besides.monthly(requests) for row in rows])
    month = where.bill(where.throughput, suite) + other
    draws = {
        "cost_per_month_usd": month,
        "cost_per_million_usd": cost.per_million(month, traffic),
        "train_cost_usd": metric_draws(table, "train_cost_usd") * price_factor,
    }
    result = replace(table, rows=rows, draws=overlaid(draws, table.draws))
    if VALUE in table.draws and suite.decision.value:
        goal = worth_of(suite)
        worth = utility_draws(result, goal, suite)
        result = replace(result, draws=overlaid({VALUE: worth}, result.draws))
    return result


def depends_on_money(question: Question) -> bool:
    """Whether price or traffic can change the answer."""
    names = {*question.goal.expression.names, *(c.metric for c in question.limits)}
    moved = {*COST_METRICS, "qps", "peak_qps", "usd_per_hour"}
    if VALUE in names and question.suite.decision.value:
        return True
    return bool(names & moved)


def at_price_band(question: Question) -> Mapping[str, str]:
    """The choice at −30 %, at the price, and at +30 %."""
    factors = {"-30 %": 1 - PRICE_BAND, "as priced": 1.0, "+30 %": 1 + PRICE_BAND}
    return {name: question.with_prices(price_factor=f).winner for name, f in factors.items()}


# ------------------------------------------------------------------------------------ maps


@dataclass(frozen=True)
class WinnerMap:
    """Who is named over traffic × price: `winners[i][j]` at `qps[i]`, `prices[j]`; `ties[i][j]` where
    another is not separated from it. `here`: today's traffic and price.

    Args:
        prices: USD per hour; of several machines times today's. winners: with their machines.
    """

    qps: tuple[float, ...]
    prices: tuple[float, ...]
    winners: tuple[tuple[str, ...], ...]
    ties: tuple[tuple[bool, ...], ...]
    here: tuple[float, float]


def winner_map(question: Question, size: int = 9) -> WinnerMap | None:
    """The map of winners from a tenth to ten times the traffic and from a third to three times the price.

    Returns:
        None where there is no price, neither the objective nor a limit is about money, or the answer waits
        for who was not run.
    """
    price = cost.price_of(question.suite.machine)
    if price is None or not depends_on_money(question) or question.uncompared.matters:
        return None
    traffics = np.geomspace(0.1, 10, size)
    prices = np.geomspace(1 / 3, 3, size)
    asked = [[question.with_prices(float(t), float(p)) for p in prices] for t in traffics]
    qps = question.suite.decision.traffic.mean
    today = 1.0 if question.suite.machines else price.usd_per_hour
    return WinnerMap(
        tuple(qps * traffics),
        tuple(today * prices),
        tuple(tuple(q.deployed for q in line) for line in asked),
        tuple(tuple(q.is_tie for q in line) for line in asked),
        (qps, today),
    )


# ------------------------------------------------------------------------------------ worth


def break_even(table: Tradeoff, a: str, b: str, requests_per_month: float) -> Estimate:
    """USD that one more correct answer must be worth for the dearer, more accurate A to pay.

        Δcost per month / (Δaccuracy · requests per month)

    Returns:
        With its interval; without a number where A is not surely more accurate or not dearer, which the
        note says.
    """
    names = [row.variant for row in table.rows]
    i, j = names.index(a), names.index(b)
    if "accuracy" not in table.draws or "cost_per_month_usd" not in table.draws:
        return Estimate(None, note="not estimable (needs accuracy and a price)")
    gain = table.draws["accuracy"][:, i] - table.draws["accuracy"][:, j]
    dearer = table.draws["cost_per_month_usd"][:, i] - table.draws["cost_per_month_usd"][:, j]
    if np.isnan(gain).any() or np.isnan(dearer).any():
        return Estimate(None, note="not estimable (one of the two was not measured)")
    if np.mean(dearer <= 0) > 0.5:
        return Estimate(None, note=f"{a} does not cost more than {b}")
    # A ratio whose denominator may be zero has no finite interval (Fieller).
    if np.quantile(gain, 0.025) <= 0:
        return Estimate(None, note=f"not estimable ({a} is not clearly more accurate than {b})")
    worth = dearer / (gain * requests_per_month)
    low, middle, high = np.quantile(worth, [0.025, 0.5, 0.975])
    return Estimate(float(middle), float(low), float(high))

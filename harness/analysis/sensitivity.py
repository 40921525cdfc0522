"""What would change the answer: switch points over limits, price, traffic and value; the map of winners.

All from the same draws: a grid point is another decision, not another measurement; `rule` names every winner.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from harness.analysis import cost
from harness.analysis.choice import Assessment
from harness.analysis.criteria import VALUE, DecisionObjective, worth_of
from harness.analysis.draws import overlaid
from harness.analysis.duels import Verdict
from harness.analysis.instances import fleet
from harness.analysis.money import COST_METRICS, throughputs
from harness.analysis.order import distinct
from harness.analysis.rule import Choice
from harness.analysis.sanity import senseless
from harness.analysis.served import LATE
from harness.analysis.stats import Array, beyond, row_quantiles
from harness.analysis.values import metric_draws, utility_draws
from harness.results import Estimate, Flip, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Machine, Suite

PRICE_BAND = 0.3
"""Sources of one price disagree by this much and more: the decision is always shown at −30 % and +30 %."""

NOBODY = "no variant"

MOST_QUEUES = 60
"""Variants whose queues are simulated anew for a switch of a limit on latency: 60 take some seconds, once."""

NARROW = 0.02
"""An answer that holds over less than this share of where the named variant's figure may lie is no switch."""

SLIVER = 1.03
"""An answer that holds over less than this factor of traffic or price is no switch that is told."""


@dataclass(frozen=True)
class Question:
    """A decision to ask again under other circumstances: whoever names a winner asks it here.

    Args:
        table: priced, with its draws. duels: what settles a tie where speed is the objective.
    """

    table: Tradeoff
    suite: Suite
    limits: tuple[Constraint, ...]
    goal: DecisionObjective
    duels: tuple[Verdict, ...] = ()

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
    def winner(self) -> str:
        """The variant that it names, or `no variant`."""
        return NOBODY if self.choice.named is None else self.table.rows[self.choice.named].variant

    @property
    def deployed(self) -> str:
        """The same, with its machine where the suite has several: `resnet/onnx on big`."""
        return NOBODY if self.choice.named is None else self.table.rows[self.choice.named].deployed

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
        return replace(self, suite=suite, table=_repriced(self.table, suite, price_factor))


def _times(machine: Machine, factor: float) -> Machine:
    """The machine at so many times its price."""
    price = cost.price_of(machine)
    usd = None if price is None else price.usd_per_hour * factor
    return machine.model_copy(update={"usd_per_hour": usd})


def _repriced(table: Tradeoff, suite: Suite, price_factor: float) -> Tradeoff:
    """Cost draws (and the value's) for another price and traffic; a fraction of the work of `complete`."""
    traffic = suite.decision.traffic
    throughput, _ = throughputs(table, suite)
    where = fleet(table, throughput, suite)
    rows = tuple(replace(row, besides=row.besides.at(price_factor)) for row in where.on(table.rows))
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


# ------------------------------------------------------------------------------------ flips


def find_flips(question: Question) -> tuple[Flip, ...]:
    """What would change the answer, nearest first.

    Returns:
        {what, at, unit, then, factor}: once `what` passes `at`, `then` is named; `factor` is `at` over
        today's figure. Only the nearest switch on each side is listed.
    """
    found: list[Flip] = []
    for constraint in question.limits:
        found.extend(_as_asked(question, constraint, _limit_flips(question, constraint)))
    if depends_on_money(question):
        traffic = question.suite.decision.traffic
        found.extend(_factor_flips(question, "traffic", traffic.mean, "requests/s", 100.0, _scaled_traffic))
        price = cost.price_of(question.suite.machine)
        if question.suite.machines:  # all of them: no one price says which
            found.extend(_factor_flips(question, "prices", 1.0, "times today's", 10.0, _scaled_price))
        elif price is not None:
            found.extend(_factor_flips(question, "price", price.usd_per_hour, "USD/h", 10.0, _scaled_price))
    found.sort(key=lambda flip: abs(np.log(max(flip["factor"], 1e-9))))
    return tuple(flip for flip in found if flip["then"] != question.deployed)


def _as_asked(question: Question, constraint: Constraint, flips: Sequence[Flip]) -> list[Flip]:
    """The switches that who asks with the other limit gets: one on latency also says what load costs count
    on."""
    table, suite = question.table, question.suite
    if constraint.metric not in LATE or not depends_on_money(question) or len(table.rows) > MOST_QUEUES:
        return list(flips)
    if cost.price_of(suite.machine) is None:
        return list(flips)
    found = []
    for flip in flips:
        limits = tuple(replace(c, limit=flip["at"]) if c == constraint else c for c in question.limits)
        decision = suite.decision.model_copy(update={"constraints": tuple(map(str, limits))})
        other = suite.model_copy(update={"decision": decision})
        asked = replace(question, suite=other, limits=limits, table=_repriced(table, other, 1.0))
        found.append({**flip, "then": asked.deployed})
    return found


def depends_on_money(question: Question) -> bool:
    """Whether price or traffic can change the answer."""
    names = {*question.goal.expression.names, *(c.metric for c in question.limits)}
    moved = {*COST_METRICS, "qps", "peak_qps", "usd_per_hour"}
    if VALUE in names and question.suite.decision.value:
        return True
    return bool(names & moved)


def _scaled_traffic(question: Question, factor: float) -> Question:
    return question.with_prices(qps_factor=factor)


def _scaled_price(question: Question, factor: float) -> Question:
    return question.with_prices(price_factor=factor)


def _factor_flips(
    question: Question,
    what: str,
    today: float,
    unit: str,
    reach: float,
    scaled: Callable[[Question, float], Question],
) -> list[Flip]:
    """Switches over a factor from 1/reach to reach, found on a log grid of 24 and refined by bisection.

    Of several instances a switch from one to the next is one too.
    """

    def winner(factor: float) -> str:
        return scaled(question, factor).deployed

    found = []
    for direction in (1.0, -1.0):
        grid = np.exp(direction * np.linspace(0, np.log(reach), 13))
        winners = [winner(1.0)]
        for factor in grid[1:]:
            winners.append(winner(float(factor)))
            if winners[-1] != winners[0]:
                break
        if winners[-1] != winners[0]:
            at = _bisect(winner, float(grid[len(winners) - 2]), float(grid[len(winners) - 1]), winners[0])
            at = _past_a_sliver(winner, at, at * SLIVER**direction, winners[0])
            told, then = _told(lambda x: winner(x / today), at * today, today)
            found.append(_flip(what, told, unit, then, told / today))
    return found


def _bisect(winner: Callable[[float], str], same: float, other: float, now: str) -> float:
    """The factor where the winner changes, to half a thousandth: three digits of it are told."""
    while abs(np.log(other / same)) > 0.0005:
        middle = float(np.sqrt(same * other))
        same, other = (middle, other) if winner(middle) == now else (same, middle)
    return other


def _past_a_sliver(winner: Callable[[float], str], at: float, beyond_it: float, now: str) -> float:
    """Where the answer that lasts begins: between two that lead in turn a third may be named for a moment."""
    lasting = winner(beyond_it)
    if lasting in (now, winner(at)):
        return at
    return _bisect(lambda factor: lasting if winner(factor) == lasting else now, at, beyond_it, now)


def _told(winner: Callable[[float], str], at: float, today: float) -> tuple[float, str]:
    """A switch point as it is told, rounded away from today's figure, and who is named there: who asks with
    that figure must get that answer, so it keeps more digits where three would name another."""
    then = winner(at)
    for digits in (3, 4, 6):
        if winner(told := beyond(at, today, digits)) == then:
            return told, then
    return at, then


def _flip(what: str, at: float, unit: str, then: str, factor: float) -> Flip:
    return {"what": what, "at": at, "unit": unit, "then": then, "factor": factor}


def _limit_flips(question: Question, constraint: Constraint) -> list[Flip]:
    """Where another limit on the metric changes the answer: the candidates' own quantiles are the grid."""
    draws = metric_draws(question.table, constraint.metric)
    sure = ~np.isnan(draws).any(0)
    if not sure.any():
        return []
    found = row_quantiles(draws.T[sure], [0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999])
    grid = _rising([*found.ravel(), constraint.limit])
    if len(grid) > 80:
        grid = _rising([*grid[:: len(grid) // 80 + 1], constraint.limit])
    rest = tuple(c for c in question.limits if c != constraint)

    @cache
    def winner(limit: float) -> str:
        other = replace(constraint, limit=float(limit))
        choice = question.assessment.choice((*rest, other), passing=other)
        return NOBODY if choice.named is None else question.table.rows[choice.named].deployed

    now, flips = question.deployed, []
    narrow = NARROW * _width(draws, question.choice.named)
    start = int(np.searchsorted(grid, constraint.limit))
    for side in (grid[start:], grid[: start + 1][::-1]):
        for k, (before, after) in enumerate(itertools.pairwise(side)):
            # The chance of having picked the luckiest of those in doubt falls when one leaves them: what is
            # named again at the next point of the grid was no switch.
            if winner(after) != now and winner(side[min(k + 2, len(side) - 1)]) != now:
                # Between two points of the grid it may change twice.
                at = _bisect_linear(winner, float(before), float(after), now)
                at = _past_narrow(winner, at, float(after), now, narrow)
                at, then = _told(winner, at, constraint.limit)
                factor = at / constraint.limit if constraint.limit * at > 0 else 1e9
                flips.append(_flip(f"limit on {constraint.metric}", at, "", then, factor))
                break
    return flips


def _width(draws: Array, row: int | None) -> float:
    """Between which a row's figure lies, all but surely; 0 of nobody, or without a figure."""
    if row is None or np.isnan(draws[:, row]).any():
        return 0.0
    return float(np.ptp(np.quantile(draws[:, row], [0.001, 0.999])))


def _past_narrow(winner: Callable[[float], str], at: float, after: float, now: str, narrow: float) -> float:
    """Where the answer that lasts begins, if another is named over less than `narrow` before it: of two that
    answer alike one keeps a limit a little longer by the luck of the draws."""
    lasting = winner(after)
    if lasting in (now, winner(at)):
        return at
    begins = _bisect_linear(lambda x: lasting if winner(x) == lasting else now, at, after, now)
    return begins if abs(begins - at) < narrow else at


def _rising(limits: Sequence[float]) -> Array:
    every = np.array(limits)
    return np.asarray(every[distinct(every)[0]])


def _bisect_linear(winner: Callable[[float], str], same: float, other: float, now: str) -> float:
    for _ in range(7):
        middle = (same + other) / 2
        same, other = (middle, other) if winner(middle) == now else (same, middle)
    return other


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
        None where there is no price, or neither the objective nor a limit is about money.
    """
    price = cost.price_of(question.suite.machine)
    if price is None or not depends_on_money(question):
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

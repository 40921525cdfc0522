"""What would change the answer: switch points over limits, price and traffic, the nearest on each side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from harness.analysis import cost
from harness.analysis.instances import fleet
from harness.analysis.money import throughputs
from harness.analysis.order import distinct
from harness.analysis.sensitivity import Question, depends_on_money, repriced
from harness.analysis.served import LATE
from harness.analysis.stats import Array, beyond, row_quantiles
from harness.analysis.values import metric_draws
from harness.results import Flip
from harness.suite.expression import Constraint

NARROW = 0.02
"""An answer that holds over less than this share of where the named variant's figure may lie is no switch."""

SLIVER = 1.03
"""An answer that holds over less than this factor of traffic or price is no switch that is told."""

MOST_QUEUES, QUEUE_STEPS, QUEUE_WITHIN = 60, 6, 0.01
"""Variants whose queues are simulated for other limits on latency, how many of these are tried to each side,
and how exactly the switch is found: every queue takes a hundredth of a second, once."""


def find_flips(question: Question) -> tuple[Flip, ...]:
    """What would change the answer, nearest first.

    Returns:
        {what, at, unit, then, factor}: once `what` passes `at`, `then` is named; `factor` is `at` over
        today's figure. Only the nearest switch on each side is listed.
    """
    found: list[Flip] = []
    for constraint in question.limits:
        flips = _queue_flips if _moves_costs(question, constraint) else _limit_flips
        found.extend(flips(question, constraint))
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
    steps: int = 12,
    within: float = 0.0005,
) -> list[Flip]:
    """Switches over a factor from 1/reach to reach, found on a log grid of so many steps to each side and
    refined by bisection to a share of it.

    Of several instances a switch from one to the next is one too.
    """

    @cache
    def winner(factor: float) -> str:
        return scaled(question, factor).deployed

    found = []
    for direction in (1.0, -1.0):
        grid = np.exp(direction * np.linspace(0, np.log(reach), steps + 1))
        winners = [winner(1.0)]
        for factor in grid[1:]:
            winners.append(winner(float(factor)))
            if winners[-1] != winners[0]:
                break
        if winners[-1] != winners[0]:
            at = _bisect(
                winner, float(grid[len(winners) - 2]), float(grid[len(winners) - 1]), winners[0], within
            )
            at = _past_a_sliver(winner, at, at * SLIVER**direction, winners[0], within)
            told, then = _told(lambda x: winner(x / today), at * today, today)
            found.append(_flip(what, told, unit, then, told / today))
    return found


def _bisect(
    winner: Callable[[float], str], same: float, other: float, now: str, within: float = 0.0005
) -> float:
    """The factor where the winner changes, to half a thousandth: three digits of it are told."""
    while abs(np.log(other / same)) > within:
        middle = float(np.sqrt(same * other))
        same, other = (middle, other) if winner(middle) == now else (same, middle)
    return other


def _past_a_sliver(
    winner: Callable[[float], str], at: float, beyond_it: float, now: str, within: float = 0.0005
) -> float:
    """Where the answer that lasts begins: between two that lead in turn a third may be named for a moment."""
    lasting = winner(beyond_it)
    if lasting in (now, winner(at)):
        return at
    return _bisect(lambda factor: lasting if winner(factor) == lasting else now, at, beyond_it, now, within)


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
        return question.deployed_under((*rest, other), other)

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


def _moves_costs(question: Question, constraint: Constraint) -> bool:
    """Whether the load that costs count on follows from a limit, by a simulated queue."""
    is_priced = cost.price_of(question.suite.machine) is not None
    return (
        constraint.is_upper
        and constraint.metric in LATE
        and is_priced
        and depends_on_money(question)
        and 0 < sum(row.service is not None for row in question.table.rows) <= MOST_QUEUES
    )


def _queue_flips(question: Question, constraint: Constraint) -> list[Flip]:
    """Where another limit on latency changes the answer, with the costs that it makes."""

    def scaled(asked: Question, factor: float) -> Question:
        other = replace(constraint, limit=constraint.limit * factor)
        limits = tuple(other if c == constraint else c for c in asked.limits)
        decision = asked.suite.decision.model_copy(update={"constraints": tuple(map(str, limits))})
        suite = asked.suite.model_copy(update={"decision": decision})
        where = fleet(asked.table, throughputs(asked.table, suite)[0], suite)
        table = repriced(asked.table, suite, where, 1.0)
        return replace(asked, suite=suite, limits=limits, table=table, own=asked.own or asked.suite)

    what = f"limit on {constraint.metric}"
    return _factor_flips(question, what, constraint.limit, "", 30.0, scaled, QUEUE_STEPS, QUEUE_WITHIN)


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

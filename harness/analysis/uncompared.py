"""Who was not compared, and might be the choice: for want of time (a budget that was spent, Ctrl-C), or for a
limit that is not asked any more.

Such a row was not beaten. What is known of it may rule it out: a limit that its figures surely break, an
objective in which it is surely behind. Else an answer over the others alone is not one to the question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import cost
from harness.analysis.criteria import BELOW, VALUE, DecisionObjective, limits_of, worth_of
from harness.analysis.money import COST_METRICS
from harness.analysis.rule import POSSIBLE, Choice
from harness.analysis.served import LATE
from harness.analysis.stats import Array
from harness.analysis.values import count_draws, metric_draws, values_for, where_held
from harness.metrics import METRICS, stem
from harness.reasons import Reason, broken_by, is_unrun, reason_of
from harness.results import Estimate, NotCompared, Row, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Machine, Suite, Traffic

STOPPED = (Reason.NOT_RUN, Reason.RULED_OUT)
"""Why a row was measured no further that did not fail."""

PER_MILLION = "cost_per_million_usd"

NOT_YET = "not run: the run has not come to it"
"""Of a row whose trials are planned and have no record: the run goes on, or was interrupted."""


@dataclass(frozen=True)
class Uncompared:
    """Rows that may be the choice and lack a number that decides, as they were not run or were ruled
    out under other limits.

    Args:
        rows: those whose objective is not known first, then by their lead.
        none_better: the probability that none of them is better than who is named, were each to keep the
            limits that nobody knows of it; None where that cannot be said.
        matters: whether the answer must wait for them: one may be better by more than the tolerance.
    """

    rows: tuple[NotCompared, ...] = ()
    none_better: float | None = 1.0
    matters: bool = False

    def of_all(self, best: float) -> float | None:
        """P(best) among the rows that were compared → among all; None where the answer waits for others.

        As if the two were independent: in simulated worlds like ours the same draws for both say .03 less or
        more, and are no nearer to the truth (LOG.md).
        """
        return None if self.none_better is None or self.matters else best * self.none_better


def uncompared(
    table: Tradeoff,
    limits: Sequence[Constraint],
    goal: DecisionObjective,
    suite: Suite,
    choice: Choice,
    barred: Iterable[int] = (),
    own: Suite | None = None,
) -> Uncompared:
    """Who was not compared.

    Args:
        choice: what the rule says of the rows that were. barred: rows that must not be chosen.
        own: the suite under whose prices and traffic rows were ruled out, where another is asked.
    """
    names = list(dict.fromkeys((*goal.metrics, *(c.metric for c in limits))))
    asked = OtherTerms(suite, limits, own)
    none_better, found, matters = np.ones(count_draws(table), dtype=bool), list[NotCompared](), False
    for k in unfinished(table, names, barred):
        if any(_is_out(limit, table.rows[k], names, asked) for limit in limits):
            continue
        held = _may_hold(table, limits, k)
        if held.mean() < POSSIBLE:
            continue
        most = _at_most(table, goal, suite, k)
        if choice.named is None or most is None:
            found.append(_told(table, names, k))
            matters = True
            continue
        lead = most - choice.worth(choice.named)
        better = held & (lead > 1e-6 * abs(float(choice.means[choice.named])))
        if better.mean() < POSSIBLE:
            continue
        none_better &= ~better
        matters |= float((lead * better).mean()) > choice.tolerance
        found.append(_told(table, names, k, lead, float(better.mean())))
    found.sort(key=lambda one: -(one["lead"] if one["lead"] is not None else np.inf))
    unknown = any(one["probability_better"] is None for one in found)
    return Uncompared(tuple(found), None if unknown else float(none_better.mean()), matters)


def unfinished(table: Tradeoff, names: Sequence[str], barred: Iterable[int] = ()) -> list[int]:
    """Rows that lack a number for one of some metrics and did not fail, without those that are barred."""
    # Asked at every point of a switch, of hundreds of rows: draws tell who has all numbers.
    lacks = np.any([np.isnan(metric_draws(table, name)[0]) for name in names], axis=0)
    out = set(barred)
    return [k for k in np.flatnonzero(lacks).tolist() if k not in out and why_not_run(table.rows[k], names)]


def why_not_run(row: Row, names: Iterable[str]) -> str:
    """Why a row lacks a number for one of some metrics, where it is for want of time alone, `budget of 3 min
    spent`, or as it was ruled out; empty where it has them all or failed."""
    cells = [row.estimates.get(name, Estimate(None)) for name in names]
    lacking = [cell for cell in cells if cell.value is None]
    if not lacking or not all(map(is_unrun, row.failures)):
        return ""
    if any(cell.reason not in (None, *STOPPED, Reason.NOT_MEASURED) for cell in lacking):
        return ""
    notes = [*(cell.note for cell in lacking), row.stopped, *(f.partition(": ")[2] for f in row.failures)]
    why = next((n for n in notes if reason_of(n) in STOPPED), "")
    return why if reason_of(why) is Reason.RULED_OUT else why.partition(": ")[2] or why


def were_ruled_out(rows: Sequence[NotCompared]) -> bool:
    """Whether all were measured no further for a limit, none for want of time."""
    return all(reason_of(one["why"]) is Reason.RULED_OUT for one in rows)


def _is_out(limit: Constraint, row: Row, names: Iterable[str], asked: OtherTerms) -> bool:
    """Whether a row that was ruled out is so by a limit too: not by a wider one, which it may keep."""
    below = (limit.metric, *(BELOW.get(limit.metric, ()) if limit.is_upper else ()))
    known = broken_by(why_not_run(row, names))
    if known is None or known.metric not in below or known.is_upper != limit.is_upper:
        return False
    if known.metric == VALUE and not asked.is_worth_the_same:
        return False
    if not known.is_upper:
        return limit.limit >= known.at
    return limit.limit <= known.at * (asked.least_bill(known.metric) if known.metric in COST_METRICS else 1.0)


@dataclass(frozen=True)
class OtherTerms:
    """The terms that are asked for, beside those that rows were ruled out under.

    Args:
        own: the suite that the run was measured by; None where no other is asked for.
    """

    suite: Suite
    limits: Sequence[Constraint]
    own: Suite | None = None

    def least_bill(self, metric: str) -> float:
        """How many times a bill at the least becomes by other prices and traffic. 0 where nothing is known: a
        wider limit on latency needs fewer machines, other hours may let most of them sleep."""
        if self.own is None:
            return 1.0
        before, now = self.own.decision, self.suite.decision
        least = min(_price_ratios(self.own, self.suite))
        if metric == "train_cost_usd":
            return least
        if self._may_need_fewer(self.own):
            return 0.0
        requests = now.traffic.mean / before.traffic.mean
        least *= _least_machines(now.traffic.peak / before.traffic.peak)
        if before.costs is not None:  # items that no price of a machine moves, some paid by the request
            paid_each = any(item.usd_per_request for item in before.costs.items.values())
            least = min(least, 1.0, requests if paid_each else 1.0)
        return least / requests if metric == PER_MILLION else least

    @property
    def is_worth_the_same(self) -> bool:
        """Whether `value` is counted as it was."""
        own = self.own
        if own is None:
            return True
        worths = [
            (s.decision.value, s.decision.traffic, s.decision.costs, s.machine, s.machines)
            for s in (own, self.suite)
        ]
        return worths[0] == worths[1] and not self._is_later(own)

    def _may_need_fewer(self, own: Suite) -> bool:
        """Whether machines may be fewer, or other ones, in a way that no ratio tells."""
        before, now = own.decision.traffic, self.suite.decision.traffic
        if now.headroom > before.headroom or now.spare < before.spare:
            return True
        if now.autoscale is not None and _shape(now) != _shape(before):
            return True
        unlike = (now.autoscale, now.burstiness) != (before.autoscale, before.burstiness)
        others = self.suite.decision.costs != own.decision.costs or _kinds(self.suite) != _kinds(own)
        return unlike or others or self._is_later(own)

    def _is_later(self, own: Suite) -> bool:
        """Whether an answer may take longer."""
        late, was_late = (
            {c.metric: c.limit for c in limits if c.is_upper and c.metric in LATE}
            for limits in (self.limits, limits_of(own))
        )
        return any(late.get(name, np.inf) > limit for name, limit in was_late.items())


def _least_machines(traffic: float) -> float:
    """Of the machines that are needed, a share that surely still is at so many times the traffic: at nine
    tenths one may do where there were two."""
    return 1.0 / float(np.ceil(np.round(1.0 / min(traffic, 1.0), 9)))


def _shape(traffic: Traffic) -> list[float]:
    return [round(qps / traffic.peak, 9) for qps in traffic.hours]


def _kinds(suite: Suite) -> dict[str, Machine]:
    """The suite's machines but for what they cost."""
    return {
        name: m.model_copy(update={"usd_per_hour": None, "discount": 0.0})
        for name, m in suite.machines.items()
    }


def _price_ratios(before: Suite, now: Suite) -> list[float]:
    """Of each machine; 0 where a price is not known of both, or machines were added or taken away."""
    if len(before.machines) != len(now.machines):
        return [0.0]
    found = ([cost.price_of(m) for m in (s.machine, *s.machines.values())] for s in (before, now))
    return [
        b.usd_per_hour / a.usd_per_hour if a and b and a.usd_per_hour else 0.0
        for a, b in zip(*found, strict=True)
    ]


def _may_hold(table: Tradeoff, limits: Sequence[Constraint], k: int) -> Array:
    """(draws,) bool, where a row keeps all limits as far as it is known: a p99 is never below a p50."""
    held = np.ones(count_draws(table), dtype=bool)
    for limit in limits:
        if not np.isnan(metric_draws(table, limit.metric)[:, k]).all():
            held &= where_held(table, limit)[:, k]
            continue
        for name in BELOW.get(limit.metric, ()) if limit.is_upper else ():
            drawn = metric_draws(table, name)[:, k]
            held &= np.isnan(drawn) | limit.holds(drawn)
    return held


def _at_most(table: Tradeoff, goal: DecisionObjective, suite: Suite, k: int) -> Array | None:
    """(draws,) the objective of a row, higher is better; where only its bill is not known, that of one
    machine. None where more is not known."""
    known = _objective(table, goal, suite, k, {})
    if known is not None:
        return known
    month = least_month(suite, table.rows[k])
    if month is None:
        return None
    found = [_objective(table, goal, suite, k, _bill(month * times, suite)) for times in (1.0, 2.0)]
    least, dearer = found
    if least is None or dearer is None or bool((dearer > least).any()):
        return None  # it does not fall as the bill grows
    return least


def least_month(suite: Suite, row: Row) -> float | None:
    """USD per month of one machine and of what a row costs beside it; None without a price."""
    price = cost.price_of(suite.machine)
    if price is None:
        return None
    usd = [p.usd_per_hour for m in suite.machines.values() if (p := cost.price_of(m)) is not None]
    traffic = suite.decision.traffic
    month = float(cost.cost_per_month(np.inf, traffic, min(usd, default=price.usd_per_hour)))
    return month + row.besides.monthly(traffic.mean * cost.SECONDS_PER_MONTH)


def _bill(month: float, suite: Suite) -> Mapping[str, float]:
    million = float(cost.per_million(np.asarray(month), suite.decision.traffic))
    return {"cost_per_month_usd": month, "cost_per_million_usd": million}


def _objective(
    table: Tradeoff, goal: DecisionObjective, suite: Suite, k: int, assumed: Mapping[str, float]
) -> Array | None:
    inner = worth_of(suite) if VALUE in goal.expression.names and suite.decision.value else None
    names = {*goal.expression.names, *(inner.expression.names if inner else ())} - {VALUE}
    own = {n: v if isinstance(v, float) else v[:, k] for n, v in values_for(table, suite, names).items()}
    for name, usd in assumed.items():
        if name in own and np.isnan(own[name]).all():
            own[name] = usd
    if inner:
        own[VALUE] = inner.sign * inner.expression({n: own[n] for n in inner.expression.names})
    worth = goal.sign * goal.expression({n: own[n] for n in goal.expression.names})
    drawn = np.broadcast_to(worth, count_draws(table))
    return None if np.isnan(drawn).any() else drawn


def _told(
    table: Tradeoff,
    names: Sequence[str],
    k: int,
    lead: Array | None = None,
    better: float | None = None,
) -> NotCompared:
    row = table.rows[k]
    lacks = [n for n in names if row.estimates.get(n, Estimate(None)).value is None]
    ends = (None, None) if lead is None else (float(x) for x in np.quantile(lead, [0.025, 0.975]))
    low, high = ends
    return {
        "variant": row.variant,
        "stage": _stage(row),
        "why": why_not_run(row, names),
        "lacks": tuple(lacks),
        "probability_better": better,
        "lead": None if lead is None else float(lead.mean()),
        "lead_low": low,
        "lead_high": high,
    }


def _stage(row: Row) -> str:
    """What it was not: `served`, `scored`, `trained`."""
    has = {name for name, cell in row.estimates.items() if cell.value is not None}
    if any(stem(n) in METRICS and METRICS[stem(n)].about == "quality" for n in has - {VALUE}):
        return "served"
    return "scored" if "train_seconds" in has else "trained"

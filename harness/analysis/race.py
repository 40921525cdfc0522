"""Who is in the race at all: rows that surely break a limit, by their own figures alone, teach the others
nothing.

Variances are learnt from all rows together. A hopeless row, perhaps a noisy one, must not change what is said
of the others: it is drawn after them and given them, so that their draws are the same with it and without it.
Some are seen to be hopeless by their own figures (`in_the_race`), others once variances are learnt from all
(`still_racing`); then the rest is drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.cost import cost_per_million, cost_per_month, price_of
from harness.analysis.criteria import VALUE, goal_of, limits_of
from harness.analysis.index import RecordIndex
from harness.analysis.joint import LAUNCH_SD, SEED_SPREAD
from harness.analysis.launches import headline, launch_values
from harness.analysis.predictions import Scores
from harness.analysis.rule import POSSIBLE
from harness.analysis.sessions import by_session
from harness.analysis.stats import Array
from harness.metrics import CAPACITY, metrics_of, stem
from harness.record import Variant
from harness.suite.expression import Constraint
from harness.suite.schema import Suite
from harness.suite.variants import is_elsewhere

SURELY = 6.0
"""Standard errors, none smaller than is assumed where nothing is known, from which a limit is surely
broken."""

ScoresOf = Mapping[str, Mapping[str, Scores]]
"""Score trial → metric → per-example scores."""


def in_the_race(index: RecordIndex, suite: Suite, scores: ScoresOf) -> tuple[bool, ...]:
    """(rows,) False for a row that surely breaks a limit of the suite, or lacks a figure that decides."""
    known = metrics_of(suite)

    def is_measured(name: str) -> bool:
        return name != VALUE and known[name].about != "money"

    limits = [c for c in limits_of(suite) if is_measured(c.metric)]
    goal = goal_of(suite)
    deciding = [n for n in goal.metrics if is_measured(n)]
    figures = {
        n: [_figure(index, row, n, scores) for row in index.rows]
        for n in {*deciding, *(c.metric for c in limits)}
    }
    dear = [_surely_too_dear(index, row, suite, scores) for row in index.rows]
    # What nobody has tells no row from another.
    asked = [n for n, found in figures.items() if any(f is not None for f in found)]
    result = []
    for k in range(len(index.rows)):
        own = {n: figures[n][k] for n in asked}
        lacks = any(f is None for f in own.values())
        breaks = dear[k] or any(_surely_breaks(own.get(c.metric), c) for c in limits)
        result.append(not lacks and not breaks)
    return tuple(result) if any(result) else (True,) * len(index.rows)


def still_racing(
    race: Sequence[bool], limits: Sequence[Constraint], draws: Mapping[str, Array]
) -> tuple[bool, ...]:
    """(rows,) the race without those that the draws of the limited metrics put out of the question: rows too
    noisy to be out by their own figures, and hopeless once variances are learnt from all that race.

    Where nobody would be left all race on.
    """
    hold = np.array([c.holds(draws[c.metric]).mean(0) for c in limits]).reshape(-1, len(race))
    left = tuple(bool(r) for r in np.array(race) & (hold >= POSSIBLE).all(0))
    return left if any(left) else tuple(race)


def _surely_too_dear(index: RecordIndex, row: Variant, suite: Suite, scores: ScoresOf) -> bool:
    """Whether a limit on cost is surely broken even by the bill of as many requests as the row could answer
    at most."""
    limits = [c for c in limits_of(suite) if c.metric in BILLS and c.is_upper]
    price = price_of(suite.machine) if limits else None
    if price is None or suite.machines or is_elsewhere(row.runtime):  # another machine may be cheaper
        return False
    found = (_figure(index, row, n, scores) for n in (CAPACITY, "throughput_offline_per_s"))
    figure = next((f for f in found if f is not None and f[2]), None)
    if figure is None:
        return False
    most = math.exp(figure[0] + SURELY * figure[1])
    traffic = suite.decision.traffic
    return any(float(BILLS[c.metric](most, traffic, price.usd_per_hour)) > c.limit for c in limits)


BILLS = {"cost_per_month_usd": cost_per_month, "cost_per_million_usd": cost_per_million}

Figure = tuple[float, float, bool]
"""Mean, standard error, whether they are logarithms."""


def _figure(index: RecordIndex, row: Variant, name: str, scores: ScoresOf) -> Figure | None:
    by_round, _ = launch_values(index.serve.get(row, []), name)
    if served := by_session(by_round, index.sessions):
        values = np.array(list(served.values()))
        if values.min() <= 0:
            return float(values.mean()), math.inf, False
        return _of_launches(np.log(values))
    records = [r for r in index.score.get((row, index.train_size), []) if r.status == "finished"]
    per_example = [s.values for r in records if (s := scores.get(r.trial.id, {}).get(name)) is not None]
    values = np.array([m.value for r in records if (m := headline(r, stem(name))) and m.value is not None])
    if "[" in name:
        values = np.array([s.mean() for s in per_example])
    if len(values):
        return _of_seeds(values, per_example)
    fitted = index.train.get((row.candidate, index.train_size), [])
    values = np.array([m.value for r in fitted if (m := headline(r, name)) and m.value is not None])
    return _of_seeds(values, []) if len(values) else None


def _of_launches(logs: np.ndarray) -> Figure:
    spread = max(float(logs.std(ddof=1)) if len(logs) > 1 else 0.0, LAUNCH_SD)
    return float(logs.mean()), spread / math.sqrt(len(logs)), True


def _of_seeds(values: np.ndarray, per_example: Sequence[np.ndarray]) -> Figure:
    mean = float(values.mean())
    floor = SEED_SPREAD * (math.sqrt(mean * (1 - mean)) if 0 <= mean <= 1 else abs(mean))
    spread = max(float(values.std(ddof=1)) if len(values) > 1 else 0.0, floor)
    examples = float(np.mean([s.var() / len(s) for s in per_example])) if per_example else 0.0
    return mean, math.sqrt(spread**2 / len(values) + examples), False


def _surely_breaks(figure: Figure | None, limit: Constraint) -> bool:
    if figure is None:
        return False
    mean, error, is_log = figure
    if is_log and limit.limit <= 0:
        return limit.is_upper
    beyond = mean - (math.log(limit.limit) if is_log else limit.limit)
    return (beyond if limit.is_upper else -beyond) > SURELY * error

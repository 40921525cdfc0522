"""The trade-off table: one row per variant, derived from records, a suite and a price."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.analysis.choice import asked_of, assess, terms_of
from harness.analysis.cost import to_cents
from harness.analysis.criteria import VALUE, DecisionObjective, goal_of, limits_of, lower_is_better, worth_of
from harness.analysis.draws import overlaid
from harness.analysis.fronts import pareto_front, pareto_probability
from harness.analysis.instances import too_large
from harness.analysis.money import TrainingSeconds, training_seconds, with_costs
from harness.analysis.parts import WorthParts, quality_of
from harness.analysis.predictions import LoadPredictions
from harness.analysis.rule import MORE_LIKELY, Choice, Terms
from harness.analysis.sanity import senseless
from harness.analysis.shrink import Shrinking
from harness.analysis.stats import Array, decimals_for
from harness.analysis.uncompared import Uncompared, uncompared
from harness.analysis.values import count_draws, utility_draws, values_for
from harness.figures import apart, short
from harness.metrics import MetricTable, metrics_of
from harness.reasons import Reason, reason_of
from harness.record import Record
from harness.results import Estimate, Row, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import Suite
from harness.suite.value import SETTINGS

ROUNDED = 1 / 40
"""Share of an interval's width by which a figure may differ and look the same: half of its last digit."""


def tradeoff(records: Sequence[Record], suite: Suite, predictions: LoadPredictions | None = None) -> Tradeoff:
    """The trade-off table at the largest training-set size.

    Args:
        predictions: score trial id → (ids, targets, outputs), `predictions_of(run)`; None takes the
            records' values alone, with intervals over seeds only.
    Raises:
        SuiteError: a limit, the objective or the price of the suite cannot be read.
    """
    # Reading records takes modules that deciding again from a kept table does without.
    from harness.analysis.measured import measured_table

    table = measured_table(records, suite, predictions, slices_of(suite))
    return complete(table, suite, training_seconds(records, table.train_size))


def slices_of(suite: Suite) -> tuple[str, ...]:
    """Metrics on slices that the suite's limits name."""
    constraints = limits_of(suite)
    return tuple(sorted({c.metric for c in constraints if "[" in c.metric}))


def complete(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """Add what depends on price, traffic, limits and objective: cost columns, Pareto flags, feasibility.

    Raises:
        SuiteError: the suite's price, limits or objective cannot be read.
    """
    return judge(priced(table, suite, seconds), limits_of(suite), goal_of(suite), suite)


def priced(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """The measured table with costs and value, not judged yet: all that `recommend` needs."""
    said = dict.fromkeys((*table.warnings, *too_large(table.rows, suite)))
    return with_value(with_costs(replace(table, warnings=tuple(said)), suite, seconds), suite)


def with_value(table: Tradeoff, suite: Suite) -> Tradeoff:
    """The table with the suite's `value` in every row's estimates and in the draws, where it has one."""
    if not suite.decision.value:
        return table
    goal = worth_of(suite)
    worth = utility_draws(table, goal, suite)
    settings = values_for(table, suite, set(goal.expression.names) & set(SETTINGS))
    cells = [
        _beside_figures(
            _value_cell(column, _why_without(row, goal)),
            goal.expression({**settings, **_figures_of(row, goal)}),
        )
        for row, column in zip(table.rows, worth.T, strict=True)
    ]
    rows = tuple(
        replace(row, estimates={**row.estimates, VALUE: cell})
        for row, cell in zip(table.rows, cells, strict=True)
    )
    metrics = (*(m for m in table.metrics if m != VALUE), VALUE)
    return replace(table, rows=rows, metrics=metrics, draws=overlaid({VALUE: worth}, table.draws))


def _why_without(row: Row, goal: DecisionObjective) -> list[str]:
    """Why metrics of an expression have no number, what tells most first."""
    notes = [e.note for m in goal.metrics if (e := row.estimates.get(m)) and e.value is None]
    told = [note for note in notes if reason_of(note) is not Reason.NOT_MEASURED]
    return [*told, row.stopped, *notes]


def _value_cell(worth: Array, missing: Sequence[str]) -> Estimate:
    """`worth`: (draws,), NaN where the expression is undefined, as the logarithm of what may be negative.

    Args:
        missing: why metrics of the expression have no number.
    """
    known = worth[~np.isnan(worth)]
    if not len(known):
        return Estimate(None, note=next(filter(None, missing), "not measured"))
    low, high = np.quantile(known, [0.025, 0.975])
    lost = len(worth) - len(known)
    note = f"undefined in {lost:,} of {len(worth):,} draws, which count as a broken limit" if lost else ""
    mean = float(known.mean())
    if low <= mean <= high:
        return Estimate(mean, float(low), float(high), note=note)
    # A few draws in which nearly no load is served need machines without end.
    far = f"median; a few extreme draws take the mean to {short(mean)}"
    return Estimate(
        float(np.median(known)), float(low), float(high), note="; ".join(filter(None, [note, far]))
    )


def _figures_of(row: Row, goal: DecisionObjective) -> dict[str, Array | float]:
    """A row's own figures for what an expression names; NaN where it has none."""
    cells = {name: row.estimates.get(name) for name in goal.expression.names if name not in SETTINGS}
    return {name: float("nan") if e is None or e.value is None else e.value for name, e in cells.items()}


def _beside_figures(cell: Estimate, found: Array) -> Estimate:
    """Says where a reader who calculates with the row's figures gets another value.

    The value is the mean over the draws. A cost of whole machines is the middle one, a share near 1 has draws
    on one side only: their means are other figures than those shown.
    """
    at = float(found)
    if cell.value is None or cell.low is None or cell.high is None or not math.isfinite(at):
        return cell
    if abs(at - cell.value) <= ROUNDED * (cell.high - cell.low):
        return cell
    said = f"{short(at)} by the row's figures: what varies in jumps or to one side has another mean"
    return replace(cell, by_figures=at, note="; ".join(filter(None, [cell.note, said])))


# ------------------------------------------------------------------------------------ judging


def judge(
    table: Tradeoff,
    constraints: Sequence[Constraint],
    objective: DecisionObjective,
    suite: Suite,
    choice: Choice | None = None,
) -> Tradeoff:
    """Fill Pareto flags and probabilities, feasible and best probabilities, and what rejects a row.

    Args:
        choice: `assess`, where the caller has it.
    """
    if not table.rows:
        return table
    found = choice or assess(table, constraints, objective, suite)
    barred = senseless(table, constraints, objective)
    unseen = uncompared(table, constraints, objective, suite, found, barred)
    table = with_probabilities(table, constraints, found, unseen)
    drawn = _as_the_best_is_told(table, objective, suite, found.near_rivals)
    on_front, front_probability = _pareto(table, constraints, objective, metrics_of(suite), drawn)
    terms, rows = terms_of(suite.decision), []
    for k, row in enumerate(table.rows):
        rows.append(
            replace(
                row,
                pareto=bool(on_front[k]),
                pareto_probability=None if np.isnan(front_probability[k]) else float(front_probability[k]),
                rejected_by=()
                if found.able[k]
                else (
                    *filter(None, [barred.get(k)]),
                    *(words_of(objections(table, constraints, k, terms)) or picked(found, k)),
                ),
            )
        )
    return replace(table, rows=tuple(rows))


def with_probabilities(
    table: Tradeoff, constraints: Sequence[Constraint], choice: Choice, unseen: Uncompared
) -> Tradeoff:
    """The rows with how likely they keep the limits and are the best; None without a number, and of the best
    where the answer waits for one that was not run."""
    rows = []
    for k, row in enumerate(table.rows):
        limited = all(row.estimates.get(c.metric, Estimate(None)).value is not None for c in constraints)
        comparable = limited and np.isfinite(choice.expected[k])
        rows.append(
            replace(
                row,
                feasible_probability=float(choice.limits_hold[k]) if limited else None,
                best_probability=unseen.of_all(float(choice.best[k])) if comparable else None,
            )
        )
    return replace(table, rows=tuple(rows))


def _as_the_best_is_told(
    table: Tradeoff, objective: DecisionObjective, suite: Suite, near: Array
) -> Mapping[str, Array]:
    """Draws with those of near rivals pulled together, as for P(best): who is the best with .34 was on the
    front with .13."""
    pulled = WorthParts(table, objective, suite).figures(near) if len(near) > 1 else {}
    over = {name: np.array(table.draws[name]) for name in pulled}
    models, every = [row.candidate for row in table.rows], np.arange(len(table.rows))
    quality = quality_of(objective, suite)
    for name, draws in over.items():
        draws[:, near] = pulled[name]
        # Another runtime of a model that was pulled keeps its distance from it, as in `Worths`.
        drawn = table.draws[name]
        for k, twin in Shrinking(drawn, models).twins_of(near, every) if name in quality else ():
            draws[:, k] = draws[:, twin] + (drawn[:, k] - drawn[:, twin])  # nothing stays nothing
    return overlaid(over, table.draws)


def _pareto(
    table: Tradeoff,
    constraints: Sequence[Constraint],
    objective: DecisionObjective,
    known: MetricTable,
    drawn: Mapping[str, Array],
) -> tuple[Array, Array]:
    """Front over the metrics that decide: those of the objective and of the limits."""
    names = dict.fromkeys((*objective.metrics, *(c.metric for c in constraints)))
    names = {n: None for n in names if n in table.draws}
    front = np.zeros(len(table.rows), dtype=bool)
    probability = np.full(len(table.rows), np.nan)
    complete_rows = [
        k for k, row in enumerate(table.rows) if all(row.estimates[n].value is not None for n in names)
    ]
    if not names or not complete_rows:
        return front, probability
    signs = np.array([1.0 if lower_is_better(n, known) else -1.0 for n in names])
    values = np.array([[table.rows[k].estimates[n].value for n in names] for k in complete_rows], dtype=float)
    front[complete_rows] = pareto_front(values * signs)
    draws = np.stack([drawn[n][:, complete_rows] for n in names], axis=2) * signs
    probability[complete_rows] = pareto_probability(np.where(np.isnan(draws), np.inf, draws))
    return front, probability


class Objection(NamedTuple):
    """What speaks against a row: a limit, or all of them together (`limit` is None), in words."""

    limit: Constraint | None
    words: str


def objections(
    table: Tradeoff, constraints: Sequence[Constraint], k: int, terms: Terms
) -> tuple[Objection, ...]:
    """Which limits speak against a row, each with its figure; empty where none does."""
    row, found = table.rows[k], list[Objection]()
    together, count = np.ones(count_draws(table), dtype=bool), 0
    for limit in constraints:
        cell = row.estimates.get(limit.metric, Estimate(None, note="not measured"))
        if cell.value is None:
            found.append(Objection(limit, f"{limit}: {cell.note or 'not measured'}"))
            continue
        if cell.floor and limit.is_upper:
            words = f"{limit}: {short(cell.value)} is a floor, which meets no limit"
            found.append(Objection(limit, words))
            continue
        held = limit.holds(table.draws[limit.metric][:, k])
        if limit.probability is None:
            together &= held
            count += 1
        if held.mean() < asked_of(limit, terms):
            figure = apart(cell.value, interval_text(cell), limit.limit)
            words = f"{limit}: is {figure}, kept with probability {percent(held.mean())}"
            found.append(Objection(limit, words))
    shared = terms.confidence if terms.broken_limit is None else MORE_LIKELY
    if not found and count > 1 and together.mean() < shared:
        words = f"all limits together are kept with probability {percent(together.mean())}"
        found.append(Objection(None, words))
    return tuple(found)


def words_of(found: Iterable[Objection]) -> tuple[str, ...]:
    return tuple(objection.words for objection in found)


def picked(choice: Choice, k: int) -> tuple[str, ...]:
    """What speaks against a row that keeps the limits surely enough on its own, and not as the pick of
    several in doubt; empty where it is not so."""
    if not choice.only_alone[k]:
        return ()
    # A limit `with` a probability of its own is corrected apart.
    sure, level = float(choice.sure[k]), choice.terms.confidence
    # 89.6 % is not enough where 90 % is asked for.
    figure = f"{100 * sure:.1f} %" if round(sure, 2) >= level > sure else percent(sure)
    counts = figure if sure < choice.kept[k] else "too little"
    return (
        f"keeps the limits with probability {percent(choice.limits_hold[k])} taken alone, but with {counts}"
        " as the pick of several variants near a limit",
    )


def percent(probability: float) -> str:
    """`93 %`; never 0 or 100, which no finite number of draws can show."""
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def interval_text(cell: Estimate) -> str:
    """`0.894 (0.885 to 0.902)`: the digits that the table shows."""
    if cell.value is None:
        return cell.note or "not measured"
    if cell.machines and cell.low is not None and cell.high is not None and cell.low < cell.high:
        value, low, high = (f"{to_cents(x):,.2f}" for x in (cell.value, cell.low, cell.high))
        return f"{value} ({low} to {high})"
    if cell.low is None or cell.high is None or not cell.low < cell.high:
        return short(cell.value)
    half = min((cell.high - cell.low) / 2, max(cell.value - cell.low, cell.high - cell.value))
    value, low, high = (_rounded(x, half) for x in (cell.value, cell.low, cell.high))
    return f"{value} ({low} to {high})"


def _rounded(value: float, half: float) -> str:
    if half < 1e-4:
        return short(value)
    places = decimals_for(half)
    return f"{round(value, places) + 0.0:,.{max(places, 0)}f}"

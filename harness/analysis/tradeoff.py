"""The trade-off table: one row per variant, derived from records, a suite and a price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import cost
from harness.analysis.criteria import (
    DEFAULT_PROBABILITY,
    VALUE,
    Constraint,
    Objective,
    is_metric,
    lower_is_better,
    merge_constraints,
    parse_objective,
)
from harness.analysis.draws import overlaid
from harness.analysis.evidence import Evidence, gather
from harness.analysis.expression import settings_of
from harness.analysis.fronts import pareto_front, pareto_probability
from harness.analysis.index import index_records
from harness.analysis.money import TrainingSeconds, count_draws, training_seconds, with_costs
from harness.analysis.predictions import LoadPredictions, ScoreReader
from harness.analysis.stats import Array, best_probability
from harness.protocols import Estimate, Row, Tradeoff
from harness.record import Record, Variant
from harness.suite.schema import Suite


def tradeoff(records: Sequence[Record], suite: Suite, predictions: LoadPredictions | None = None) -> Tradeoff:
    """The trade-off table at the largest training-set size.

    Args:
        predictions: score trial id → (ids, targets, outputs), `predictions_of(run)`; None takes the
            records' values alone, with intervals over seeds only.
    Raises:
        SuiteError: a limit, the objective or the price of the suite cannot be read.
    """
    table = measured_table(records, suite, predictions, slices_of(suite))
    return complete(table, suite, training_seconds(records, table.train_size))


def slices_of(suite: Suite) -> tuple[str, ...]:
    """Metrics on slices that the suite's limits name."""
    constraints = merge_constraints(suite.decision.constraints, ())
    return tuple(sorted({c.metric for c in constraints if "[" in c.metric}))


def measured_table(
    records: Sequence[Record],
    suite: Suite,
    predictions: LoadPredictions | None = None,
    slices: Sequence[str] = (),
) -> Tradeoff:
    """The measured part of the table: no money, no limits, no flags (`complete` adds them)."""
    index = index_records(records, suite)
    reader = ScoreReader(predictions, [*_scored_metrics(records), *slices]) if predictions else None
    evidence = gather(index, suite, reader, slices)
    evidence.warnings.extend(_seed_warnings(evidence, index.score))
    return _bare_table(evidence)


def _scored_metrics(records: Sequence[Record]) -> list[str]:
    names = {m.metric: None for r in records if r.trial.kind == "score" for m in r.measurements if not m.at}
    return [n for n in names if is_metric(n)]


def _seed_warnings(evidence: Evidence, score: Mapping[tuple[Variant, int | None], list[Record]]) -> list[str]:
    seeds = {
        row: len({r.trial.seed for r in score.get((row, evidence.train_size), []) if r.status == "finished"})
        for row in evidence.rows
    }
    single = sorted({row.candidate for row, n in seeds.items() if n == 1})
    if not single:
        return []
    if len(single) == len({row.candidate for row in evidence.rows}):
        return ["one seed: every statement on quality is about these checkpoints, not the architectures"]
    return [f"one seed of {', '.join(single)}: what is said of them is about that checkpoint only"]


def _bare_table(evidence: Evidence) -> Tradeoff:
    """The measured part: no money, no flags."""
    rows = tuple(
        Row(
            row.name,
            row.candidate,
            row.runtime,
            {name: cells[k] for name, cells in evidence.estimates.items()},
            failures=evidence.failures[row],
        )
        for k, row in enumerate(evidence.rows)
    )
    return Tradeoff(
        rows, tuple(evidence.estimates), evidence.draws, evidence.train_size, tuple(evidence.warnings)
    )


def complete(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """Add what depends on price, traffic, limits and objective: cost columns, Pareto flags, feasibility.

    Raises:
        SuiteError: the suite's price, limits or objective cannot be read.
    """
    constraints = merge_constraints(suite.decision.constraints, ())
    objective = parse_objective(suite.decision.objective, suite.decision.value)
    return judge(priced(table, suite, seconds), constraints, objective, suite)


def priced(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """The measured table with costs and value, not judged yet: all that `recommend` needs."""
    return with_value(with_costs(table, suite, seconds), suite)


def with_value(table: Tradeoff, suite: Suite) -> Tradeoff:
    """The table with the suite's `value` in every row's estimates and in the draws, where it has one."""
    if not suite.decision.value:
        return table
    worth = utility_draws(table, parse_objective(f"maximize {VALUE}", suite.decision.value), suite)
    cells = [_value_cell(column) for column in worth.T]
    rows = tuple(
        replace(row, estimates={**row.estimates, VALUE: cell})
        for row, cell in zip(table.rows, cells, strict=True)
    )
    metrics = (*(m for m in table.metrics if m != VALUE), VALUE)
    return replace(table, rows=rows, metrics=metrics, draws=overlaid({VALUE: worth}, table.draws))


def _value_cell(worth: Array) -> Estimate:
    """`worth`: (draws,), NaN where the expression is undefined, as the logarithm of what may be negative."""
    known = worth[~np.isnan(worth)]
    if not len(known):
        return Estimate(None, note="not measured")
    low, high = np.quantile(known, [0.025, 0.975])
    lost = len(worth) - len(known)
    note = f"undefined in {lost:,} of {len(worth):,} draws, which count as a broken limit" if lost else ""
    return Estimate(float(known.mean()), float(low), float(high), note=note)


# ------------------------------------------------------------------------------------ judging


def values_for(table: Tradeoff, suite: Suite, names: Iterable[str]) -> dict[str, Array | float]:
    """What an expression names: draws of a metric, traffic or price."""
    price = cost.price_of(suite.machine)
    traffic = suite.decision.traffic
    settings = settings_of(traffic.qps, traffic.peak_qps, price.usd_per_hour if price else None)
    return {n: settings[n] if n in settings else metric_draws(table, n) for n in names}


def metric_draws(table: Tradeoff, name: str) -> Array:
    """(draws, rows) of a metric; NaN all over where nobody measured it."""
    found = table.draws.get(name)
    return np.full((count_draws(table), len(table.rows)), np.nan) if found is None else found


def utility_draws(table: Tradeoff, objective: Objective, suite: Suite) -> Array:
    """(draws, rows): the objective, higher is better; NaN where a row lacks one of its metrics, and in draws
    in which the expression is undefined."""
    names = objective.expression.names
    result = objective.sign * objective.expression(values_for(table, suite, names))
    return np.broadcast_to(result, (count_draws(table), len(table.rows)))


@dataclass(frozen=True)
class Feasibility:
    """How the rows stand to the limits.

    Args:
        holds: (draws, rows) bool, all limits hold; False where a limited metric has no number.
        each: (limits, rows) P(this limit holds). together: (rows,) P(all hold).
        eligible: (rows,) bool, every limit holds with the probability it asks for, all together with 0.5.
    """

    holds: Array
    each: Array
    together: Array
    eligible: Array


def feasibility(table: Tradeoff, constraints: Sequence[Constraint]) -> Feasibility:
    """Hold every row's draws against the limits."""
    holds = np.ones((count_draws(table), len(table.rows)), dtype=bool)
    each = np.ones((len(constraints), len(table.rows)))
    eligible = np.ones(len(table.rows), dtype=bool)
    for number, constraint in enumerate(constraints):
        held = constraint.holds(metric_draws(table, constraint.metric))
        holds &= held
        each[number] = held.mean(0)
        eligible &= each[number] >= constraint.probability
    together = holds.mean(0)
    return Feasibility(holds, each, together, eligible & (together >= DEFAULT_PROBABILITY))


def judge(table: Tradeoff, constraints: Sequence[Constraint], objective: Objective, suite: Suite) -> Tradeoff:
    """Fill Pareto flags and probabilities, feasible and best probabilities, and what rejects a row."""
    if not table.rows:
        return table
    utility, limits = utility_draws(table, objective, suite), feasibility(table, constraints)
    defined = ~np.isnan(utility)
    comparable = defined.any(0)
    best = best_probability(np.where(defined, utility, -np.inf), limits.holds & defined)
    on_front, front_probability = _pareto(table, constraints, objective)
    rows = []
    for k, row in enumerate(table.rows):
        limited = all(row.estimates.get(c.metric, Estimate(None)).value is not None for c in constraints)
        rows.append(
            replace(
                row,
                pareto=bool(on_front[k]),
                pareto_probability=None if np.isnan(front_probability[k]) else float(front_probability[k]),
                feasible_probability=float(limits.together[k]) if limited else None,
                best_probability=float(best[k]) if comparable[k] and limited else None,
                rejected_by=() if limits.eligible[k] else rejections(table, constraints, k),
            )
        )
    return replace(table, rows=tuple(rows))


def _pareto(table: Tradeoff, constraints: Sequence[Constraint], objective: Objective) -> tuple[Array, Array]:
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
    signs = np.array([1.0 if lower_is_better(n) else -1.0 for n in names])
    values = np.array([[table.rows[k].estimates[n].value for n in names] for k in complete_rows], dtype=float)
    front[complete_rows] = pareto_front(values * signs)
    draws = np.stack([table.draws[n][:, complete_rows] for n in names], axis=2) * signs
    probability[complete_rows] = pareto_probability(np.where(np.isnan(draws), np.inf, draws))
    return front, probability


def rejections(table: Tradeoff, constraints: Sequence[Constraint], k: int) -> tuple[str, ...]:
    """Which limits speak against a row, each with its figure; empty for an eligible row."""
    row, reasons = table.rows[k], []
    together = np.ones(count_draws(table), dtype=bool)
    for constraint in constraints:
        cell = row.estimates.get(constraint.metric, Estimate(None, note="not measured"))
        if cell.value is None:
            reasons.append(f"{constraint}: {cell.note or 'not measured'}")
            continue
        held = constraint.holds(table.draws[constraint.metric][:, k])
        together &= held
        if held.mean() < constraint.probability:
            reasons.append(
                f"{constraint}: is {interval_text(cell)}, holds with probability {held.mean():.2f}"
            )
    if not reasons and together.mean() < DEFAULT_PROBABILITY:
        reasons.append(f"all limits together hold with probability {together.mean():.2f}")
    return tuple(reasons)


def interval_text(cell: Estimate) -> str:
    """`0.894 (0.885 to 0.902)`."""
    if cell.value is None:
        return cell.note or "not measured"
    if cell.low is None or cell.high is None:
        return f"{cell.value:.4g}"
    return f"{cell.value:.4g} ({cell.low:.4g} to {cell.high:.4g})"

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
from harness.analysis.predictions import LoadPredictions, ScoreReader
from harness.analysis.stats import Array, best_probability
from harness.protocols import Estimate, Row, Tradeoff
from harness.record import Record, Variant
from harness.suite.schema import Suite

COST_METRICS = ("cost_per_million_usd", "cost_per_month_usd", "train_cost_usd")


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


# ------------------------------------------------------------------------------------ money

TrainingSeconds = Mapping[str, tuple[float, float]]
"""Candidate → seconds of one training of the final recipe, and of all trainings with the search."""


def training_seconds(records: Sequence[Record], train_size: int | None) -> TrainingSeconds:
    """What `train_cost_usd` multiplies with the price."""
    by_candidate: dict[str, list[Record]] = {}
    for record in records:
        if record.trial.kind == "train":
            by_candidate.setdefault(record.trial.candidate, []).append(record)
    costs = {
        name: cost.train_cost_usd(group, name, train_size, 3600.0) for name, group in by_candidate.items()
    }
    return {name: (c.final_recipe, c.with_search) for name, c in costs.items() if c is not None}


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


_THROUGHPUT = (
    ("throughput_at_slo_qps", ""),
    ("throughput_offline_per_s", "floor: from offline throughput, no latency limit"),
    ("latency_p50_ms", "floor: from single-stream latency, no latency limit"),
)


def throughputs(table: Tradeoff) -> tuple[Array, list[str | None]]:
    """Requests per second of one replica, (draws, rows), and where each row's figure comes from.

    The highest load within the latency limit where it was measured; else throughput without a limit,
    which makes every cost a floor. NaN and None for a row without any, or whose limit no load keeps.
    """
    result = np.full((_num_draws(table), len(table.rows)), np.nan)
    notes: list[str | None] = [None] * len(table.rows)
    for name, note in _THROUGHPUT:
        if name not in table.draws:
            continue
        new = [
            k for k in range(len(table.rows)) if notes[k] is None and not np.isnan(table.draws[name][0, k])
        ]
        draws = table.draws[name][:, new]
        result[:, new] = 1000.0 / draws if name == "latency_p50_ms" else draws
        for k in new:
            notes[k] = note
    limited = [row.estimates.get("throughput_at_slo_qps") for row in table.rows]
    for k, found in enumerate(limited):
        if found is not None and found.value is not None and found.value <= 0:
            result[:, k], notes[k] = np.nan, None
        elif found is not None and found.value is not None and "at least" in found.note:
            notes[k] = "ceiling: the load within the limit is a lower end"
    return result, notes


def with_costs(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """The table with its money columns for the suite's price and traffic (older ones are replaced)."""
    price = cost.price_of(suite.machine)
    if price is None:
        return replace(table, warnings=(*table.warnings, "no price: set machine.price for costs"))
    traffic, hourly = suite.decision.traffic, price.usd_per_hour
    throughput, sources = throughputs(table)
    training = [_training(row, seconds, hourly) for row in table.rows]
    monthly = cost.cost_per_month(throughput, traffic, hourly)
    draws = {
        "cost_per_million_usd": cost.per_million(monthly, traffic),
        "cost_per_month_usd": monthly,
        "train_cost_usd": np.tile(
            [np.nan if e.value is None else e.value for e in training], (_num_draws(table), 1)
        ),
    }
    # All money is monotone in throughput: its quantiles are those of the draws with the throughput's.
    ends = _quantiles(throughput)
    month = cost.cost_per_month(ends, traffic, hourly)
    million = cost.per_million(month, traffic)
    floors = cost.cost_per_million_floor(ends[1], hourly)
    counts = cost.replicas(ends[1], traffic)
    fulls = [f"{x:.3g} USD at full use" for x in floors]
    replicas = [f"{x:g} replica{'s' if x != 1 else ''}" for x in counts]
    cells = {
        "cost_per_million_usd": _derived(million, fulls, sources, table.rows),
        "cost_per_month_usd": _derived(month, replicas, sources, table.rows),
        "train_cost_usd": training,
    }
    rows = tuple(
        replace(row, estimates={**row.estimates, **{name: cells[name][k] for name in COST_METRICS}})
        for k, row in enumerate(table.rows)
    )
    metrics = tuple(n for n in table.metrics if n not in COST_METRICS) + COST_METRICS
    stale = price.warning()
    warnings = (*table.warnings, *([stale] if stale else []))
    return replace(table, rows=rows, metrics=metrics, draws=overlaid(draws, table.draws), warnings=warnings)


def _quantiles(throughput: Array) -> Array:
    """(3, rows): the draws that give the lowest, middle and highest cost of 95 %; a step function of
    throughput has no symmetric interval, so none is interpolated."""
    return np.asarray(np.quantile(throughput, [0.975, 0.5, 0.025], axis=0, method="nearest"))


def _derived(
    ends: Array, said: Sequence[str], sources: Sequence[str | None], rows: Sequence[Row]
) -> list[Estimate]:
    """Estimates from (3, rows): low, middle and high."""
    low, middle, high = ends
    cells = []
    for k, row in enumerate(rows):
        if sources[k] is None:
            limited = row.estimates.get("throughput_at_slo_qps")
            kept = limited is None or limited.value is None or limited.value > 0
            why = next(
                (e.note for e in row.estimates.values() if e.note.startswith("failed")),
                "not measured" if kept else "no number of machines keeps the latency limit",
            )
            cells.append(Estimate(None, note=why))
            continue
        note = "; ".join(n for n in (said[k], sources[k]) if n)
        cells.append(Estimate(float(middle[k]), float(low[k]), float(high[k]), note=note))
    return cells


def _num_draws(table: Tradeoff) -> int:
    return next((len(d) for d in table.draws.values()), 1)


def _training(row: Row, seconds: TrainingSeconds, usd_per_hour: float) -> Estimate:
    known = seconds.get(row.candidate)
    if known is None:
        failed = next((f for f in row.failures if f.startswith("train")), "")
        return Estimate(None, note=f"failed: {failed.partition(': ')[2]}" if failed else "not measured")
    final, search = (s * usd_per_hour / 3600 for s in known)
    return Estimate(final, note=f"{search:.3g} USD with search and all seeds")


def with_value(table: Tradeoff, suite: Suite) -> Tradeoff:
    """The table with the suite's `value` in every row's estimates and in the draws, where it has one."""
    if not suite.decision.value:
        return table
    worth = utility_draws(table, parse_objective(f"maximize {VALUE}", suite.decision.value), suite)
    low, high = np.quantile(worth, [0.025, 0.975], axis=0)
    cells = [
        Estimate(None, note="not measured")
        if np.isnan(mean)
        else Estimate(float(mean), float(low[k]), float(high[k]))
        for k, mean in enumerate(worth.mean(0))
    ]
    rows = tuple(
        replace(row, estimates={**row.estimates, VALUE: cell})
        for row, cell in zip(table.rows, cells, strict=True)
    )
    metrics = (*(m for m in table.metrics if m != VALUE), VALUE)
    return replace(table, rows=rows, metrics=metrics, draws=overlaid({VALUE: worth}, table.draws))


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
    return np.full((_num_draws(table), len(table.rows)), np.nan) if found is None else found


def utility_draws(table: Tradeoff, objective: Objective, suite: Suite) -> Array:
    """(draws, rows): the objective, higher is better; NaN where a row lacks one of its metrics."""
    names = objective.expression.names
    result = objective.sign * objective.expression(values_for(table, suite, names))
    return np.broadcast_to(result, (_num_draws(table), len(table.rows)))


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
    holds = np.ones((_num_draws(table), len(table.rows)), dtype=bool)
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
    comparable = ~np.isnan(utility).any(0)
    best = best_probability(np.where(comparable, utility, -np.inf), limits.holds & comparable)
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
    probability[complete_rows] = pareto_probability(draws)
    return front, probability


def rejections(table: Tradeoff, constraints: Sequence[Constraint], k: int) -> tuple[str, ...]:
    """Which limits speak against a row, each with its figure; empty for an eligible row."""
    row, reasons = table.rows[k], []
    together = np.ones(_num_draws(table), dtype=bool)
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

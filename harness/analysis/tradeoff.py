"""The trade-off table: one row per variant, derived from records, a suite and a price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import cost
from harness.analysis.criteria import (
    VALUE,
    Constraint,
    Objective,
    is_metric,
    lower_is_better,
    merge_constraints,
    parse_objective,
)
from harness.analysis.evidence import Evidence, gather, index_records
from harness.analysis.expression import settings_of
from harness.analysis.predictions import LoadPredictions, ScoreReader
from harness.analysis.stats import Array, best_probability, pareto_front, pareto_probability
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
    priced = with_value(with_costs(table, suite, seconds), suite)
    constraints = merge_constraints(suite.decision.constraints, ())
    return judge(priced, constraints, parse_objective(suite.decision.objective, suite.decision.value), suite)


def throughput_of(table: Tradeoff, row: int) -> tuple[Array | None, str]:
    """Draws of requests per second of one replica, and where the figure comes from.

    The highest load within the latency limit where it was measured; else throughput without a limit,
    which makes every cost a floor.
    """
    sources = (
        ("throughput_at_slo_qps", "", 1.0),
        ("throughput_offline_per_s", "floor: from offline throughput, no latency limit", 1.0),
        ("latency_p50_ms", "floor: from single-stream latency, no latency limit", -1000.0),
    )
    for name, note, factor in sources:
        if name in table.draws and table.rows[row].estimates[name].value is not None:
            draws = table.draws[name][:, row]
            return (draws if factor > 0 else -factor / draws), note
    return None, ""


def with_costs(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """The table with its money columns for the suite's price and traffic (older ones are replaced)."""
    price = cost.price_of(suite.machine)
    if price is None:
        return replace(table, warnings=(*table.warnings, "no price: set machine.price for costs"))
    traffic = suite.decision.traffic
    cells: dict[str, list[Estimate]] = {name: [] for name in COST_METRICS}
    draws = {name: np.full((_num_draws(table), len(table.rows)), np.nan) for name in COST_METRICS}
    for k, row in enumerate(table.rows):
        throughput, note = throughput_of(table, k)
        if throughput is None:
            why = next(
                (e.note for e in row.estimates.values() if e.note.startswith("failed")), "not measured"
            )
            cells["cost_per_million_usd"].append(Estimate(None, note=why))
            cells["cost_per_month_usd"].append(Estimate(None, note=why))
        else:
            month = cost.cost_per_month(throughput, traffic, price.usd_per_hour)
            million = cost.cost_per_million(throughput, traffic, price.usd_per_hour)
            floor = float(np.median(cost.cost_per_million_floor(throughput, price.usd_per_hour)))
            count = float(np.median(cost.replicas(throughput, traffic)))
            said = "; ".join(n for n in (f"{count:g} replicas", note) if n)
            busy = "; ".join(n for n in (f"{floor:.3g} USD at full use", note) if n)
            for name, values, text in (
                ("cost_per_month_usd", month, said),
                ("cost_per_million_usd", million, busy),
            ):
                draws[name][:, k] = values
                cells[name].append(_derived(values, text))
        cells["train_cost_usd"].append(_training(row, seconds, price.usd_per_hour))
        trained = cells["train_cost_usd"][-1].value
        draws["train_cost_usd"][:, k] = np.nan if trained is None else trained
    rows = tuple(
        replace(row, estimates={**row.estimates, **{name: cells[name][k] for name in COST_METRICS}})
        for k, row in enumerate(table.rows)
    )
    metrics = tuple(n for n in table.metrics if n not in COST_METRICS) + COST_METRICS
    stale = price.warning()
    warnings = (*table.warnings, *([stale] if stale else []))
    return replace(table, rows=rows, metrics=metrics, draws={**table.draws, **draws}, warnings=warnings)


def _num_draws(table: Tradeoff) -> int:
    return next((len(d) for d in table.draws.values()), 1)


def _derived(values: Array, note: str) -> Estimate:
    """An estimate from draws: a step function of throughput has no symmetric interval."""
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975], method="nearest")
    return Estimate(float(middle), float(low), float(high), note=note)


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
    cells = [
        Estimate(None, note="not measured")
        if np.isnan(worth[:, k]).any()
        else replace(_derived(worth[:, k], ""), value=float(worth[:, k].mean()))
        for k in range(len(table.rows))
    ]
    rows = tuple(
        replace(row, estimates={**row.estimates, VALUE: cell})
        for row, cell in zip(table.rows, cells, strict=True)
    )
    return replace(table, rows=rows, draws={**table.draws, VALUE: worth})


# ------------------------------------------------------------------------------------ judging


def values_for(table: Tradeoff, suite: Suite) -> dict[str, Array | float]:
    """Everything that an expression may name: draws by metric, traffic and price."""
    price = cost.price_of(suite.machine)
    traffic = suite.decision.traffic
    settings = settings_of(traffic.qps, traffic.peak_qps, price.usd_per_hour if price else None)
    return {**table.draws, **settings}


def metric_draws(table: Tradeoff, name: str) -> Array:
    """(draws, rows) of a metric; NaN all over where nobody measured it."""
    missing = np.full((_num_draws(table), len(table.rows)), np.nan)
    return table.draws.get(name, missing)


def utility_draws(table: Tradeoff, objective: Objective, suite: Suite) -> Array:
    """(draws, rows): the objective, higher is better; NaN where a row lacks one of its metrics."""
    values = values_for(table, suite)
    for name in objective.expression.names:
        values.setdefault(name, metric_draws(table, name))
    result = objective.sign * objective.expression(values)
    return np.broadcast_to(result, (_num_draws(table), len(table.rows)))


def feasible_draws(table: Tradeoff, constraints: Sequence[Constraint]) -> Array:
    """(draws, rows) bool: all limits hold; False where a limited metric has no number."""
    result = np.ones((_num_draws(table), len(table.rows)), dtype=bool)
    for constraint in constraints:
        result &= constraint.holds(metric_draws(table, constraint.metric))
    return result


def judge(table: Tradeoff, constraints: Sequence[Constraint], objective: Objective, suite: Suite) -> Tradeoff:
    """Fill Pareto flags and probabilities, feasible and best probabilities, and what rejects a row."""
    if not table.rows:
        return table
    utility, feasible = utility_draws(table, objective, suite), feasible_draws(table, constraints)
    comparable = ~np.isnan(utility).any(0)
    feasible = feasible & comparable
    best = best_probability(np.where(np.isnan(utility), -np.inf, utility), feasible)
    on_front, front_probability = _pareto(table, constraints, objective)
    rows = []
    for k, row in enumerate(table.rows):
        limited = all(row.estimates.get(c.metric, Estimate(None)).value is not None for c in constraints)
        rows.append(
            replace(
                row,
                pareto=bool(on_front[k]),
                pareto_probability=None if np.isnan(front_probability[k]) else float(front_probability[k]),
                feasible_probability=float(feasible_draws_of(table, constraints, k)) if limited else None,
                best_probability=float(best[k]) if comparable[k] and limited else None,
                rejected_by=rejections(table, constraints, k),
            )
        )
    return replace(table, rows=tuple(rows))


def feasible_draws_of(table: Tradeoff, constraints: Sequence[Constraint], row: int) -> float:
    """P(row meets all limits)."""
    held = [c.holds(metric_draws(table, c.metric)[:, row]) for c in constraints]
    return float(np.mean(np.all(held, axis=0))) if held else 1.0


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
    row = table.rows[k]
    reasons = []
    for constraint in constraints:
        cell = row.estimates.get(constraint.metric, Estimate(None, note="not measured"))
        if cell.value is None:
            reasons.append(f"{constraint}: {cell.note or 'not measured'}")
            continue
        probability = float(constraint.holds(table.draws[constraint.metric][:, k]).mean())
        if probability < constraint.probability:
            reasons.append(
                f"{constraint}: is {interval_text(cell)}, holds with probability {probability:.2f}"
            )
    if not reasons and constraints and feasible_draws_of(table, constraints, k) < 0.5:
        reasons.append(
            f"all limits together hold with probability {feasible_draws_of(table, constraints, k):.2f}"
        )
    return tuple(reasons)


def interval_text(cell: Estimate) -> str:
    """`0.894 (0.885 to 0.902)`."""
    if cell.value is None:
        return cell.note or "not measured"
    if cell.low is None or cell.high is None:
        return f"{cell.value:.4g}"
    return f"{cell.value:.4g} ({cell.low:.4g} to {cell.high:.4g})"

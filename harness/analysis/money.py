"""What the variants cost: the money columns of the trade-off table, for a price and a traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.analysis import cost
from harness.analysis.bill import asked_for, besides
from harness.analysis.criteria import decides, limits_of
from harness.analysis.draws import overlaid
from harness.analysis.instances import Fleet, fleet
from harness.analysis.order import nearest_quantiles
from harness.analysis.served import kept_within, load_within
from harness.analysis.stats import Array
from harness.analysis.values import count_draws, metric_draws
from harness.figures import as_written, short
from harness.metrics import CAPACITY
from harness.reasons import Reason, of_failure, reason_of
from harness.record import Record
from harness.results import Estimate, Row, Tradeoff
from harness.suite.expression import Constraint
from harness.suite.schema import CostItem, Suite
from harness.suite.variants import is_elsewhere

OFFLINE = "throughput_offline_per_s"
COST_METRICS = ("cost_per_million_usd", "cost_per_month_usd", "train_cost_usd")
NOT_OURS = "not estimable: a service has the price that its owner asks: say it in decision.costs.items"
NO_NUMBER = "no number of machines keeps the latency limit"
"""Why a cost has no figure."""


TrainingSeconds = Mapping[str, cost.TrainCost]
"""Candidate → seconds of its trainings: `TrainCost` at a dollar a second."""


def training_seconds(records: Sequence[Record], train_size: int | None) -> TrainingSeconds:
    """What `train_cost_usd` multiplies with the price."""
    by_candidate: dict[str, list[Record]] = {}
    for record in records:
        if record.trial.kind == "train":
            by_candidate.setdefault(record.trial.candidate, []).append(record)
    costs = {
        name: cost.train_cost_usd(group, name, train_size, 3600.0) for name, group in by_candidate.items()
    }
    return {name: found for name, found in costs.items() if found is not None}


_UNLIMITED = {
    OFFLINE: "floor: from offline throughput, no latency limit",
    "latency_p50_ms": "floor: from single-stream latency, no latency limit",
}
LOADS = (CAPACITY, *_UNLIMITED)
"""Metrics that the load of one machine follows from."""


def throughputs(table: Tradeoff, suite: Suite | None = None) -> tuple[Array, list[str | None]]:
    """Requests per second of one replica, (draws, rows), and where each row's figure comes from.

    The highest load within a limit where it was measured, brought to the suite's own limits on latency where
    these are tighter; else that of a simulated queue within them; without these, throughput without a limit,
    which makes every cost a floor. NaN and None for a row without any, or whose limit no load keeps.

    Args:
        suite: whose limits, arrivals and server count; without one what was measured stands.
    """
    result = np.full((count_draws(table), len(table.rows)), np.nan)
    server = suite.serving.scenarios.server if suite else None
    asked = _Asked(
        limits_of(suite) if suite else (),
        suite.decision.traffic.burstiness if suite else 1.0,
        server.latency_p99_ms if server else None,
    )
    found = [_throughput(table, k, asked) for k in range(len(table.rows))]
    for k, (draws, _) in enumerate(found):
        result[:, k] = draws
    # A capacity that may be zero: in such draws no number of machines suffices.
    return np.where(result > 0, result, np.nan), [source for _, source in found]


class _Asked(NamedTuple):
    """What a load has to keep: limits under their arrivals, and the p99 that it was measured within."""

    limits: tuple[Constraint, ...]
    burstiness: float
    promised_ms: float | None


def _throughput(table: Tradeoff, k: int, asked: _Asked) -> tuple[Array | float, str | None]:
    """A row's requests per second, (draws,), and where they come from."""
    row = table.rows[k]
    if is_elsewhere(row.runtime):
        return np.nan, None
    measured = {n: table.draws[n][:, k] for n in LOADS if n in table.draws}
    measured = {name: draws for name, draws in measured.items() if not np.isnan(draws[0])}
    if CAPACITY in measured:
        cell = row.estimates.get(CAPACITY)
        if cell is not None and cell.value is not None and cell.value <= 0:
            return np.nan, None
        share, said = kept_within(row.service, asked.limits, asked.promised_ms, asked.burstiness)
        if cell is not None and Reason.AT_LEAST in cell.reasons:
            lower = "ceiling: the load within the limit is a lower end"
        else:
            share *= row.counted_share
            lower = "priced at the lower end: the load is not confirmed" if row.counted_share < 1 else ""
        return measured[CAPACITY] * share, "; ".join(x for x in (said, lower) if x)
    if (offline := measured.get(OFFLINE)) is None:
        took_ms = measured.get("latency_p50_ms")
        return (np.nan, None) if took_ms is None else (1000.0 / took_ms, _UNLIMITED["latency_p50_ms"])
    within = None if row.service is None else load_within(row.service, asked.limits, asked.burstiness)
    if row.service is None or within is None:
        return offline, _UNLIMITED[OFFLINE]
    if within.load is None:
        return np.nan, None
    said = f"a simulated queue within {within.limit}, not measured under load"
    return offline * (within.load / row.service.peak), said


def with_costs(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """The table with its money columns for the suite's price and traffic (older ones are replaced)."""
    price = cost.price_of(suite.machine)
    if price is None:
        asked = any(decides(suite, name) for name in COST_METRICS)
        said = ("no price: set machine.price for costs",) if asked else ()
        return replace(table, warnings=(*table.warnings, *said))
    traffic, hourly = suite.decision.traffic, price.usd_per_hour
    throughput, sources = throughputs(table, suite)
    where = fleet(table, throughput, suite)
    training = [_training(row, seconds, hourly) for row in table.rows]
    trained = {name: found.to_ship for name, found in seconds.items()}
    more = besides(table.rows, suite, hourly, trained)
    requests = traffic.mean * cost.SECONDS_PER_MONTH
    other = np.array([parts.monthly(requests) for parts in more])
    throughput = where.throughput
    monthly = where.bill(throughput, suite) + other
    draws = {
        "cost_per_million_usd": cost.per_million(monthly, traffic),
        "cost_per_month_usd": monthly,
        "train_cost_usd": _training_draws(table, training),
    }
    sources = [_with(source, more) for source, more in zip(sources, where.idle, strict=True)]
    million, month = _cells(table.rows, suite, where, other, sources)
    cells = {"cost_per_million_usd": million, "cost_per_month_usd": month, "train_cost_usd": training}
    rows = tuple(
        replace(
            row,
            estimates={**row.estimates, **{name: cells[name][k] for name in COST_METRICS}},
            besides=more[k],
        )
        for k, row in enumerate(where.on(table.rows))
    )
    metrics = tuple(n for n in table.metrics if n not in COST_METRICS) + COST_METRICS
    return replace(table, rows=rows, metrics=metrics, draws=overlaid(draws, table.draws))


def _cells(
    rows: Sequence[Row], suite: Suite, where: Fleet, other: Array, sources: Sequence[str | None]
) -> tuple[list[Estimate], list[Estimate]]:
    """What rows cost per million requests and per month, and what that rests on.

    Args:
        other: (rows,) USD a month beyond the machines. sources: of the throughput, as `throughputs` has them.
    """
    # All money is monotone in throughput: its quantiles are those of the draws with the throughput's.
    ends, traffic, rests_on = quantiles(where.throughput), suite.decision.traffic, list(sources)
    month = where.bill(ends, suite) + other
    counts = cost.machines(ends[1], traffic)
    comes_and_goes = traffic.curve and traffic.autoscale is not None
    steps = [None if comes_and_goes else float(usd) * cost.HOURS_PER_MONTH for usd in where.usd_per_hour]
    fulls = [f"{_usd(x)} USD at full use" for x in cost.cost_per_million_floor(ends[1], where.usd_per_hour)]
    machines = [_machines_said(*of) for of in zip(counts, where.machine, other, strict=True)]
    for k, row in enumerate(rows):
        if is_elsewhere(row.runtime) and (item := asked_for(suite, row.candidate)) is not None:
            rests_on[k], counts[k], steps[k] = "", 0, None
            fulls[k] = machines[k] = _owners_price(row, item, traffic.peak)
    per_million = [
        replace(cell, step=usd and float(cost.per_million(np.asarray(usd), traffic)))
        for cell, usd in zip(
            _derived(cost.per_million(month, traffic), fulls, rests_on, rows, where.lacks),
            steps,
            strict=True,
        )
    ]
    per_month = [
        cell if cell.value is None else replace(cell, machines=float(count), step=usd)
        for cell, count, usd in zip(
            _derived(month, machines, rests_on, rows, where.lacks), counts, steps, strict=True
        )
    ]
    return per_million, per_month


def _machines_said(count: float, name: str, beside: float) -> str:
    """`2 machines of small, 12.5 USD beside them`."""
    said = f"{count:.4g} machine{'s' if count != 1 else ''}{f' of {name}' if name else ''}"
    return f"{said}, {_usd(beside)} USD beside them" if beside else said


def _with(source: str | None, idle: str) -> str | None:
    """Idle cores make a cost that is not a floor a ceiling: more workers would serve more."""
    if source is None or not idle:
        return source
    ceiling = idle if reason_of(source) is Reason.FLOOR else f"ceiling: {idle}"
    return f"{source}; {ceiling}" if source else ceiling


def quantiles(throughput: Array) -> Array:
    """(3, rows): the draws that give the lowest, middle and highest cost of 95 %; a step function of
    throughput has no symmetric interval, so none is interpolated. NaN where no cost suffices."""
    ends = nearest_quantiles(np.nan_to_num(throughput), [0.975, 0.5, 0.025])
    ends = np.where(ends < np.finfo(float).max, ends, np.inf)
    return np.asarray(np.where(ends > 0, ends, np.nan))


def _usd(value: float) -> str:
    """To the cent from a dollar on, three digits below."""
    if not np.isfinite(value):
        return str(value)
    return short(float(f"{value:.3g}")) if abs(value) < 1 else f"{cost.to_cents(value):,.2f}"


def _owners_price(row: Row, item: CostItem, peak: float) -> str:
    """What a service's cost rests on, and whether it was seen to carry the load."""
    asked = {"a million requests": 1e6 * item.usd_per_request, "a month": item.monthly_usd}
    said = "the owner's price: " + ", ".join(
        f"{as_written(float(f'{usd:.12g}'))} USD {per}" for per, usd in asked.items() if usd
    )
    cell = row.estimates.get(CAPACITY)
    if cell is None or cell.value is None or cell.value >= peak:
        return said
    return f"{said}; measured to carry {cell.value:.3g} of {peak:g} requests per second"


def _derived(
    ends: Array,
    said: Sequence[str],
    sources: Sequence[str | None],
    rows: Sequence[Row],
    lacks: Sequence[str],
) -> list[Estimate]:
    """Estimates from (3, rows): low, middle and high.

    Args:
        lacks: of each row, the memory that the priced machine has not.
    """
    low, middle, high = ends
    cells = []
    for k, row in enumerate(rows):
        if sources[k] is None or np.isnan(middle[k]):
            known = row.estimates.get(CAPACITY) or row.estimates.get(OFFLINE)
            kept = sources[k] is None and (known is None or known.value is None)
            why = next(
                (e.note for e in row.estimates.values() if e.reason is Reason.FAILED),
                row.stopped or "not measured" if kept else NO_NUMBER,
            )
            why = NOT_OURS if is_elsewhere(row.runtime) else lacks[k] or why
            cells.append(Estimate(None, note=why))
            continue
        open_ended = "no upper end: the capacity may be zero" if np.isnan(high[k]) else ""
        note = "; ".join(n for n in (said[k], sources[k], open_ended) if n)
        lowest, highest = (None, None) if open_ended else (float(low[k]), float(high[k]))
        floor = reason_of(sources[k] or "") is Reason.FLOOR
        cells.append(Estimate(float(middle[k]), lowest, highest, note=note, floor=floor))
    return cells


def _training_draws(table: Tradeoff, training: Sequence[Estimate]) -> Array:
    """(draws, rows) of what a training costs: as uncertain as how long it takes."""
    took = [row.estimates.get("train_seconds") for row in table.rows]
    value = np.array([np.nan if e.value is None else e.value for e in training], dtype=float)
    mean = np.array([np.nan if e is None or e.value is None else e.value for e in took], dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        times = metric_draws(table, "train_seconds") / mean
    return np.asarray(np.where(np.isfinite(times), times, 1.0) * value)


def _training(row: Row, seconds: TrainingSeconds, usd_per_hour: float) -> Estimate:
    known = seconds.get(row.candidate)
    if known is None:
        failed = row.training_failure
        return Estimate(None, note=of_failure(failed) if failed else row.stopped or "not measured")
    final, in_all = (s * usd_per_hour / 3600 for s in (known.final_recipe, known.in_all))
    note, took = f"{_usd(in_all)} USD for all trainings of the run", row.estimates.get("train_seconds")
    if took is None or not took.value or took.low is None or took.high is None:
        return Estimate(final, total=in_all, note=note, n=0 if took is None else took.n)
    low, high = (final * end / took.value for end in (took.low, took.high))
    return Estimate(final, low, high, n=took.n, total=in_all, note=note)

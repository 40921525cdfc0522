"""What load each variant carries: latency against offered load, the knee, the load within the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.loads import DAMAGED, requests_of
from harness.facts import ServerFacts
from harness.facts.serving import LoadPoint
from harness.metrics import CAPACITY
from harness.protocols import Section
from harness.record import Record
from harness.report import canvas, charts, plots
from harness.report import numbers as n
from harness.report.blocks import Beside, Block, Cell, Column, Fold, Picture, Table, section
from harness.report.evidence import Evidence
from harness.report.pictures import both_widths, told
from harness.report.sections.serving import MOST_CURVES, axis, not_drawn, remarks, served
from harness.report.sections.tradeoff import figure, left_out
from harness.results import Row
from harness.serving.load import PROMISE
from harness.serving.quantiles import CALLS_NEEDED
from harness.suite.variants import workers_of

STEP = 0.05
"""Runs whose loads are alike by this share of the closed-loop bound are pooled: rounds choose their loads."""


@dataclass(frozen=True)
class Load:
    """All valid runs near one load.

    Args:
        offered, achieved: requests per second. answered: of those that came, the share that was answered in
            the time of the runs. p50_ms, p99_ms: from the scheduled arrival over all their
            requests; None where these are too few.
        late: share of requests that were late, failed or not answered. requests: how many counted.
    """

    offered: float
    achieved: float
    p50_ms: float | None
    p99_ms: float | None
    late: float
    requests: int
    runs: int
    answered: float


CAPACITY_COLUMNS = (
    Column("variant", numeric=False),
    Column(
        n.label(CAPACITY),
        "requests/s",
        hint="of several rounds: of their requests in one queue, where these were kept",
    ),
    Column("by round", "requests/s", hint="each round's answer; below it the 95 % interval from its runs"),
    Column(
        "bound",
        "requests/s",
        hint="where everything is there at once, mean over rounds: none is above it",
    ),
    Column(
        "kept again",
        hint="further runs at the answer with at most twice the promised share late",
    ),
    Column("knee", "requests/s", hint="the load with the most throughput for its response time"),
    Column(
        "of 1 / median latency",
        hint="of all workers: what a limit on p99 leaves of the naive capacity; more than it by batches",
    ),
    Column("runs left out", hint="too noisy, or the generator was late"),
)


def load(e: Evidence) -> Section | None:
    """Latency against offered load, and the load that keeps the limit."""
    curves = [(row, points) for row in e.rows[:MOST_CURVES] if (points := load_curve(e, row))]
    blocks: list[Block] = []
    if curves:
        blocks += [
            *_pictures(e, curves),
            *not_drawn(e, MOST_CURVES),
            Fold("All loads", (_points_table(e, curves),)),
        ]
    if CAPACITY in e.tradeoff.metrics:
        blocks += [_capacity_table(e), *left_out(e), *remarks(e, (CAPACITY,))]
    return section("Load", blocks)


def load_curve(e: Evidence, row: Row) -> list[Load]:
    """The runs of all rounds by load, without invalid ones."""
    bins: dict[int, list[tuple[LoadPoint, np.ndarray]]] = {}
    for record in served(e, row, "server"):
        facts = record.facts_as(ServerFacts)
        points, bound = facts.load_curve or (), facts.closed_loop_bound_qps or 0.0
        latencies = _latencies(e, record, len(points))
        for point, took_ms in zip(points, latencies, strict=True):
            if point.valid and bound > 0:
                bins.setdefault(round(point.offered / bound / STEP), []).append((point, took_ms))
    return sorted((_pooled(runs) for runs in bins.values()), key=lambda found: found.offered)


def _pooled(runs: Sequence[tuple[LoadPoint, np.ndarray]]) -> Load:
    points = [point for point, _ in runs]
    calls = np.concatenate([took_ms for _, took_ms in runs])
    requests = sum(point.requests for point in points)
    p50, p99 = (_percentile(calls, q, points) for q in (50, 99))
    return Load(
        offered=float(np.mean([point.offered for point in points])),
        achieved=float(np.mean([point.achieved for point in points])),
        p50_ms=p50,
        p99_ms=p99,
        late=sum(point.violations for point in points) / max(requests, 1),
        requests=requests,
        runs=len(points),
        answered=float(np.mean([point.achieved / (point.came or point.offered) for point in points])),
    )


def _percentile(calls_ms: np.ndarray, q: int, points: Sequence[LoadPoint]) -> float | None:
    """Of all requests; where these were not kept, the middle one of the runs' own."""
    if len(calls_ms):
        return float(np.percentile(calls_ms, q)) if len(calls_ms) >= CALLS_NEEDED[q] else None
    enough = [p for p in points if p.requests >= CALLS_NEEDED[q]]
    own = [ms for p in enough if (ms := p.p50_ms if q == 50 else p.p99_ms)]
    return float(np.median(own)) if own else None


def _latencies(e: Evidence, record: Record, runs: int) -> list[np.ndarray]:
    """Per run the latencies in ms of its answered requests that count; none where they were not kept."""
    try:
        raw = requests_of(e.run, record.trial.id)
    except (*DAMAGED, FileNotFoundError):
        return [np.zeros(0)] * runs
    if "counted" not in raw:  # an older run folder: which of them count was not kept
        return [np.zeros(0)] * runs
    counts = raw["counted"] & (raw["answered_ns"] > 0)
    run, took = raw["run"][counts], (raw["answered_ns"] - raw["scheduled_ns"])[counts] / 1e6
    return [took[run == number] for number in range(runs)]


def _pictures(e: Evidence, curves: Sequence[tuple[Row, list[Load]]]) -> list[Block]:
    slo = e.suite.serving.scenarios.server
    offered = axis(
        "Offered load, requests per second", [p.offered for _, points in curves for p in points], 8
    )
    limit = slo.latency_p99_ms if slo else None
    tails = [_series(e, row, points, "p99_ms") for row, points in curves]
    knees = [knee for row, points in curves if (knee := _knee(e, row, points))]
    title = "p99 latency from the scheduled arrival, ms (log scale)"
    blocks: list[Block] = []
    if any(s.x for s in tails):
        drawn = [s for s in [*tails, *knees] if s.x]
        caption = (
            "Open loop, Poisson arrivals, all rounds pooled; a p99 where at least "
            f"{CALLS_NEEDED[99]} requests came. Where a line crosses the limit, the variant's capacity ends. "
            "Star: the knee, the load with the most throughput for its response time."
        )
        y = plots.Axis(title, True, limit)
        alt = told("p99 latency in ms by offered load in requests per second", tails)
        blocks.append(both_widths(lambda w: charts.lines(drawn, offered, y, (w, 380)), 680, caption, alt))
    beside = []
    medians = [s for row, points in curves if (s := _series(e, row, points, "p50_ms")).x]
    if medians:
        chart = charts.lines(medians, offered, plots.Axis("p50 latency, ms (log scale)", True))
        beside.append(
            Picture(
                canvas.svg(chart),
                "The median over the same runs.",
                told("p50 latency in ms by offered load", medians),
                "half",
            )
        )
    answered = [_series(e, row, points, "answered") for row, points in curves]
    chart = charts.lines(answered, offered, plots.Axis("Answered, share of what came"))
    said = "It falls behind where a variant is saturated."
    beside.append(Picture(canvas.svg(chart), said, told("Share answered by offered load", answered), "half"))
    return [*blocks, Beside(tuple(beside))]


def _series(e: Evidence, row: Row, points: Sequence[Load], name: str) -> plots.Line:
    known = [(p.offered, float(v)) for p in points if (v := getattr(p, name)) is not None]
    return plots.Line(
        row.variant, [x for x, _ in known], [y for _, y in known], colour=e.palette.colour(row.candidate),
        marker=e.palette.marker(row.runtime), strong=e.chosen is row,
    )  # fmt: skip


def _knee(e: Evidence, row: Row, points: Sequence[Load]) -> plots.Line | None:
    """The knee, mean over rounds, on the variant's p99 line; None where it is off the line."""
    found = [knee for r in served(e, row, "server") if (knee := r.facts_as(ServerFacts).knee_qps)]
    known = [(p.offered, p.p99_ms) for p in points if p.p99_ms is not None]
    if not found or len(known) < 2 or not known[0][0] <= np.mean(found) <= known[-1][0]:
        return None
    at = float(np.mean(found))
    y = float(np.exp(np.interp(at, [x for x, _ in known], [np.log(v) for _, v in known])))
    return plots.Line("", [at], [y], colour=e.palette.colour(row.candidate), marker="*", marker_size=14)


def _points_table(e: Evidence, curves: Sequence[tuple[Row, list[Load]]]) -> Table:
    columns = (
        Column("variant", numeric=False), Column("offered", "requests/s"), Column("answered", "requests/s"),
        Column("p50", "ms"), Column("p99", "ms"), Column("late", "%"), Column("requests"), Column("runs"),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
            Cell(n.plain(p.offered), sort=p.offered),
            Cell(n.plain(p.achieved), sort=p.achieved),
            _known(p.p50_ms),
            _known(p.p99_ms),
            Cell(f"{100 * p.late:.2f}", sort=p.late),
            Cell(f"{p.requests:,}", sort=p.requests),
            Cell(str(p.runs), sort=p.runs),
        )
        for row, points in curves
        for p in points
    )
    return Table(columns, rows)


def _known(value: float | None) -> Cell:
    return Cell("not estimable", tone="muted") if value is None else Cell(n.plain(value), sort=value)


def _capacity_table(e: Evidence) -> Table:
    """The load within the limit: of all rounds, of each with the interval of its runs, and how it came."""
    return Table(CAPACITY_COLUMNS, tuple(_capacity_row(e, row) for row in e.detailed))


def _capacity_row(e: Evidence, row: Row) -> tuple[Cell, ...]:
    records = served(e, row, "server")
    capacity, p50 = row.estimates.get(CAPACITY), row.estimates.get("latency_p50_ms")
    # A machine answers with all its workers, a single stream with one.
    alone = p50.value / workers_of(row.runtime) if p50 and p50.value else None
    used = capacity.value * alone / 1000 if capacity and capacity.value and alone else None
    bounds = [bound for r in records if (bound := r.facts_as(ServerFacts).closed_loop_bound_qps)]
    knees = [knee for r in records if (knee := r.facts_as(ServerFacts).knee_qps)]
    points = [p for r in records for p in r.facts_as(ServerFacts).load_curve or ()]
    return (
        Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
        figure(row, CAPACITY),
        _by_round(records),
        _known(float(np.exp(np.mean(np.log(bounds))))) if bounds else Cell(""),
        _confirmed(points),
        Cell(n.plain(float(np.mean(knees))), sort=float(np.mean(knees))) if knees else Cell(""),
        Cell(f"{100 * used:.0f}\u202f%" if used else "", sort=used),
        Cell(f"{sum(not p.valid for p in points)} of {len(points)}" if points else ""),
    )


def _by_round(records: Sequence[Record]) -> Cell:
    found = [c for r in records if (c := r.facts_as(ServerFacts).capacity)]
    values = [(c.qps, c) for c in found if c.qps is not None]
    if not values:
        return Cell("")
    ends = [f"{_end(c.low)}–{_end(c.high)}" for _, c in values]
    return Cell(" · ".join(n.plain(qps) for qps, _ in values), " · ".join(ends), sort=values[0][0])


def _end(value: float | None) -> str:
    return "?" if value is None else n.plain(value)


def _confirmed(points: Sequence[LoadPoint]) -> Cell:
    """Of the runs made at the answer itself, how many kept the promise about as well as they should."""
    again = [p for p in points if p.stage == "confirm" and p.valid]
    if not again:
        return Cell("")
    kept = sum(p.violations <= 2 * PROMISE * max(p.requests, 1) for p in again)
    return Cell(f"{kept} of {len(again)}", sort=kept / len(again), tone="" if kept else "warn")

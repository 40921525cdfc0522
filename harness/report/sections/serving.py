"""Serving in detail: the distribution of latency, what load it carries, batches, memory and cold start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.protocols import Row as TableRow
from harness.protocols import Section
from harness.record import Record
from harness.report import canvas, charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Fold, Picture, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.tradeoff import figure, figures, left_out

MOST_ROWS = 16
MOST_CURVES = 6
NEEDS = (
    "throughput_offline_per_s", "cold_start_ms", "peak_memory_mb", "model_size_mb", "parameters",
    "flops_per_example", "energy_per_million_kwh",
)  # fmt: skip
LATENCIES = ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms")


def latency(e: Evidence) -> Section | None:
    """All calls of each variant as a row, its rounds beside it, and the cumulative curves."""
    spreads = [s for row in e.rows[:MOST_ROWS] if (s := _spread(e, row))]
    if not spreads:
        return None
    which = next((item for item in e.limits if item.metric in LATENCIES and item.is_upper), None)
    values = np.concatenate([np.asarray(s.samples) for s in spreads])
    positive = values[values > 0]
    log = bool(len(positive)) and float(np.quantile(positive, 0.99)) > 5 * float(np.quantile(positive, 0.01))
    times = plots.Axis(
        "Latency of a call, ms" + (" (log scale)" if log else ""), log, which.limit if which else None
    )
    blocks: list[Block] = [
        Picture(
            canvas.svg(charts.spreads(spreads, times)),
            "Thin: 1st to 99th percentile of all calls; thick: the middle half; mark: median; bar: p99; "
            "ticks below: the median of each round.",
            "Latency distributions",
            "wide",
        ),
        _latency_table(e),
        *left_out(e),
    ]
    blocks += _not_numbers(e)
    if len(spreads) > 1:
        curves = charts.cumulative(spreads[:MOST_CURVES], times, (640, 320))
        caption = (
            f"Share of calls answered within a time, {n.listed([s.label for s in spreads[:MOST_CURVES]])}."
        )
        blocks.append(
            Fold(
                "Cumulative distribution",
                (Picture(canvas.svg(curves), caption, "Cumulative latency", "wide"),),
            )
        )
    if len(e.rows) > MOST_ROWS:
        blocks.append(text(f"The {MOST_ROWS} leading of {len(e.rows)} variants are drawn.", kind="note"))
    return section("Latency", blocks)


def _serves(e: Evidence, row: TableRow, scenario: str) -> list[Record]:
    return e.of("serve", row.candidate, runtime=row.runtime, scenario=scenario)


def _spread(e: Evidence, row: TableRow) -> plots.Spread | None:
    per_round = [np.asarray(m.samples, float) for r in _serves(e, row, "single_stream") if (m := _calls(r))]
    if not per_round:
        return None
    medians = [float(np.median(samples)) for samples in per_round]
    colour, marker = e.palette.colour(row.candidate), e.palette.marker(row.runtime)
    return plots.Spread(row.variant, np.concatenate(per_round).tolist(), medians, colour, marker)


def _calls(record: Record) -> Any:
    """The measurement that carries every call's latency."""
    found = [
        m for m in record.measurements if m.metric.startswith("latency_p") and len(m.samples) > 1 and not m.at
    ]
    return max(found, key=lambda m: len(m.samples), default=None)


def _latency_table(e: Evidence) -> Table:
    names = [m for m in LATENCIES if m in e.tradeoff.metrics]
    extra = [m for m in ("cpu_seconds_per_example",) if m in e.tradeoff.metrics]
    rows = []
    for row in e.detailed:
        records = _serves(e, row, "single_stream")
        medians = [v for r in records if (v := r.value("latency_p50_ms")) is not None]
        spread = max(medians) / min(medians) if len(medians) > 1 and min(medians) > 0 else None
        calls = sum(len(m.samples) for r in records if (m := _calls(r)))
        rows.append(
            (
                Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
                *figures(row, (*names, *extra)),
                Cell(f"{100 * (spread - 1):.0f}\u202f%" if spread else "", sort=spread),
                Cell(str(len(records)), sort=len(records)),
                Cell(f"{calls:,}", sort=calls),
            )
        )
    columns = (
        Column("variant", numeric=False),
        *(Column(n.label(m), n.unit(m)) for m in (*names, *extra)),
        Column("slowest over fastest round", hint="median of the slowest round above that of the fastest"),
        Column("rounds"),
        Column("calls"),
    )
    return Table(columns, tuple(rows))


def _not_numbers(e: Evidence) -> list[Block]:
    """A sentence for each serving figure whose truth is not a number."""
    seen: dict[str, list[str]] = {}
    for row in e.rows:
        for metric in (*LATENCIES, "throughput_offline_per_s", "throughput_at_slo_qps"):
            estimate = row.estimates.get(metric)
            if (
                estimate
                and estimate.value is None
                and estimate.note
                and not estimate.note.startswith("failed")
            ):
                seen.setdefault(f"{n.label(metric)}: {estimate.note}", []).append(row.variant)
    items = [
        (f"{what}, for {n.listed(names[:6])}{_more(names)}. {_meaning(what)}",)
        for what, names in seen.items()
    ]
    return [Bullets(tuple(items))] if items else []


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - 6} more" if len(names) > 6 else ""


def _meaning(note: str) -> str:
    if "not estimable" in note:
        return "Too few calls were made to know it; a longer window or more rounds would."
    if "unsteady" in note:
        return "Its speed never settled during warm-up, so no window counts."
    if "too noisy" in note:
        return "The machine was never quiet long enough; measure again on a quieter one."
    return ""


def load(e: Evidence) -> Section | None:
    """Latency against offered load, and the load that keeps the limit."""
    curves = {
        row.variant: (row, c) for row in e.rows[:MOST_CURVES] if (c := load_curve(_serves(e, row, "server")))
    }
    blocks: list[Block] = []
    if curves:
        slo = e.suite.serving.scenarios.server
        series = []
        for name, (row, points) in curves.items():
            drawn = [p for p in points if p.get("p99_ms") is not None]
            marker = e.palette.marker(row.runtime)
            series.append(
                plots.Series(
                    name, [p["offered_qps"] for p in drawn], [p["p99_ms"] for p in drawn],
                    colour=e.palette.colour(row.candidate), marker=marker, strong=e.chosen is row,
                )
            )  # fmt: skip
        y = plots.Axis(
            "p99 latency from the scheduled arrival, ms (log scale)",
            True,
            slo.latency_p99_ms if slo else None,
        )
        x = axis("Offered load, requests per second", [v for s in series for v in s.x], 8)
        figure = charts.lines([s for s in series if s.x], x, y, (680, 380))
        caption = "Open loop, Poisson arrivals: where a line crosses the limit, the variant's capacity ends."
        blocks.append(Picture(canvas.svg(figure), caption, "Load curves", "wide"))
    if "throughput_at_slo_qps" in e.tradeoff.metrics:
        blocks += [_capacity_table(e), *left_out(e)]
    return section("Load", blocks)


def axis(title: str, values: Sequence[float], wide: float) -> plots.Axis:
    """Logarithmic where the values span more than a factor of `wide`."""
    log = bool(values) and min(values) > 0 and max(values) > wide * min(values)
    return plots.Axis(title + (" (log scale)" if log else ""), log)


def load_curve(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    """Points {offered_qps, achieved_qps, p50_ms, p99_ms} of all rounds by load, without invalid ones."""
    points = [p for r in records for p in r.facts.get("load_curve") or () if isinstance(p, Mapping)]
    kept = [p for p in points if p.get("valid", True) and isinstance(p.get("offered_qps"), int | float)]
    by_load: dict[float, list[Mapping[str, Any]]] = {}
    for p in kept:
        by_load.setdefault(round(float(p["offered_qps"]), 3), []).append(p)
    return [_merged(load, by_load[load]) for load in sorted(by_load)]


def _merged(load: float, points: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The median over repetitions at one load."""
    merged: dict[str, Any] = {"offered_qps": load}
    for name in ("achieved_qps", "p50_ms", "p99_ms"):
        values = [float(p[name]) for p in points if isinstance(p.get(name), int | float)]
        merged[name] = float(np.median(values)) if values else None
    return merged


def _capacity_table(e: Evidence) -> Table:
    single = "latency_p50_ms"
    rows = []
    for row in e.detailed:
        capacity, p50 = row.estimates.get("throughput_at_slo_qps"), row.estimates.get(single)
        used = None
        if capacity and capacity.value and p50 and p50.value:
            used = capacity.value * p50.value / 1000
        rows.append(
            (
                Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
                figure(row, "throughput_at_slo_qps"),
                Cell(f"{100 * used:.0f}\u202f%" if used else "", sort=used),
            )
        )
    columns = (
        Column("variant", numeric=False),
        Column(n.label("throughput_at_slo_qps"), "requests/s"),
        Column("of 1 / median latency", hint="what a limit on p99 leaves of the naive capacity"),
    )
    return Table(columns, tuple(rows), kind="compact")


def batches(e: Evidence) -> Section | None:
    """Throughput over batch sizes, and what the process needs: memory, size, cold start."""
    series = [s for row in e.rows[:MOST_CURVES] if (s := _batch_series(e, row))]
    blocks: list[Block] = []
    if any(len(s.x) > 1 for s in series):
        ticks = sorted({x for s in series for x in s.x})
        x = plots.Axis("Batch size (log scale)", True, ticks=ticks)
        y = axis("Examples per second", [v for s in series for v in s.y], 10)
        figure = charts.lines(series, x, y, (680, 340))
        blocks.append(
            Picture(
                canvas.svg(figure),
                "Offline throughput, mean over rounds.",
                "Throughput by batch size",
                "wide",
            )
        )
    names = [m for m in NEEDS if m in e.tradeoff.metrics]
    if names:
        rows = tuple(
            (
                Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
                *figures(row, names),
            )
            for row in e.detailed
        )
        columns = (Column("variant", numeric=False), *(Column(n.label(m), n.unit(m)) for m in names))
        blocks += [Table(columns, rows), *left_out(e)]
    return section("Throughput, memory and size", blocks)


def _batch_series(e: Evidence, row: TableRow) -> plots.Series | None:
    by_size: dict[int, list[float]] = {}
    for r in _serves(e, row, "offline"):
        for m in r.measurements:
            if m.metric == "throughput_offline_per_s" and m.value is not None and set(m.at) == {"batch_size"}:
                by_size.setdefault(int(m.at["batch_size"]), []).append(m.value)
    if not by_size:
        return None
    sizes = sorted(by_size)
    means = [float(np.mean(by_size[s])) for s in sizes]
    return plots.Series(
        row.variant, sizes, means, colour=e.palette.colour(row.candidate),
        marker=e.palette.marker(row.runtime), strong=e.chosen is row,
    )  # fmt: skip


def rejected_windows(records: Sequence[Record]) -> Iterator[tuple[Record, int, int]]:
    """Serve records with windows that the noise gate rejected: (record, rejected, all)."""
    for record in records:
        windows = record.facts.get("windows") or ()
        rejected = sum(
            1 for w in windows if isinstance(w, Mapping) and (w.get("rejected") or w.get("accepted") is False)
        )
        if rejected:
            yield record, rejected, len(windows)

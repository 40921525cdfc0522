"""Serving in detail: the distribution of latency, batches, memory and cold start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.facts import ServeFacts, StreamFacts
from harness.metrics import METRICS
from harness.protocols import Section
from harness.reasons import SAID_ONCE, Reason
from harness.record import Measurement, Record
from harness.report import charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Fold, Table, section, text
from harness.report.evidence import Evidence
from harness.report.pictures import both_widths, told
from harness.report.reasons import meaning
from harness.report.sections.tradeoff import figures, left_out
from harness.results import Row as TableRow
from harness.serving.quantiles import TARGET

MOST_ROWS = 16
MOST_CURVES = 6
NEEDS = (
    "throughput_offline_per_s", "cold_start_ms", "peak_memory_mb", "peak_gpu_memory_mb",
    "model_size_mb", "parameters",
    "flops_per_example", "energy_per_million_kwh",
)  # fmt: skip
LATENCIES = tuple(m.name for m in METRICS.values() if m.is_latency)


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
        both_widths(
            lambda w: charts.spreads(spreads, times, w),
            680,
            "Thin: 1st to 99th percentile of all calls; thick: the middle half; mark: median; bar: p99; "
            "ticks below: the median of each round.",
            _seen(spreads),
        ),
        _latency_table(e),
        *left_out(e),
    ]
    blocks += remarks(e, (*LATENCIES, "cpu_seconds_per_example"))
    blocks += _stopped(e)
    if len(spreads) > 1:
        shown = spreads[:MOST_CURVES]
        caption = (
            f"Share of calls answered within a time, {n.listed([s.label for s in spreads[:MOST_CURVES]])}."
        )
        if len(spreads) > MOST_CURVES:
            caption += f" {n.counted(len(spreads) - MOST_CURVES, 'variant')} not drawn."
        blocks.append(
            Fold(
                "Cumulative distribution",
                (
                    both_widths(
                        lambda w: charts.cumulative(shown, times, (w, 320)), 640, caption, _seen(shown)
                    ),
                ),
            )
        )
    blocks += not_drawn(e, MOST_ROWS)
    return section("Latency", blocks)


def _seen(spreads: Sequence[plots.Distribution]) -> str:
    """The distributions in words: median and p99 of each."""
    quantiles = [(s.label, *np.quantile(np.asarray(s.samples, float), [0.5, 0.99])) for s in spreads[:12]]
    said = [f"{name}: median {n.plain(p50)}, p99 {n.plain(p99)}" for name, p50, p99 in quantiles]
    more = f"; and {len(spreads) - 12} more" if len(spreads) > 12 else ""
    return f"Latency of a call in ms. {'; '.join(said)}{more}."


def not_drawn(e: Evidence, most: int) -> Iterator[Block]:
    """Says how many variants a plot leaves out."""
    if len(e.rows) > most:
        left = n.counted(len(e.rows) - most, "variant")
        yield text(
            f"The {most} leading variants are drawn; {left} not drawn stand in the table.", kind="note"
        )


def served(e: Evidence, row: TableRow, scenario: str) -> list[Record]:
    """The serve records of a variant in a scenario."""
    return e.of("serve", row.candidate, runtime=row.runtime, scenario=scenario)


def _spread(e: Evidence, row: TableRow) -> plots.Distribution | None:
    per_round = [np.asarray(m.samples, float) for r in served(e, row, "single_stream") if (m := _calls(r))]
    if not per_round:
        return None
    medians = [float(np.median(samples)) for samples in per_round]
    colour, marker = e.palette.colour(row.candidate), e.palette.marker(row.runtime)
    return plots.Distribution(row.variant, np.concatenate(per_round).tolist(), medians, colour, marker)


def _calls(record: Record) -> Measurement | None:
    """The measurement that carries every call's latency."""
    found = [m for m in record.measurements if m.metric in LATENCIES and len(m.samples) > 1 and not m.at]
    return max(found, key=lambda m: len(m.samples), default=None)


def _latency_table(e: Evidence) -> Table:
    names = [m for m in LATENCIES if m in e.tradeoff.metrics]
    extra = [m for m in ("cpu_seconds_per_example",) if m in e.tradeoff.metrics]
    rows = []
    for row in e.detailed:
        records = served(e, row, "single_stream")
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
        *(Column(n.label(m), n.shown_unit(m, e.known)) for m in (*names, *extra)),
        Column("slowest over fastest round", hint="median of the slowest round above that of the fastest"),
        Column("rounds"),
        Column("calls"),
    )
    return Table(columns, tuple(rows))


def _stopped(e: Evidence) -> list[Block]:
    """How many rounds ended before their percentiles were as well known as was wanted."""
    streams = (r.facts_as(StreamFacts).stopped for r in e.of("serve", scenario="single_stream"))
    ends = [end for end in streams if end is not None]
    early = sum(end.by != "interval" for end in ends)
    if not early:
        return []
    wanted = " and ".join(f"{100 * width:g}\u202f% at p{q}" for q, width in TARGET.items())
    words = (
        f"{early} of {len(ends)} rounds spent their time before a round's own interval was as narrow as "
        f"±{wanted}; the intervals here are over rounds."
    )
    return [text(words, kind="note")]


SELF_EVIDENT = (*SAID_ONCE, Reason.ONE_LAUNCH, Reason.NOT_MEASURED)
"""What its cell says already."""


def remarks(e: Evidence, metrics: Sequence[str]) -> list[Block]:
    """A sentence for each figure whose truth is not a number, or not the number alone."""
    seen: dict[tuple[str, str], list[str]] = {}
    for row in e.rows:
        for metric in metrics:
            found = row.estimates.get(metric)
            if found and found.note and found.reason not in SELF_EVIDENT:
                seen.setdefault((metric, n.without_powers(found.note)), []).append(row.variant)
    said: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (metric, note), names in seen.items():
        said.setdefault((note, tuple(names)), []).append(n.label(metric))
    items = [
        (f"{n.listed(whats)}: {note}, for {n.listed(names[:6])}{_more(names)}. {meaning(note)}".strip(),)
        for (note, names), whats in said.items()
    ]
    return [Bullets(tuple(items))] if items else []


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - 6} more" if len(names) > 6 else ""


def axis(title: str, values: Sequence[float], wide: float) -> plots.Axis:
    """Logarithmic where the values span more than a factor of `wide`."""
    log = bool(values) and min(values) > 0 and max(values) > wide * min(values)
    return plots.Axis(title + (" (log scale)" if log else ""), log)


def batches(e: Evidence) -> Section | None:
    """Throughput over batch sizes, and what the process needs: memory, size, cold start."""
    series = [s for row in e.rows[:MOST_CURVES] if (s := _batch_series(e, row))]
    blocks: list[Block] = []
    if any(len(s.x) > 1 for s in series):
        ticks = sorted({x for s in series for x in s.x})
        x = plots.Axis("Batch size (log scale)", True, ticks=ticks)
        y = axis("Examples per second", [v for s in series for v in s.y], 10)
        caption, alt = (
            "Offline throughput, mean over rounds.",
            told("Examples per second by batch size", series),
        )
        blocks.append(both_widths(lambda w: charts.lines(series, x, y, (w, 340)), 680, caption, alt))
        blocks += not_drawn(e, MOST_CURVES)
    names = [m for m in NEEDS if m in e.tradeoff.metrics]
    if names:
        rows = tuple(
            (
                Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
                *figures(row, names),
            )
            for row in e.detailed
        )
        heads = (Column(n.label(m), n.shown_unit(m, e.known)) for m in names)
        columns = (Column("variant", numeric=False), *heads)
        blocks += [Table(columns, rows), *left_out(e), *remarks(e, names)]
    return section("Throughput, memory and size", blocks)


def _batch_series(e: Evidence, row: TableRow) -> plots.Line | None:
    by_size: dict[int, list[float]] = {}
    for r in served(e, row, "offline"):
        for m in r.measurements:
            if m.metric == "throughput_offline_per_s" and m.value is not None and set(m.at) == {"batch_size"}:
                by_size.setdefault(int(m.at["batch_size"]), []).append(m.value)
    if not by_size:
        return None
    sizes = sorted(by_size)
    means = [float(np.mean(by_size[s])) for s in sizes]
    return plots.Line(
        row.variant, sizes, means, colour=e.palette.colour(row.candidate),
        marker=e.palette.marker(row.runtime), strong=e.chosen is row,
    )  # fmt: skip


def rejected_windows(records: Sequence[Record]) -> Iterator[tuple[Record, int, int]]:
    """Serve records with windows that the noise gate rejected: (record, rejected, all)."""
    for record in records:
        windows = record.facts_as(ServeFacts).windows or ()
        rejected = sum(w.rejected for w in windows)
        if rejected:
            yield record, rejected, len(windows)

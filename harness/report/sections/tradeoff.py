"""The trade-off table, and the plane of quality against speed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.analysis.money import COST_METRICS
from harness.facts import ScoreFacts
from harness.metrics import CAPACITY, MetricTable, stem
from harness.protocols import ONE_SIDED, Section
from harness.reasons import SAID_ONCE, Reason
from harness.report import canvas, plots
from harness.report import numbers as n
from harness.report.blocks import (
    Block,
    Cell,
    Column,
    Fold,
    Picture,
    Table,
    Tone,
    capital,
    section,
    text,
)
from harness.report.causes import FAILURES, causes
from harness.report.evidence import Evidence
from harness.report.money_words import MILLION, MONTH, floors_and_ceilings
from harness.report.pictures import both_widths
from harness.report.reasons import mark
from harness.report.sections.verdict import key_metrics
from harness.results import Estimate, Row

SPEED = ("latency_p99_ms", "latency_p50_ms", CAPACITY, "throughput_offline_per_s")


def tradeoff_table(e: Evidence) -> Section | None:
    """One row per variant: figures with intervals, what failed, and why each was rejected."""
    if not e.tradeoff.rows:
        return None
    key = key_metrics(e)
    blocks: list[Block] = [table(e, key)]
    rest = [m for m in e.tradeoff.metrics if m not in key]
    if rest:
        blocks.append(Fold(f"All {len(e.tradeoff.metrics)} metrics", (_rest(e, rest),)))
    return section("Trade-offs", blocks)


def table(e: Evidence, metrics: Sequence[str], words: bool = True) -> Table:
    """The table of chosen metrics; with `words` also each variant's fate."""
    best = {m: _best(e, m) for m in metrics}
    columns = [Column("variant", numeric=False)]
    columns += [Column("decision", numeric=False)] if words else []
    columns += [_column(e, m) for m in metrics]
    rows = []
    for row in e.rows:
        cells = [Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime))]
        cells += [fate(e, row)] if words else []
        cells += figures(row, metrics, best, said=words and (cells[-1].tone == "bad" or bool(row.stopped)))
        rows.append(tuple(cells))
    chosen = tuple(i for i, row in enumerate(e.rows) if row.variant == e.recommendation.choice)
    return Table(tuple(columns), tuple(rows), _caption(e, metrics), chosen)


def _rest(e: Evidence, metrics: Sequence[str]) -> Block:
    return table(e, metrics, words=False)


def _column(e: Evidence, metric: str) -> Column:
    arrow = {"higher": "higher is better", "lower": "lower is better", None: ""}[n.better(metric, e.known)]
    unit = e.value_unit if metric == "value" else n.shown_unit(metric, e.known)
    return Column(n.label(metric) + of_class(e, metric), unit, hint=f"{metric}: {arrow}")


def of_class(e: Evidence, metric: str) -> str:
    """` of fraud` where a metric is of one of two classes, as the records name it; else empty."""
    if stem(metric) not in ONE_SIDED:
        return ""
    named = {r.facts_as(ScoreFacts).positive for r in e.of("score")} - {None}
    return f" of {named.pop()}" if len(named) == 1 else ""


def _caption(e: Evidence, metrics: Sequence[str]) -> str:
    shown = [row.estimates[m] for row in e.rows for m in metrics if m in row.estimates]
    if not any(x.low is not None for x in shown):
        return "Bold: the best figure of its column."
    said = "Below each figure its 95 % interval. Bold: the best of its column, where no other may equal it."
    if any(n.estimate(x).beside for x in shown):
        said += (
            " The value is what is expected: its mean over all that the data leave open. Where a cost may be"
            " that of one machine more or less, the figures of the row give another, which stands below."
        )
    return " ".join([said, *(floors_and_ceilings(e) if set(metrics) & {MILLION, MONTH} else ())])


def figures(
    row: Row, metrics: Sequence[str], best: Mapping[str, float | None] | None = None, said: bool = False
) -> list[Cell]:
    """A row's estimates as cells; a reason that several share stands in the first of them.

    Args:
        best: metric → the best figure of its column, shown bold.
        said: why there is no figure stands in the row already.
    """
    cells, reasons = list[Cell](), set[object]()
    for metric in metrics:
        cell, estimate = figure(row, metric, (best or {}).get(metric)), row.estimates.get(metric)
        if estimate is not None and estimate.value is None and estimate.reason in SAID_ONCE:
            repeated = said or cell.text in reasons
            reasons.add(cell.text)
            cell = Cell(estimate.reason.value, tone=cell.tone) if repeated else cell
        cells.append(cell)
    return cells


def figure(row: Row, metric: str, best: float | None = None) -> Cell:
    """One estimate as a cell; where there is no number, the reason."""
    shown = n.shown(metric, row.estimates.get(metric))
    if shown.number is None:
        failed = row.estimates.get(metric, Estimate(None)).reason is Reason.FAILED
        return Cell(shown.value, tone="bad" if failed else "muted")
    # What a cost is made of stands among the costs.
    note = "" if metric in COST_METRICS else row.estimates[metric].note
    marked = mark(note)
    under = ", ".join(x for x in (shown.interval, shown.beside, marked) if x) or n.without_interval(note)
    tone: Tone = "warn" if marked else ""
    return Cell(shown.value, under, shown.number, tone, best=best is not None and shown.number == best)


def _best(e: Evidence, metric: str) -> float | None:
    values = [row.estimates[metric].value for row in e.rows if metric in row.estimates]
    numbers = [v for v in values if v is not None and math.isfinite(v)]
    direction = n.better(metric, e.known)
    if len(set(numbers)) < 2 or direction is None:
        return None
    found = max(numbers) if direction == "higher" else min(numbers)
    return found if numbers.count(found) <= 2 and _is_separated(e, metric, found) else None


def _is_separated(e: Evidence, metric: str, best: float) -> bool:
    """Whether the best figure of a column is better than every other beyond chance, and by what is shown."""
    first = next(row for row in e.rows if metric in row.estimates and row.estimates[metric].value == best)
    for row in e.rows:
        cell = row.estimates.get(metric)
        if cell is None or cell.value is None or cell.value == best:
            continue
        if n.shown(metric, cell).value == n.shown(metric, first.estimates[metric]).value:
            return False
        ours, theirs = e.draws(metric, first.variant), e.draws(metric, row.variant)
        if ours is None or theirs is None:
            continue  # figures without draws, as sizes, vary with nothing
        low, high = np.nanquantile(ours - theirs, [0.025, 0.975])
        if low <= 0 <= high:
            return False
    return True


def fate(e: Evidence, row: Row) -> Cell:
    """Chosen, tied, or why not."""
    r = e.recommendation
    if row.variant == r.choice:
        return Cell("choice", pill=True, sort=0, tone="good")
    if row.variant in r.tied_with:
        return Cell("tied", pill=True, sort=1)
    runner = next((x for x in r.runners_up if x.get("variant") == row.variant), None)
    found = causes(e, row)
    if found and found[0].kind in FAILURES:
        return Cell(found[0].words, tone="bad", sort=4)
    words = [cause.words for cause in found]
    if not words and runner and isinstance(behind := runner.get("difference"), int | float) and behind > 0:
        low, high = float(runner.get("difference_low") or 0), float(runner.get("difference_high") or 0)
        figure = n.interval(behind, low, high)[0] if high > low else n.plain(float(behind), 2)
        figure = n.plain(runner["difference_median"], 2) if "difference_median" in runner else figure
        name = str(runner.get("metric", ""))
        figure = e.in_value_unit(figure) if name == "value" else n.with_unit(name, figure, e.known)
        words = [f"{n.label(name)} worse by {figure}"]
    if not words and runner and runner.get("why"):
        words = [n.prose(str(runner["why"]))]
    if not words and row.rejected_by:
        words = [n.prose(row.rejected_by[0])]
    return Cell("; ".join(words), tone="muted", sort=2 if not words else 3)


def pareto(e: Evidence) -> Section | None:
    """Quality against speed with error bars and limits; what no other variant beats is joined by a line."""
    x = speed_metric(e)
    if x is None:
        return None
    picture = plane(e, x, e.quality_metric)
    if picture is None:
        return None
    front = [row for row in e.rows if row.pareto]
    words = ""
    if front:
        names = [r.variant for r in front]
        named = n.listed(names) if len(names) <= 7 else f"{', '.join(names[:6])} and {len(names) - 6} more"
        words = f"On the front, beaten by none in every metric that counts: {named}."
    blocks: list[Block] = [picture]
    if words:
        blocks.append(text(words))
    uncertain = [r for r in e.rows if r.pareto_probability is not None and 0.05 < r.pareto_probability < 0.95]
    if uncertain:
        shown = [f"{r.variant} ({n.percent(r.pareto_probability)})" for r in uncertain[:8]]
        blocks.append(text(f"Not certain to be on it or off it: {n.listed(shown)}.", kind="note"))
    return section("Quality against speed", blocks)


def left_out(e: Evidence) -> Iterator[Block]:
    """Says that a table of detail has the leading variants only."""
    if len(e.detailed) < len(e.rows):
        words = f"The {len(e.detailed)} leading of {len(e.rows)} variants; tradeoffs.csv has all."
        yield text(words, kind="note")


def speed_metric(e: Evidence) -> str | None:
    """The metric of speed to draw: a limited one first; known for at least half the variants."""
    wanted = [*(item.metric for item in e.limits if item.metric in SPEED), *SPEED, "cost_per_million_usd"]
    half = len(e.tradeoff.rows) / 2
    return next((m for m in wanted if len(_known(e, m)) >= half and _known(e, m)), None)


def _known(e: Evidence, metric: str) -> list[Row]:
    return [r for r in e.rows if metric in r.estimates and r.estimates[metric].value is not None]


def plane(e: Evidence, x: str, y: str) -> Picture | None:
    """Variants in the plane of two metrics; None where fewer than one has both."""
    both = {r.variant for r in _known(e, x)} & {r.variant for r in _known(e, y)}
    rows = [r for r in e.rows if r.variant in both]
    if not rows:
        return None
    points = [_point(e, row, x, y) for row in rows]
    values = [p.x for p in points]
    if len(points) > 1 and max(values) - min(values) <= 1e-3 * abs(max(values)):
        return None
    log = min(values) > 0 and max(values) > 4 * min(values)
    axes = _axis(e, x, log), _axis(e, y, False)
    absent = [r.variant for r in e.rows if r.variant not in both]
    caption = "Bars: 95 % intervals. Shaded: excluded by a limit. Hollow: misses a limit. Ring: the choice."
    if absent:
        more = f" and {len(absent) - 6} more" if len(absent) > 6 else ""
        caption += f" {n.counted(len(absent), 'variant')} not drawn, without both figures: "
        caption += f"{', '.join(absent[:6])}{more}." if more else f"{n.listed(absent)}."
    return both_widths(
        lambda w: plots.tradeoff_plane(points, *axes, w, 430 if w > canvas.NARROW else 380),
        680, caption, _seen(points, x, y, e.known),
    )  # fmt: skip


def _seen(points: Sequence[plots.Point], x: str, y: str, known: MetricTable) -> str:
    """The plane in words: its ranges, the choice, the front."""
    ranges = [
        f"{n.label(m)} from {n.plain(min(v))} to {n.plain(max(v))} {n.unit(m, known)}".rstrip()
        for m, v in ((y, [p.y for p in points]), (x, [p.x for p in points]))
    ]
    said = f"{n.counted(len(points), 'variant')}: {' against '.join(ranges)}."
    for p in points:
        if p.chosen:
            said += f" The choice, {p.label}, lies at {n.plain(p.y)} and {n.plain(p.x)}."
    front = [p.label for p in sorted(points, key=lambda p: p.x) if p.front]
    return said + (f" On the front: {n.listed(front[:8])}." if front else "")


def _point(e: Evidence, row: Row, x: str, y: str) -> plots.Point:
    ex, ey = row.estimates[x], row.estimates[y]
    assert ex.value is not None and ey.value is not None
    return plots.Point(
        row.variant, ex.value, ey.value, _ends(ex.low, ex.high), _ends(ey.low, ey.high),
        e.palette.colour(row.candidate), e.palette.marker(row.runtime), row.pareto,
        row.variant == e.recommendation.choice,
        row.feasible_probability is None or row.feasible_probability >= 0.5,
    )  # fmt: skip


def _ends(low: float | None, high: float | None) -> tuple[float, float] | None:
    return (low, high) if low is not None and high is not None else None


def _axis(e: Evidence, metric: str, log: bool) -> plots.Axis:
    unit = n.unit(metric, e.known)
    title = n.label(metric) + (f", {unit}" if unit else "") + (" (log scale)" if log else "")
    which = e.limit_on(metric)
    at_most = which.limit if which and which.is_upper else None
    at_least = which.limit if which and not which.is_upper else None
    return plots.Axis(capital(title), log, at_most, at_least)

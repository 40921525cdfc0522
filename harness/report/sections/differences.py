"""Every other variant against the choice, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.analysis.criteria import VALUE
from harness.protocols import Better, Section
from harness.report import charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Fold, Heading, Table, capital, section, text
from harness.report.evidence import Evidence
from harness.report.pictures import both_widths
from harness.report.sections.tradeoff import speed_metric
from harness.results import Row

MOST_DRAWN = 16


def differences(e: Evidence) -> Section | None:
    """Every other variant against the choice, in the objective and in speed, with intervals."""
    if e.chosen is None or len(e.tradeoff.rows) < 2:
        return None
    blocks: list[Block] = []
    for metric in dict.fromkeys([e.objective_metric, e.quality_metric, speed_metric(e) or ""]):
        blocks += _differences(e, metric) if metric else []
    return section("Differences to the choice", blocks)


def differences_in(e: Evidence, metric: str) -> list[plots.Difference]:
    """Every other variant against the choice in one metric, 40 at most."""
    ratio, band = _is_ratio(e, metric), _band(e, metric)
    return [d for d in (_difference(e, row, metric, ratio, band) for row in e.rows[:40]) if d]


def _is_ratio(e: Evidence, metric: str) -> bool:
    return any(r.estimates[metric].log for r in e.rows if metric in r.estimates)


def _band(e: Evidence, metric: str) -> float:
    """A difference that does not count, in the objective: a share of the choice's where ratios are shown."""
    if metric != e.objective_metric:
        return 0.0
    ours = e.draws(metric, e.recommendation.choice or "") if _is_ratio(e, metric) else None
    of = 1.0 if ours is None else abs(float(np.nanmedian(ours)))
    return (e.recommendation.tolerance or 0.0) / of if of > 0 else 0.0


def _differences(e: Evidence, metric: str) -> Iterator[Block]:
    ratio, band = _is_ratio(e, metric), _band(e, metric)
    compared = differences_in(e, metric)
    if not compared:
        return
    if all(d.low == d.high == (1.0 if ratio else 0.0) for d in compared):
        yield text(f"In {n.label(metric)} all of them are equal.")
        return
    choice = e.recommendation.choice or ""
    yield Heading(capital(n.label(metric)))
    unit = n.unit(metric, e.known)
    title = (
        f"times that of {choice} (log scale)"
        if ratio
        else f"minus that of {choice}" + (f", {unit}" if unit else "")
    )
    shown = compared[:MOST_DRAWN]
    apart = sum(d.verdict in ("better", "worse") for d in compared)
    caption = (
        f"95 % intervals. {apart} of {len(compared)} differ beyond chance; those that hold the line do not."
    )
    if band:
        least = n.plain(e.recommendation.tolerance or 0.0)
        least = e.in_value_unit(least) if metric == VALUE else n.with_unit(metric, least, e.known)
        caption += f" Shaded: differences below {least} do not count, and who is tied may differ by no more."
    left = len(compared) - len(shown)
    caption += f" {n.counted(left, 'variant')} not drawn; the figures below have them." if left else ""
    said = [f"{d.label} {n.plain(d.value, 2)} ({d.verdict})" for d in shown]
    alt = f"{capital(n.label(metric))}, {title}: {'; '.join(said)}."
    yield both_widths(lambda w: charts.forest(shown, title, band, ratio, w), 640, caption, alt)
    yield Fold("The same as figures", (_difference_table(compared, ratio),))


def _difference(e: Evidence, row: Row, metric: str, ratio: bool, band: float) -> plots.Difference | None:
    choice = e.recommendation.choice or ""
    if row.variant == choice:
        return None
    ours, theirs = e.draws(metric, choice), e.draws(metric, row.variant)
    if ours is None or theirs is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = theirs / ours if ratio else theirs - ours
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None
    low, middle, high = (float(v) for v in np.quantile(drawn, [0.025, 0.5, 0.975]))
    # A value is the mean of its draws in every table: its differences are those of the means.
    if metric == VALUE and low <= drawn.mean() <= high:
        middle = float(drawn.mean())
    colour, marker = e.palette.colour(row.candidate), e.palette.marker(row.runtime)
    told = _apart(n.better(metric, e.known), low, high, 1.0 if ratio else 0.0, band)
    is_tied = metric == e.objective_metric and row.variant in e.recommendation.tied_with
    return plots.Difference(
        row.variant,
        middle,
        low,
        high,
        colour,
        marker,
        "not separated" if is_tied and told in ("better", "worse") else told,
    )


def _apart(better: Better | None, low: float, high: float, zero: float, band: float) -> str:
    """`better`, `worse`, `equivalent` (within the band) or `not separated`."""
    if band and low > zero - band and high < zero + band:
        return "equivalent"
    if low == high == zero:
        return "equal"
    if low <= zero <= high:
        return "not separated"
    up = low > zero
    return "better" if up == (better == "higher") else "worse"


def _difference_table(compared: Sequence[plots.Difference], ratio: bool) -> Table:
    rows = []
    for d in compared:
        value, interval = n.interval(d.value, d.low, d.high)
        sign = "" if ratio or d.value <= 0 else "+"
        rows.append(
            (Cell(d.label), Cell(sign + value, sort=d.value), Cell(interval, sort=d.low), Cell(d.verdict))
        )
    columns = (
        Column("variant", numeric=False),
        Column("ratio" if ratio else "difference"),
        Column("95 % interval"),
        Column("verdict", numeric=False),
    )
    return Table(columns, tuple(rows))

"""What a runtime changes of one fitted model: answers, quality as served, speed and size."""

from __future__ import annotations

import numpy as np

from harness.facts import ScoreFacts
from harness.protocols import Section
from harness.reasons import reason_of
from harness.report import numbers as n
from harness.report.blocks import Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.results import Row
from harness.runtimes.offered import is_reference
from harness.suite.variants import is_over_http

LEAD = (
    "The same fitted models on each runtime, beside the one they were trained in. A difference in quality is "
    "paired by seed and test example; below 1 a latency is shorter and a model smaller."
)
RATIOS = ("latency_p50_ms", "latency_p99_ms", "throughput_offline_per_s", "model_size_mb")


def runtimes(e: Evidence) -> Section | None:
    """A row for each variant that is not its candidate's reference."""
    names = [m for m in RATIOS if m in e.tradeoff.metrics]
    found = [
        _row(e, row, base, names)
        for row in e.detailed
        if (base := reference(e, row)) is not None and base is not row
    ]
    if not found:
        return None
    columns = (
        Column("variant", numeric=False), Column("beside", numeric=False),
        Column(n.label(e.quality_metric), "difference"),
        *(Column(n.label(m), "times") for m in names),
        Column("same answer", "least of all seeds"), Column("largest difference", "of outputs"),
        Column("made by", numeric=False),
    )  # fmt: skip
    return section("What a runtime changes", [text(LEAD), Table(columns, tuple(found), kind="compact")])


def reference(e: Evidence, row: Row) -> Row | None:
    """The variant of the same candidate on the runtime it was trained in, else on its first one; reached
    in the same way."""
    way = is_over_http(row.runtime)
    own = [r for r in e.tradeoff.rows if r.candidate == row.candidate and is_over_http(r.runtime) == way]
    return next((r for r in own if is_reference(r.runtime)), own[0]) if len(own) > 1 else None


def _row(e: Evidence, row: Row, base: Row, names: list[str]) -> tuple[Cell, ...]:
    facts = [r.facts_as(ScoreFacts) for r in e.scored(row.candidate, row.runtime)]
    parities = [found for f in facts if (found := f.parity or f.inherited)]
    made = [f.prepared for f in facts if f.prepared]
    how = sorted({str(p[k]) for p in made for k in ("quantised", "precision", "exporter") if p.get(k)})
    agreed = min((p.agreement for p in parities if p.agreement is not None), default=None)
    worst = max((d for p in parities if (d := p.max_abs_difference) is not None), default=None)
    ratios = [_ratio(e, name, row, base) for name in names]
    said = [None, *(cell.text for cell in ratios)]
    return (
        Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
        Cell(base.runtime),
        _difference(e, row, base),
        *(_once(cell, before) for cell, before in zip(ratios, said, strict=False)),
        Cell(f"{100 * agreed:.2f}\u202f%" if agreed is not None else "", sort=agreed),
        Cell(n.plain(worst, 2) if worst is not None else "", sort=worst),
        Cell(", ".join(how)),
    )


def _once(cell: Cell, before: str | None) -> Cell:
    """Why there is no figure, in two words where the cell before says it whole."""
    reason = reason_of(cell.text)
    return Cell(reason.value, tone=cell.tone) if reason and cell.text == before else cell


def _difference(e: Evidence, row: Row, base: Row) -> Cell:
    ours, theirs = (e.draws(e.quality_metric, r.variant) for r in (row, base))
    if ours is None or theirs is None:
        return Cell(_why(row, e.quality_metric), tone="muted")
    low, middle, high = (float(v) for v in np.nanquantile(ours - theirs, [0.025, 0.5, 0.975]))
    if low == high:
        return Cell("none" if middle == 0 else n.signed(middle), sort=middle)
    value, interval = n.interval(middle, low, high)
    return Cell(value, interval, sort=middle)


def _ratio(e: Evidence, name: str, row: Row, base: Row) -> Cell:
    ours, theirs = (e.draws(name, r.variant) for r in (row, base))
    if ours is None or theirs is None:
        return Cell(_why(row if ours is None else base, name), tone="muted")
    ratio = ours / theirs
    low, middle, high = (float(v) for v in np.nanquantile(ratio, [0.025, 0.5, 0.975]))
    if not high > low:
        return Cell(n.plain(middle, 2), sort=middle)
    value, interval = n.interval(middle, low, high)
    return Cell(value, interval, sort=middle)


def _why(row: Row, name: str) -> str:
    estimate = row.estimates.get(name)
    return (row.failures[0] if row.failures else estimate.note if estimate else "") or "not measured"

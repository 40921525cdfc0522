"""Figures beside the rounds': duels between close variants, and MLPerf LoadGen's."""

from __future__ import annotations

from harness.analysis.duels import verdicts
from harness.facts import CertifyFacts
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Cell, Column, Table, section, text
from harness.report.evidence import Evidence

LOADGEN = (
    "The same variant, measured by both. LoadGen hands every query to another thread and back, about 0.01 ms "
    "that its figure includes: models of microseconds look slower by that."
)


def duels(e: Evidence) -> Section | None:
    """Which of two variants is faster where their intervals overlap."""
    fought = verdicts(e.records)
    if not fought:
        return None
    rows = []
    for v in fought:
        share, low, high = (100 * (x - 1) for x in (v.ratio, v.low, v.high))
        rows.append(
            (
                Cell(v.first),
                Cell(v.second),
                Cell(
                    f"{n.signed(share, 1)}\u202f%", f"{n.signed(low, 1)} to {n.signed(high, 1)}", sort=share
                ),
                Cell({"cpu": "CPU", "wall": "wall"}.get(v.clock, v.clock)),
                Cell(f"{100 * v.floor:.1f}\u202f%", sort=v.floor),
                Cell(v.faster or "not separated"),
            )
        )
    columns = (
        Column("first", numeric=False), Column("second", numeric=False),
        Column("second takes", "more time"),
        Column("time", numeric=False, hint="CPU time decides, wall time where calls mostly wait"),
        Column("identical copies", "differ by"),
        Column("faster", numeric=False),
    )  # fmt: skip
    lead = (
        "Variants whose latencies overlap, loaded together and called in random turn: this decides which is "
        "faster; how fast each is, the quiet windows say."
    )
    return section("Duels", [text(lead), Table(columns, tuple(rows), kind="compact")])


def certified(e: Evidence) -> Section | None:
    """Our figure beside LoadGen's."""
    rows = []
    for record in e.records:
        if record.status != "finished" or record.trial.scenario != "certify":
            continue
        said = record.facts_as(CertifyFacts).certify
        if said is None or record.trial.variant is None:
            continue
        rows.append(
            (
                Cell(record.trial.variant.name),
                Cell(said.mode),
                Cell(n.label(said.metric)),
                Cell(n.plain(said.ours_ms), sort=said.ours_ms),
                Cell(n.plain(said.loadgen_ms), sort=said.loadgen_ms),
                Cell(f"{said.ratio:.3f}", sort=said.ratio),
                Cell(said.valid or ""),
            )
        )
    if not rows:
        return None
    columns = (
        Column("variant", numeric=False), Column("scenario", numeric=False), Column("metric", numeric=False),
        Column("here", "ms"), Column("LoadGen", "ms"), Column("ratio"), Column("LoadGen says", numeric=False),
    )  # fmt: skip
    return section(
        "MLPerf LoadGen",
        [text(LOADGEN), Table(columns, tuple(rows), kind="compact")],
    )

"""The section that a kind of task brings itself: its tables, written with the report's figures."""

from __future__ import annotations

from harness.facts import ScoreFacts
from harness.kinds import kind_of
from harness.kinds.kind import OwnTable, Shown
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Fold, Table, section
from harness.report.evidence import Evidence

MOST = 6
"""Candidates that are shown, the leading ones."""


def of_kind(e: Evidence) -> Section | None:
    """What only tasks of this kind show; None where there is nothing of its own."""
    own = kind_of(e.suite.task).section
    if own is None:
        return None
    described = {c: [r.facts_as(ScoreFacts) for r in e.scored(c)] for c in e.leading[:MOST]}
    blocks: list[Block] = []
    for table in own.tables(described):
        made = _table(e, table)
        blocks.append(Fold(table.folded, (made,)) if table.folded else made)
    return section(own.title, blocks)


def _table(e: Evidence, table: OwnTable) -> Table:
    columns = tuple(
        Column(head, numeric=False) if unit == "name" else Column(head, "" if unit == "count" else unit)
        for head, unit in table.columns
    )
    rows = tuple(tuple(_cell(e, head, cell) for (head, _), cell in zip(table.columns, row, strict=True))
                 for row in table.rows)  # fmt: skip
    return Table(columns, rows, table.caption)


def _cell(e: Evidence, head: str, shown: Shown) -> Cell:
    if shown.count is not None:
        return Cell(f"{shown.count:,}", sort=shown.count)
    if shown.value is None or shown.low is None or shown.high is None:
        key = e.palette.swatch(shown.text) if head == "candidate" else None
        return Cell(shown.text, key=key) if key else Cell(shown.text)
    value, interval = n.interval(shown.value, shown.low, shown.high)
    return Cell(value, interval, shown.value)

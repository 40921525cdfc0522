"""Published figures beside this run's: the suite's `expect`."""

from __future__ import annotations

from harness.analysis.agreement import Agreement, agreements
from harness.metrics import MetricTable
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Cell, Column, Table, section, text
from harness.report.evidence import Evidence

LEAD = (
    "Figures that others have published under the same protocol, from the suite's `expect`. A figure agrees "
    "where it lies within the stated distance of the published one; the interval is this run's own."
)


def agreement(e: Evidence) -> Section | None:
    """Agrees, differs by so much, or cannot be compared and why."""
    found = agreements(e.suite, e.tradeoff)
    if not found:
        return None
    columns = (
        Column("candidate", numeric=False), Column("metric", numeric=False), Column("published"),
        Column("within"), Column("here"), Column("verdict", numeric=False), Column("source", numeric=False),
    )  # fmt: skip
    rows = tuple(_cells(one, e.known) for one in found)
    return section("Published figures", [text(LEAD), Table(columns, rows, kind="compact")])


def _cells(one: Agreement, known: MetricTable) -> tuple[Cell, ...]:
    shown = n.shown(one.metric, one.found)
    said = n.unit(one.metric, known)
    unit = f" {said}" if said else ""
    return (
        Cell(one.candidate, one.variant),
        Cell(f"{n.label(one.metric)}{unit}"),
        Cell(f"{one.expected.value:g}", sort=one.expected.value),
        Cell(f"±\u202f{one.expected.within:g}", sort=one.expected.within),
        Cell(shown.value, shown.interval, sort=shown.number),
        Cell(verdict_words(one)),
        Cell(one.expected.source or "not stated", one.expected.protocol),
    )


def verdict_words(one: Agreement) -> str:
    """`agrees`, `differs by +0.02` and, where it is known, why; or why it is not comparable."""
    if one.difference is None:
        return f"not comparable: {one.reason}"
    if one.verdict == "agrees":
        return "agrees"
    why = f": {one.expected.explained}" if one.verdict == "explained" else ""
    return f"differs by {one.difference:+.3g}{why}"


def lines(found: tuple[Agreement, ...]) -> list[str]:
    """A line for each figure, for a terminal."""
    return [
        f"{one.candidate} {one.metric}: published {one.expected.value:g} (± {one.expected.within:g}), here "
        f"{'–' if one.found is None or one.found.value is None else format(one.found.value, '.4g')}: "
        f"{verdict_words(one)}"
        for one in found
    ]

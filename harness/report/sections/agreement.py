"""Published figures beside this run's: the suite's `expect`."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

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
        Cell(_here(one) or shown.value, shown.interval, sort=shown.number),
        Cell(verdict_words(one)),
        Cell(one.expected.source or "not stated", one.expected.protocol),
    )


def _here(one: Agreement) -> str:
    """This run's figure with as many digits as the published one and its distance have: rounded by its own
    interval 0.735 is 0.73, beside which no reader believes that it is within 0.0001 of 0.735."""
    if one.found is None or one.found.value is None:
        return ""
    told = (Decimal(f"{x:g}").as_tuple().exponent for x in (one.expected.value, one.expected.within))
    return n.fixed(one.found.value, max(0, *(-x for x in told if isinstance(x, int))))


def verdict_words(one: Agreement) -> str:
    """`agrees`, `differs by +0.02` and, where it is known, why; or why it is not comparable."""
    if one.difference is None:
        return f"not comparable: {one.reason}"
    if one.verdict == "agrees":
        return "agrees"
    why = f": {one.expected.explained}" if one.verdict == "explained" else ""
    return f"differs by {one.difference:+.3g}{why}"


def met(e: Evidence) -> list[str]:
    """Whether published figures are met, in a sentence; none where the question is not one of yes or no, or
    the suite expects none."""
    found = agreements(e.suite, e.tradeoff)
    if not found or not re.match(r"(do|does|did|is|are|can)\b", e.suite.question.lower()):
        return []
    count = Counter[str](one.verdict for one in found)
    if count["agrees"] == len(found):
        return [f"Yes: all {len(found)} published figures agree." if found[1:] else "Yes: it agrees."]
    far = [_of(one) for one in found if one.verdict == "differs"]
    rest = [
        *([f"{n.listed(far[:3])}{f', and {len(far) - 3} more' if far[3:] else ''}"] if far else []),
        *([f"{count['explained']} for a reason that the suite gives"] if count["explained"] else []),
        *([f"{count['not comparable']} cannot be compared"] if count["not comparable"] else []),
    ]
    start = "No" if far else "Not all"
    return [f"{start}: {count['agrees']} of {len(found)} published figures agree; {'; '.join(rest)}."]


def _of(one: Agreement) -> str:
    return f"{one.candidate}'s {n.label(one.metric)} {verdict_words(one)}"


def lines(found: tuple[Agreement, ...]) -> list[str]:
    """A line for each figure, for a terminal."""
    return [
        f"{one.candidate} {one.metric}: published {one.expected.value:g} (± {one.expected.within:g}), here "
        f"{_here(one) or '–'}: {verdict_words(one)}"
        for one in found
    ]

"""The limits one by one: what the choice has, and with which probability it meets them."""

from __future__ import annotations

from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Bullets, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.verdict import nearest_row, tone_of, with_unit
from harness.report.wording import MET, UNCERTAIN


def requirements(e: Evidence) -> Section | None:
    """Each limit, the choice's figure, and with which probability it is met."""
    if not e.limits:
        texts = e.recommendation.constraints or e.suite.decision.constraints
        return section("Requirements", [Bullets(tuple((t,) for t in texts))] if texts else [])
    row = e.chosen or nearest_row(e)
    if row is None:
        return None
    rows = []
    for which in e.limits:
        probability = e.meets(row.variant, which)
        shown = n.shown(which.metric, row.estimates.get(which.metric))
        others = [e.meets(other.variant, which) for other in e.tradeoff.rows]
        meeting = sum(1 for p in others if p is not None and p >= e.asked(which))
        rows.append(
            (
                Cell(n.limit_words(which, e.known)),
                Cell(with_unit(which.metric, shown, e.known, which), shown.interval, shown.number),
                Cell(_answer(probability, e.asked(which)), tone=tone_of(probability), strong=True),
                Cell(n.percent(probability), sort=probability),
                Cell(f"{meeting} of {len(others)}", sort=meeting),
            )
        )
    columns = (
        Column("limit", numeric=False),
        Column(row.variant, is_name=True),
        Column("met", numeric=False),
        Column("probability"),
        Column("variants that meet it"),
    )
    all_of_them = row.feasible_probability
    note = f"All limits together: {row.variant} meets them with probability {n.percent(all_of_them)}."
    return section("Requirements", [Table(columns, tuple(rows), sortable=False), text(note, kind="note")])


def _answer(probability: float | None, wanted: float) -> str:
    if probability is None:
        return "not known"
    if probability >= max(wanted, MET):
        return "yes"
    if probability >= wanted:
        return "probably"
    return "no" if probability < UNCERTAIN else "not with enough confidence"

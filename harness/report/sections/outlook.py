"""What would change the answer, what it is worth, and what to measure next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.verdict import flip_sentence, switches


def flips(e: Evidence) -> Section | None:
    """Switch points: at which traffic, price, limit or training size another variant is the choice."""
    items = switches(e)
    if not items:
        return None
    return section(
        "What would change the answer", [Bullets(tuple((flip_sentence(e, item),) for item in items))]
    )


def next_steps(e: Evidence) -> Section | None:
    """The next measurements, by what they are worth per dollar."""
    if not e.next_steps:
        return None
    names = [k for k in e.next_steps[0] if not isinstance(e.next_steps[0][k], dict | list)]
    rows = tuple(tuple(_cell(step.get(name)) for name in names) for step in e.next_steps[:12])
    numeric = [all(isinstance(step.get(name), int | float) for step in e.next_steps) for name in names]
    columns = tuple(
        Column(_title(name), numeric=is_number) for name, is_number in zip(names, numeric, strict=True)
    )
    lead = (
        "What would sharpen the decision most, best first. `run SUITE --until-decided` does these by itself."
    )
    blocks: list[Block] = [text(lead), Table(columns, rows)]
    return section("What to measure next", blocks)


def _cell(value: Any) -> Cell:
    if isinstance(value, float):
        return Cell(n.plain(value), sort=value)
    if isinstance(value, int):
        return Cell(f"{value:,}", sort=value)
    return Cell("" if value is None else str(value))


def _title(name: str) -> str:
    return name.removesuffix("_usd").replace("_", " ") + (", USD" if name.endswith("_usd") else "")


def runner_up(e: Evidence) -> Mapping[str, Any] | None:
    return next(iter(e.recommendation.runners_up), None)

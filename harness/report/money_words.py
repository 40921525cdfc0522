"""What a sum rests on, in the words that stand beside it: whoever pays it can work it out again."""

from __future__ import annotations

from collections.abc import Iterator

from harness.analysis.cost import SECONDS_PER_MONTH, price_of
from harness.analysis.instances import instances
from harness.costs import Price
from harness.figures import short
from harness.reasons import Reason, reason_of
from harness.record import SuiteError
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.results import Row
from harness.suite.variants import is_elsewhere

MILLION, MONTH = "cost_per_million_usd", "cost_per_month_usd"


def made_of(e: Evidence, row: Row, name: str, whole: bool = True) -> str:
    """Of a monthly bill: its machines, their price, and how it is known what they carry. Of a million
    requests: the bill and the requests that share it.

    Args:
        whole: also of a million what the bill is made of; one of two sums that stand together says it.
    """
    cell = row.estimates.get(MONTH)
    if name not in (MILLION, MONTH) or cell is None or cell.value is None:
        return ""
    machines, *parts = cell.note.split("; ")
    price = None if is_elsewhere(row.runtime) else _price(e, row)
    if price is not None:
        counted, comma, beside = machines.partition(",")
        machines = f"{counted} at ${short(price.usd_per_hour)} an hour{comma}{beside}"
        parts[:0] = [f"a list price {days} days old"] if (days := price.stale_days()) else []
    said = [machines, *(_said(part) for part in parts)] if whole else []
    if name == MILLION:
        requests = e.suite.decision.traffic.mean * SECONDS_PER_MONTH / 1e6
        said.insert(0, f"{n.money(cell.value)} a month over {float(f'{requests:.4g}'):,g} million requests")
    return n.prose("; ".join(x for x in said if x))


def floors_and_ceilings(e: Evidence) -> Iterator[str]:
    """Whether costs are a floor, because no load within a latency limit was measured, or a ceiling, because
    a higher load might have been within it."""
    rows: dict[str, list[str]] = {}
    for row in e.rows:
        cell = row.estimates.get(MONTH)
        for part in cell.note.split("; ") if cell else ():
            if reason_of(part) in (Reason.FLOOR, Reason.CEILING):
                rows.setdefault(part, []).append(row.variant)
    for part, variants in rows.items():
        whose = "All costs" if len(variants) == len(e.rows) else f"The costs of {n.listed(variants[:6])}"
        yield f"{whose} are a {part}."


def carried_as(e: Evidence) -> list[str]:
    """How it is known what load one machine carries, of several ways with the variants of each."""
    ways: dict[str, list[str]] = {}
    for row in e.rows:
        cell = row.estimates.get(MONTH)
        if cell is None or cell.value is None or is_elsewhere(row.runtime):
            continue
        parts = [part for part in cell.note.split("; ")[1:] if reason_of(part) is not Reason.CEILING]
        ways.setdefault(n.prose("; ".join(parts)) or "the load that was measured", []).append(row.variant)
    if len(ways) <= 1:
        return list(ways)
    return [f"{n.listed(variants[:6])}: {way}" for way, variants in ways.items()]


def _said(part: str) -> str:
    """`a ceiling: 1 of 2 cores serves`."""
    return f"a {part}" if reason_of(part) in (Reason.FLOOR, Reason.CEILING) else part


def _price(e: Evidence, row: Row) -> Price | None:
    """Of the machine that the row is billed on; None where the suite has none."""
    if e.suite.machines:
        found = {i.name: i.price for i in instances(e.suite, e.tradeoff.machine_class)}
        return found.get(row.machine)
    try:
        return price_of(e.suite.machine)
    except SuiteError:
        return None

"""What each variant costs: to serve at the suite's traffic, to train, and under other prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from harness.analysis.cost import amortisation_requests, needed, per_million, price_of
from harness.analysis.instances import instances
from harness.analysis.sensitivity import PRICE_BAND, at_price_band, depends_on_money
from harness.costs import Price
from harness.figures import short
from harness.protocols import Section
from harness.record import SuiteError
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Heading, Table, section, text
from harness.report.evidence import Evidence
from harness.report.money_words import floors_and_ceilings
from harness.report.sections.bill import bill_blocks, bills
from harness.report.sections.tradeoff import figures, left_out, plane
from harness.results import Row

MATTERS = 0.01
"""Of a month's bill: what training costs more than another one matters from here on."""


def costs(e: Evidence) -> Section | None:
    """Serving and training money with its price row, and the bill at 30 % less and more."""
    if not any(
        m in e.tradeoff.metrics for m in ("cost_per_million_usd", "cost_per_month_usd", "train_cost_usd")
    ):
        return None
    if not any(
        _value(row, m) is not None for row in e.rows for m in ("cost_per_million_usd", "train_cost_usd")
    ):
        return None
    price = _price(e)
    carried = {} if price is None else {name: carries for name, (_, carries) in bills(e, price).items()}
    floors = [text(said, kind="note") for said in floors_and_ceilings(e)]
    blocks: list[Block] = [text(basis(e)), _table(e, carried), *left_out(e), *floors, *_by_instance(e)]
    band = _price_band(e)
    blocks += [text(band)] if band else []
    picture = plane(e, "cost_per_million_usd", e.quality_metric)
    blocks += [picture] if picture else []
    sentence = _amortisation(e)
    blocks += [text(sentence)] if sentence else []
    blocks += bill_blocks(e, price)
    return section("Costs", blocks)


def basis(e: Evidence) -> str:
    """The price row and the traffic that the money rests on."""
    traffic = e.suite.decision.traffic
    peak = f" with a peak of {n.plain(traffic.peak)}" if traffic.peak_qps or traffic.curve else ""
    load = f"Traffic: {n.plain(traffic.mean)} requests per second{peak}"
    load += f", {n.counted(traffic.spare, 'spare machine')}" if traffic.spare else ""
    price = _price(e)
    if price is None:
        return f"{load}."
    if e.suite.machines:
        return f"{load}."  # each instance is named with its price
    day = f", {price.age()}" if price.as_of else ""
    where = f" in {price.region}" if price.region else ""
    kind = f" ({price.term})" if price.term and price.term != "own" else ""
    named = price.name if price.name != "own" else "the suite's own price"
    source = f", {price.source}" if price.source and price.source != "the suite" else ""
    return f"Price: ${short(price.usd_per_hour)} per hour, {named}{where}{kind}{source}{day}. {load}."


def _price(e: Evidence) -> Price | None:
    try:
        return price_of(e.suite.machine)
    except SuiteError:
        return None


def _table(e: Evidence, carried: Mapping[str, float]) -> Table:
    million, month = "cost_per_million_usd", "cost_per_month_usd"
    rows = []
    for row in e.detailed:
        cheap, dear = (_at_price(e, row, 1 + sign * PRICE_BAND) for sign in (-1, 1))
        cost, bill, training = figures(row, (million, month, "train_cost_usd"))
        rows.append(
            (
                Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
                cost, cheap, dear, bill, _replicas(row), *_use(e, carried.get(row.variant)),
                training, _all_training(row),
            )
        )  # fmt: skip
    columns = (
        Column("variant", numeric=False),
        Column("cost per million", "USD"),
        Column("at −30 % price", "USD"),
        Column("at +30 % price", "USD"),
        Column("cost per month", "USD"),
        Column("machines"),
        Column("used at the peak", "%"),
        Column("one more above a peak of", "1/s"),
        Column("training once", "USD"),
        Column("all trainings of the run", "USD"),
    )
    chosen = tuple(i for i, row in enumerate(e.rows) if row.variant == e.recommendation.choice)
    return Table(columns, tuple(rows), chosen=chosen)


def _by_instance(e: Evidence) -> Iterator[Block]:
    """With several instances: what every variant costs on each."""
    found = instances(e.suite, e.tradeoff.machine_class)
    if not e.suite.machines or not found:
        return
    yield Heading("Instances")
    said = n.listed([f"{i.name} is {i.price.label}, ${short(i.price.usd_per_hour)} an hour" for i in found])
    yield text(
        f"{said}. Every variant stands in the tables with the cheapest of those that its figures hold for."
        " To another kind of machine a load is carried over by a measured factor (harness calibrate) or not"
        " at all, a latency never."
    )
    rows = [
        (
            Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)), Cell(offer.machine),
            _number(offer.per_second), _number(offer.count), _usd(offer.usd_per_month),
            Cell("; ".join(x for x in ("cheapest" * (offer.machine == row.machine), offer.note) if x)),
        )
        for row in e.detailed for offer in row.offers
    ]  # fmt: skip
    yield Table(
        (
            Column("variant", numeric=False), Column("instance", numeric=False),
            Column("one carries", "requests/s"), Column("machines"), Column("machines a month", "USD"),
            Column("", numeric=False),
        ),
        tuple(rows),
    )  # fmt: skip


def _number(value: float | None) -> Cell:
    return Cell("") if value is None else Cell(n.plain(value), sort=value)


def _usd(value: float | None) -> Cell:
    return Cell("") if value is None else Cell(n.amount(value), sort=value)


def _replicas(row: Row) -> Cell:
    cell = row.estimates.get("cost_per_month_usd")
    return Cell(f"{cell.machines:.4g}", sort=cell.machines) if cell and cell.machines else Cell("")


def _use(e: Evidence, carries: float | None) -> tuple[Cell, Cell]:
    """How much of what the machines carry the peak uses, and the peak above which one more is needed."""
    if carries is None or np.isinf(carries):
        return Cell(""), Cell("")
    traffic = e.suite.decision.traffic
    running = float(needed(traffic.peak, carries, traffic))
    used, most = 100 * traffic.peak / (running * carries), running * carries * traffic.headroom
    return Cell(f"{used:.0f}", sort=used), Cell(n.plain(most), sort=most)


def _all_training(row: Row) -> Cell:
    """All that was trained for the comparison, in USD."""
    cell = row.estimates.get("train_cost_usd")
    return Cell(n.amount(cell.total), sort=cell.total) if cell and cell.total is not None else Cell("")


def _value(row: Row, metric: str) -> float | None:
    return row.estimates[metric].value if metric in row.estimates else None


def _at_price(e: Evidence, row: Row, factor: float) -> Cell:
    """Cost per million at so many times the machine's price; items that it does not touch stay."""
    value = _value(row, "cost_per_million_usd")
    if value is None:
        return Cell("")
    stays = float(per_million(np.asarray(row.besides.fixed), e.suite.decision.traffic))
    stays += 1e6 * row.besides.per_request
    scaled = (value - stays) * factor + stays
    return Cell(n.amount(scaled), sort=scaled)


def _price_band(e: Evidence) -> str:
    """Whether the decision survives a price 30 % off."""
    if e.recommendation.choice is None or not depends_on_money(e.question):
        return ""
    winners = at_price_band(e.question)
    now = winners["as priced"]
    changed = [f"at {name} it would be {who}" for name, who in winners.items() if who != now]
    if changed:
        return f"The best choice as priced is {now}; {n.listed(changed)}."
    return f"The best choice, {now}, is the same at a price 30 % lower and 30 % higher."


def _without_training(e: Evidence, row: Row) -> float | None:
    """USD per million requests without the training that `decision.costs` spreads over them."""
    value = _value(row, "cost_per_million_usd")
    spread = per_million(np.asarray(row.besides.by_price), e.suite.decision.traffic)
    return None if value is None else value - float(spread)


def _amortisation(e: Evidence) -> str:
    """When the choice's dearer training pays back against the cheapest to train."""
    if e.chosen is None:
        return ""
    ours = _value(e.chosen, "train_cost_usd"), _without_training(e, e.chosen)
    others = [
        r for r in e.rows if _value(r, "train_cost_usd") is not None and _without_training(e, r) is not None
    ]
    cheapest = min(others, key=lambda r: _value(r, "train_cost_usd") or 0.0, default=None)
    if cheapest is None or cheapest is e.chosen or ours[0] is None or ours[1] is None:
        return ""
    theirs = _value(cheapest, "train_cost_usd") or 0.0, _without_training(e, cheapest) or 0.0
    if ours[0] - theirs[0] < MATTERS * (_value(e.chosen, "cost_per_month_usd") or 0.0):
        return ""
    requests = amortisation_requests(ours[0], theirs[0], ours[1], theirs[1])
    if requests is None:
        return (
            f"{e.chosen.variant} costs more to train and no less to serve than {cheapest.variant}: "
            "it has to earn that by quality."
        )
    if requests <= 0:
        return ""
    after = f"after {n.plain(requests)} requests"
    return f"Its more expensive training pays for itself against {cheapest.variant} {after}."

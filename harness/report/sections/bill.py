"""The monthly bill by what is paid for, and every assumption that it rests on, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.analysis.bill import Bill, bill, size_mb
from harness.analysis.cost import HOURS_PER_MONTH, machines, replicas
from harness.analysis.instances import fleet, instances
from harness.analysis.money import quantiles, throughputs, training_seconds
from harness.costs import Price
from harness.figures import short
from harness.report import charts
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Heading, Picture, Table, text
from harness.report.evidence import Evidence
from harness.report.money_words import carried_as
from harness.report.pictures import both_widths
from harness.results import Row
from harness.suite.schema import CostItem
from harness.suite.variants import is_elsewhere

PARTS = {
    "machines": "machines", "spare": "spare machines", "training": "training", "storage": "storage",
    "once": "one-off items", "monthly": "monthly items", "requests": "requests",
}  # fmt: skip
MOST = 12
"""Variants in the plot; the table has all."""


def bill_blocks(e: Evidence, price: Price | None) -> Iterator[Block]:
    """The bill's parts as a table and as bars, the fleet hour by hour, and the assumptions."""
    if price is None:
        return
    found = bills(e, price)
    shown = [part for part in PARTS if any(b.parts[part] > 0 for b, _ in found.values())]
    if found and (len(shown) > 1 or e.suite.decision.costs is not None):
        yield Heading("The monthly bill")
        rows = [row for row in e.rows if row.variant in found]
        yield Table(
            (
                Column("variant", numeric=False),
                *(Column(PARTS[p], "USD") for p in shown),
                Column("in all", "USD"),
            ),
            tuple(
                (
                    Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
                    *(_usd(found[row.variant][0].parts[p]) for p in shown),
                    _usd(found[row.variant][0].total),
                )
                for row in rows
            ),
        )
        yield _bars(rows[:MOST], found, shown)
    yield from _fleet(e, found)
    yield Heading("What the money rests on")
    yield Table(
        (Column("assumption", numeric=False), Column("value", numeric=False)), tuple(assumptions(e, price))
    )


def bills(e: Evidence, price: Price) -> dict[str, tuple[Bill, float]]:
    """Variant → its bill, and the requests per second of one machine that it is reckoned with."""
    middle = quantiles(fleet(e.tradeoff, throughputs(e.tradeoff, e.suite)[0], e.suite).throughput)[1]
    hourly = {i.name: i.price.usd_per_hour for i in instances(e.suite, e.tradeoff.machine_class)}
    trained = training_seconds(e.records, e.tradeoff.train_size)
    found = {}
    for row, carries in zip(e.tradeoff.rows, middle, strict=True):
        value = row.estimates.get("cost_per_month_usd")
        if value is not None and value.value is not None and not np.isnan(carries):
            seconds = trained[row.candidate].to_ship if row.candidate in trained else 0.0
            own = bill(
                float(carries), e.suite, price.usd_per_hour, row.candidate, seconds, size_mb(row),
                0.0 if is_elsewhere(row.runtime) else hourly.get(row.machine),
            )  # fmt: skip
            found[row.variant] = (own, float(carries))
    return found


def _usd(value: float) -> Cell:
    return Cell("under 0.01" if 0 < value < 0.01 else n.amount(value), sort=value)


def _bars(rows: list[Row], found: dict[str, tuple[Bill, float]], shown: list[str]) -> Picture:
    names = [row.variant for row in rows]
    parts = {PARTS[p]: [found[name][0].parts[p] for name in names] for p in shown}
    dearest = max(names, key=lambda name: found[name][0].total)
    most = n.amount(found[dearest][0].total)
    alt = f"Monthly bills by part; the most expensive is {dearest} with {most} USD."
    caption = "What each variant costs a month, by what is paid for."
    return both_widths(lambda w: charts.stacked(names, parts, "USD a month", w), 680, caption, alt)


def _fleet(e: Evidence, found: dict[str, tuple[Bill, float]]) -> Iterator[Block]:
    """With a curve: what the highest hour's machines cost all the time, and what they cost by the hour."""
    traffic = e.suite.decision.traffic
    if traffic.curve is None or not found:
        return
    ahead = traffic.autoscale if traffic.autoscale is not None else 300.0
    scaled = traffic.model_copy(update={"autoscale": ahead})
    rows = []
    for row in e.rows:
        if row.variant in found and not is_elsewhere(row.runtime):
            own, carries = found[row.variant]
            most, mean = float(replicas(carries, traffic)), float(machines(carries, scaled))
            each = (own.machines + own.spare) / float(machines(carries, traffic))
            use = [100 * traffic.mean / (carries * count) for count in (most, mean)]
            name = Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime))
            always = (Cell(n.plain(most)), _usd(most * each), Cell(n.plain(use[0])))
            hourly = (Cell(n.plain(mean)), _usd(mean * each), Cell(n.plain(use[1])))
            rows.append((name, *always, *hourly))
    yield Heading("Machines by the hour")
    counted = "by the hour" if traffic.autoscale is not None else "for the highest hour"
    highest = f"{n.plain(max(traffic.curve))} in the highest"
    highest += f", {n.plain(traffic.peak)} in the busiest minute" if traffic.peaks else ""
    yield text(
        f"Traffic has {len(traffic.curve)} hours: {n.plain(traffic.mean)} requests per second in the mean,"
        f" {highest}. By the hour, machines start {n.plain(ahead)} s before"
        f" they are needed. Costs above count machines {counted}. Used: the mean load over what they carry."
    )
    fleet = (Column("a month", "USD"), Column("used", "%"))
    columns = (
        Column("variant", numeric=False), Column("machines, highest hour"), *fleet,
        Column("machines by the hour"), *fleet,
    )  # fmt: skip
    yield Table(columns, tuple(rows))


def _per_million(item: CostItem) -> str:
    return n.as_written(float(f"{1e6 * item.usd_per_request:.12g}"))


def assumptions(e: Evidence, price: Price) -> Iterator[tuple[Cell, Cell]]:
    """Everything that a bill depends on and that was not measured."""
    traffic, costs, serving = e.suite.decision.traffic, e.suite.decision.costs, e.suite.serving

    def say(what: str, value: str) -> tuple[Cell, Cell]:
        return Cell(what), Cell(value)

    found = instances(e.suite, e.tradeoff.machine_class)
    for i in found:
        of = f" of {i.name}" if i.name else ""
        dated = f", {i.price.source}, {i.price.age()}" if i.price.as_of else ""
        yield say(f"a machine's hour{of}", f"{short(i.price.usd_per_hour)} USD, {i.price.label}{dated}")
        fewer = f", {i.cores} for workers" if i.cores < i.paid_cores else ""
        said = f"{i.paid_cores}{fewer}" if i.paid_cores else "not known: own price"
        yield say(f"cores of a machine{of}", said)
    yield say("hours of a month", f"{HOURS_PER_MONTH:g}")
    yield say("workers on it", "one" if serving.workers is None else "in a variant's name: threads × workers")
    if traffic.trace:
        hours = len(traffic.curve or ())
        whole = n.counted(hours // 168, "week") if hours % 168 == 0 else n.counted(hours // 24, "day")
        yield say("hours of traffic", f"{hours} ({whole}), counted in {Path(traffic.trace).name}")
    busiest = ", the busiest minute" if traffic.peaks else ""
    mean, peak = n.plain(traffic.mean), n.plain(traffic.peak)
    yield say("requests per second", f"{mean} in the mean, {peak} at the peak{busiest}")
    yield say("what one carries in time", "; ".join(carried_as(e)))
    yield say("use of a machine", f"up to {100 * traffic.headroom:g} % of the load that it carries in time")
    if traffic.burstiness != 1:
        yield say("requests come", f"in bursts: gaps vary {traffic.burstiness:g} times as much as Poisson's")
    yield say("spare machines", f"{traffic.spare}, all the time")
    if traffic.curve is not None:
        how = "all that the highest hour needs, all the time"
        if traffic.autoscale is not None:
            how = f"come and go by the hour, started {n.plain(traffic.autoscale)} s ahead"
        yield say("machines", how)
    if costs is None:
        yield say("training, storage, other items", "not in the monthly cost (decision.costs)")
    else:
        often = f"{costs.trainings:g} times in {costs.months:g} months"
        yield say(
            "training",
            f"{often}, at {short(price.usd_per_hour)} USD an hour: one model each time, with its search and"
            " what failed; other seeds, folds and training-set sizes measure and are not in it",
        )
        yield say("storage", f"{n.as_written(costs.storage_usd_per_gb_month)} USD per GB and month, one copy")
        for name, item in costs.items.items():
            why = f" ({item.what})" if item.what else ""
            once = f"{n.amount(item.once_usd)} USD once, over {costs.months:g} months"
            each = f"; {_per_million(item)} USD a million requests" if item.usd_per_request else ""
            yield say(f"{name}{why}", f"{once}; {n.amount(item.monthly_usd)} USD a month{each}")
    yield say("not in it", "tax, network, load balancers, people: give them as items")

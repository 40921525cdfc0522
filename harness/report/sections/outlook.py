"""What would change the answer, what quality is worth, and what to measure next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.analysis.cost import SECONDS_PER_MONTH
from harness.analysis.measure_next import is_decided
from harness.analysis.more_data import size_flips
from harness.analysis.sensitivity import NOBODY, OPEN, break_even, winner_map
from harness.protocols import Section
from harness.report import canvas, charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Picture, Table, section, text
from harness.report.evidence import Evidence
from harness.report.palette import REST
from harness.report.switches import flip_sentence, switches
from harness.results import Flip, Row

MOST_STEPS = 8


def flips(e: Evidence) -> Section | None:
    """Switch points over limits, traffic and price, and the map of winners over the last two."""
    items = [*switches(e), *_with_more_data(e)]
    blocks: list[Block] = [Bullets(tuple((flip_sentence(e, item),) for item in items))] if items else []
    if e.recommendation.choice and not items:
        blocks.append(
            text("No change of a limit, of traffic or of the price within reach changes the answer.")
        )
    picture = _map(e) if e.recommendation.choice else None
    blocks += [picture] if picture else []
    return section("What would change the answer", blocks)


def _with_more_data(e: Evidence) -> list[Flip]:
    """From which training-set size on another than the named variant would be chosen."""
    choice = e.recommendation.choice
    if choice is None:
        return []
    found = size_flips(e.question, e.curves)
    return [item for item in found if item["then"] != choice]


def _map(e: Evidence) -> Picture | None:
    """Who wins over traffic and price; None where one variant wins everywhere or money does not matter."""
    found = winner_map(e.question)
    if found is None:
        return None
    names = list(dict.fromkeys(name for line in found.winners for name in line if name not in (NOBODY, OPEN)))
    if len({name for line in found.winners for name in line}) < 2:
        return None
    places = {name: i for i, name in enumerate(names)} | {NOBODY: -1, OPEN: -1}
    winners = np.array([[places[name] for name in line] for line in found.winners])
    rows = {name: row for row in e.rows for name in (row.variant, *_on_machines(row))}
    colours = [e.palette.colour(rows[name].candidate) if name in rows else REST for name in names]
    axis = "Price of a machine, USD per hour (log scale)"
    if e.suite.machines:
        axis = "Prices of all machines, times today's (log scale)"
    figure = charts.regions(
        found.prices,
        found.qps,
        winners,
        names,
        colours,
        plots.Axis(axis, log=True),
        plots.Axis("Traffic, requests per second (log scale)", log=True),
        (found.here[1], found.here[0]),
        np.array(found.ties),
    )
    shares = [float((winners == places[name]).mean()) for name in names]
    small = [f"{i + 1}: {name}" for i, name in enumerate(names) if shares[i] <= 0.04]
    caption = "The choice under other traffic and prices; hatched: a tie; pale: no variant meets the limits."
    if any(OPEN in line for line in found.winners):
        caption = caption[:-1] + ", or one that was not measured to the end may be the better choice."
    caption += f" {'; '.join(small)}." if small else ""
    said = [f"{name} over {n.percent(share)} of it" for name, share in zip(names, shares, strict=True)]
    alt = f"Map of the choice over price and traffic: {n.listed(said)}."
    return Picture(canvas.svg(figure), caption, alt, "half")


def _on_machines(row: Row) -> list[str]:
    """What a variant is called on each of several machines."""
    return [replace(row, machine=offer.machine).deployed for offer in row.offers]


def value(e: Evidence) -> Section | None:
    """What one more right answer must be worth for the better variant to pay, against each cheaper one."""
    if e.chosen is None:
        return None
    cheaper = [row for row in e.rows if _cost(row) is not None and (_cost(row) or 0) < (_cost(e.chosen) or 0)]
    dearer = [row for row in e.rows if _more_accurate(row, e.chosen) and row not in cheaper]
    requests = e.suite.decision.traffic.mean * SECONDS_PER_MONTH
    rows = [
        *(_worth(e, e.chosen, row, requests) for row in cheaper[:6]),
        *(_worth(e, row, e.chosen, requests) for row in dearer[:6]),
    ]
    kept = tuple(row for row in rows if row)
    if not kept:
        return None
    columns = (
        Column("instead of", numeric=False),
        Column("take", numeric=False),
        Column("if a point of accuracy is worth more than", "USD a month"),
    )
    lead = (
        "The more expensive, more accurate variant pays off where a point of accuracy (0.01: one more right "
        "answer in 100) is worth more than this: the difference in monthly cost over "
        "the difference in accuracy."
    )
    return section("What quality must be worth", [text(lead), Table(columns, kept, kind="compact")])


def _cost(row: Row) -> float | None:
    estimate = row.estimates.get("cost_per_month_usd")
    return estimate.value if estimate else None


def _more_accurate(row: Row, than: Row) -> bool:
    ours, theirs = row.estimates.get("accuracy"), than.estimates.get("accuracy")
    if ours is None or theirs is None or ours.value is None or theirs.value is None:
        return False
    return ours.value > theirs.value


def _worth(e: Evidence, better: Row, cheaper: Row, requests: float) -> tuple[Cell, ...] | None:
    estimate = break_even(e.tradeoff, better.variant, cheaper.variant, requests)
    if estimate.value is None:
        return None
    points = requests / 100
    ends = (None if x is None else x * points for x in (estimate.low, estimate.high))
    low, high = ends
    estimate = replace(estimate, value=estimate.value * points, low=low, high=high)
    shown = n.estimate(estimate)
    return (Cell(cheaper.variant), Cell(better.variant), Cell(shown.value, shown.interval, shown.number))


def next_steps(e: Evidence) -> Section | None:
    """The next measurements, by what they are worth per dollar."""
    if not e.next_steps:
        return None
    priced = any(step.usd is not None for step in e.next_steps)
    rows = []
    for step in e.next_steps[:MOST_STEPS]:
        cost = step.usd if step.usd is not None else step.seconds
        rows.append(
            (
                Cell(n.prose(step.what)),
                Cell(n.plain(step.value, 2), sort=step.value),
                Cell(n.seconds(step.seconds), sort=step.seconds),
                *(
                    [Cell(n.amount(step.usd) if step.usd is not None else "", sort=step.usd)]
                    if priced
                    else []
                ),
                Cell(n.plain(step.value / cost, 2) if cost else "", sort=step.value_per_usd),
            )
        )
    unit = e.value_unit if e.subject == "value" else n.unit(e.objective_metric, e.known)
    gained = f"in {n.label(e.objective_metric)}{f', {unit}' if unit else ''}"
    columns = (
        Column("measurement", numeric=False),
        Column("expected gain", gained, hint="of the decision's expected worth"),
        Column("takes"),
        *([Column("costs", "USD")] if priced else []),
        Column("gain per USD" if priced else "gain per second"),
    )
    lead = "What would sharpen the decision most for its price, best first."
    if any(step.kind == "data" for step in e.next_steps):
        lead += (
            " More training data is an extrapolation of the learning curve, and its price is that of"
            " training: labelling is not in it."
        )
    elif is_decided(e.question):
        lead = "The decision stands: nothing below is expected to change it by more than the tolerance."
    return section("What to measure next", [text(lead), Table(columns, tuple(rows), kind="compact")])

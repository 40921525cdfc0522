"""What the network costs: the same artifact called in its process, and reached over HTTP."""

from __future__ import annotations

import numpy as np

from harness.facts import ServeFacts, ServerFacts
from harness.metrics import CAPACITY
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.tradeoff import figure, left_out
from harness.results import Row
from harness.suite.variants import in_process, is_over_http

METRICS = ("latency_p50_ms", "latency_p99_ms", CAPACITY, "throughput_offline_per_s")
LEAD = (
    "The same artifacts, called in their process and reached as clients reach them: JSON over HTTP on "
    "loopback, connections kept open, served by {server}{settings}. The client shares the machine and its "
    "time counts; a cable would come on top. Requests are not logged."
)
CHOICE = (
    "The choice, {variant}, is called in its process. To decide by what clients see, leave process out: "
    "serving.over: [http]."
)


def network(e: Evidence) -> Section | None:
    """A row for each figure of each variant that was measured both ways."""
    pairs = [
        (row, base)
        for row in e.detailed
        if is_over_http(row.runtime) and (base := _called_in_process(e, row)) is not None
    ]
    rows = [found for row, base in pairs for name in METRICS if (found := _row(e, name, row, base))]
    if not rows:
        return None
    columns = (
        Column("variant", numeric=False), Column("figure", numeric=False),
        Column("in process"), Column("over HTTP"),
        Column("HTTP adds", hint="over HTTP less in process"), Column("HTTP is", "times"),
    )  # fmt: skip
    blocks: list[Block] = [text(_lead(e)), Table(columns, tuple(rows), kind="compact"), *left_out(e)]
    if e.chosen is not None and e.chosen.variant in {base.variant for _, base in pairs}:
        blocks.append(text(CHOICE.format(variant=e.chosen.variant), kind="note"))
    return section("What the network costs", blocks)


def _called_in_process(e: Evidence, row: Row) -> Row | None:
    """The row of the same deployment without a network."""
    wanted = in_process(row.runtime)
    same = (r for r in e.tradeoff.rows if (r.candidate, r.runtime) == (row.candidate, wanted))
    return next(same, None)


def _lead(e: Evidence) -> str:
    """How it was served: by what, and how requests were put together."""
    records = [r for r in e.of("serve") if is_over_http(r.trial.runtime or "")]
    deployed = [d for r in records if (d := r.facts_as(ServeFacts).deployed) is not None]
    servers = sorted({d.server for d in deployed}) or ["Ray Serve"]
    batched = next((d for d in deployed if d.max_batch > 1), None)
    opened = {r.facts_as(ServerFacts).connections for r in records if r.trial.scenario == "server"} - {None}
    said = ""
    if batched is not None and opened:
        most = max(count for count in opened if count is not None)
        said = (
            f" (under load up to {batched.max_batch} requests answered together, the first of them waiting "
            f"{batched.max_wait_ms:g} ms at most, over {n.counted(most, 'connection')})"
        )
    return LEAD.format(server=n.listed(servers), settings=said)


def _row(e: Evidence, name: str, row: Row, base: Row) -> tuple[Cell, ...] | None:
    """One figure side by side; None where it was measured neither way."""
    known = [cell for r in (row, base) if (cell := r.estimates.get(name)) is not None]
    if not any(cell.value is not None for cell in known):
        return None
    ours, theirs = (e.draws(name, r.variant) for r in (row, base))
    unit = n.shown_unit(name, e.known)
    added = times = Cell("")
    if ours is not None and theirs is not None:
        times = _compared(ours / np.where(theirs > 0, theirs, np.nan))
        added = _compared(ours - theirs) if name.startswith("latency_") else added
    return (
        Cell(base.variant, key=e.palette.swatch(base.candidate, base.runtime)),
        Cell(f"{n.label(name)}{f', {unit}' if unit else ''}"),
        figure(base, name),
        figure(row, name),
        added,
        times,
    )


def _compared(draws: np.ndarray) -> Cell:
    """The middle of draws and where 95 % of them lie."""
    if not np.isfinite(draws).any():
        return Cell("")
    low, middle, high = (float(v) for v in np.nanquantile(draws, [0.025, 0.5, 0.975]))
    if not high > low:
        return Cell(n.plain(middle, 2), sort=middle)
    value, interval = n.interval(middle, low, high)
    return Cell(value, interval, sort=middle)

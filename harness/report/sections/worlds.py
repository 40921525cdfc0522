"""Which conclusions about a shop hold both where customers forgive dear pages and where they punish them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Bullets, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.shop import MARGIN, unranked
from harness.results import Row

PUNISHED = "punished_margin_per_session_usd"
WORLDS = {MARGIN: "customers forgive", PUNISHED: "customers punish"}
LEAD = (
    "The same answers to the same visits, judged twice. In the shop that forgives, nobody minds a dear page. "
    "In the one that punishes, customers leave such pages, come back less often, and complain of what they "
    "bought too dear; margin is per visit that a content customer would make. No offline metric and no short "
    "A/B test tells which of the two a real shop is."
)


def both_worlds(e: Evidence) -> Section | None:
    """Margins and places in both worlds, and the verdicts that do or do not hold in both."""
    data = e.suite.data
    punishes = bool(data and (data.args or {}).get("punishing"))
    rows = [row for row in e.detailed if all(m in row.estimates for m in WORLDS)]
    if punishes or len(rows) < 2:
        return None
    places = {m: _places(rows, m) for m in WORLDS}
    cells = tuple(
        (
            Cell(row.variant, key=e.palette.swatch(row.candidate, row.runtime)),
            *(cell for m in WORLDS for cell in (_margin(row, m), Cell(str(places[m][row.variant])))),
        )
        for row in rows
    )
    columns = (
        Column("variant", numeric=False),
        *(
            c
            for words in WORLDS.values()
            for c in (Column(f"margin, {words}", "USD per visit"), Column("place"))
        ),
    )
    said = [*_leaders(e, rows), *(_verdict(e, *pair) for pair in _pairs(e, rows))]
    bullets = Bullets(tuple((s,) for s in said))
    return section(
        "Which conclusions hold in both worlds?", [text(LEAD), bullets, Table(columns, cells, kind="compact")]
    )


def without_margin(e: Evidence, row: Row) -> Row | None:
    """The variant that differs only in that its ranker does not optimise margin."""
    ours = e.suite.candidates.get(row.candidate)
    if ours is None or (ours.ranking or {}).get("optimize") != "margin":
        return None
    plain = {**(ours.ranking or {}), "optimize": "clicks"}
    for other in e.tradeoff.rows:
        theirs = e.suite.candidates.get(other.candidate)
        if theirs is None or other.runtime != row.runtime or theirs.retrieval != ours.retrieval:
            continue
        if theirs.ranking and {"optimize": "clicks", **theirs.ranking} == plain:
            return other
    return None


def _pairs(e: Evidence, rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Each ranker beside the same one that does not optimise margin, else beside its retrieval alone."""
    for row in rows:
        base = without_margin(e, row) or unranked(e, row)
        if base is not None and base in rows:
            yield row, base


def _verdict(e: Evidence, row: Row, base: Row) -> str:
    signs, told = [], []
    for metric, words in WORLDS.items():
        sign, figure = _difference(e, metric, row, base)
        signs.append(sign)
        told.append(f"{figure} where {words}")
    verb = {1: "earns more", -1: "earns less", 0: "is not separated"}
    if signs[0] == signs[1]:
        held = f"{verb[signs[0]]} {'from' if not signs[0] else 'than'} {base.candidate} in both worlds"
    elif signs[0] * signs[1] < 0:
        turn = f"it {verb[signs[0]]}, then {verb[signs[1]].split()[1]}"
        held = f"against {base.candidate} the verdict turns round: {turn}"
    else:
        held = f"against {base.candidate} the verdict holds in one world only"
    return f"{row.candidate}: {held} ({'; '.join(told)})."


def _leaders(e: Evidence, rows: list[Row]) -> Iterator[str]:
    first = {m: max(rows, key=lambda r: r.estimates[m].value or -np.inf) for m in WORLDS}
    forgiven, punished = first[MARGIN], first[PUNISHED]
    if forgiven is punished:
        others = (r for r in rows if r.candidate != forgiven.candidate)
        level = [r.candidate for r in others if not any(_difference(e, m, forgiven, r)[0] for m in WORLDS)]
        names = list(dict.fromkeys(level))
        verb = "is" if len(names) == 1 else "are"
        unsure = f" on average; {n.listed(names)} {verb} separated from it in neither" if names else ""
        yield f"{forgiven.candidate} earns the highest margin in both worlds{unsure}."
        return
    sign, figure = _difference(e, PUNISHED, punished, forgiven)
    sure = "" if sign else ", which is not separated"
    yield (
        f"{forgiven.candidate} earns the highest margin where customers forgive, {punished.candidate} where "
        f"they punish: there by {figure}{sure}."
    )


def _difference(e: Evidence, metric: str, row: Row, base: Row) -> tuple[int, str]:
    """The sign of a paired difference, 0 where it is not separated, and the figure."""
    ours, theirs = (e.draws(metric, r.variant) for r in (row, base))
    if ours is None or theirs is None:
        return 0, "not estimable"
    low, middle, high = (float(v) for v in np.nanquantile(ours - theirs, [0.025, 0.5, 0.975]))
    value, interval = n.interval(middle, low, high)
    figure = f"{'+' if middle > 0 else ''}{value} USD per visit ({interval})"
    return (1 if low > 0 else -1 if high < 0 else 0), figure


def _places(rows: list[Row], metric: str) -> dict[str, int]:
    order = sorted(rows, key=lambda row: -(row.estimates[metric].value or -np.inf))
    return {row.variant: place for place, row in enumerate(order, 1)}


def _margin(row: Row, metric: str) -> Cell:
    shown = n.shown(metric, row.estimates.get(metric))
    return Cell(shown.value, shown.interval, shown.number)

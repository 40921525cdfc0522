"""Cost against the size of the input: the curves, their exponents, and where one begins to cost more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from harness.analysis.scaling import Curve, crossing, curves, exponent
from harness.analysis.stats import Interval
from harness.protocols import Section
from harness.report import charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Picture, Table, section, text
from harness.report.evidence import Evidence

LATENCY = "latency_p50_ms"
FURTHER = ("working_memory_mb", "flops_per_example")
MOST_LINES = 10
WORDS = {
    "text_classification": ("tokens", "Texts of so many tokens, cut already, one at a time"),
    "image_classification": ("pixels a side", "Square images of so many pixels a side, one at a time"),
}
LEAD = (
    "{what}; each network is built for the size with fresh weights, since cost depends on shape and not on "
    "what was learnt. An exponent of 1 means twice the size at twice the cost; a fixed cost per call hides "
    "it at small sizes, so the upper half of the sizes has its own."
)


def scaling(e: Evidence) -> Section | None:
    """One plot, the crossings in words, one table."""
    found = curves(e.records, LATENCY)
    if not found:
        return None
    unit, what = WORDS.get(e.suite.task, ("", "Inputs of such a size"))
    shown = found[:MOST_LINES]
    axes = (
        plots.Axis(f"Size, {unit} (log scale)", True, ticks=tuple(found[0].sizes)),
        plots.Axis("p50 latency, ms (log scale)", True),
    )
    figure = charts.lines([_series(e, c) for c in shown], *axes, (680, 400))
    rounds = min(len(c.values) for c in found)
    caption = f"Median latency of a call; bands: 95 % over {n.counted(rounds, 'round')}."
    blocks: list[Block] = [
        text(LEAD.format(what=what)),
        Bullets(tuple((sentence,) for sentence in _crossings(found, unit))),
        Picture(plots.svg(figure), caption, "Latency against size", "wide"),
        _table(e, found, unit),
    ]
    return section("Cost against size", blocks)


def _series(e: Evidence, curve: Curve) -> plots.Series:
    logs = np.log(curve.values)
    low, high = (np.exp(logs.mean(0) + sign * _half(logs)) for sign in (-1, 1))
    return plots.Series(
        curve.variant.name, curve.sizes.tolist(), curve.middle.tolist(),
        low=low.tolist() if len(logs) > 1 else (), high=high.tolist() if len(logs) > 1 else (),
        colour=e.palette.colour(curve.variant.candidate), marker=e.palette.marker(curve.variant.runtime),
        strong=curve.variant.name == e.recommendation.choice,
    )  # fmt: skip


def _half(logs: np.ndarray) -> np.ndarray:
    from harness.analysis.stats import t_quantile

    rounds = len(logs)
    if rounds < 2:
        return np.zeros(logs.shape[1])
    return np.asarray(t_quantile(0.975, rounds - 1) * logs.std(0, ddof=1) / math.sqrt(rounds))


def _crossings(found: Sequence[Curve], unit: str) -> Iterator[str]:
    """A sentence for each pair of candidates on one runtime, where one overtakes the other or never does."""
    for runtime in dict.fromkeys(c.variant.runtime for c in found):
        mine = [c for c in found if c.variant.runtime == runtime]
        for a, b in permutations(mine, 2):
            place = crossing(a, b)
            if place is not None:
                yield (
                    f"On {runtime}, {a.variant.candidate} costs more than {b.variant.candidate} from about "
                    f"{_figure(place)} {unit}; below that it is the cheaper one."
                )
            elif a.variant.candidate < b.variant.candidate and crossing(b, a) is None:
                dear, cheap = (a, b) if a.middle[-1] > b.middle[-1] else (b, a)
                low, high = sorted((dear.middle / cheap.middle)[[0, -1]])
                yield (
                    f"On {runtime}, {dear.variant.candidate} costs more than {cheap.variant.candidate} at "
                    f"every size from {n.plain(dear.sizes[0])} to {n.plain(dear.sizes[-1])} {unit}: "
                    f"{n.plain(low, 2)} to {n.plain(high, 2)} times."
                )


def _table(e: Evidence, found: Sequence[Curve], unit: str) -> Table:
    further = {name: {c.variant: c for c in curves(e.records, name)} for name in FURTHER}
    rows = []
    for c in found:
        cells = [_cell(exponent(c)), _cell(exponent(c.half))]
        for name in FURTHER:
            other = further[name].get(c.variant)
            cells.append(
                Cell("not estimable", tone="muted") if other is None else _cell(exponent(other.half))
            )
        ends = [Cell(n.plain(v), sort=float(v)) for v in (c.middle[0], c.middle[-1])]
        swatch = e.palette.swatch(c.variant.candidate, c.variant.runtime)
        rows.append((Cell(c.variant.name, key=swatch), *ends, *cells))
    first, last = (f"at {n.plain(v)} {unit}" for v in (found[0].sizes[0], found[0].sizes[-1]))
    columns = (
        Column("variant", numeric=False), Column(f"p50 {first}", "ms"), Column(f"p50 {last}", "ms"),
        Column("latency", "exponent, all sizes"), Column("latency", "exponent, upper half"),
        Column("memory", "exponent, upper half"), Column("FLOPs", "exponent, upper half"),
    )  # fmt: skip
    return Table(columns, tuple(rows), kind="compact")


def _cell(found: Interval) -> Cell:
    if not found.high > found.low:
        note = "" if found.se == 0 else "one round, no interval"
        return Cell(f"{found.value:.2f}", note, sort=found.value)
    value, interval = n.interval(found.value, found.low, found.high)
    return Cell(value, interval, sort=found.value)


def _figure(place: Interval) -> str:
    if not place.high > place.low:
        return n.plain(place.value, 2)
    return f"{n.plain(place.value, 2)} ({n.plain(place.low, 2)}–{n.plain(place.high, 2)})"

"""Cost against the size of the input: the curves, their exponents, and where one begins to cost more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from harness.analysis.scaling import Curve, crossing, curves, exponent, ratio, sides
from harness.analysis.stats import Interval, launch_ratio
from harness.protocols import Section
from harness.report import charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Bullets, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.pictures import both_widths, told

LATENCY = "latency_p50_ms"
FURTHER = ("working_memory_mb", "flops_per_example")
LEAST = {"working_memory_mb": 1.0}
"""Below a megabyte it is the allocator's pages that are seen, and no law."""
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
    series = [_series(e, c) for c in shown]
    rounds = min(len(c.values) for c in found)
    caption = f"Median latency of a call; bands: 95 % over {n.counted(rounds, 'round')}."
    if found[MOST_LINES:]:
        caption += f" Not drawn: {n.listed([c.variant.name for c in found[MOST_LINES:]])}."
    alt = told(f"p50 latency in ms by {unit or 'size'}", series)
    blocks: list[Block] = [
        text(LEAD.format(what=what)),
        Bullets(tuple((sentence,) for sentence in crossings(shown, unit))),
        both_widths(lambda w: charts.lines(series, *axes, (w, 400)), 680, caption, alt),
        _table(e, found, unit),
    ]
    return section("Cost against size", blocks)


def _series(e: Evidence, curve: Curve) -> plots.Line:
    logs = np.log(curve.values)
    low, high = (np.exp(logs.mean(0) + sign * _half(logs)) for sign in (-1, 1))
    return plots.Line(
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


def crossings(found: Sequence[Curve], unit: str) -> Iterator[str]:
    """A sentence for each pair of candidates on one runtime."""
    for runtime in dict.fromkeys(c.variant.runtime for c in found):
        mine = [c for c in found if c.variant.runtime == runtime]
        for a, b in combinations(mine, 2):
            if said := _compared(a, b, unit):
                yield f"On {runtime}, {said}"


def _compared(a: Curve, b: Curve, unit: str) -> str:
    """Where one of two overtakes the other, or that within the measured sizes none does."""
    for dear, cheap in ((a, b), (b, a)):
        place = crossing(dear, cheap)
        if place is not None:
            return _crossed(dear, cheap, place, unit)
    sizes, logs = ratio(a, b)
    if not logs.size:
        return ""
    if logs.mean(0)[-1] < 0:
        a, b, logs = b, a, -logs
    sure = sides(logs)
    ends = f"{n.plain(sizes[0])} to {n.plain(sizes[-1])} {unit}"
    if (logs.mean(0) <= 0).any() or sure[-1] <= 0:
        return f"{a.variant.candidate} and {b.variant.candidate} are not separated throughout {ends}."
    open_ = [n.plain(size) for size, side in zip(sizes, sure, strict=True) if side <= 0]
    apart = f", of which at {n.listed(open_)} they are not separated" if open_ else ""
    return (
        f"{a.variant.candidate} costs more than {b.variant.candidate} at every size from {ends}{apart}, "
        f"at the largest {_times(logs)} times as much: they do not cross within the measured sizes."
    )


def _crossed(dear: Curve, cheap: Curve, place: Interval, unit: str) -> str:
    """From which size one costs more, where it surely does at the largest."""
    sizes, logs = ratio(dear, cheap)
    sure, names = sides(logs), (dear.variant.candidate, cheap.variant.candidate)
    if sure[-1] <= 0:
        less = [n.plain(size) for size, side in zip(sizes, sure, strict=True) if side < 0]
        open_ = f"at the largest, {n.plain(sizes[-1])} {unit}, they are not separated ({_times(logs)} times)"
        if not less:
            return f"{names[0]} and {names[1]} are not separated: {open_}."
        return f"{names[0]} costs less than {names[1]} at {n.listed(less)} {unit}; {open_}."
    below = "it is the cheaper one" if sure[0] < 0 else "the two are not separated"
    if not (logs[:, 0] < 0).all():
        below = "the rounds disagree on which is cheaper"
    return (
        f"{names[0]} costs more than {names[1]} from about {_place(place, sizes, unit)}; below that {below}."
    )


def _times(logs: np.ndarray) -> str:
    """How many times as much one costs at the largest size."""
    at_end = launch_ratio(np.exp(logs[:, -1]), np.ones(len(logs)))
    if not at_end.high > at_end.low:
        return n.plain(at_end.value, 2)
    return "{} ({})".format(*n.interval(at_end.value, at_end.low, at_end.high))


def _table(e: Evidence, found: Sequence[Curve], unit: str) -> Table:
    further = {name: {c.variant: c for c in curves(e.records, name)} for name in FURTHER}
    rows = []
    for c in found:
        cells = [_cell(exponent(c)), _cell(exponent(c.half))]
        for name in FURTHER:
            other = further[name].get(c.variant)
            known = other is not None and other.middle.min() >= LEAST.get(name, 0.0)
            cells.append(
                _cell(exponent(other.half)) if other and known else Cell("not estimable", tone="muted")
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


def _place(place: Interval, sizes: np.ndarray, unit: str) -> str:
    """A crossing with its interval; an end outside the measured sizes is only said to be there."""
    value = f"{n.plain(place.value, 2)} {unit}"
    if not place.high > place.low:
        return f"{value} (interval not estimable)"
    low = f"below {n.plain(sizes[0])}" if place.low < sizes[0] else n.plain(place.low, 2)
    high = f"above {n.plain(sizes[-1])}" if place.high > sizes[-1] else n.plain(place.high, 2)
    return f"{value} ({low} to {high})"

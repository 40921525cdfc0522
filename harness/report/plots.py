"""The trade-off plane, and what all plots share: points, series, axes, limits, names beside points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.figures import short
from harness.report.canvas import INK, MUTED, NARROW, PAPER, WASH, Box, axes, drawn, text_width
from harness.report.palette import MATPLOTLIB_MARKERS, REST
from harness.report.short_names import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType


@dataclass(frozen=True)
class Point:
    """A variant in the plane of two metrics; a missing interval end is None."""

    label: str
    x: float
    y: float
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None
    colour: str = REST
    marker: str = "circle"
    front: bool = False
    chosen: bool = False
    feasible: bool = True


@dataclass(frozen=True)
class Line:
    """A line with an optional band."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    colour: str = REST
    dashes: LineStyleType = "-"
    marker: str = ""
    marker_size: float = 5.5
    strong: bool = False


@dataclass(frozen=True)
class Distribution:
    """A distribution as a row: quantiles of all calls, and the medians of single rounds."""

    label: str
    samples: Sequence[float]
    rounds: Sequence[float] = ()
    colour: str = REST
    marker: str = "circle"


@dataclass(frozen=True)
class Difference:
    """A difference with its interval; `verdict` is what it amounts to."""

    label: str
    value: float
    low: float
    high: float
    colour: str = REST
    marker: str = "circle"
    verdict: str = ""


@dataclass(frozen=True)
class Axis:
    """An axis: its title, whether it is logarithmic, the limits that the suite sets on it.

    Args:
        at_most, at_least: where the infeasible side begins, None without a limit.
        whole: ticks at whole numbers only.
    """

    title: str
    log: bool = False
    at_most: float | None = None
    at_least: float | None = None
    ticks: Sequence[float] = field(default_factory=tuple)
    whole: bool = False


@drawn
def tradeoff_plane(
    points: Sequence[Point], x: Axis, y: Axis, width: float = 680, height: float = 430
) -> Figure:
    """Variants in the plane of two metrics: error bars, the front, limits shaded, leading ones named."""
    figure, ax = axes(width, height)
    _draw_points(ax, points)
    _scale(ax, x, y)
    _pad(ax, points, x, y)
    front = sorted((p.x, p.y) for p in points if p.front)
    if len(front) > 1:
        ax.plot(*zip(*front, strict=True), color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=2)
    names = _shade_limits(ax, x, y)
    ax.grid(True, which="major")
    named = list(points)
    if len(points) > 14:  # only those that matter, and where they hide no other
        named = [p for p in points if p.chosen or (p.front and p.feasible)]
        pixels = [ax.transData.transform((p.x, p.y)) for p in points if p not in named]
        names += [(x - 5, y - 5, x + 5, y + 5) for x, y in pixels]
    label_points(ax, [(p.x, p.y, p.label, p.chosen) for p in named[:24]], names)
    return figure


def _draw_points(ax: Axes, points: Sequence[Point]) -> None:
    """Error bars, marks and the choice's ring; a collection each, as a mark by itself costs 5 ms."""
    across = [(p.y, *p.x_interval, p.colour) for p in points if p.x_interval]
    upright = [(p.x, *p.y_interval, p.colour) for p in points if p.y_interval]
    alpha = 0.55 if len(points) <= 40 else 0.25
    for drawn_lines, bars in ((ax.hlines, across), (ax.vlines, upright)):
        if bars:
            at, low, high, colours = zip(*bars, strict=True)
            drawn_lines(at, low, high, colors=colours, linewidth=1.2, alpha=alpha, zorder=3)
    for p in points:
        if p.chosen:
            ax.scatter([p.x], [p.y], s=290, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=6)
    for marker, feasible in sorted({(p.marker, p.feasible) for p in points}):
        same = [p for p in points if (p.marker, p.feasible) == (marker, feasible)]
        shades = [p.colour for p in same]
        ax.scatter(
            [p.x for p in same], [p.y for p in same], s=72, marker=MATPLOTLIB_MARKERS[marker], zorder=5,
            facecolors=shades if feasible else PAPER, edgecolors=PAPER if feasible else shades,
            linewidths=1.0 if feasible else 1.6,
        )  # fmt: skip


def _scale(ax: Axes, x: Axis, y: Axis) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    ax.set_xlabel(x.title)
    # With a place of its own: to find one, every label of the axes is laid out once more.
    ax.set_title(y.title, fontsize=11.5, color=MUTED, pad=9, y=1.0)
    for axis, which, setting in ((ax.xaxis, "x", x), (ax.yaxis, "y", y)):
        if setting.log:
            (ax.set_xscale if which == "x" else ax.set_yscale)("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
            axis.set_minor_locator(NullLocator())  # they would be drawn, in no size
        if setting.whole:
            axis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        if setting.ticks:
            axis.set_ticks(list(setting.ticks))
        axis.set_major_formatter(FuncFormatter(_tick))
    for spine in ("left",):
        ax.spines[spine].set_visible(False)


def _tick(value: float, _: object = None) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    for bound, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= bound:
            return f"{value / (1e3 if suffix == 'k' else bound):g}\u202f{suffix}".replace("-", "−")
    return f"{value:,.6g}".replace("-", "−") if size >= 1e-4 else short(value).replace("-", "−")


def _pad(ax: Axes, points: Sequence[Point], x: Axis, y: Axis) -> None:
    """Axis ranges that hold all points and, where it is near, the limit."""
    for axis, setting, values in (
        ("x", x, [v for p in points for v in (p.x, *(p.x_interval or ()))]),
        ("y", y, [v for p in points for v in (p.y, *(p.y_interval or ()))]),
    ):
        if not values:
            continue
        bounds = [b for b in (setting.at_most, setting.at_least) if b is not None]
        low, high = extent(values, bounds, setting.log)
        (ax.set_xlim if axis == "x" else ax.set_ylim)(low, high)


def extent(values: Sequence[float], bounds: Sequence[float], log: bool) -> tuple[float, float]:
    """A range around values, stretched to a limit only when that does not squeeze the values."""
    kept = [v for v in values if np.isfinite(v) and (v > 0 or not log)]
    if not kept:
        return (0.1, 1.0) if log else (0.0, 1.0)
    scaled = np.log10(kept) if log else np.asarray(kept)
    low, high = float(scaled.min()), float(scaled.max())
    span = max(high - low, 0.05 if log else 1e-3 * max(abs(high), 1e-9))
    for bound in bounds:
        at = float(np.log10(bound)) if log and bound > 0 else float(bound)
        if low - 0.9 * span <= at <= high + 0.9 * span:
            low, high = min(low, at), max(high, at)
    margin = 0.1 * max(high - low, span)
    low, high = low - margin, high + margin
    return (10**low, 10**high) if log else (low, high)


def _shade_limits(ax: Axes, x: Axis, y: Axis) -> list[Box]:
    """The side of a limit where nothing may ship is shaded, and the limit named; where the names lie."""
    names = []
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    for bound, sign, outer in ((x.at_most, "≤", x1), (x.at_least, "≥", x0)):
        if bound is not None and x0 < bound < x1:
            ax.axvspan(bound, outer, color=WASH, linewidth=0, zorder=0)
            ax.axvline(bound, color=MUTED, linewidth=1, zorder=1)
            names.append(name_limit(ax, f"limit {sign} {_tick(bound)}", bound, vertical=True))
    for bound, sign, outer in ((y.at_most, "≤", y1), (y.at_least, "≥", y0)):
        if bound is not None and y0 < bound < y1:
            ax.axhspan(bound, outer, color=WASH, linewidth=0, zorder=0)
            ax.axhline(bound, color=MUTED, linewidth=1, zorder=1)
            names.append(name_limit(ax, f"limit {sign} {_tick(bound)}", bound))
    return names


def name_limit(ax: Axes, text: str, at: float, vertical: bool = False) -> Box:
    """A limit's name at its line (a vertical one's at the top), and the pixels that it takes."""
    size, where = 10.0, ("data", "axes fraction") if vertical else ("axes fraction", "data")
    point, offset = ((at, 1.0), (4.0, -3.0)) if vertical else ((0.0, at), (3.0, 3.0))
    anchor: Literal["top", "baseline"] = "top" if vertical else "baseline"
    ax.annotate(
        text, point, offset, xycoords=where, textcoords="offset points", va=anchor,
        fontsize=size, color=MUTED,
    )  # fmt: skip
    if vertical:
        left, top = float(ax.transData.transform((at, ax.get_ylim()[0]))[0]) + 4, ax.bbox.y1 - 3
        return left, top - 1.3 * size, left + text_width(text, size), top
    left, bottom = ax.bbox.x0 + 3, float(ax.transData.transform((ax.get_xlim()[0], at))[1]) + 1
    return left, bottom, left + text_width(text, size), bottom + 1.3 * size


def label_points(
    ax: Axes,
    points: Sequence[tuple[float, float, str, bool]],
    others: Sequence[Box] = (),
    size: float = 9.5,
) -> None:
    """Names beside points, each on the side where it meets no other name or point.

    Greedy over eight places, the chosen first; a name without a free place is left out (the table has all).
    """
    pixels = [tuple(ax.transData.transform((x, y))) for x, y, _, _ in points]
    names = short_names([name for _, _, name, _ in points], 30 if ax.bbox.width > NARROW else 22)
    frame = ax.bbox
    taken = [(px - 6, py - 6, px + 6, py + 6) for px, py in pixels] + list(others)
    order = sorted(range(len(points)), key=lambda i: (not points[i][3], -pixels[i][1]))
    for i in order:
        x, y, name, chosen = points[i]
        name = names[name]
        width, height = text_width(name, size, chosen), size * 1.25
        for dx, dy, ha in _places(11 if chosen else 8):
            left = pixels[i][0] + dx - (width if ha == "right" else width / 2 if ha == "center" else 0)
            box = (left, pixels[i][1] + dy - height / 2, left + width, pixels[i][1] + dy + height / 2)
            inside = (
                box[0] >= frame.x0 - 4
                and box[2] <= frame.x1 + 4
                and box[1] >= frame.y0
                and box[3] <= frame.y1
            )
            if inside and not any(_overlap(box, other) for j, other in enumerate(taken) if j != i):
                weight = "bold" if chosen else "normal"
                ax.annotate(
                    name, (x, y), (dx, dy), textcoords="offset points", ha=ha, va="center",
                    fontsize=size, fontweight=weight, color=INK, zorder=6,
                )  # fmt: skip
                taken.append(box)
                break


def _places(gap: float) -> tuple[tuple[float, float, str], ...]:
    up = gap + 5
    return (
        (gap, 0, "left"), (-gap, 0, "right"), (0, up, "center"), (0, -up, "center"),
        (gap, up * 0.7, "left"), (gap, -up * 0.7, "left"),
        (-gap, up * 0.7, "right"), (-gap, -up * 0.7, "right"),
        (gap, up * 1.6, "left"), (gap, -up * 1.6, "left"),
    )  # fmt: skip


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

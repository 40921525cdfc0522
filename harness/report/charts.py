"""The other plots: lines with bands, distributions, differences, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.report.canvas import (
    GRID,
    INK,
    MUTED,
    NARROW,
    PAPER,
    WASH,
    Margins,
    axes,
    drawn,
    text_width,
)
from harness.report.palette import MATPLOTLIB_MARKERS
from harness.report.plots import Axis, Difference, Distribution, Line, _scale, _tick, extent, name_limit
from harness.report.short_names import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType

HALF = (420.0, 300.0)
"""Size of a plot that stands beside another, in pixels; on a telephone it fills the width."""


@drawn
def lines(
    series: Sequence[Line], x: Axis, y: Axis, size: tuple[float, float] = HALF, marks: Sequence[float] = ()
) -> Figure:
    """Lines with bands, each named at its end; `marks` are vertical lines; limits are shaded."""
    names = short_names([s.label for s in series], 22 if size[0] > NARROW else 15)
    end = max((text_width(names[s.label], 10.5, s.strong) for s in series), default=0.0)
    figure, ax = axes(*size, Margins(right=14 + end))
    series = told_apart(series)
    for s in series:
        if len(s.low) == len(s.x) and len(s.high) == len(s.x) and len(s.x) > 1:
            ax.fill_between(s.x, s.low, s.high, color=s.colour, alpha=0.15, linewidth=0)
        elif len(s.low) == len(s.x) and len(s.high) == len(s.x):
            ax.vlines(s.x, s.low, s.high, color=s.colour, alpha=0.6, linewidth=1.2)
        ax.plot(
            s.x, s.y, color=s.colour, linestyle=s.dashes, linewidth=2.4 if s.strong else 1.6,
            marker=MATPLOTLIB_MARKERS.get(s.marker, s.marker), markersize=s.marker_size,
            markeredgecolor=PAPER, markeredgewidth=0.6, zorder=4 if s.strong else 3,
        )  # fmt: skip
    _scale(ax, x, y)
    _keep_lines_in_view(ax, series, y)
    _limit_line(ax, y)
    for mark in marks:
        ax.axvline(mark, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.grid(True, axis="y")
    _name_ends(ax, series, names)
    return figure


DASHES: tuple[LineStyleType, ...] = (
    "-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)), (0, (8, 2, 1, 2, 1, 2)),
    (0, (10, 3)), (0, (1, 3)),
)  # fmt: skip


def told_apart(series: Sequence[Line]) -> list[Line]:
    """Lines of another colour get another pattern of dashes, for those who see no colours; lines that have
    patterns of their own keep them."""
    if any(s.dashes != "-" for s in series):
        return list(series)
    colours = list(dict.fromkeys(s.colour for s in series if len(s.x) > 1))
    patterns = {colour: DASHES[i % len(DASHES)] for i, colour in enumerate(colours)}
    return [replace(s, dashes=patterns.get(s.colour, "-")) for s in series]


def name_in_legend(ax: Axes, series: Sequence[Line | Distribution]) -> None:
    """Names of lines whose ends meet in a corner, in the emptiest place; nothing for one line."""
    from matplotlib.lines import Line2D

    if len(series) < 2:
        return
    names = short_names([s.label for s in series], 20)
    lines = [Line2D([], [], color=s.colour, linestyle=_pattern(s)) for s in series]
    ax.legend(lines, [names[s.label] for s in series], fontsize=9, handlelength=2.6, loc="best")


def _pattern(s: Line | Distribution) -> LineStyleType:
    return s.dashes if isinstance(s, Line) else LINES.get(s.marker, "-")


def _keep_lines_in_view(ax: Axes, series: Sequence[Line], y: Axis) -> None:
    """A band of two repetitions can be ten times as wide as what is compared: it is cut, not the lines."""
    values = np.array([v for s in series for v in s.y if np.isfinite(v)])
    if y.log or len(values) == 0:
        return
    span = float(np.ptp(values)) or 0.1 * abs(float(values[0])) or 1.0
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, values.min() - 0.4 * span), min(high, values.max() + 0.4 * span))


def _limit_line(ax: Axes, y: Axis) -> None:
    bottom, top = ax.get_ylim()
    for bound, sign in ((y.at_most, "≤"), (y.at_least, "≥")):
        if bound is None:
            continue
        low, high = extent([bottom, top], [bound], y.log)
        if not low < bound < high:
            continue
        ax.set_ylim(min(bottom, low), max(top, high))
        ax.axhspan(bound, ax.get_ylim()[1 if sign == "≤" else 0], color=WASH, linewidth=0, zorder=0)
        ax.axhline(bound, color=MUTED, linewidth=1, zorder=1)
        name_limit(ax, f"limit {sign} {_tick(bound)}", bound)


def _name_ends(ax: Axes, series: Sequence[Line], names: Mapping[str, str], size: float = 10.5) -> None:
    """Each named line's label at its right end, pushed apart vertically so that none overlap."""
    ends = []
    for s in series:
        finite = [(a, b) for a, b in zip(s.x, s.y, strict=True) if np.isfinite(b)]
        if s.label and finite:
            end = max(finite)
            ends.append((ax.transData.transform(end)[1], s, end))
    ends.sort(key=lambda e: e[0])
    places = spaced([pixel for pixel, _, _ in ends], size * 1.3, ax.bbox.y1 + size / 2)
    for at, (pixel, s, end) in zip(places, ends, strict=True):
        ax.annotate(
            names[s.label], end, (7, at - pixel), textcoords="offset points", va="center",
            fontsize=size, color=INK, annotation_clip=False, fontweight="bold" if s.strong else "normal",
        )  # fmt: skip


def spaced(places: Sequence[float], step: float, top: float) -> list[float]:
    """Rising places moved apart to at least `step`, none above `top`."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + step) if moved else place)
    ceiling = top
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - step
    return moved


@drawn
def forest(
    rows: Sequence[Difference], title: str, band: float = 0.0, ratio: bool = False, width: float = 640
) -> Figure:
    """Differences with intervals, a row each, against the line of no difference and a band of equivalence."""
    beside = width > NARROW
    figure, ax = axes(width, 62 + (24 if beside else 36) * len(rows), _row_margins(rows, beside, right=100))
    zero = 1.0 if ratio else 0.0
    if band:
        low, high = (1 / (1 + band), 1 + band) if ratio else (-band, band)
        ax.axvspan(low, high, color=WASH, linewidth=0, zorder=0)
    ax.axvline(zero, color=INK, linewidth=1, zorder=1)
    for i, r in enumerate(rows):
        ax.plot([r.low, r.high], [i, i], color=r.colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
        ax.plot(
            r.value, i, MATPLOTLIB_MARKERS[r.marker], color=r.colour, markersize=7, markeredgecolor=PAPER,
            markeredgewidth=0.8, zorder=3,
        )  # fmt: skip
    _scale(ax, Axis(title, log=ratio), Axis(""))
    ax.set_ylim(len(rows) - 0.4, -0.6 if beside else -0.9)
    ax.grid(True, axis="x")
    _name_rows(ax, rows, beside, [f": {r.verdict}" if r.verdict else "" for r in rows])
    for i, r in enumerate(rows if beside else ()):
        ax.annotate(
            r.verdict, (1, i), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=10.5, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    return figure


def _row_margins(rows: Sequence[Difference] | Sequence[Distribution], beside: bool, right: float) -> Margins:
    """Room at the left for the longest name; none where names stand above their rows."""
    if not beside:
        return Margins(left=8, right=8, top=8, bottom=44)
    names = max((text_width(name, 11) for name in short_names(r.label for r in rows).values()), default=0.0)
    return Margins(left=names + 12, right=right, top=8, bottom=44)


def _name_rows(
    ax: Axes, rows: Sequence[Difference] | Sequence[Distribution], beside: bool, more: Sequence[str] = ()
) -> None:
    """Names beside their rows, or above them where a telephone leaves no room; `more` is said there too."""
    names = short_names([r.label for r in rows], 30 if beside else 36)
    if beside:
        ax.set_yticks(range(len(rows)), [names[r.label] for r in rows])
        ax.tick_params(axis="y", labelcolor=INK, labelsize=11)
        return
    ax.set_yticks([])
    for i, label in enumerate(names):
        ax.annotate(
            names[label] + (more[i] if more else ""), (0, i), (0, 8), fontsize=10.5, color=INK,
            xycoords=("axes fraction", "data"), textcoords="offset points",
        )  # fmt: skip


@drawn
def spreads(rows: Sequence[Distribution], x: Axis, width: float = 680) -> Figure:
    """Distributions as rows: p1 to p99 thin, the middle half thick, the median, p99, each round's median."""
    beside = width > NARROW
    figure, ax = axes(width, 64 + (26 if beside else 38) * len(rows), _row_margins(rows, beside, right=14))
    for i, r in enumerate(rows):
        p1, p25, p50, p75, p99 = np.quantile(np.asarray(r.samples, float), [0.01, 0.25, 0.5, 0.75, 0.99])
        ax.plot([p1, p99], [i, i], color=r.colour, linewidth=1.4, zorder=2)
        ax.plot([p25, p75], [i, i], color=r.colour, linewidth=7, alpha=0.45, solid_capstyle="butt", zorder=2)
        ax.plot([p99], [i], "|", color=r.colour, markersize=11, markeredgewidth=2, zorder=3)
        ax.plot(
            r.rounds, [i + 0.3] * len(r.rounds), "|", color=MUTED, markersize=5, markeredgewidth=1, zorder=3
        )
        ax.plot(
            p50, i, MATPLOTLIB_MARKERS[r.marker], color=r.colour, markersize=7, markeredgecolor=PAPER,
            markeredgewidth=0.8, zorder=4,
        )  # fmt: skip
    _scale(ax, x, Axis(""))
    ax.set_ylim(len(rows) - 0.3, -0.7 if beside else -0.9)
    _name_rows(ax, rows, beside)
    ax.grid(True, axis="x")
    _vertical_limit(ax, x)
    return figure


@drawn
def stacked(
    names: Sequence[str], parts: Mapping[str, Sequence[float]], title: str, width: float = 680
) -> Figure:
    """Bars of parts that add up, a row for each name; parts are told apart by shade, in a fixed order."""
    beside = width > NARROW
    rows = [Difference(name, 0.0, 0.0, 0.0, INK) for name in names]
    lines = -(-len(parts) // (3 if beside else 2))  # of the legend, above the first bar
    height = 62 + 16 * lines + (26 if beside else 40) * len(names)
    figure, ax = axes(width, height, _row_margins(rows, beside, right=14))
    start = np.zeros(len(names))
    for shade, (part, values) in zip(
        np.linspace(0.15, 0.85, max(len(parts), 2)), parts.items(), strict=False
    ):
        ax.barh(
            range(len(names)), values, left=start, height=0.5 if beside else 0.3, color=str(shade),
            edgecolor=PAPER, linewidth=1,
            label=part, zorder=2,
        )  # fmt: skip
        start = start + np.asarray(values)
    _scale(ax, Axis(title), Axis(""))
    ax.set_xlim(0, max(float(start.max()) * 1.02, 1e-9))
    ax.set_ylim(len(names) - 0.4, -0.5 - (0.65 if beside else 0.5) * (lines + 0.5))
    _name_rows(ax, rows, beside)
    ax.grid(True, axis="x")
    ax.legend(loc="upper left", ncols=3 if beside else 2, frameon=False, fontsize=10)
    return figure


def _vertical_limit(ax: Axes, x: Axis) -> None:
    bound = x.at_most
    if bound is None:
        return
    left, right = ax.get_xlim()
    low, high = extent([left, right], [bound], x.log)
    if low < bound < high:
        ax.set_xlim(min(left, low), max(right, high))
        ax.axvspan(bound, ax.get_xlim()[1], color=WASH, linewidth=0, zorder=0)
        ax.axvline(bound, color=MUTED, linewidth=1, zorder=1)
        name_limit(ax, f"limit ≤ {_tick(bound)}", bound, vertical=True)


@drawn
def cumulative(rows: Sequence[Distribution], x: Axis, size: tuple[float, float] = HALF) -> Figure:
    """The share of calls answered within a time; 200 quantiles stand for all samples."""
    figure, ax = axes(*size)
    shares = np.concatenate([np.linspace(0, 0.98, 150), 1 - np.geomspace(0.02, 1e-4, 50)])
    series = []
    for r in rows:
        times = np.quantile(np.asarray(r.samples, float), shares)
        ax.plot(times, shares, color=r.colour, linewidth=1.6, linestyle=LINES.get(r.marker, "-"))
        series.append(r)
    name_in_legend(ax, rows)
    _scale(ax, x, Axis("Share of calls answered"))
    ax.set_ylim(0, 1.02)
    ax.grid(True)
    _vertical_limit(ax, x)
    return figure


LINES: dict[str, LineStyleType] = {
    "circle": "-",
    "square": (0, (5, 1.5)),
    "diamond": (0, (1.5, 1.2)),
    "triangle": (0, (6, 1.5, 1.5, 1.5)),
}


@drawn
def reliability(series: Sequence[Line], size: tuple[float, float] = (340.0, 320.0)) -> Figure:
    """Confidence against how often it was right; on the diagonal both agree."""
    figure, ax = axes(*size)
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    series = told_apart(series)
    for s in series:
        if len(s.low) == len(s.x):
            ax.vlines(s.x, s.low, s.high, color=s.colour, alpha=0.45, linewidth=1.2, zorder=2)
        ax.plot(s.x, s.y, color=s.colour, linestyle=s.dashes, linewidth=1.6, marker="o", markersize=4.5,
                markeredgecolor=PAPER, markeredgewidth=0.6, zorder=3)  # fmt: skip
    _scale(ax, Axis("Confidence"), Axis("Share that was right"))
    name_in_legend(ax, series)
    low = min([min(s.x, default=1.0) for s in series] + [0.9])
    ax.set_xlim(max(0.0, low - 0.04), 1.02)
    ax.set_ylim(max(0.0, min([low] + [min(s.y, default=1.0) for s in series]) - 0.04), 1.02)
    ax.grid(True)
    return figure


@drawn
def regions(
    xs: Sequence[float],
    ys: Sequence[float],
    winners: np.ndarray,
    names: Sequence[str],
    colours: Sequence[str],
    x: Axis,
    y: Axis,
    here: tuple[float, float] | None = None,
    tied: np.ndarray | None = None,
) -> Figure:
    """A map of who wins where: regions are parted by lines and named, a small one by its number.

    Args:
        winners: (len(ys), len(xs)) indices into `names`; -1 where nobody is feasible.
        here: today's place. tied: (len(ys), len(xs)) bool, hatched: where the winner is one of a tie.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Rectangle

    figure, ax = axes(460, 320)
    shown = ListedColormap([GRID, *colours])
    ax.pcolormesh(
        xs, ys, winners + 1, cmap=shown, vmin=-0.5, vmax=len(colours) + 0.5, alpha=0.45, shading="nearest"
    )
    _scale(ax, x, y)
    ends_x, ends_y = _cell_ends(xs), _cell_ends(ys)
    for i, line in enumerate(winners):
        for k in range(len(line)):
            if k and line[k] != line[k - 1]:
                ax.plot([ends_x[k]] * 2, ends_y[i : i + 2], color=INK, linewidth=1, zorder=3)
            if i and line[k] != winners[i - 1][k]:
                ax.plot(ends_x[k : k + 2], [ends_y[i]] * 2, color=INK, linewidth=1, zorder=3)
            if tied is not None and tied[i][k]:
                corner, size = (ends_x[k], ends_y[i]), (ends_x[k + 1] - ends_x[k], ends_y[i + 1] - ends_y[i])
                ax.add_patch(
                    Rectangle(corner, *size, fill=False, hatch="///", edgecolor=MUTED, linewidth=0, zorder=2)
                )
    _name_regions(ax, xs, ys, winners, names)
    if here is not None:
        ax.plot(*here, "o", markersize=7, color=PAPER, markeredgecolor=INK, markeredgewidth=1.8, zorder=6)
        ax.annotate(
            "you are here", here, (0, -15), textcoords="offset points", ha="center", fontsize=9.5, color=INK,
            zorder=6,
        )  # fmt: skip
    return figure


def _cell_ends(at: Sequence[float]) -> np.ndarray:
    """(n + 1,) borders of cells around rising places, halfway on a logarithmic axis."""
    logs = np.log(np.asarray(at, float))
    inner = (logs[1:] + logs[:-1]) / 2
    return np.asarray(np.exp([2 * logs[0] - inner[0], *inner, 2 * logs[-1] - inner[-1]]))


def _name_regions(
    ax: Axes, xs: Sequence[float], ys: Sequence[float], winners: np.ndarray, names: Sequence[str]
) -> None:
    grid_x, grid_y = np.meshgrid(np.asarray(xs, float), np.asarray(ys, float))
    short = short_names(names, 22)
    for index, name in enumerate(names):
        inside = winners == index
        if not inside.any():
            continue
        # A region may lie in two parts: its name stands in the taller one.
        lines = np.flatnonzero(inside.any(1))
        part = max(np.split(lines, np.flatnonzero(np.diff(lines) > 1) + 1), key=len)
        own = inside[part]
        place = float(np.median(grid_x[part][own])), float(np.median(grid_y[part][own]))
        said = short[name] if inside.mean() > 0.04 else str(index + 1)
        ax.text(*place, said, ha="center", va="center", fontsize=10.5, zorder=5)

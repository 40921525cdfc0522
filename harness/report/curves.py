"""Plots in the unit square: ROC and precision-recall curves, and figures over all thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.canvas import MUTED, PAPER, axes, drawn
from harness.report.charts import name_in_legend, told_apart
from harness.report.plots import Axis, Line, _scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SQUARE = (340.0, 320.0)


@dataclass(frozen=True)
class Mark:
    """A point on a curve: filled where it was chosen, hollow where it is the default."""

    x: float
    y: float
    colour: str
    filled: bool = True


@drawn
def unit_square(
    series: Sequence[Line],
    x: Axis,
    y: Axis,
    marks: Sequence[Mark] = (),
    chance: Sequence[tuple[float, float]] = (),
    size: tuple[float, float] = SQUARE,
) -> Figure:
    """Lines between 0 and 1 both ways.

    Args:
        chance: the ends of a line that guessing would follow.
    """
    figure, ax = axes(*size)
    if chance:
        ax.plot(*zip(*chance, strict=True), color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    series = told_apart(series)
    for s in series:
        width = 2.4 if s.strong else 1.6
        ax.plot(s.x, s.y, color=s.colour, linestyle=s.dashes, linewidth=width, zorder=2 + s.strong)
    for mark in marks:
        ax.plot(
            mark.x, mark.y, "o", markersize=7, color=mark.colour if mark.filled else PAPER,
            markeredgecolor=PAPER if mark.filled else mark.colour,
            markeredgewidth=0.8 if mark.filled else 1.6, zorder=5,
        )  # fmt: skip
    name_in_legend(ax, series)
    _scale(ax, x, y)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.grid(True)
    return figure

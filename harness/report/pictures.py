"""Plots as they stand on the page: drawn for a desk and for a telephone, with what is seen in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.report import canvas
from harness.report import numbers as n
from harness.report.blocks import Picture
from harness.report.plots import Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TOLD = 8
"""Lines that an alternative text follows; the table beside it has all."""


def both_widths(draw: Callable[[float], Figure], width: float, caption: str, alt: str) -> Picture:
    """A wide plot, and the same at a telephone's width, where scaling would leave letters of 6 pixels.

    Args:
        draw: width in pixels → figure.
    """
    wide, narrow = (canvas.svg(draw(pixels)) for pixels in (width, canvas.NARROW))
    return Picture(wide, caption, alt, "wide", narrow)


def told(what: str, series: Sequence[Line]) -> str:
    """What lines show: `p99 latency by load. resnet/onnx: 0.5 at 10 to 9.1 at 1,200; …`."""
    said = [_course(s) for s in series if s.label]
    said = [words for words in said if words]
    more = f"; and {len(said) - MOST_TOLD} more" if len(said) > MOST_TOLD else ""
    return f"{what}. {'; '.join(said[:MOST_TOLD])}{more}." if said else what


def _course(s: Line) -> str:
    known = [(x, y) for x, y in zip(s.x, s.y, strict=True) if np.isfinite(y)]
    if not known:
        return ""
    (x0, y0), (x1, y1) = known[0], known[-1]
    if len(known) == 1:
        return f"{s.label}: {n.plain(y0)} at {n.plain(x0)}"
    return f"{s.label}: {n.plain(y0)} at {n.plain(x0)} to {n.plain(y1)} at {n.plain(x1)}"

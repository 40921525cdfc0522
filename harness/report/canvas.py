"""What every plot is drawn on: the report's style, axes, the width of texts, and the figure as SVG or PNG.

The same numbers give the same bytes (hash salt, no dates). Text stays text, so that it is small,
searchable and set in the page's font; ink is a CSS variable, so that the plots follow a dark page.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING

from harness.codec import Json
from harness.report.palette import REST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER, WASH = "#1b1f24", "#5a646f", "#e4e8ec", "#ffffff", "#f4f6f8"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    WASH: "--wash",
    REST: "--faint",
}
NARROW = 358.0
"""Pixels of a plot on a telephone of 390 with its margins."""
DPI = 72  # one point is one pixel of the SVG's view box

STYLE: dict[str, Json] = {
    "svg.fonttype": "none",
    "figure.facecolor": "none",
    "figure.dpi": DPI,
    "savefig.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the layout is the same everywhere
    "font.size": 11.5,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11.5,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for the report, put back afterwards."""
    import matplotlib

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def drawn(plot: Callable[..., Figure]) -> Callable[..., Figure]:
    """A plot function that draws in the report's style."""

    @wraps(plot)
    def inner(*args: object, **kwargs: object) -> Figure:
        with style():
            return plot(*args, **kwargs)

    return inner


Box = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""


@dataclass(frozen=True)
class Margins:
    """Pixels around the axes. Fixed ones: matplotlib's own layout costs two more drawings a figure."""

    left: float = 46
    right: float = 14
    top: float = 30
    bottom: float = 42


def axes(width: float, height: float, margins: Margins | None = None) -> tuple[Figure, Axes]:
    """A figure of so many pixels with one pair of axes."""
    from matplotlib.figure import Figure

    m = margins or Margins()
    figure = Figure(figsize=(width / DPI, height / DPI))
    share = (
        m.left / width,
        m.bottom / height,
        1 - (m.left + m.right) / width,
        1 - (m.top + m.bottom) / height,
    )
    return figure, figure.add_axes(share)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """About how many pixels a text takes in the layout's font."""
    return len(text) * size * (0.62 if bold else 0.57)


def svg(figure: Figure) -> str:
    """A figure as SVG to stand in HTML: no fixed size, no dates, ids that clash with no other's."""
    import matplotlib

    buffer = io.StringIO()
    with style(), matplotlib.rc_context({"svg.hashsalt": "harness"}):
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return inline(buffer.getvalue())


def png(figure: Figure, scale: float = 2.0) -> bytes:
    """A figure as PNG on white, for trackers."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=DPI * scale, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def inline(text: str) -> str:
    """SVG as matplotlib writes it, made fit for a page that holds many."""
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    head, tail = text.split(">", 1)
    head = re.sub(r' (width|height|version|xmlns(:\w+)?)="[^"]*"', "", head)
    prefix = hashlib.sha256(text.encode()).hexdigest()[:8]
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', tail))
    names = {a or b for a, b in used}
    tail = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in names else "", tail)
    tail = re.sub(r"url\(#", f"url(#{prefix}-", tail)
    tail = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', tail)
    tail = re.sub(r' (d|points|transform|x|y)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), tail)
    tail = re.sub(r">\s+<", "><", tail)
    for colour, variable in VARIABLES.items():
        tail = tail.replace(colour, f"var({variable})")
    return f"{head}>{tail}"

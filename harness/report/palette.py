"""One colour per candidate and one marker per runtime, the same in every plot and table.

Colours are Okabe and Ito's for colour-blind readers, without the yellow that no paper shows; black
is kept for text. Candidates beyond the palette share a grey, the leading ones keep a colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.blocks import Swatch
from harness.runtimes import RUNTIMES

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b5ea7", "#8c6d31")
REST = "#98a2ad"

MARKERS: Mapping[str, str] = {name: runtime.marker for name, runtime in RUNTIMES.items() if runtime.marker}
OTHER_MARKERS = ("down", "pentagon")

MATPLOTLIB_MARKERS: Mapping[str, str] = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle": "^",
    "plus": "P",
    "cross": "X",
    "down": "v",
    "pentagon": "p",
}


@dataclass(frozen=True)
class Palette:
    """Candidate → colour and runtime → marker of one report."""

    colours: Mapping[str, str]
    markers: Mapping[str, str]

    def colour(self, candidate: str) -> str:
        return self.colours.get(candidate, REST)

    def marker(self, runtime: str) -> str:
        return self.markers.get(runtime, "circle")

    def swatch(self, candidate: str, runtime: str = "") -> Swatch:
        return Swatch(self.colour(candidate), self.marker(runtime))


def palette(candidates: Sequence[str], leading: Sequence[str], runtimes: Sequence[str]) -> Palette:
    """Colours in the suite's order; where there are too many candidates only the leading get one.

    Args:
        candidates: in the suite's order.
        leading: best first; decides who keeps a colour when there are more than the palette has.
    """
    kept = set(candidates)
    if len(candidates) > len(COLOURS):
        kept = set(list(dict.fromkeys(leading))[: len(COLOURS)])
    coloured = [c for c in candidates if c in kept]
    unknown = [r for r in dict.fromkeys(runtimes) if r not in MARKERS]
    others = {r: OTHER_MARKERS[i % len(OTHER_MARKERS)] for i, r in enumerate(unknown)}
    return Palette(dict(zip(coloured, COLOURS, strict=False)), {**MARKERS, **others})

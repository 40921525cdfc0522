"""What several runs say, as text, as a comment for a pull request, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.analysis.changes import Change
from harness.analysis.history import Past, RunFigure, RunHistory
from harness.analysis.tradeoff import percent
from harness.figures import short
from harness.report.canvas import drawn, png
from harness.report.palette import REST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CHANGES = 20
"""Rows of a comment's table; a comment is read, not searched."""

COLOURS = ("#1f6fb2", "#c4521a", "#2f855a", "#7b4fa3", "#b7791f", "#c53076", "#4a5568", "#0f8b8d")


def answer(found: RunHistory) -> str:
    """`still small_cnn/onnx`, `the choice flips: small_cnn/onnx → resnet/onnx`, or that it moves in a tie."""
    first, last = found.runs[0], found.runs[-1]
    if found.flips:
        return f"the choice flips: {_named(first)} → {_named(last)}"
    if found.moves_in_a_tie:
        return f"{_named(last)} in place of {_named(first)}, which neither run tells apart from it"
    return f"still {_named(last)}"


def _named(past: Past) -> str:
    if past.choice is None:
        return f"nobody ({past.verdict.replace('_', ' ')})"
    return past.choice


def _sure(past: Past) -> str:
    if past.probability is None:
        return past.verdict.replace("_", " ")
    return f"{past.verdict.replace('_', ' ')}, P(best) {percent(past.probability)}"


def text(found: RunHistory) -> str:
    """A line per run, then a table per metric."""
    lines = [answer(found)]
    if found.first_regressed:
        lines.append(f"first run that regressed: {found.first_regressed}")
        lines += [f"  {r.run}: {r.change}" for r in found.regressions]
    else:
        lines.append("no run regressed")
    lines += [f"note: {note}" for note in found.notes]
    width = max(len(p.run) for p in found.runs)
    lines += ["", *(f"{p.run:<{width}}  {_named(p)} ({_sure(p)})" for p in found.runs)]
    for name in dict.fromkeys(n for by in found.figures.values() for n in by):
        rows = {v: by[name] for v, by in found.figures.items() if name in by}
        cells = [[v, *map(_cell, points)] for v, points in rows.items()]
        cells.insert(0, [name, *(p.run for p in found.runs)])
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += [
            "",
            *("  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)).rstrip() for r in cells),
        ]
    return "\n".join(lines)


def _cell(point: RunFigure) -> str:
    if point.value is None:
        return "–"
    if point.low is None or point.high is None:
        return short(point.value)
    return f"{short(point.value)} ({short(point.low)}–{short(point.high)})"


def comment(found: RunHistory) -> str:
    """Markdown for a pull request: the answer first, what is worse, what is better, the rest folded."""
    first, last, latest = found.runs[0], found.runs[-1], found.latest
    lines = [f"### harness: {answer(found)}", ""]
    lines.append(
        f"`{last.run}` ({_sure(last)}) against `{first.run}` ({_sure(first)}), margin {latest.margin:g}:"
        f" {_counted(len(latest.regressions), 'regression')},"
        f" {_counted(len(latest.improvements), 'improvement')}."
    )
    if len(found.runs) > 2 and found.first_regressed:
        lines.append(f"The first of {len(found.runs)} runs that regressed is `{found.first_regressed}`.")
    changed = (*latest.regressions, *latest.improvements)
    if changed:
        lines += ["", "| | variant | metric | before | after | worse by | 95 % interval |"]
        lines += ["|---|---|---|---|---|---|---|", *(_row(c) for c in changed[:MOST_CHANGES])]
        if len(changed) > MOST_CHANGES:
            lines += ["", f"{len(changed) - MOST_CHANGES} more changed."]
    lines += ["", *(f"> {note}" for note in found.notes)] if found.notes else []
    rest = len(latest.changes) - len(changed)
    lines += ["", f"{_counted(rest, 'further figure')} not separated, the same, or not comparable."]
    return "\n".join(lines) + "\n"


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _row(change: Change) -> str:
    def figure(x: float | None) -> str:
        return "–" if x is None else short(x)

    cells = (change.verdict, f"`{change.variant}`", change.metric, figure(change.a), figure(change.b))
    return "| " + " | ".join((*cells, change.size or "–", change.span or "–")) + " |"


def picture(found: RunHistory) -> bytes:
    """A PNG with a panel per metric: each variant's figures over the runs, with their intervals."""
    names = list(dict.fromkeys(n for by in found.figures.values() for n in by))
    return png(_panels(found, names))


@drawn
def _panels(found: RunHistory, names: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 2.6 * max(len(names), 1) + 0.6), layout="constrained")
    places = list(range(len(found.runs)))
    for number, name in enumerate(names):
        ax = figure.add_subplot(len(names), 1, number + 1)
        for k, (variant, by) in enumerate(found.figures.items()):
            points = [(x, p) for x, p in zip(places, by.get(name, ()), strict=False) if p.value is not None]
            if not points:
                continue
            colour = COLOURS[k] if k < len(COLOURS) else REST
            ax.plot(
                [x for x, _ in points], [p.value or 0.0 for _, p in points], marker="osD^vPX*"[k % 8],
                color=colour, markersize=5, label=variant,
            )  # fmt: skip
            spans = [(x, p.low, p.high) for x, p in points if p.low is not None and p.high is not None]
            if spans:
                at, low, high = (list(column) for column in zip(*spans, strict=True))
                ax.vlines(at, low, high, color=colour, alpha=0.5)
        ax.set_title(name)
        ax.set_xticks(places, [p.run for p in found.runs] if number == len(names) - 1 else [], rotation=20)
        ax.grid(True, axis="y")
        if number == 0:
            ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure

"""Searches for settings: what each candidate's found, what it cost, and whether the winner hangs on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.codec import Json
from harness.metrics import METRICS
from harness.planning.tuning import told as search_told
from harness.protocols import Section
from harness.record import Record
from harness.report import canvas, charts, plots
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Picture, Table, section, text
from harness.report.evidence import Evidence
from harness.report.pictures import told


@dataclass(frozen=True)
class SearchTrace:
    """One candidate's search in the order in which it was made.

    Args:
        best: (trials,) best validation score so far; NaN before the first. seconds: (trials,) spent so far.
    """

    candidate: str
    best: np.ndarray
    seconds: np.ndarray
    records: tuple[Record, ...]


def searches(e: Evidence) -> list[SearchTrace]:
    """The searches of a run; a trial that was given up early counts with the score it had."""
    found = []
    # `e.of` keeps a search's trials out of everything else.
    tried = [r for r in e.records if r.trial.tuning is not None and r.status == "finished"]
    for candidate in e.candidates if tried else ():
        own = [r for r in tried if r.trial.candidate == candidate and search_told(r).skipped is None]
        own.sort(key=lambda r: r.trial.tuning or 0)
        if own:
            scores = [search_told(r).score for r in own]
            values = np.array([-np.inf if s is None else s for s in scores])
            best = np.maximum.accumulate(values)
            best[np.isinf(best)] = np.nan
            found.append(SearchTrace(candidate, best, np.cumsum([r.seconds for r in own]), tuple(own)))
    return found


def winners(found: Sequence[SearchTrace]) -> list[tuple[int, str]]:
    """(trials each, who leads on validation data), where the lead changes hands."""
    changes: list[tuple[int, str]] = []
    for count in range(1, min((len(f.best) for f in found), default=0) + 1):
        scores = {f.candidate: f.best[count - 1] for f in found if np.isfinite(f.best[count - 1])}
        if scores:
            leader = max(scores, key=lambda c: scores[c])
            if not changes or changes[-1][1] != leader:
                changes.append((count, leader))
    return changes


def tuning(e: Evidence) -> Section | None:
    """Best validation score against budget, the settings found, and what they cost."""
    found = searches(e)
    if not found:
        return None
    metric = next(
        (metric for f in found for r in f.records if (metric := search_told(r).metric)),
        "score",
    )
    # Searches look for the highest score: of a loss that is the loss with a minus.
    sign = -1.0 if metric in METRICS and METRICS[metric].better == "lower" else 1.0
    blocks: list[Block] = [text(_lead(found))]
    if any(len(f.best) > 1 for f in found):
        series = [
            plots.Line(
                f.candidate,
                list(range(1, len(f.best) + 1)),
                (sign * f.best).tolist(),
                colour=e.palette.colour(f.candidate),
            )
            for f in found
        ]
        axis = plots.Axis(f"{'Best' if sign > 0 else 'Least'} {n.label(metric)} so far (validation)")
        figure = charts.lines(series, plots.Axis("Settings tried", whole=True), axis)
        caption = f"Best {n.label(metric)} on validation data after so many settings, the suite's own first."
        blocks.append(
            Picture(canvas.svg(figure), caption, told("Best so far by settings tried", series), "half")
        )
    columns = (
        Column("candidate", numeric=False), Column("settings tried"), Column("given up early"),
        Column("search took"), Column("own settings", n.label(metric)), Column("best", n.label(metric)),
        Column("settings found", numeric=False),
    )  # fmt: skip
    return section("Tuning", [*blocks, Table(columns, tuple(_row(f, sign) for f in found), kind="compact")])


def _lead(found: Sequence[SearchTrace]) -> str:
    changes = winners(found)
    counts = sorted({len(f.best) for f in found})
    budget = f"{counts[0]} settings" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} settings"
    start = f"Each search tried {budget} on validation data alone; all candidates had the same budget. "
    if len(found) < 2:
        return start
    if len(changes) == 1:
        return start + f"At every budget {changes[0][1]} leads on validation data."
    steps = [f"{name} from {count} settings on" for count, name in changes]
    return start + f"Who leads on validation data changes with the budget: {n.listed(steps)}."


def _row(f: SearchTrace, sign: float) -> tuple[Cell, ...]:
    said = [search_told(r) for r in f.records]
    done = [(s.score, s) for s in said if s.score is not None and s.stopped_after_epoch is None]
    score, best = max(done, key=lambda pair: pair[0], default=(None, None))
    own = next((s.score for s in said if s.number == 0), None)
    shown = ", ".join(f"{k} {_value(v)}" for k, v in (best.settings or {}).items()) if best else ""
    stopped = sum(s.stopped_after_epoch is not None for s in said)
    return (
        Cell(f.candidate),
        Cell(str(len(said)), sort=len(said)),
        Cell(str(stopped), sort=stopped),
        Cell(n.seconds(float(f.seconds[-1])), sort=float(f.seconds[-1])),
        Cell("") if own is None else Cell(n.plain(sign * own), sort=sign * own),
        Cell("none") if score is None else Cell(n.plain(sign * score), sort=sign * score),
        Cell(shown or ("the suite's own" if best else "")),
    )


def _value(value: Json) -> str:
    return n.plain(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)

"""Whether probabilities are honest: how often answers of so much confidence are right."""

from __future__ import annotations

import numpy as np

from harness.analysis.stats import wilson
from harness.kinds import kind_of
from harness.protocols import Section
from harness.report import canvas, charts, plots
from harness.report import numbers as n
from harness.report.blocks import Cell, Column, Picture, Table, section
from harness.report.evidence import Evidence
from harness.report.pictures import told
from harness.report.sections.quality import MOST_LINES, others_left_out, times_counted
from harness.report.sections.tradeoff import figure

SEEN = 0.02
"""How far confidence may be from the share that is right and be called about right."""


def calibration(e: Evidence) -> Section | None:
    """Whether a probability of 0.9 is right nine times in ten."""
    if kind_of(e.suite.task).targets != "classes":
        return None
    series, rows = [], []
    for candidate in e.leading[:MOST_LINES]:
        bins = reliability_bins(e, candidate)
        if bins is None:
            continue
        confidence, right, low, high = bins
        series.append(plots.Line(candidate, confidence, right, low, high, e.palette.colour(candidate)))
        rows.append(_row(e, candidate))
    if not series:
        return None
    drawn = charts.reliability(series[:5])
    absent = f" Not drawn: {n.listed([s.label for s in series[5:]])}." if series[5:] else ""
    picture = Picture(
        canvas.svg(drawn),
        "Tenths of the answers by confidence, with 95 % intervals. Below the diagonal: over-confident."
        + absent,
        told("Share that was right by confidence", series[:5]),
        "half",
    )
    columns = (
        Column("candidate", numeric=False), Column("calibration error", hint="ece"), Column("Brier score"),
        Column("log loss", "nats"), Column("tends to be", numeric=False),
    )  # fmt: skip
    return section("Calibration", [picture, Table(columns, tuple(rows)), *others_left_out(e)])


def reliability_bins(e: Evidence, candidate: str, bins: int = 10) -> tuple[list[float], ...] | None:
    """Mean confidence, share right and its interval in bins of equal count, over all seeds."""
    found = _answers(e, candidate)
    if found is None:
        return None
    confidence, right, times = found
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    means = [float(confidence[part].mean()) for part in parts]
    shares = [float(right[part].mean()) for part in parts]
    ends = [wilson(share, max(1, int(len(part) / times))) for share, part in zip(shares, parts, strict=True)]
    return means, shares, [low for low, _ in ends], [high for _, high in ends]


def _answers(e: Evidence, candidate: str) -> tuple[np.ndarray, np.ndarray, float] | None:
    """How sure each answer of all seeds is, whether it is right, and how many of them tell as much as one
    independent row does; None without probabilities."""
    confidences, rights = [], []
    for record in e.scored(candidate, every_part=True):
        p = e.predictions(record)
        if p is not None and p.answers == "probabilities" and p.outputs.ndim == 2 and p.outputs.shape[1] > 1:
            confidences.append(p.outputs.max(1))
            rights.append(p.outputs.argmax(1) == p.targets)
    if not confidences:
        return None
    return np.concatenate(confidences), np.concatenate(rights), times_counted(e, candidate, len(rights))


def _row(e: Evidence, candidate: str) -> tuple[Cell, ...]:
    """The figures of the trade-off table, corrected as they are there."""
    row = e.scored_row(candidate)
    cells = [Cell("") if row is None else figure(row, name) for name in ("ece", "brier", "log_loss")]
    return Cell(candidate, key=e.palette.swatch(candidate)), *cells, _leaning(e, candidate)


def _leaning(e: Evidence, candidate: str) -> Cell:
    """Whether confidence is above or below the share that is right, by more than examples leave open."""
    found = _answers(e, candidate)
    if found is None:
        return Cell("")
    confidence, right, times = found
    share, gap = float(right.mean()), float(confidence.mean() - right.mean())
    low, high = wilson(share, max(1, int(len(right) / times)))
    leaning = "over-confident" if gap > SEEN else "under-confident" if gap < -SEEN else "about right"
    if abs(gap) > SEEN and low <= confidence.mean() <= high:
        leaning = "not separated from right"
    return Cell(f"{leaning} ({n.signed(gap, 3)})", sort=gap)

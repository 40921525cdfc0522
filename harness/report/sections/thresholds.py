"""Two classes: which threshold, and what it gives; and whether a temperature makes probabilities honest.

Thresholds and temperatures are chosen on validation answers; every figure shown is of the test examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis import errors, thresholds
from harness.analysis.predictions import Predictions, score_examples
from harness.analysis.stats import Interval, two_way_interval
from harness.analysis.thresholds import Figure, Sweep
from harness.kinds import quality
from harness.protocols import Section
from harness.report import canvas
from harness.report import numbers as n
from harness.report.blocks import Beside, Block, Cell, Column, Fold, Picture, Table, section, text
from harness.report.curves import Mark, unit_square
from harness.report.evidence import Evidence
from harness.report.pictures import told
from harness.report.plots import Axis, Line
from harness.report.sections.answers import ComparedAnswers, answers_of, validation_answers
from harness.report.sections.quality import class_names
from harness.report.sections.tradeoff import figure as cell_of

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

DEFAULT = 0.5
POINTS = 400
"""Points that a curve is drawn of: more are not seen."""
DASHES: Mapping[str, LineStyleType] = {"precision": "--", "recall": ":", "F1": "-"}


@dataclass(frozen=True)
class Tuned:
    """A candidate's answers over all thresholds, and the threshold that serves the goal on validation."""

    candidate: str
    positive: np.ndarray
    sweep: Sweep
    threshold: float | None


def curves(e: Evidence) -> Section | None:
    """ROC and precision-recall curves, all candidates in one picture, and what each threshold gives."""
    a = answers_of(e)
    if a is None or a.classes != 2 or len(np.unique(a.targets)) < 2:
        return None
    goal, which = e.suite.decision.threshold, a.positive
    is_it = (a.targets == which).astype(int)
    tuned = []
    for candidate, p in a.probabilities.items():
        held = validation_answers(e, candidate)
        chosen = thresholds.choose(held[0][:, which], (held[1] == which).astype(int), goal) if held else None
        tuned.append(Tuned(candidate, p[:, which], thresholds.sweep(p[:, which], is_it), chosen))
    name = class_names(e, 2)[which]
    lead = text(
        f"The positive class is “{name}” ({is_it.mean():.0%} of {len(is_it):,} test examples). "
        f"{aim(e, name)} Filled: at the chosen threshold; hollow: at {DEFAULT}.{_scores_only(a)}"
    )
    pictures = Beside((_roc(e, tuned), _precision_recall(e, tuned, float(is_it.mean()))))
    blocks: list[Block] = [lead, pictures, _areas(e, tuned), _at_thresholds(e, tuned, is_it, a.groups)]
    pictured = [_over_thresholds(e, one) for one in tuned]
    blocks.append(Beside(tuple(pictured[:2])))
    if pictured[2:]:
        blocks.append(Fold("The other candidates over all thresholds", (Beside(tuple(pictured[2:])),)))
    return section("Curves and thresholds", blocks)


def _scores_only(a: ComparedAnswers) -> str:
    """What is said of candidates whose scores are no probabilities."""
    others = [candidate for candidate in a.probabilities if candidate not in a.sure]
    if not others:
        return ""
    return f" {', '.join(others)}: scores that rank, brought between 0 and 1, no probabilities."


def aim(e: Evidence, positive: str) -> str:
    """What thresholds are chosen for, and where that is said."""
    goal = e.suite.decision.threshold
    what = {
        "f1": "the highest F1",
        "cost": f"the lowest cost, {goal.false_alarm:g} for a false alarm and {goal.miss:g} for a miss",
        "recall_at_precision": f"the most found with a precision of {goal.precision:g} or more",
    }[goal.goal]
    stated = "stated in the suite" if "threshold" in e.suite.decision.model_fields_set else "by default"
    return f"Thresholds for “{positive}” are chosen for {what} ({stated}) on validation examples alone."


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    keep = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    return x[keep].tolist(), y[keep].tolist()


def _series(e: Evidence, one: Tuned, x: np.ndarray, y: np.ndarray) -> Line:
    chosen = e.chosen is not None and e.chosen.candidate == one.candidate
    return Line(one.candidate, *_thinned(x, y), colour=e.palette.colour(one.candidate), strong=chosen)


def _marks(e: Evidence, one: Tuned, x: np.ndarray, y: np.ndarray) -> list[Mark]:
    """Hollow at 0.5, filled at the chosen threshold; x and y are by the sweep's thresholds."""
    found = []
    for cut, filled in ((DEFAULT, False), (one.threshold, True)):
        if cut is not None:
            at = _place(one.sweep, one.positive, cut)
            found.append(Mark(float(x[at]), float(y[at]), e.palette.colour(one.candidate), filled))
    return found


def _place(s: Sweep, positive: np.ndarray, cut: float) -> int:
    """Where in the sweep the answers are those at a threshold: as many examples above it."""
    return int(np.searchsorted(s.hits + s.alarms, int((positive >= cut).sum())))


def _roc(e: Evidence, tuned: Sequence[Tuned]) -> Picture:
    lines, marks = [], []
    for one in tuned:
        x, y = one.sweep.false_positive_rate, one.sweep.recall
        lines.append(_series(e, one, x, y))
        marks += _marks(e, one, x, y)
    axes = Axis("False alarms: share of the other class"), Axis("Found: share of the positive class")
    figure = unit_square(lines, *axes, marks, ((0, 0), (1, 1)))
    return Picture(
        canvas.svg(figure), "ROC curve; dashed diagonal: guessing.", told("ROC curves", lines), "half"
    )


def _precision_recall(e: Evidence, tuned: Sequence[Tuned], base: float) -> Picture:
    lines, marks = [], []
    for one in tuned:
        x, y = one.sweep.recall, one.sweep.precision
        lines.append(_series(e, one, x, y))
        marks += _marks(e, one, x, y)
    axes = Axis("Recall: share of the positive class found"), Axis("Precision: share of those that are right")
    figure = unit_square(lines, *axes, marks, ((0, base), (1, base)))
    caption = "Precision-recall curve; dashed: guessing."
    return Picture(canvas.svg(figure), caption, told("Precision by recall", lines), "half")


def _over_thresholds(e: Evidence, one: Tuned) -> Picture:
    colour = e.palette.colour(one.candidate)
    cuts = one.sweep.thresholds
    values = {"precision": one.sweep.precision, "recall": one.sweep.recall, "F1": one.sweep.f1}
    # Above the highest answer nothing is said, so its precision is a convention: not drawn.
    lines = [
        Line(name, *_thinned(cuts[1:], y[1:]), colour=colour, dashes=DASHES[name], strong=name == "F1")
        for name, y in values.items()
    ]
    marks = _marks(e, one, cuts, one.sweep.f1)
    figure = unit_square(lines, Axis("Threshold"), Axis("Share"), marks)
    caption = f"{one.candidate}: F1 (thick), precision (dashed) and recall (dotted) over all thresholds."
    return Picture(canvas.svg(figure), caption, told(f"{one.candidate} by threshold", lines), "half")


def _areas(e: Evidence, tuned: Sequence[Tuned]) -> Table:
    columns = (
        Column("candidate", numeric=False),
        Column("ROC-AUC", hint="a random example of the positive class ranks above one of the other"),
        Column("PR-AUC", hint="average precision"),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(one.candidate, key=e.palette.swatch(one.candidate)),
            *(_area(e, one.candidate, name) for name in ("roc_auc", "pr_auc")),
        )
        for one in tuned
    )
    note = "Curves are of the first seed's models, areas those of the trade-off table."
    return Table(columns, rows, note)


def _area(e: Evidence, candidate: str, metric: str) -> Cell:
    row = e.scored_row(candidate)
    return Cell("not measured", tone="muted") if row is None else cell_of(row, metric)


def _at_thresholds(
    e: Evidence, tuned: Sequence[Tuned], targets: np.ndarray, groups: np.ndarray | None
) -> Table:
    goal = e.suite.decision.threshold
    wanted = ("precision", "recall", "f1", *(("cost",) if goal.goal == "cost" else ()))
    judged = "cost" if goal.goal == "cost" else "recall" if goal.goal == "recall_at_precision" else "f1"
    titles = {"f1": "F1", "cost": "cost per 1,000"}
    columns = (
        Column("candidate", numeric=False), Column("threshold"),
        *(Column(titles.get(name, name), "at the threshold") for name in wanted),
        Column(f"change of {titles.get(judged, judged)}", f"against {DEFAULT}"),
    )  # fmt: skip
    rows = []
    for one in tuned:
        head = Cell(one.candidate, key=e.palette.swatch(one.candidate))
        if one.threshold is None:
            reason = (
                "no validation answers" if validation_answers(e, one.candidate) is None else "not reached"
            )
            rows.append((head, Cell(reason, tone="muted"), *(Cell("") for _ in columns[2:])))
            continue
        at = thresholds.measured_at(one.positive, targets, one.threshold, goal, groups)
        change = thresholds.gained(one.positive, targets, one.threshold, goal, groups)[judged]
        cells = [
            Cell(n.plain(one.threshold), sort=one.threshold),
            *(figure_cell(at[name]) for name in wanted),
        ]
        rows.append((head, *cells, change_cell(change, lower_is_better=judged == "cost")))
    note = (
        "Figures are of the test examples and of the first seed's models, with 95 % intervals over test "
        "examples."
    )
    return Table(columns, tuple(rows), note)


def temperature(e: Evidence) -> Section | None:
    """What a temperature, fitted on validation answers, changes of the test part's probabilities."""
    a = answers_of(e)
    if a is None:
        return None
    rows = []
    for candidate, p in a.probabilities.items():
        held = validation_answers(e, candidate) if candidate in a.sure else None
        if held is not None and held[0].shape[1] == p.shape[1]:
            found = errors.fit_temperature(*held)
            cells = _temperature_cells(p, errors.at_temperature(p, found), a.targets, a.groups)
            head = Cell(candidate, key=e.palette.swatch(candidate))
            rows.append((head, Cell(n.plain(found), sort=found), *cells))
    if not rows:
        return None
    columns = (
        Column("candidate", numeric=False), Column("temperature", hint="above 1: it was too sure"),
        Column("calibration error", "before", hint="ece"), Column("calibration error", "after", hint="ece"),
        Column("log loss", "before, nats"), Column("change of log loss", "nats"),
    )  # fmt: skip
    note = (
        "Fitted for the lowest log loss on validation examples; the effect is that on test examples, with "
        "95 % intervals over test examples. A temperature changes no answer, only its confidence. "
        "Calibration errors are those of the first seed's models, corrected for the number of examples."
    )
    return section("Temperature", [Table(columns, tuple(rows), note)])


def _temperature_cells(
    before: np.ndarray, after: np.ndarray, targets: np.ndarray, groups: np.ndarray | None = None
) -> list[Cell]:
    # Of one format, as the trade-off table has it: a probability of 0 is off by as much before and after.
    losses = [quality.log_losses(p.astype(before.dtype), targets) for p in (before, after)]
    each = thresholds.weights(len(targets), groups)
    loss = thresholds.figure(each @ losses[0] / each.sum(1), groups, 0.0)
    change = thresholds.figure(each @ (losses[1] - losses[0]) / each.sum(1), groups)
    cells = [_ece_cell(Predictions(np.arange(len(p)), targets, p, groups=groups)) for p in (before, after)]
    return [*cells, figure_cell(loss), change_cell(change, lower_is_better=True)]


def _ece_cell(answers: Predictions) -> Cell:
    """The calibration error of one model's answers as the trade-off table has it: less what so few examples
    show of a perfectly calibrated one, which resampling would double."""
    found = score_examples("ece", answers)
    if found is None:
        return Cell("not estimable", tone="muted")
    value = max(0.0, float(found.values.mean()) + found.shift)
    if found.note:
        return Cell(n.plain(value), n.without_interval(found.note), sort=value)
    around = two_way_interval(found.values[None])
    low, high = (max(0.0, end + found.shift) for end in (around.low, around.high))
    return figure_cell(Figure(value, low, high))


def figure_cell(f: Figure) -> Cell:
    """A value with its interval, or that there is none."""
    if f.why:
        return Cell(n.plain(f.value), f.why, f.value, tone="muted")
    if not np.isfinite([f.value, f.low, f.high]).all():
        return Cell("not estimable", tone="muted")
    if not f.high > f.low:
        return Cell(n.plain(f.value), sort=f.value)
    return Cell(*n.interval(f.value, f.low, f.high), sort=f.value)


def change_cell(f: Figure | Interval, lower_is_better: bool = False) -> Cell:
    """A difference with its sign and interval, coloured where the interval does not hold 0."""
    if isinstance(f, Figure) and f.why:
        return Cell(n.signed(f.value), f.why, f.value, tone="muted")
    if not np.isfinite([f.value, f.low, f.high]).all():
        return Cell("not estimable", tone="muted")
    if not f.high > f.low:
        return Cell(n.signed(f.value), sort=f.value, tone="muted")
    value, interval = n.interval(f.value, f.low, f.high)
    better = f.high < 0 if lower_is_better else f.low > 0
    worse = f.low > 0 if lower_is_better else f.high < 0
    sign = "+" if f.value > 0 and value.strip("0.,") else ""
    return Cell(sign + value, interval, f.value, tone="good" if better else "bad" if worse else "muted")

"""Where one answer is nearly always right: what accuracy hides, on page one."""

from __future__ import annotations

import numpy as np

from harness.analysis import thresholds
from harness.analysis.aggregates import rows_of_one
from harness.analysis.criteria import decides
from harness.protocols import Section
from harness.report import numbers as n
from harness.report.blocks import Block, Cell, Column, Table, section, text
from harness.report.evidence import Evidence
from harness.report.sections.answers import ComparedAnswers, answers_of, validation_answers
from harness.report.sections.quality import class_names, confusion, matrix_table, share_cell
from harness.report.sections.thresholds import aim, figure_cell
from harness.suite.schema import CONSTANT


def constant(e: Evidence) -> Section | None:
    """The confusion matrix, what is found of the rare class, and the threshold for the goal."""
    if not decides(e.suite, "accuracy"):
        return None
    a = answers_of(e)
    if a is None:
        return None
    counts = np.bincount(a.targets, minlength=a.classes)
    common = int(counts.argmax())
    share = counts[common] / counts.sum()
    if share < CONSTANT:
        return None
    names = class_names(e, a.classes)
    lead = text(
        f"Always saying “{names[common]}” is right in {share:.1%} of the {counts.sum():,} test examples, and "
        "finds nothing of the rest. Accuracy decides here, so a high figure says little: look at what is "
        "found of the rare class, and decide by pr_auc, f1_macro or balanced_accuracy.",
        kind="warning",
    )
    shown = e.chosen.candidate if e.chosen and e.chosen.candidate in a.probabilities else a.best
    told = confusion(e, shown)
    blocks: list[Block] = [lead, *([matrix_table(shown, told[0], names)] if told else [])]
    if a.classes == 2:
        blocks.append(_of_the_rare(e, a, _positive(e, a, counts), names, float(share)))
    return section("What accuracy hides", blocks)


def _positive(e: Evidence, a: ComparedAnswers, counts: np.ndarray) -> int:
    """The class that the suite names, else the rare one."""
    return a.positive if e.suite.decision.positive is not None else int(counts.argmin())


def _share(a: ComparedAnswers, right: np.ndarray, rows: np.ndarray) -> Cell:
    """The share right of some rows; those of one group count as what they tell together."""
    count = int(rows.sum())
    if not count:
        return share_cell(0.0, 0)
    alike = rows_of_one(right[rows].astype(float), None if a.groups is None else a.groups[rows])
    return share_cell(float(right[rows].mean()), max(1, int(count / alike)))


def _of_the_rare(e: Evidence, a: ComparedAnswers, which: int, names: list[str], share: float) -> Table:
    goal = e.suite.decision.threshold
    is_it = (a.targets == which).astype(int)
    columns = (
        Column("candidate", numeric=False), Column("accuracy", f"always “{names[1 - which]}”: {share:.3f}"),
        Column("precision", "as it answers"), Column("recall", "as it answers"),
        Column("threshold", "for the goal"), Column("precision", "there"), Column("recall", "there"),
    )  # fmt: skip
    rows = []
    for candidate, p in a.probabilities.items():
        told, head = p.argmax(1), Cell(candidate, key=e.palette.swatch(candidate))
        right, said = told == a.targets, told == which
        precision = _share(a, right, said) if said.any() else Cell("never said", tone="muted")
        plain = [_share(a, right, np.ones_like(said)), precision, _share(a, right, is_it == 1)]
        rows.append((head, *plain, *_at_goal(e, candidate, p[:, which], is_it, which, a.groups)))
    note = (
        f"Precision: of what is called “{names[which]}”, the share that is; recall: of what is "
        f"“{names[which]}”, the share that is found. {aim(e, names[which])} Models of the first seed, 95 % "
        f"intervals over test examples; the goal is `decision.threshold`, now {goal.goal}."
    )
    return Table(columns, tuple(rows), note)


def _at_goal(
    e: Evidence, candidate: str, p: np.ndarray, is_it: np.ndarray, which: int, groups: np.ndarray | None
) -> list[Cell]:
    """The threshold for the goal, chosen on validation answers, and what it gives on the test part."""
    held = validation_answers(e, candidate)
    goal = e.suite.decision.threshold
    cut = thresholds.choose(held[0][:, which], (held[1] == which).astype(int), goal) if held else None
    if cut is None:
        reason = "no validation answers of both classes" if held is None else "not reached"
        return [Cell(reason, tone="muted"), Cell(""), Cell("")]
    at = thresholds.measured_at(p, is_it, cut, goal, groups)
    return [Cell(n.plain(cut), sort=cut), figure_cell(at["precision"]), figure_cell(at["recall"])]

"""Columns of a table that give the answer away, and columns that count the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from harness.datasets.audit.answers import MANY, Answers, answers_of, stands_out
from harness.datasets.audit.finding import AuditedData, Finding, Name, named
from harness.datasets.audit.models import auc

SUSPICIOUS_AUC = 0.97
"""One column alone tells a class from the rest as well as this, and the others do not: a warning."""
SUSPICIOUS_R2 = 0.9
"""One column alone explains so much of the ranks of a number, and the others do not: a warning."""
TELLS_AUC, TELLS_R2 = 0.6, 0.1
"""A running number that tells as much of the answer as this says that the file is sorted."""
ENTITY = re.compile(r"(^|[^a-z])(id|ids|key|uuid|index|nr|no|row|unnamed)([^a-z]|$)|^$|[a-z]Id$", re.I)
"""A column by whose name it numbers something."""


def giveaway_columns(subject: AuditedData) -> Iterator[Finding]:
    """Columns that alone give the answer: often written after the fact."""
    answers = answers_of(subject.train, subject.task, subject.seed) if subject.is_table else None
    if answers is None:
        return
    inputs = answers.rows.inputs
    running = set(_running(subject))
    alone = {
        name: answers.alone(inputs[:, places])
        for name, places in subject.columns.items()
        if name not in running
    }
    limit = SUSPICIOUS_AUC if answers.are_classes else SUSPICIOUS_R2
    likely = {name: scores for name, scores in alone.items() if (scores >= limit).any()}
    if not likely:
        return
    kept = [p for name, places in subject.columns.items() if name not in {*likely, *running} for p in places]
    without = answers.without(inputs[:, kept])
    for name, scores in likely.items():
        column = inputs[:, subject.columns[name]]
        told = (scores >= limit) & (stands_out(scores, without) | _never_wrong(answers, column))
        if not told.any() and kept:  # an easy problem: it may still know what all others do not
            with_it = answers.without(np.column_stack([inputs[:, kept], column]))
            told = (scores >= limit) & stands_out(with_it, without)
        if told.any():
            yield _giveaway(answers, name, scores, without, told)


def _never_wrong(answers: Answers, column: np.ndarray) -> np.ndarray:
    """(scores,) where a column tells without an error: the whole answer, or a class by few values."""
    if not answers.are_classes:
        return np.zeros(1, dtype=bool)
    whole = answers.exactly(column)
    first = 1 if len(answers.names) == 1 else 0
    marks = [
        any(_same(one, answers.targets == label) for one in column.T)
        for label in range(first, first + len(answers.names))
    ]
    return np.asarray(marks, dtype=bool) | whole


def _same(column: np.ndarray, positive: np.ndarray) -> bool:
    """Whether a column of two values is the class itself."""
    if len(positive) < MANY or len(np.unique(column)) != 2:
        return False
    high = column == column.max()
    return bool((high == positive).all() or (high != positive).all())


def _giveaway(
    answers: Answers, name: Name, scores: np.ndarray, without: np.ndarray, told: np.ndarray
) -> Finding:
    best = int(np.where(told, scores, -1).argmax())
    what = "the answer"
    if answers.are_classes and not told.all():
        what = f"class {', '.join(answers.names[i] for i in np.flatnonzero(told))}"
    return Finding(
        "giveaway column",
        "warning",
        f"{named(name)} alone tells {what} with {answers.scale} {scores[best]:.3f}, all other columns "
        f"together with {without[best]:.3f}: is it known before the answer is? If not, leave it out",
        {
            "column": name,
            "auc" if answers.are_classes else "r2": float(scores[best]),
            "others": float(without[best]),
        },
    )


def row_numbers(subject: AuditedData) -> Iterator[Finding]:
    """Columns that count the rows, and whether the file is sorted by the answer."""
    answers = answers_of(subject.train, subject.task, subject.seed) if subject.is_table else None
    if answers is None:
        return
    limit = TELLS_AUC if answers.are_classes else TELLS_R2
    for name in _running(subject):
        best = float(answers.alone(answers.rows.inputs[:, subject.columns[name]]).max())
        tells = best >= limit
        yield Finding(
            "row number",
            "warning" if tells else "note",
            f"{named(name)} counts the rows"
            + (
                f" and tells the answer with {answers.scale} {best:.3f}: the file is sorted by it"
                if tells
                else ""
            )
            + "; new rows have other numbers: leave it out",
            {"column": name, "auc" if answers.are_classes else "r2": best},
        )
    for name, best in _ids(subject, answers):
        if best >= limit + 0.1:
            yield Finding(
                "id", "warning",
                f"{named(name)} has another whole number in every row and tells the answer with "
                f"{answers.scale} {best:.3f}: the numbers follow the answer; leave it out",
                {"column": name, "auc" if answers.are_classes else "r2": best},
            )  # fmt: skip
    if answers.are_classes:
        yield from _sorted(answers)


def _sorted(answers: Answers) -> Iterator[Finding]:
    best = 0.0
    for label in np.unique(answers.targets):
        score = auc(answers.rows.ids.astype(float), answers.targets == label)
        best = max(best, score, 1 - score)
    if best > 0.99:
        yield Finding(
            "order of the rows", "note",
            f"the file is sorted by the answer (AUC of the row's place {best:.3f}): cut no part off its end",
            {"auc": best},
        )  # fmt: skip


def _running(subject: AuditedData) -> list[Name]:
    """Columns of whole numbers that rise with every row of the file."""
    return [name for name, values in _counters(subject) if (np.diff(values) > 0).all()]


def _ids(subject: AuditedData, answers: Answers) -> Iterator[tuple[Name, float]]:
    """Columns of a different whole number in each row, by their name an id, and what they tell alone."""
    running = set(_running(subject))
    for name, _ in _counters(subject):
        if name not in running and ENTITY.search(str(name)):
            yield name, float(answers.alone(answers.rows.inputs[:, subject.columns[name]]).max())


def _counters(subject: AuditedData) -> Iterator[tuple[Name, np.ndarray]]:
    """Columns of a different whole number in each training row, in the file's order."""
    part = subject.dataset.train
    order = np.argsort(part.ids, kind="stable")
    for name, places in subject.columns.items():
        values = part.inputs[order, places[0]].astype(np.float64)
        whole = len(places) == 1 and len(values) > 20 and bool((np.mod(values, 1) == 0).all())
        if whole and len(np.unique(values)) == len(values):
            yield name, values

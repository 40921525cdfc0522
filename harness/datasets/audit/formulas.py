"""Columns that give the answer together: a sum, a product, a difference, a ratio."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from harness.datasets.audit.answers import MANY, Answers, answers_of, stands_out
from harness.datasets.audit.columns import SUSPICIOUS_AUC
from harness.datasets.audit.finding import AuditedData, Finding, Name
from harness.datasets.audit.models import column_aucs

MOST_COLUMNS = 40
"""Pairs are looked at among so many columns at most."""
EXACT = 0.9999
"""A linear formula that explains so much of rows that it has not seen is how the answer was made."""
COUNTS = 0.01
"""A term that moves the answer by less than this share of its spread is none of the formula."""

WAYS = ("difference", "ratio", "ratio", "product")


def formulas(subject: AuditedData) -> Iterator[Finding]:
    """Whether few columns of numbers together make the answer that none of them gives alone."""
    answers = answers_of(subject.train, subject.task, subject.seed) if subject.is_table else None
    if answers is None:
        return
    single = {name: places[0] for name, places in subject.columns.items() if len(places) == 1}
    names = list(single)[:MOST_COLUMNS]
    columns = answers.rows.inputs[:, [single[name] for name in names]].astype(np.float64)
    if len(names) < 2:
        return
    if answers.are_classes:
        yield from _of_pairs(answers, names, columns)
    else:
        yield from _linear(answers, names, columns)


def _linear(answers: Answers, names: list[Name], columns: np.ndarray) -> Iterator[Finding]:
    """Sums, and products as sums of logarithms."""
    targets = answers.rows.targets.astype(np.float64)
    ways = [("sum", columns, names, targets)]
    positive: np.ndarray = np.asarray((columns > 0).all(axis=0))
    if (targets > 0).all() and positive.sum() > 1:
        kept = [name for name, ok in zip(names, positive, strict=True) if ok]
        ways.append(("product", np.log(columns[:, positive]), kept, np.log(targets)))
    for way, inputs, of, wanted in ways:
        explained, weights = _fit(inputs, wanted)
        moves = np.abs(weights) * inputs.std(axis=0) / max(float(wanted.std()), 1e-12)
        terms = [name for name, move in zip(of, moves, strict=True) if move > COUNTS]
        if explained >= EXACT and len(terms) > 1:
            yield Finding(
                "formula", "warning",
                f"the answer is a {way} of {_listed(terms)} (R² {explained:.5f} on rows that the formula has "
                "not seen): are all of them known before the answer is?",
                {"columns": terms, "r2": explained},
            )  # fmt: skip
            return
    for (i, j), pair in _pairs(columns):
        for way, told in zip(WAYS, pair.T, strict=True):
            spread = float(told.std() * targets.std())
            related = float(((told - told.mean()) * (targets - targets.mean())).mean()) / max(spread, 1e-12)
            if related * related >= EXACT:
                yield Finding(
                    "formula", "warning",
                    f"the answer is the {way} of {_listed([names[i], names[j]])} (R² {related**2:.5f}): are "
                    "both known before the answer is?",
                    {"columns": [names[i], names[j]], "r2": related * related},
                )  # fmt: skip
                return


def _pairs(columns: np.ndarray) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Each two columns: (n, 4) what WAYS make of them."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i, j in combinations(range(columns.shape[1]), 2):
            a, b = columns[:, i], columns[:, j]
            pair = np.column_stack([a - b, a / b, b / a, a * b])
            yield (i, j), np.nan_to_num(pair, nan=0.0, posinf=0.0, neginf=0.0)


def _fit(inputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """R² on the second half of a formula from the first, and its weights."""
    half = np.arange(len(targets)) % 2 == 0
    if half.sum() < 3 * inputs.shape[1]:
        return 0.0, np.zeros(inputs.shape[1])
    design = np.column_stack([np.ones(len(inputs)), inputs])
    weights = np.linalg.lstsq(design[half], targets[half], rcond=None)[0]
    left = targets[~half] - design[~half] @ weights
    return 1 - float(left.var()) / max(float(targets[~half].var()), 1e-12), weights[1:]


def _of_pairs(answers: Answers, names: list[Name], columns: np.ndarray) -> Iterator[Finding]:
    """The difference, ratio or product of two columns that tells a class when neither of them does."""
    best, where, which, few = 0.0, (0, 0), 0, False
    first = 1 if len(answers.names) == 1 else 0
    for place, pair in _pairs(columns):
        for label in range(first, first + len(answers.names)):
            scores = column_aucs(pair, answers.targets == label)
            scores = np.maximum(scores, 1 - scores)
            for told in np.flatnonzero(scores >= max(best, SUSPICIOUS_AUC)):
                is_code = _is_code(pair[:, told], answers)
                if scores[told] > best or (is_code and not few):
                    best, where, which, few = float(scores[told]), place, label - first, is_code
    i, j = where
    if best < SUSPICIOUS_AUC:
        return
    ones = max(float(answers.alone(columns[:, [k]]).max()) for k in where)
    if not stands_out(np.array([best]), np.array([ones])).all():
        return
    without = answers.without(np.delete(columns, [i, j], axis=1))[which]
    if few or stands_out(np.array([best]), np.array([without])).all():
        yield Finding(
            "formula", "warning",
            f"the difference, ratio or product of {_listed([names[i], names[j]])} tells the answer with AUC "
            f"{best:.3f}, all other columns together with {without:.3f}: are both known before the "
            "answer is?",
            {"columns": [names[i], names[j]], "auc": best},
        )  # fmt: skip


def _is_code(values: np.ndarray, answers: Answers) -> bool:
    """Whether figures made of two columns of numbers are few: chance leaves no such pattern."""
    scale = max(float(np.abs(values).max()), 1e-12)
    return len(values) >= MANY and len(np.unique(np.round(values / scale, 4))) <= 2 * len(answers.names) + 2


def _listed(names: list[Name]) -> str:
    return " and ".join(repr(name) for name in names[:6]) + (" and others" if len(names) > 6 else "")

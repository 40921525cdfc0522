"""Whether a classifier can tell test rows from training rows (D. Lopez-Paz and M. Oquab, 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.datasets.audit.finding import AuditedData, Finding, Name, named, sample
from harness.datasets.audit.models import auc, folds_of, linear_probabilities, probabilities
from harness.datasets.features import describe
from harness.protocols import Inputs, Split

DRIFT_AUC = 0.6
"""A cheap model tells test from training rows better than this: a warning."""
SURE = 4.0
"""And by so many standard errors of an AUC of nothing: beyond chance, whatever is looked at."""
LEAST_ROWS = 25
FEWEST_UNITS = 5
"""Rows, or owners of rows, that folds need."""
Folds = list[tuple[np.ndarray, np.ndarray]]
COLUMN_KS = 0.1
"""A column whose distributions lie further apart than this (Kolmogorov and Smirnov) is named."""


def drift(subject: AuditedData) -> Iterator[Finding]:
    """A linear model, and of tables a boosted one, which also sees spread and shape."""
    dataset = subject.dataset
    size = min(subject.limit, len(dataset.train), len(dataset.test)) // 2
    if size < LEAST_ROWS:
        return
    train, test = (sample(part, size, subject.seed) for part in (dataset.train, dataset.test))
    if min(_units(train), _units(test)) < 2 or _units(train) + _units(test) < FEWEST_UNITS:
        return  # a fold would lack a side
    both: Inputs = (
        [*train.inputs, *test.inputs]
        if isinstance(train.inputs, list)
        else np.concatenate([train.inputs, test.inputs])
    )
    side = np.repeat([0, 1], [len(train), len(test)])
    score = _told_apart(subject, both, side, _folds(train, test, subject.seed))
    units = min(_units(train), _units(test))
    error = float(np.sqrt((2 * units + 1) / (12 * units * units)))
    strange = score > max(DRIFT_AUC, 0.5 + SURE * error)
    apart = _columns_apart(subject, train.inputs, test.inputs) if subject.is_table and strange else []
    most = f", most of all by {', '.join(named(n) for n in apart[:3])}" if apart else ""
    yield Finding(
        "drift from train to test",
        "warning" if strange else "good",
        f"a cheap model tells test from training rows with AUC {score:.2f} (0.5 is chance, ±{2 * error:.2f})"
        + (f"{most}: they were not drawn alike, test scores may not be what comes in use" if strange else ""),
        {"auc": score, "standard_error": error, **({"columns": apart} if apart else {})},
    )


def _units(part: Split) -> int:
    """Rows, or what they belong to: a hundred rows of ten articles are ten chances to be different."""
    return len(part) if part.groups is None else len(np.unique(part.groups))


def _folds(train: Split, test: Split, seed: int) -> Folds:
    """Rows of one group are in one fold: a model that has seen its twin tells a row by heart."""
    owners = [np.arange(len(p)) if p.groups is None else np.unique(p.groups, return_inverse=True)[1]
              for p in (train, test)]  # fmt: skip
    return folds_of(np.concatenate([owners[0], owners[1] + owners[0].max() + 1]), seed)


def _told_apart(subject: AuditedData, both: Inputs, side: np.ndarray, folds: Folds) -> float:
    linear = linear_probabilities(describe(both, subject.task), side, subject.seed, folds)
    scores = [auc(linear[:, 1], side == 1)]
    if subject.is_table:
        from sklearn.ensemble import HistGradientBoostingClassifier

        boosted = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=subject.seed)
        scores.append(auc(probabilities(boosted, both, side, subject.seed, folds)[:, 1], side == 1))
    return max(scores)


def _columns_apart(subject: AuditedData, train: Inputs, test: Inputs) -> list[Name]:
    """Columns by how far their distributions lie apart, the furthest first."""
    from scipy.stats import ks_2samp

    distances = {
        name: max(float(ks_2samp(train[:, p], test[:, p]).statistic) for p in places)
        for name, places in subject.columns.items()
    }
    return [name for name, far in sorted(distances.items(), key=lambda item: -item[1]) if far > COLUMN_KS]

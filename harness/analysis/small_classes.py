"""What few examples of a class leave open of a mean over classes, and of average precision.

Where all six examples of a class are missed, or all found, no part of the test rows shows any spread, and a
mean over classes would be known to a hair. Each class's own figure varies at least as that of so many
examples with two right and two wrong ones more among them (Agresti and Coull 1998); of an F1, with one hit
and one miss. Average precision is a mean over the positive examples, and known as well as a share of so many
(K. Boyd, K. Eng and C. Page, Area under the precision-recall curve, ECML 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.stats import Array
from harness.kinds.quality import average_precision, confusion_matrix

FADES = 100.0
"""Examples of a class at which half of what is expected is left: with more, its own spread is believed."""
RECALLS = ("balanced_accuracy", "recall_macro")
MACRO = (*RECALLS, "precision_macro", "f1_macro", "label_f1_macro")
"""Means over classes, or labels, that count what is called one."""
PRECISIONS = ("pr_auc", "mean_average_precision")


@dataclass(frozen=True)
class Few:
    """What few examples of a class leave open of a mean over classes.

    Args:
        variance: of it, at least. answers: how many it is worth, where next to nothing, or all, is wrong: as
            many as all classes would have, were each as small as the smallest; 0 of other metrics.
    """

    variance: float = 0.0
    answers: float = 0.0


def few_of_a_class(name: str, outputs: Array, targets: Array, groups: Array | None = None) -> Few:
    """Of a metric that is a mean over classes, or over the examples of one; nothing of others.

    Args:
        name: of the metric, without a slice. outputs: (n, k) probabilities. targets: (n,) classes, or (n, k)
            labels of 0 and 1. groups: (n,) whose each example is: examples of one are one.
    """
    if name not in (*MACRO, *PRECISIONS) or outputs.ndim != 2 or (outputs == outputs[:1]).all():
        return Few()  # who answers all examples alike does so to others too
    if name in PRECISIONS:
        return _of_positives(outputs, targets, groups)
    if targets.ndim == 2:
        called = outputs > 0.5
        hits, there, claimed = (
            x.sum(0).astype(float) for x in (called & (targets == 1), targets == 1, called)
        )
    else:
        matrix = confusion_matrix(outputs, targets)
        hits, there, claimed = (x.astype(float) for x in (np.diag(matrix), matrix.sum(1), matrix.sum(0)))
    used = there > 0 if name in RECALLS else there + claimed > 0
    if not used.any():
        return Few()
    alike = _alike(targets, groups, len(there))[used]
    a, n, m = hits[used] / alike, there[used] / alike, claimed[used] / alike
    if name == "precision_macro":
        return _of_mean(_of_share(a, m), m)
    if name in RECALLS:
        return _of_mean(_of_share(a, n), n)
    return _of_mean(_of_f1(a, n + m - 2 * a), n)


def few_of_either(targets: Array, groups: Array | None = None) -> Few:
    """How many answers an area under the ROC curve is worth at least: its variance is at most A(1 − A) over
    the examples of the smaller class, or the groups that they come in (Z. Birnbaum, On a use of the
    Mann-Whitney statistic, 1956)."""
    classes = [targets == c for c in np.unique(targets)]
    sides = [*classes, *(~side for side in classes)]
    least = min(int(side.sum()) if groups is None else len(np.unique(groups[side])) for side in sides)
    return Few(answers=float(least))


def _of_positives(outputs: Array, targets: Array, groups: Array | None) -> Few:
    """Of average precision: of the second of two classes, or the mean of all classes, or labels, that have
    examples."""
    kinds = outputs.shape[1]
    positive = targets == 1 if targets.ndim == 2 else targets[:, None] == np.arange(kinds)
    counts = positive.sum(0).astype(float)
    used = [1] if targets.ndim == 1 and kinds == 2 else np.flatnonzero(counts).tolist()
    found = np.array([average_precision(outputs[:, c], positive[:, c]) for c in used])
    count = (counts / _alike(targets, groups, kinds))[used]
    return _of_mean(_of_share(found * count, count), count)


def _of_mean(variances: Array, count: Array) -> Few:
    """Of a mean over classes of which each has a variance and so many examples."""
    classes = len(count)
    variance = float((variances / (1 + count / FADES)).sum()) / classes**2
    return Few(variance, max(1.0, classes * float(count.min())))


def _of_share(hits: Array, count: Array) -> Array:
    share = (hits + 2) / (count + 4)
    return np.asarray(share * (1 - share) / np.maximum(count, 1))


def _of_f1(hits: Array, errors: Array) -> Array:
    """By its derivatives, of hits and errors that are counted independently."""
    a, e = hits + 1, errors + 1
    return np.asarray(4 * a * e * (a + e) / (2 * a + e) ** 4)


def _alike(targets: Array, groups: Array | None, classes: int) -> Array:
    """(classes,) examples of each that stand for one."""
    if groups is None:
        return np.ones(classes)
    masks = [targets[:, c] == 1 if targets.ndim == 2 else targets == c for c in range(classes)]
    return np.array([mask.sum() / max(len(np.unique(groups[mask])), 1) or 1.0 for mask in masks])

"""Quality of predictions: arrays in, numbers out.

`probabilities` is (n, k) with rows that sum to 1, `targets` is (n,) int in 0…k-1; regression has
`values` (n,) and `targets` (n,). Where the truth is not a number (ROC-AUC with one class only) the
answer is NaN, which a record stores as "not estimable". Everything agrees with scikit-learn to 1e-9
(tested); most is plain numpy because scikit-learn takes a second to import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.late import Late

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")


ECE_BINS = 15


def predicted(probabilities: np.ndarray) -> np.ndarray:
    """The most probable class, (n,); of equal ones the first."""
    return np.asarray(np.argmax(probabilities, axis=1))


def confusion_matrix(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(k, k) counts: row = true class, column = predicted class."""
    k = probabilities.shape[1]
    cells = targets.astype(np.int64) * k + predicted(probabilities)
    return np.asarray(np.bincount(cells, minlength=k * k).reshape(k, k))


def per_class_accuracy(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(k,) share of each class's examples that are found; NaN where a class has none."""
    return _ratio(np.diag(m := confusion_matrix(probabilities, targets)), m.sum(axis=1), empty=np.nan)


def weakest_class(probabilities: np.ndarray, targets: np.ndarray) -> int:
    """The class whose examples are found least often."""
    return int(np.nanargmin(per_class_accuracy(probabilities, targets)))


def correct(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) 1.0 where the most probable class is the right one."""
    return np.asarray(predicted(probabilities) == targets, dtype=np.float64)


def accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(correct(probabilities, targets).mean())


def balanced_accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean recall over the classes that have examples."""
    return float(np.nanmean(per_class_accuracy(probabilities, targets)))


def precision_macro(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return _macro(confusion_matrix(probabilities, targets), precision_weight=1.0, recall_weight=0.0)


def recall_macro(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return _macro(confusion_matrix(probabilities, targets), precision_weight=0.0, recall_weight=1.0)


def f1_macro(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return _macro(confusion_matrix(probabilities, targets), precision_weight=0.5, recall_weight=0.5)


def _macro(matrix: np.ndarray, precision_weight: float, recall_weight: float) -> float:
    """Mean over the classes that occur in targets or predictions of hits / weighted support.

    Precision divides the hits by what was predicted, recall by what is there, F1 by their mean
    (2PR/(P+R) = hits / ((predicted + present) / 2)); 0 / 0 counts as 0, as in scikit-learn.
    """
    present, claimed = matrix.sum(axis=1), matrix.sum(axis=0)
    scores = _ratio(np.diag(matrix), precision_weight * claimed + recall_weight * present, empty=0.0)
    return float(scores[(present + claimed) > 0].mean())


def roc_auc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Binary: of class 1. Else each class against the rest, mean over the classes with examples."""
    return _over_classes(_binary_roc_auc, probabilities, targets)


def pr_auc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Average precision. Binary: of class 1. Else one against the rest, mean over those with examples."""
    return _over_classes(average_precision, probabilities, targets)


def _over_classes(
    score: Callable[[np.ndarray, np.ndarray], float], probabilities: np.ndarray, targets: np.ndarray
) -> float:
    k = probabilities.shape[1]
    classes = [1] if k == 2 else range(k)
    scores = [score(probabilities[:, c], targets == c) for c in classes]
    scores = [s for s in scores if not np.isnan(s)]
    return float(np.mean(scores)) if scores else float("nan")


def _binary_roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Mann-Whitney: the chance that a positive is ranked above a negative, ties count half."""
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if not num_positive or not num_negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = ranks[inverse[positive]].sum()
    return float((rank_sum - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative))


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Sum over thresholds of (recall gained) x precision; equal scores share one threshold."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(positive[order])[last_of_tie]
    precision = hits / (np.flatnonzero(last_of_tie) + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / hits[-1])


def log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) -log of the right class's probability, which is kept the dtype's epsilon off 0 and 1.

    The epsilon is scikit-learn's: a float32 probability of 0 costs 15.9 nats, not infinity.
    """
    p = probabilities[np.arange(len(targets)), targets]
    epsilon = np.finfo(p.dtype).eps
    return np.asarray(-np.log(np.clip(p, epsilon, 1 - epsilon).astype(np.float64)))


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(log_losses(probabilities, targets).mean())


def reliability(
    probabilities: np.ndarray, targets: np.ndarray, bins: int = ECE_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The reliability diagram of the most probable class.

    Bin b of `bins` holds the confidences in (b/bins, (b+1)/bins], 0 goes to the first.

    Returns:
        counts (bins,), mean confidence (bins,), accuracy (bins,); NaN where a bin is empty.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    b = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(b, minlength=bins)
    confidences = np.bincount(b, confidence, minlength=bins)
    hits = np.bincount(b, correct(probabilities, targets), minlength=bins)
    return counts, _ratio(confidences, counts, empty=np.nan), _ratio(hits, counts, empty=np.nan)


def ece(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error (Guo et al. 2017) over 15 bins of equal width, as `reliability`."""
    counts, confidences, accuracies = reliability(probabilities, targets)
    gaps = np.where(counts > 0, np.abs(confidences - accuracies), 0.0)
    return float((counts * gaps).sum() / counts.sum())


def brier_scores(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) squared distance of the probabilities from the truth, halved for two classes (the binary form)."""
    p = probabilities.astype(np.float64)
    truth = np.eye(p.shape[1])[targets]
    return np.asarray(((p - truth) ** 2).sum(axis=1) / (2 if p.shape[1] == 2 else 1))


def brier(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(brier_scores(probabilities, targets).mean())


def squared_errors(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.asarray((values.astype(np.float64) - targets) ** 2)


def absolute_errors(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(values.astype(np.float64) - targets))


def mse(values: np.ndarray, targets: np.ndarray) -> float:
    return float(squared_errors(values, targets).mean())


def mae(values: np.ndarray, targets: np.ndarray) -> float:
    return float(absolute_errors(values, targets).mean())


def r2(values: np.ndarray, targets: np.ndarray) -> float:
    """1 - MSE / variance; NaN where all targets are equal.

    Equal ones are looked for as such: their variance is not always 0, because their mean is rounded.
    """
    if len(targets) == 0 or targets.max() == targets.min():
        return float("nan")
    spread = float(((targets.astype(np.float64) - targets.mean(dtype=np.float64)) ** 2).mean())
    return 1 - mse(values, targets) / spread if spread > 0 else float("nan")


def _ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float) -> np.ndarray:
    """Element-wise quotient, `empty` where the denominator is 0."""
    out = np.full(len(denominator), empty)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out

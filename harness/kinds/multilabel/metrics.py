"""Quality of answers of several labels at once: arrays in, numbers out.

`probabilities` (n, k) lie in 0…1, each label by itself; `targets` (n, k) are 0 and 1. A label is said where
its probability is above one half. Everything agrees with scikit-learn to 1e-9 (tested).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.kinds.quality import average_precision
from harness.late import Late
from harness.protocols import Metric

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")


def said(probabilities: np.ndarray) -> np.ndarray:
    """(n, k) bool: the labels that are given."""
    return np.asarray(probabilities > 0.5)


def outcomes(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(k, 3) of each label: rightly said, wrongly said, missed."""
    given, true = said(probabilities), targets > 0.5
    return np.stack(
        [(given & true).sum(axis=0), (given & ~true).sum(axis=0), (~given & true).sum(axis=0)], axis=1
    )


def f1_of(counts: np.ndarray) -> np.ndarray:
    """F1 of (…, 3) counts: 2 hits / (2 hits + wrongly said + missed); 0 where there is nothing, as in
    scikit-learn."""
    hits, wrong, missed = counts[..., 0], counts[..., 1], counts[..., 2]
    below = 2 * hits + wrong + missed
    return np.asarray(2 * hits / np.maximum(below, 1), dtype=np.float64)


def f1_micro(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(f1_of(outcomes(probabilities, targets).sum(axis=0)))


def f1_macro(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(f1_of(outcomes(probabilities, targets)).mean())


def mean_average_precision(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean over the labels that have examples; NaN where none has."""
    found = [average_precision(probabilities[:, c], targets[:, c] > 0.5) for c in range(targets.shape[1])]
    found = [value for value in found if not np.isnan(value)]
    return float(np.mean(found)) if found else float("nan")


def whole(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) 1.0 where all labels are right."""
    return np.asarray((said(probabilities) == (targets > 0.5)).all(axis=1), dtype=np.float64)


def subset_accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(whole(probabilities, targets).mean())


def wrong_shares(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) the share of an example's labels that are wrong."""
    return np.asarray((said(probabilities) != (targets > 0.5)).mean(axis=1), dtype=np.float64)


def hamming_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(wrong_shares(probabilities, targets).mean())


def log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) mean over labels of -log of the probability of what is so, the dtype's epsilon off 0 and 1."""
    right = np.where(targets > 0.5, probabilities, 1 - probabilities)
    epsilon = np.finfo(right.dtype).eps
    return np.asarray(-np.log(np.clip(right, epsilon, 1 - epsilon).astype(np.float64)).mean(axis=1))


def label_log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(log_losses(probabilities, targets).mean())


METRICS = (
    Metric(
        "label_f1_micro",
        "fraction",
        "higher",
        "F1 score of all labels of all examples together",
        f1_micro,
        label="F1 of labels (micro)",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "label_f1_macro",
        "fraction",
        "higher",
        "F1 score of each label, mean over labels: rare ones count as much",
        f1_macro,
        label="F1 of labels (macro)",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "mean_average_precision",
        "fraction",
        "higher",
        "Average precision of each label, mean over the labels that have examples",
        mean_average_precision,
        label="mAP",
        low=0.0,
        high=1.0,
        needs="scores",
    ),
    Metric(
        "subset_accuracy",
        "fraction",
        "higher",
        "Share of examples of which every label is right",
        subset_accuracy,
        whole,
        low=0.0,
        high=1.0,
    ),
    Metric(
        "hamming_loss",
        "fraction",
        "lower",
        "Share of wrong ones among all labels of all examples",
        hamming_loss,
        wrong_shares,
        label="Hamming loss",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "label_log_loss",
        "nats",
        "lower",
        "Mean over labels of -log of the probability given to what is so",
        label_log_loss,
        log_losses,
        label="log loss of labels",
        low=0.0,
        needs="probabilities",
    ),
)

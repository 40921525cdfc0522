"""The cheap models of an audit: every row is judged by one that has not seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

from harness.protocols import Inputs

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator

FOLDS = 5


def linear_probabilities(
    features: Inputs, targets: np.ndarray, seed: int, folds: BaseCrossValidator | None = None
) -> np.ndarray:
    """(n, classes) out-of-fold probabilities of a logistic regression."""
    strength = 0.1 if isinstance(features, np.ndarray) else 5.0  # sparse rows have length 1
    model = LogisticRegression(max_iter=1000, C=strength, tol=1e-3)
    return probabilities(model, features, targets, seed, folds)


def folds_of(owners: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) row numbers of five folds, all rows of an owner in one.

    Args:
        owners: (n,) of anything that sorts.
    """
    codes = np.unique(owners, return_inverse=True)[1]
    fold = (np.random.default_rng(seed).permutation(codes.max() + 1) % FOLDS)[codes]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]


def probabilities(
    model: BaseEstimator,
    features: Inputs,
    targets: np.ndarray,
    seed: int,
    folds: BaseCrossValidator | None = None,
) -> np.ndarray:
    """(n, classes) out-of-fold probabilities.

    Args:
        targets: (n,) 0…classes−1, each class with five rows or more.
        folds: (train, test) pairs of row numbers; none: five, stratified.
    """
    folds = folds or StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(model, features, targets, cv=folds, method="predict_proba"))


def values(
    model: BaseEstimator,
    features: Inputs,
    targets: np.ndarray,
    seed: int,
    folds: BaseCrossValidator | None = None,
) -> np.ndarray:
    """(n,) out-of-fold predictions of a number."""
    folds = folds or KFold(FOLDS, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(model, features, targets, cv=folds))


def class_aucs(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(classes,) each class against the rest; of two classes the second one stands for both.

    Args:
        scores: (n, classes), the higher the likelier. targets: (n,) 0…classes−1.
    """
    first = 1 if scores.shape[1] == 2 else 0
    return np.array([auc(scores[:, c], targets == c) for c in range(first, scores.shape[1])])


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve; ties count half."""
    return float(column_aucs(scores[:, None], positive)[0])


def column_aucs(columns: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(columns,) how well each of them ranks the positive rows before the others (Mann and Whitney)."""
    from scipy.stats import rankdata

    inside = int(positive.sum())
    outside = len(positive) - inside
    sums = rankdata(columns, axis=0)[positive].sum(axis=0)
    return np.asarray((sums - inside * (inside + 1) / 2) / max(inside * outside, 1))


def ranks(targets: np.ndarray) -> np.ndarray:
    """(n,) places of numbers in their order, from 0 to 1: what stretching an answer does not change."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(targets) - 0.5) / len(targets))


def r2(predicted: np.ndarray, targets: np.ndarray) -> float:
    """The share of the variance that is explained, 0 at least."""
    return max(0.0, 1 - float(np.mean((targets - predicted) ** 2)) / max(float(targets.var()), 1e-12))


def ridge() -> BaseEstimator:
    """For standardised columns."""
    return Ridge(1.0)

"""A scikit-learn pipeline in a file of skops, read by a closed rule: the file brings no code.

`export` puts this file beside `predict.py`, so it imports nothing of the harness.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

NOT_FITTED = {"tests", "_testing", "_mocking", "conftest", "externals"}
"""Rooms of scikit-learn that no fitted model needs: they re-export what runs commands."""

PARTS = {
    f"sklearn.{room}.{name}"
    for room, names in {
        "_loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
        "_loss.loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss "
        "HalfPoissonLoss HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss",
        "calibration": "_CalibratedClassifier",
        "ensemble._hist_gradient_boosting.binning": "_BinMapper",
        "ensemble._hist_gradient_boosting.predictor": "TreePredictor",
        "gaussian_process.kernels": "ConstantKernel DotProduct ExpSineSquared Exponentiation Matern Product "
        "RBF RationalQuadratic Sum WhiteKernel",
        "metrics._dist_metrics": "ChebyshevDistance64 EuclideanDistance64 HammingDistance64 "
        "ManhattanDistance64 MinkowskiDistance64 SEuclideanDistance64",
        "neighbors._ball_tree": "BallTree",
        "neighbors._kd_tree": "KDTree",
        "neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
        "tree._tree": "Tree",
        "utils._bunch": "Bunch",
    }.items()
    for name in names.split()
}
"""Classes inside fitted estimators that are no estimators themselves: seen by fitting every classifier and
regressor of scikit-learn."""


def answer_kind(estimator: Any) -> str:
    """What a fitted classifier gives: `probabilities`, `scores` (a decision function alone) or `classes`."""
    if hasattr(estimator, "predict_proba"):
        return "probabilities"
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    one_to_one = getattr(last, "decision_function_shape", "ovr") == "ovo" and len(last.classes_) > 2
    return "scores" if hasattr(estimator, "decision_function") and not one_to_one else "classes"


def class_answers(estimator: Any, table: Any, present: Any, classes: int) -> Any:
    """(n, classes) float32 of a classifier, by what it gives.

    A decision function d becomes (1 + d / (1 + |d|)) / 2: the same order for each class and the same
    highest class, between 0 and 1, and in single precision no two scores of ordinary size fall together.

    Args:
        present: the class of each of the estimator's columns, where training data lacked some.
    """
    import numpy as np

    kind = answer_kind(estimator)
    answer = np.zeros((len(table), classes), np.float32)
    if kind == "probabilities":
        answer[:, list(present)] = estimator.predict_proba(table)
    elif kind == "scores":
        score = np.asarray(estimator.decision_function(table), dtype=np.float64)
        if score.ndim == 1:
            score = np.stack([-score, score], axis=1)
        answer[:, list(present)] = 0.5 + 0.5 * score / (1 + np.abs(score))
    else:
        answer[np.arange(len(table)), np.asarray(estimator.predict(table), dtype=np.int64)] = 1.0
    return answer


def read_estimator(path: Path) -> Any:
    """The fitted pipeline of a skops file.

    Raises:
        ValueError: the file names something that is neither an estimator of scikit-learn nor a part of one;
            nothing of it was made.
    """
    skops = light_skops()
    named = skops.io.get_untrusted_types(file=path)
    if strange := [name for name in named if not is_scikit_learns(name)]:
        raise ValueError(f"{path.name} holds types that are not scikit-learn's: {', '.join(strange)}")
    return skops.io.load(path, trusted=named)


def is_scikit_learns(name: str) -> bool:
    """Whether a name is that of an estimator of scikit-learn, or of a part of a fitted one.

    A name that only starts with `sklearn` may be any function that scikit-learn imports: skops would call
    it with arguments from the file (`sklearn.utils._testing.check_output`).
    """
    if name in PARTS:
        return True
    room, _, short = name.rpartition(".")
    places = room.split(".")
    if places[0] != "sklearn" or NOT_FITTED & set(places):
        return False
    from sklearn.base import BaseEstimator

    try:
        found = getattr(importlib.import_module(room), short, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, BaseEstimator) and found.__module__ == room


def light_skops() -> Any:
    """skops, without its walk through every module of scikit-learn.

    On import it lists all estimators that it may trust, which imports torch too where torch is
    installed: 3 s and 200 MB that no scikit-learn server needs. `read_estimator` has its own rule
    of trust, so the list may be empty.
    """
    if "skops.io" not in sys.modules:
        import sklearn.utils

        listing = sklearn.utils.all_estimators
        sklearn.utils.all_estimators = lambda *_, **__: []
        try:
            import skops.io
        finally:
            sklearn.utils.all_estimators = listing
    import skops.io

    return skops

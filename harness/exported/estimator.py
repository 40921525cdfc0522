"""A fitted estimator in a file that brings no code, and how it is read.

XGBoost, LightGBM and CatBoost have formats of their own; what is scikit-learn's, or is made of several
libraries' estimators, is a file of skops, read by a closed rule.

`export` puts this file beside `predict.py`, so it imports nothing of the harness.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

Examples = np.ndarray | Sequence[str]
"""Rows of numbers (n, columns), or n texts where the estimator cuts them itself."""

SKOPS = "estimator.skops"

FORMATS = {"xgboost": "model.ubj", "lightgbm": "model.txt", "catboost": "model.cbm"}
"""Library → the file of its own format, for an estimator that stands alone."""

BOOSTERS = {
    "collections.OrderedDict",
    "xgboost.core.Booster",
    "lightgbm.basic.Booster",
    *(f"xgboost.sklearn.XGB{rf}{kind}" for rf in ("", "RF") for kind in ("Classifier", "Regressor")),
    *(f"lightgbm.sklearn.LGBM{kind}" for kind in ("Classifier", "Regressor")),
    *(f"catboost.core.CatBoost{kind}" for kind in ("", "Classifier", "Regressor")),
}
"""What a booster inside a pipeline is made of; its trees are in the library's own format there too."""

IN_DOUBLE = {"GaussianNB", "LabelPropagation", "LabelSpreading"}
"""Estimators of scikit-learn that compute in the width of their rows what 32 bits do not hold: logarithms of
1e7, of which GaussianNB's probabilities are differences, and exponentials that all become 0."""

WITH_THRESHOLD = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}
"""Classifiers of scikit-learn that hand on the probabilities of the one inside of them, and answer another
class than the likeliest."""

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
        "feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
        "feature_selection._univariate_selection": "chi2 f_classif f_oneway f_regression r_regression",
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
} | {
    "functools.partial",
    "numpy.dtype",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.utils.validation.check_array",
}
"""What fitted estimators hold that is no estimator itself, and does nothing but compute: seen by fitting all
classifiers, regressors and transformers of scikit-learn. Histogram boosting checks its categories by
`check_array` with its arguments bound by `partial`; whatever else that would bind is a name of its own, and
refused as such."""


def answer_kind(estimator: BaseEstimator) -> str:
    """What a fitted classifier gives: `probabilities`, `scores` (a decision function alone) or `classes`."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if type(last).__name__ in WITH_THRESHOLD:
        return "classes"
    if hasattr(estimator, "predict_proba"):
        return "probabilities"
    one_to_one = getattr(last, "decision_function_shape", "ovr") == "ovo" and len(last.classes_) > 2
    return "scores" if hasattr(estimator, "decision_function") and not one_to_one else "classes"


def class_answers(
    estimator: BaseEstimator, table: Examples, present: Iterable[int], classes: int
) -> np.ndarray:
    """(n, classes) float32 of a classifier, by what it gives.

    A decision function d becomes (1 + d / (1 + |d|)) / 2: the same order for each class and the same
    highest class, between 0 and 1, and in single precision no two scores of ordinary size fall together.

    Args:
        present: the class of each of the estimator's columns, where training data lacked some.
    """
    kind = answer_kind(estimator)
    answer = np.zeros((len(table), classes), np.float32)
    if kind == "probabilities":
        answer[:, list(present)] = estimator.predict_proba(taken(estimator, table))
    elif kind == "scores":
        score = np.asarray(estimator.decision_function(table), dtype=np.float64)
        if score.ndim == 1:
            score = np.stack([-score, score], axis=1)
        answer[:, list(present)] = 0.5 + 0.5 * score / (1 + np.abs(score))
    else:
        told = np.asarray(estimator.predict(table), dtype=np.int64)
        if told.ndim == 2:  # several labels of each
            answer[:, list(present)] = told
        else:
            answer[np.arange(len(table)), told] = 1.0
    return answer


def values(estimator: BaseEstimator, table: Examples) -> np.ndarray:
    """(n,) float32 of a regressor."""
    return np.asarray(estimator.predict(taken(estimator, table)), dtype=np.float32).reshape(len(table))


def taken(estimator: BaseEstimator, table: Examples) -> Examples:
    """A table as an estimator takes it: of CatBoost whole numbers where it was told of categories, of those
    that 32 bits do not suffice float64."""
    if in_double(estimator) and isinstance(table, np.ndarray):
        return table.astype(np.float64)
    if type(estimator).__module__.partition(".")[0] != "catboost":
        return table
    places = estimator.get_cat_feature_indices()
    return with_categories(np.asarray(table), places) if places else table


def in_double(estimator: BaseEstimator) -> bool:
    """Whether an estimator, or one inside of it, needs float64 rows, to be fitted and to answer."""
    every = fitted_parts(estimator)
    return any(type(p).__name__ in IN_DOUBLE and type(p).__module__.startswith("sklearn.") for p in every)


def with_categories(table: np.ndarray, places: Iterable[int]) -> np.ndarray:
    """A float32 table as one of objects, in which whole numbers name categories; −1 where there is none."""
    mixed, named = table.astype(object), list(places)
    mixed[:, named] = np.nan_to_num(table[:, named], nan=-1.0).astype(np.int64)
    return mixed


def write(folder: Path, model: BaseEstimator) -> None:
    """Write a fitted estimator into a folder, in the file that `read` looks for."""
    library = type(model).__module__.partition(".")[0]
    path = str(folder / FORMATS.get(library, SKOPS))
    if library == "lightgbm":
        model.booster_.save_model(path)
    elif library in FORMATS:
        model.save_model(path)
    else:
        light_skops().io.dump(model, path)


def read(folder: Path, num_classes: int, threads: int = 1, own: str = "") -> BaseEstimator:
    """The estimator of a folder: an object with `predict`, and `predict_proba` where it has one.

    Args:
        num_classes: 0 for regression. threads: what it may use; of scikit-learn those of BLAS and OpenMP are
            limited by `threadpoolctl`, by whoever calls this. own: a module whose classes are trusted too.
    Raises:
        ValueError: a skops file names something that is neither an estimator of a known library nor a part of
            one; nothing of it was made.
    """
    if (path := folder / FORMATS["xgboost"]).exists():
        import xgboost

        booster = xgboost.XGBClassifier() if num_classes else xgboost.XGBRegressor()
        booster.load_model(str(path))
        booster.set_params(n_jobs=threads)
        return booster
    if (path := folder / FORMATS["lightgbm"]).exists():
        return LightGBM(path, threads)
    if (path := folder / FORMATS["catboost"]).exists():
        import catboost

        trees = catboost.CatBoostClassifier() if num_classes else catboost.CatBoostRegressor()
        trees.load_model(str(path))
        return on_threads(trees, threads)
    return on_threads(read_estimator(folder / SKOPS, own), threads)


class LightGBM:
    """A model of LightGBM's text format, called as its scikit-learn class is."""

    def __init__(self, path: Path, threads: int) -> None:
        import lightgbm

        self.booster = lightgbm.Booster(model_file=str(path))
        self.threads = threads

    def predict(self, table: np.ndarray) -> np.ndarray:
        """Values (n,); of a classifier use `predict_proba`."""
        return np.asarray(self.booster.predict(table, num_threads=self.threads))

    def predict_proba(self, table: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes)."""
        answer = self.predict(table)
        return answer if answer.ndim == 2 else np.stack([1 - answer, answer], axis=1)


def on_threads(model: BaseEstimator, threads: int) -> BaseEstimator:
    """A fitted estimator whose parts all use so many threads to predict."""
    for part in fitted_parts(model):
        library = type(part).__module__.partition(".")[0]
        if library == "catboost":  # it takes them with each call
            for name in ("predict", "predict_proba"):
                if hasattr(part, name):
                    setattr(part, name, partial(getattr(type(part), name), part, thread_count=threads))
        elif library in ("xgboost", "lightgbm"):
            part.set_params(n_jobs=threads)
        elif getattr(part, "n_jobs", None) is not None:
            part.n_jobs = threads
    return model


def fitted_parts(model: object, seen: set[int] | None = None) -> Iterator[BaseEstimator]:
    """A fitted estimator and all that are inside of it."""
    seen = set() if seen is None else seen
    if id(model) in seen:
        return
    seen.add(id(model))
    if isinstance(model, (list, tuple)):
        values: Iterable[object] = model
    elif isinstance(model, dict):
        values = model.values()
    elif type(model).__module__.partition(".")[0] in ("sklearn", *FORMATS) and hasattr(model, "__dict__"):
        if hasattr(model, "get_params"):
            yield model
        if type(model).__module__.partition(".")[0] != "sklearn":
            return
        values = vars(model).values()
    else:
        return
    for value in values:
        yield from fitted_parts(value, seen)


def read_estimator(path: Path, own: str = "") -> BaseEstimator:
    """The fitted pipeline of a skops file.

    Args:
        own: a module of the user's own whose classes the file may name.

    Raises:
        ValueError: the file names something that is neither an estimator of scikit-learn nor a part of one;
            nothing of it was made.
    """
    skops = light_skops()
    unknown = skops.io.get_untrusted_types(file=path)
    strange = [n for n in unknown if not is_scikit_learns(n) and not (own and n.partition(".")[0] == own)]
    if strange:
        named = ", ".join(strange[:5]) + (", …" if len(strange) > 5 else "")
        raise ValueError(
            f"{path.name} holds types that are not scikit-learn's: {named}; what an estimator of your own "
            "has learnt is stored as numbers, texts, arrays and estimators of scikit-learn, and it is not "
            "exported, since an exported folder has none of your code"
        )
    return skops.io.load(path, trusted=unknown)


def is_scikit_learns(name: str) -> bool:
    """Whether a name is that of an estimator of scikit-learn or a booster, or of a part of a fitted one.

    A name that only starts with `sklearn` may be any function that scikit-learn imports: skops would call
    it with arguments from the file (`sklearn.utils._testing.check_output`).
    """
    if name in PARTS or name in BOOSTERS:
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


def light_skops() -> ModuleType:
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

    found: ModuleType = skops
    return found

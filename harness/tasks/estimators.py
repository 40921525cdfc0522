"""Estimators as candidates: the same data, the same metrics, no epochs.

What sees the inputs as they are: boosting libraries, trees, pipelines (which scale for themselves) and a
user's own estimators. Any other estimator of scikit-learn is fitted behind a scaler: the scaler's numbers are
those that the networks see, set by hand rather than fitted per column, because pixels at an image's edge
hardly vary and would be blown up. Texts are weighed by TF-IDF, unless a pipeline takes them itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from harness.codec import JsonObject
from harness.environment import available_mb
from harness.exported.estimator import answer_kind, in_double, with_categories
from harness.facts import TrainFacts
from harness.kinds import kind_of
from harness.models.estimator import flat
from harness.models.estimators import BOOSTERS, library_of, parts, stopping
from harness.models.fitted import Scaling
from harness.protocols import AnswerKind, Inputs, Split, Task
from harness.record import TrialError
from harness.tasks import text
from harness.tasks.class_numbers import LOOKED_AT, columns_of

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

UNSCALED = ("sklearn.tree", "sklearn.ensemble", "sklearn.dummy")
"""Modules of scikit-learn whose estimators do not ask how large a column's numbers are."""


@dataclass(frozen=True)
class FittedEstimator:
    """An estimator for raw inputs: `flat(raw)`, or a list of texts.

    Args:
        model: the estimator itself, or a pipeline that ends in it.
        classes: the class of each probability column; the training part may lack some.
    """

    model: BaseEstimator
    classes: tuple[int, ...]
    facts: TrainFacts


def fit_estimator(
    estimator: BaseEstimator,
    train: Split,
    validation: Split | None,
    task: Task,
    scaling: Scaling,
    words: JsonObject | None = None,
    categorical: Sequence[int] = (),
) -> FittedEstimator:
    """Fit on the training part; what stops early does so by the validation part.

    Args:
        words: of texts, how `TfidfVectorizer` weighs them.
        categorical: columns whose numbers name categories, for an estimator that takes these.

    Raises:
        TrialError: the estimator refuses the data (one class only, NaN in the table, …).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import Pipeline

    if kind_of(task.name).targets == "labels":
        estimator = one_for_each_label(estimator)
    first = _first_step(estimator, task, scaling, words or {})
    _refuse_too_large(estimator, train, task, copies=1 if first is None else 2)
    _tell_categories(estimator, categorical, int(np.prod(task.input_shape)))
    targets, classes = _targets(estimator, train.targets, task)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            table = _inputs(train, task, in_double(estimator))
            if first is not None:
                table = first[1].fit_transform(table) if first[0] == "words" else first[1].transform(table)
            watched = _watched(estimator, validation, classes, task, first)
            _fit(estimator, table, targets, watched, categorical)
            estimator = best_of(estimator)
            if kind_of(task.name).targets == "classes" and library_of(_last_step(estimator)) not in BOOSTERS:
                classes = columns_of(estimator, classes, table[:LOOKED_AT])
        except (ValueError, TypeError) as error:
            raise TrialError(f"{type(estimator).__name__} cannot be fitted: {_cause(error)}") from error
        except Exception as error:  # the boosting libraries raise kinds of their own
            if library_of(error) not in BOOSTERS:
                raise
            raise TrialError(f"{type(estimator).__name__} cannot be fitted: {_cause(error)}") from error
    facts = TrainFacts(
        converged=not any(issubclass(w.category, ConvergenceWarning) for w in caught),
        libraries=_versions(estimator),
        early_stopping="validation part" if watched is not None else None,
        rounds=rounds(_last_step(estimator)) if watched is not None else None,
        vocabulary=len(first[1].vocabulary_) if first is not None and first[0] == "words" else None,
    )
    model = estimator if first is None else Pipeline([first, ("estimator", estimator)])
    return FittedEstimator(model, classes, facts)


def _refuse_too_large(estimator: BaseEstimator, train: Split, task: Task, copies: int) -> None:
    """Refuse rows that do not fit in memory as the float32 numbers that an estimator takes all at once.

    It may need more: scikit-learn's histogram boosting copies them as float64 first.

    Args:
        copies: how often they are held: once more behind a scaler.
    """
    if task.takes == "text":
        return
    needed = len(train) * int(np.prod(task.input_shape)) * 4 * copies / 1e9
    free = available_mb() / 1e3
    if needed > free:
        smaller = "smaller images (`size`), " if task.takes == "image" else ""
        raise TrialError(
            f"{type(estimator).__name__} needs the whole array at once: at least {needed:.1f} GB for "
            f"{len(train)} rows, and {free:.1f} GB of memory are free: give it {smaller}fewer rows "
            "(`data.train_sizes`), or take a network, which reads batches"
        )


def one_for_each_label(estimator: BaseEstimator) -> BaseEstimator:
    """An estimator that is fitted anew for each label, the last step where it is a pipeline.

    Also of those that could take several labels at once (forests, neighbours): their probabilities come in
    another form from each, and none of them is exported. A chain of classifiers is one thing and stays it.
    """
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
    from sklearn.pipeline import Pipeline

    if type(estimator).__name__ == "Pipeline":
        *before, (name, last) = estimator.steps
        return Pipeline([*before, (name, one_for_each_label(last))])
    if isinstance(estimator, MultiOutputClassifier):
        return OneVsRestClassifier(estimator.estimator)
    is_for_labels = isinstance(estimator, (OneVsRestClassifier, ClassifierChain))
    return estimator if is_for_labels else OneVsRestClassifier(estimator)


def sees_raw(estimator: BaseEstimator) -> bool:
    """Whether an estimator takes table rows as they are, and not scaled as a network sees them."""
    every = list(parts(estimator))
    if library_of(estimator) != "sklearn" or any(type(p).__name__ == "Pipeline" for p in every):
        return True
    leaves = [part for part in every if len(list(parts(part))) == 1]
    return all(library_of(leaf) in BOOSTERS or type(leaf).__module__.startswith(UNSCALED) for leaf in leaves)


def _first_step(
    estimator: BaseEstimator, task: Task, scaling: Scaling, words: JsonObject
) -> tuple[str, BaseEstimator] | None:
    """What the harness puts before an estimator, not yet fitted where it weighs words; None for nothing."""
    if task.takes == "text":
        return None if _takes_texts(estimator) else ("words", text.tfidf(words))
    return None if sees_raw(estimator) else ("scale", _scaler(scaling, task))


def _takes_texts(estimator: BaseEstimator) -> bool:
    """Whether an estimator makes numbers of texts itself: a pipeline, or a search over one."""
    own = any(type(part).__module__ == "sklearn.feature_extraction.text" for part in parts(estimator))
    return own or type(estimator).__name__ == "Pipeline"


def _inputs(part: Split, task: Task, double: bool = False) -> Inputs:
    if task.takes == "text":
        return list(part.inputs)
    return flat(part.inputs).astype(np.float64) if double else flat(part.inputs)


def _targets(estimator: BaseEstimator, targets: np.ndarray, task: Task) -> tuple[np.ndarray, tuple[int, ...]]:
    """Targets as an estimator takes them, and the class of each of its columns of probabilities.

    XGBoost wants classes without gaps; the others find out themselves which there are.
    """
    if not task.num_classes:
        return targets, ()
    if kind_of(task.name).targets == "labels":
        return targets, tuple(range(task.num_classes))
    classes, numbers = np.unique(targets, return_inverse=True)
    last = estimator.steps[-1][1] if type(estimator).__name__ == "Pipeline" else estimator
    taken = numbers if library_of(last) == "xgboost" else targets
    return taken, tuple(int(c) for c in classes)


def _watched(
    estimator: BaseEstimator,
    validation: Split | None,
    classes: tuple[int, ...],
    task: Task,
    first: BaseEstimator,
) -> tuple[Inputs, np.ndarray] | None:
    """What early stopping looks at; None where nothing stops early.

    Raises:
        TrialError: something inside of another estimator is to stop early, where no validation part gets to.
    """
    last = estimator.steps[-1][1] if type(estimator).__name__ == "Pipeline" else estimator
    for part in parts(estimator):
        if stopping(part) and part is not last:
            raise TrialError(
                f"{type(part).__name__} inside {type(estimator).__name__} cannot stop early: no validation "
                "part gets there; leave its early stopping out and give the number of trees"
            )
    if not (stopping(last) or _stops_itself(last)):
        return None
    if validation is None or not len(validation):
        raise TrialError(f"{type(last).__name__} is to stop early and there is no validation part")
    targets, table = validation.targets, _inputs(validation, task)
    if task.num_classes:  # a class that training has none of cannot be scored
        known = np.isin(targets, classes)
        targets = targets[known]
        table = (
            table[known]
            if isinstance(table, np.ndarray)
            else [t for t, k in zip(table, known, strict=True) if k]
        )
        if library_of(last) == "xgboost":
            targets = np.searchsorted(np.asarray(classes), targets)
    return (table if first is None else first[1].transform(table)), targets


def _stops_itself(estimator: BaseEstimator) -> bool:
    """scikit-learn's histogram boosting takes a validation part instead of cutting off one of its own."""
    is_histogram = type(estimator).__name__.startswith("HistGradientBoosting")
    return is_histogram and estimator.early_stopping is True


def _tell_categories(estimator: BaseEstimator, categorical: Sequence[int], columns: int) -> None:
    """Say which columns hold categories, to estimators that are told before they are fitted."""
    if not categorical:
        return
    library, places = library_of(estimator), list(categorical)
    if library == "xgboost":
        types = ["c" if place in categorical else "q" for place in range(columns)]
        estimator.set_params(enable_categorical=True, feature_types=types)
    elif library == "sklearn":
        estimator.set_params(categorical_features=places)
    elif library == "catboost":
        estimator.set_params(cat_features=places)


def _fit(
    estimator: BaseEstimator, table: Inputs, targets: np.ndarray, watched: tuple[Inputs, np.ndarray] | None,
    categorical: Sequence[int],
) -> None:  # fmt: skip
    told: dict[str, Any] = {}
    if categorical and library_of(estimator) == "lightgbm":
        told = {"categorical_feature": list(categorical)}
    if categorical and library_of(estimator) == "catboost":
        table = with_categories(table, categorical)
        watched = None if watched is None else (with_categories(watched[0], categorical), watched[1])
    if watched is None:
        estimator.fit(table, targets, **told)
        return
    if type(estimator).__name__ == "Pipeline":
        head = estimator[:-1]  # shares its steps with the whole pipeline
        table = head.fit_transform(table, targets)
        watched = (head.transform(watched[0]), watched[1])
        estimator = estimator.steps[-1][1]
    if library_of(estimator) == "sklearn":
        estimator.fit(table, targets, X_val=watched[0], y_val=watched[1])
    elif library_of(estimator) == "lightgbm":
        estimator.fit(table, targets, eval_X=watched[0], eval_y=watched[1], **told)
    elif library_of(estimator) == "catboost":
        estimator.fit(table, targets, eval_set=[watched])
    else:
        estimator.fit(table, targets, eval_set=[watched], verbose=False)


def _versions(estimator: BaseEstimator) -> dict[str, str]:
    """Which libraries fitted it, in which versions."""
    import importlib.metadata as metadata

    libraries = sorted({library_of(part) for part in parts(estimator)} & {*BOOSTERS, "sklearn"})
    names = {"sklearn": "scikit-learn"}
    versions = {}
    for library in libraries:
        for package in (names.get(library, library), f"{library}-cpu"):
            try:
                versions[library] = metadata.version(package)
                break
            except metadata.PackageNotFoundError:
                continue
    return versions


def best_of(estimator: BaseEstimator) -> BaseEstimator:
    """What a fitted search found, also at the end of a pipeline or of each label: its scorers and splitters
    answer nothing and cannot be stored."""
    if library_of(estimator) != "sklearn":
        return estimator
    if type(estimator).__name__ == "Pipeline":
        *before, (name, last) = estimator.steps
        estimator.steps = [*before, (name, best_of(last))]
    elif type(estimator).__name__ == "OneVsRestClassifier":
        estimator.estimators_ = [best_of(one) for one in estimator.estimators_]
    best = getattr(estimator, "best_estimator_", None)
    return estimator if best is None else best_of(best)


def _last_step(estimator: BaseEstimator) -> BaseEstimator:
    return estimator.steps[-1][1] if type(estimator).__name__ == "Pipeline" else estimator


def rounds(estimator: BaseEstimator) -> int:
    """How many rounds of boosting are kept."""
    if library_of(estimator) == "sklearn":
        return int(estimator.n_iter_)
    if library_of(estimator) == "catboost":
        return int(estimator.tree_count_)
    best = estimator.best_iteration if library_of(estimator) == "xgboost" else estimator.best_iteration_
    return int(best) + (library_of(estimator) == "xgboost")


def _cause(error: BaseException) -> str:
    """The first line that says something: boosting libraries put a place in their own source before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line.split("Check failed:")[-1].strip() for line in lines if not line.startswith("Stack trace")]
    return said[0] if said else type(error).__name__


def _scaler(scaling: Scaling, task: Task) -> BaseEstimator:
    """A StandardScaler that subtracts and divides what a network's first layer sees."""
    from sklearn.preprocessing import StandardScaler

    columns = int(np.prod(task.input_shape))
    unit = 255.0 if task.takes == "image" else 1.0
    scaler = StandardScaler()
    scaler.mean_ = np.repeat(np.asarray(scaling.mean) * unit, columns // len(scaling.mean))
    scaler.scale_ = np.repeat(np.asarray(scaling.std) * unit, columns // len(scaling.std))
    scaler.var_ = scaler.scale_**2
    scaler.n_features_in_, scaler.n_samples_seen_ = columns, 1
    return scaler


def answers_of(pipeline: BaseEstimator) -> AnswerKind:
    """What a fitted classifier gives."""
    return cast(AnswerKind, answer_kind(pipeline))


def count_parameters(model: BaseEstimator) -> int | None:
    """Learnt numbers: coefficients, or what the nodes of trees hold; None where it cannot be said."""
    estimator = model[-1] if type(model).__name__ == "Pipeline" else model
    if library_of(estimator) in BOOSTERS:
        return _tree_numbers(estimator)
    if hasattr(estimator, "coef_"):
        return int(np.size(estimator.coef_) + np.size(getattr(estimator, "intercept_", ())))
    if hasattr(estimator, "coefs_"):
        return int(sum(map(np.size, [*estimator.coefs_, *estimator.intercepts_])))
    if hasattr(
        estimator, "_predictors"
    ):  # histogram boosting: per node feature, threshold, two children; a value
        return int(
            sum(4 * len(tree.nodes) + len(tree.nodes) for trees in estimator._predictors for tree in trees)
        )
    each = getattr(estimator, "estimators_", [estimator])
    # Not np.ravel of a list: a forest in it has a length of its own.
    trees = each.ravel().tolist() if isinstance(each, np.ndarray) else list(each)
    if all(hasattr(tree, "tree_") for tree in trees):
        # Per node: feature, threshold, two children, and a value per class.
        return int(sum(t.tree_.node_count * 4 + t.tree_.value.size for t in trees))
    return None


def _tree_numbers(estimator: BaseEstimator) -> int | None:
    """Of a boosting library's trees: feature, threshold and two children of each split, a value of each leaf.

    CatBoost's symmetric trees share one split per level.
    """
    library = library_of(estimator)
    if library == "catboost":
        leaves = np.asarray(estimator.get_tree_leaf_counts())
        return int((2 * np.log2(leaves)).sum() + np.size(estimator.get_leaf_values()))
    if library == "lightgbm":
        trees = estimator.booster_.dump_model(num_iteration=estimator.best_iteration_ or None)["tree_info"]
        return int(sum(4 * (t["num_leaves"] - 1) + t["num_leaves"] for t in trees))
    import json

    booster = json.loads(estimator.get_booster().save_raw("json"))["learner"]["gradient_booster"]
    if booster["name"] == "gblinear":
        return len(booster["model"]["weights"])
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    nodes = [int(tree["tree_param"]["num_nodes"]) for tree in model["trees"]]
    return sum(4 * (n // 2) + (n + 1) // 2 for n in nodes)

"""scikit-learn estimators as candidates: the same data, the same metrics, no epochs.

What is fitted and stored is a pipeline of a scaler and the estimator, over flattened raw inputs: the
scaler's numbers are those that the networks see, set by hand rather than fitted per column, because pixels
at an image's edge hardly vary and would be blown up. Texts are weighed by TF-IDF instead of scaled.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from harness.exported.estimator import answer_kind
from harness.models.estimator import flat
from harness.models.fitted import Scaling
from harness.protocols import AnswerKind, Split, Task
from harness.record import TrialError
from harness.suite.class_keys import class_keys
from harness.tasks import text

ROOMS = (
    "linear_model",
    "ensemble",
    "svm",
    "tree",
    "neighbors",
    "naive_bayes",
    "neural_network",
    "discriminant_analysis",
    "gaussian_process",
    "kernel_ridge",
    "calibration",
    "dummy",
    "isotonic",
    "cluster",
)


def by_number(args: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The arguments with weights by class as scikit-learn sees classes: by their numbers.

    Raises:
        TrialError: a weight is of no class.
    """
    weights = args.get("class_weight")
    if not isinstance(weights, Mapping) or not task.num_classes:
        return dict(args)
    try:
        return {**args, "class_weight": class_keys(weights, task.class_names)}
    except ValueError as error:
        raise TrialError(f"class_weight: {error}") from error


def build_estimator(name: str, args: Mapping[str, Any], seed: int, threads: int) -> Any:
    """An estimator of scikit-learn by its class name, alone or dotted (`linear_model.Ridge`).

    Raises:
        TrialError: there is none of this name, or it has no such arguments.
    """
    kind = _find(name)
    known = inspect.signature(kind).parameters
    given = dict(args)
    if "random_state" in known:
        given.setdefault("random_state", seed)
    if "n_jobs" in known and threads > 1:
        given.setdefault("n_jobs", threads)
    strange = sorted(set(given) - set(known))
    if strange:
        raise TrialError(f"{name} has no argument {', '.join(strange)}: it takes {', '.join(known)}")
    return kind(**given)


def _find(name: str) -> Any:
    room, _, short = name.removeprefix("sklearn.").rpartition(".")
    for place in (room,) if room else ROOMS:
        try:
            module = importlib.import_module(f"sklearn.{place}")
        except ModuleNotFoundError:
            continue
        if hasattr(module, short):
            return getattr(module, short)
    raise TrialError(
        f"scikit-learn has no estimator {name}: write its class name, as in sklearn:LogisticRegression"
    )


def fit_estimator(
    estimator: Any, part: Split, task: Task, scaling: Scaling, words: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Fit on scaled flat inputs, or weighed words; return the pipeline for raw inputs, and facts.

    Args:
        words: of texts, how `TfidfVectorizer` weighs them.

    Raises:
        TrialError: the estimator refuses the data (one class only, NaN in the table, …).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import Pipeline

    is_text = text.is_text(task)
    scaler = text.tfidf(words or {}) if is_text else _scaler(scaling, task)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if is_text:
                table = scaler.fit_transform(part.inputs)
            else:
                table = scaler.transform(flat(part.inputs))
            estimator.fit(table, part.targets)
        except ValueError as error:
            raise TrialError(f"{type(estimator).__name__} cannot be fitted: {error}") from error
    facts: dict[str, Any] = {"converged": not any(issubclass(w.category, ConvergenceWarning) for w in caught)}
    if is_text:
        facts |= {"vocabulary": len(scaler.vocabulary_)}
    return Pipeline([("words" if is_text else "scale", scaler), ("estimator", estimator)]), facts


def _scaler(scaling: Scaling, task: Task) -> Any:
    """A StandardScaler that subtracts and divides what a network's first layer sees."""
    from sklearn.preprocessing import StandardScaler

    columns = int(np.prod(task.input_shape))
    unit = 255.0 if task.name == "image_classification" else 1.0
    scaler = StandardScaler()
    scaler.mean_ = np.repeat(np.asarray(scaling.mean) * unit, columns // len(scaling.mean))
    scaler.scale_ = np.repeat(np.asarray(scaling.std) * unit, columns // len(scaling.std))
    scaler.var_ = scaler.scale_**2
    scaler.n_features_in_, scaler.n_samples_seen_ = columns, 1
    return scaler


def answers_of(pipeline: Any) -> AnswerKind:
    """What a fitted classifier gives."""
    return cast(AnswerKind, answer_kind(pipeline))


def count_parameters(pipeline: Any) -> int | None:
    """Learnt numbers of an estimator: coefficients, or nodes of trees; None where it cannot be said."""
    estimator = pipeline[-1]
    if hasattr(estimator, "coef_"):
        return int(np.size(estimator.coef_) + np.size(getattr(estimator, "intercept_", ())))
    if hasattr(estimator, "coefs_"):
        return int(sum(map(np.size, [*estimator.coefs_, *estimator.intercepts_])))
    trees = np.ravel(getattr(estimator, "estimators_", [estimator])).tolist()
    if all(hasattr(tree, "tree_") for tree in trees):
        # Per node: feature, threshold, two children, and a value per class.
        return int(sum(t.tree_.node_count * 4 + t.tree_.value.size for t in trees))
    return None

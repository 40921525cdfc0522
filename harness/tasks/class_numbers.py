"""Classes as estimators see them, by number: in weights that a suite gives by name, and in their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.codec import JsonObject
from harness.exported.estimator import answer_kind
from harness.kinds import kind_of
from harness.models.estimators import LIBRARIES, library_of
from harness.protocols import Inputs, Task
from harness.record import TrialError
from harness.suite.class_keys import class_keys

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

LOOKED_AT = 500
"""Training rows that a fitted estimator is asked for, to see whether it answers classes."""

ODD_ROWS = 0.01
"""The share of rows where an estimator may answer another class than its likeliest, as a machine of support
vectors within may do near the border."""

YES_OR_NO = ("0", "1")
"""The classes of an estimator that is asked about one of several."""

BY_TWOS = ("OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier", "MultiOutputClassifier")
"""Estimators that ask those inside of them about two classes at a time, whatever these are called."""


def by_number(args: JsonObject, task: Task, model: str = "") -> dict[str, object]:
    """The arguments with weights by class as scikit-learn sees classes: by their numbers, at any depth.

    Args:
        model: whose arguments they are.
    Raises:
        TrialError: a weight is of no class.
    """
    weights = args.get("class_weight")
    if not task.num_classes:
        return dict(args)
    if isinstance(weights, Mapping) and kind_of(task.name).targets == "labels":
        raise TrialError("class_weight: every label is a yes or no of its own: write balanced")
    names = task.class_names if kind_of(task.name).targets == "classes" else YES_OR_NO
    try:
        return _weighed({"model": model, "args": args}, names)["args"]  # type: ignore[no-any-return]
    except ValueError as error:
        raise TrialError(f"class_weight: {error}") from error


def _weighed(value: Any, names: Sequence[str]) -> Any:
    """A value of an estimator's arguments, or such a mapping, with weights by the number of a class.

    Args:
        names: of the classes that an estimator sees there.
    """
    if isinstance(value, list):
        return [_weighed(one, names) for one in value]
    if not isinstance(value, Mapping):
        return value
    inner = (
        YES_OR_NO if str(value.get("model", "")).rpartition(":")[2].rpartition(".")[2] in BY_TWOS else names
    )
    return {
        key: class_keys(one, names)
        if key == "class_weight" and isinstance(one, Mapping)
        else _weighed(one, inner)
        for key, one in value.items()
    }


def columns_of(estimator: BaseEstimator, classes: tuple[int, ...], rows: Inputs) -> tuple[int, ...]:
    """The class of each of a fitted estimator's answers: it may name its classes in an order of its own.

    Args:
        classes: that it was fitted to, in ascending order. rows: some that it was fitted to.
    Raises:
        ValueError: it answers something else than these.
    """
    listed = ", ".join(map(str, classes[:10]))
    told = np.unique(np.asarray(estimator.predict(rows)))
    if strange := [one for one in told.tolist() if one not in classes]:
        raise ValueError(
            f"its predict gives {strange[0]!r:.20}, and the targets that it was fitted to are {listed}: it "
            "must give one of these (a regressor's values and an outlier detector's -1 are no classes)"
        )
    named = getattr(estimator, "classes_", classes)
    own = tuple(np.ravel(named).tolist())
    if set(own) != set(classes):
        raise ValueError(
            f"its classes_ are {', '.join(map(str, own[:10]))}, and the targets that it was fitted to are "
            f"{listed}: they must be the same, in the order of predict_proba's columns"
        )
    if answer_kind(estimator) == "probabilities":
        _refuse_another_class(estimator, own, rows)
    return tuple(map(int, own))


def _refuse_another_class(estimator: BaseEstimator, classes: tuple[int, ...], rows: Inputs) -> None:
    """Refuse a user's own classifier whose predict gives another class than the likeliest.

    Raises:
        ValueError: with the cure; also where predict_proba has no column for each class.
    """
    told, shares = np.asarray(estimator.predict(rows)), np.asarray(estimator.predict_proba(rows))
    if shares.shape != (len(told), len(classes)):
        raise ValueError(
            f"its predict_proba gives {shares.shape} for {len(told)} rows: it must give a column for each of "
            f"{len(classes)} classes, of two np.column_stack([1 - p, p])"
        )
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if library_of(last) in LIBRARIES:
        return  # scikit-learn's SVC(probability=True) is known to differ
    picked = shares[np.arange(len(told)), [classes.index(one) for one in told.tolist()]]
    if (share := float(np.mean(shares.max(axis=1) > picked + 1e-6))) > ODD_ROWS:
        raise ValueError(
            f"its predict gives another class than the likeliest by predict_proba, on {share:.1%} of "
            "training rows, and what is served is the likeliest: has it a threshold of its own? Leave "
            "predict_proba out, or the threshold"
        )

"""A fitted scikit-learn pipeline on disk, and its answers in the form of every other model's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.exported.estimator import class_answers, read_estimator
from harness.models.fitted import Meta, write_meta
from harness.protocols import Inputs, Predict
from harness.record import TrialError

ESTIMATOR = "estimator.skops"


def save_estimator(fitted: Path, estimator: Any, meta: Meta) -> None:
    """Write `model.json` and `estimator.skops` of a fitted scikit-learn pipeline."""
    import skops.io

    fitted.mkdir(parents=True, exist_ok=True)
    skops.io.dump(estimator, fitted / ESTIMATOR)
    write_meta(fitted, meta)


def load_estimator(folder: Path) -> Any:
    """The fitted pipeline of an artifact or a fitted model, for `flat(raw)` or texts.

    Raises:
        TrialError: the file would bring code that is not scikit-learn's.
    """
    try:
        return read_estimator(folder / ESTIMATOR)
    except ValueError as error:
        raise TrialError(str(error)) from error


def estimator_predict(estimator: Any, meta: Meta) -> Predict:
    """Raw inputs → answers (n, num_classes) float32 in the task's class order, or values (n,)."""

    def predict(raw: Inputs) -> np.ndarray:
        table = list(raw) if meta.task.name == "text_classification" else flat(raw)
        if not meta.task.num_classes:
            return np.asarray(estimator.predict(table), dtype=np.float32).reshape(len(table))
        present = meta.classes or range(meta.task.num_classes)
        return np.asarray(class_answers(estimator, table, present, meta.task.num_classes))

    return predict


def flat(raw: Inputs) -> np.ndarray:
    """Raw images or table rows as a float32 table (n, columns), not scaled: the pipeline scales."""
    table: np.ndarray = np.asarray(raw).reshape(len(raw), -1).astype(np.float32)
    return table

"""`sklearn`, `xgboost`, `lightgbm`, `catboost`: an estimator's own `predict_proba`, `decision_function` or
`predict`.

The reference of these candidates. Loading does not import torch: such a server would not either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.codec import JsonObject
from harness.exported.estimator import class_answers, values
from harness.models.estimator import load_estimator
from harness.protocols import Inputs, Predict, Split
from harness.record import TrialError
from harness.runtimes.common import copy_fitted, kind, model_card, task_of


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """The artifact is the fitted estimator itself."""
    if kind(fitted) != "sklearn":
        raise TrialError(f"the model is not an estimator: serve it on runtime {kind(fitted)}")
    copy_fitted(fitted, folder)
    return {}


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Load the estimator; BLAS and OpenMP pools are limited to `threads` for the whole process."""
    from threadpoolctl import threadpool_limits

    estimator = load_estimator(folder, threads)
    threadpool_limits(limits=threads)
    task = task_of(folder)
    num_classes, is_text = task.num_classes, task.takes == "text"
    classes = list(model_card(folder).get("classes") or range(num_classes))

    def predict(inputs: Inputs) -> np.ndarray:
        table: Any = list(inputs)
        if not is_text:
            table = np.asarray(inputs).reshape(len(inputs), -1).astype(np.float32)
        if not num_classes:
            return np.asarray(values(estimator, table))
        return np.asarray(class_answers(estimator, table, classes, num_classes))

    return predict

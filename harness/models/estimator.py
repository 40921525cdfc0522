"""A fitted estimator on disk, and its answers in the form of every other model's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.exported.estimator import SKOPS, class_answers, read, read_estimator, values, write
from harness.models.fitted import Meta, load_meta, write_meta
from harness.models.own import import_own
from harness.protocols import Inputs, Predict
from harness.record import TrialError
from harness.suite.model_ref import OWN_ESTIMATOR, parse_model

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def save_estimator(fitted: Path, estimator: BaseEstimator, meta: Meta) -> None:
    """Write `model.json` and a fitted estimator in its library's own format, or in that of skops."""
    fitted.mkdir(parents=True, exist_ok=True)
    write(fitted, estimator)
    write_meta(fitted, meta)


def load_estimator(folder: Path, threads: int = 1) -> BaseEstimator:
    """The fitted estimator of an artifact or a fitted model, for `flat(raw)` or texts.

    Raises:
        TrialError: the file would bring code that is no known library's, nor the user's own module.
    """
    try:
        if (folder / SKOPS).exists() and not (folder / "model.json").exists():
            return read_estimator(folder / SKOPS)  # one that stands alone
        meta, own = load_meta(folder), ""
        ref = parse_model(meta.model)
        if ref.kind == OWN_ESTIMATOR:
            own = ref.package.partition(".")[0]
            import_own(ref.package, Path(meta.search) if meta.search else None)
        return read(folder, meta.task.num_classes, threads, own)
    except ValueError as error:
        raise TrialError(str(error)) from error


def estimator_predict(estimator: BaseEstimator, meta: Meta) -> Predict:
    """Raw inputs → answers (n, num_classes) float32 in the task's class order, or values (n,)."""

    def predict(raw: Inputs) -> np.ndarray:
        table = list(raw) if meta.task.takes == "text" else flat(raw)
        if not meta.task.num_classes:
            return np.asarray(values(estimator, table))
        present = meta.classes or range(meta.task.num_classes)
        return np.asarray(class_answers(estimator, table, present, meta.task.num_classes))

    return predict


def flat(raw: Inputs) -> np.ndarray:
    """Raw images or table rows as a float32 table (n, columns), not scaled: the pipeline scales."""
    table: np.ndarray = np.asarray(raw).reshape(len(raw), -1).astype(np.float32, copy=False)
    return table

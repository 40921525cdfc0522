"""Predictions of a part of the data: made in batches, checked, stored, measured."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from harness.facts import ScoreFacts
from harness.facts.scoring import CalibrationFacts, ParityFacts, WeakestClass
from harness.metrics import METRICS, jackknife, quality
from harness.protocols import ONE_SIDED, AnswerKind, Inputs, Predict, Split, Task
from harness.record import Measurement, TrialError

CLASSIFICATION = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "ece",
    "brier",
)
REGRESSION = ("mse", "mae", "r2")

BATCH = 128
"""Larger batches leave the processor's cache, smaller ones pay more overhead per call."""
SUM_TOLERANCE = 0.01
"""How far a row of probabilities may sum from 1: int8 and bf16 round, a logit is off by more."""
LETTERS: Mapping[AnswerKind, str] = {"probabilities": "p", "scores": "s", "classes": "c"}
"""What a classifier answers → the letter of its columns in stored predictions."""
POSITIVE = b"harness.positive"
"""Key of stored predictions' metadata: which of two classes is the positive one."""
COLUMN = "column:"
"""Before the name of a column of the user's own in stored predictions: it may be called as a metric is."""
PARITY_EXAMPLES = 1000
"""Answering the whole test part once more per runtime would cost half a training epoch."""


def predict_batches(predict: Predict, inputs: Inputs, batch: int = BATCH) -> np.ndarray:
    """Predict n raw examples: (n, k) probabilities or (n,) values, float32."""
    return np.concatenate(
        [
            np.asarray(predict(inputs[start : start + batch]), dtype=np.float32)
            for start in range(0, len(inputs), batch)
        ]
    )


def check_predictions(
    predictions: np.ndarray, n: int, task: Task, answers: AnswerKind = "probabilities"
) -> None:
    """Refuse what is not a prediction of this task.

    Raises:
        TrialError: wrong shape, NaN, or rows that are no probabilities; the reason says which.
    """
    wanted = (n, task.num_classes) if task.num_classes else (n,)
    if predictions.shape != wanted:
        raise TrialError(f"wrong output shape {predictions.shape} where {wanted} is needed")
    bad = ~np.isfinite(predictions.reshape(n, -1)).all(axis=1)
    if bad.any():
        raise TrialError(f"NaN or infinite predictions for {bad.sum()} of {n} examples")
    if task.num_classes and answers == "probabilities":
        off = np.abs(predictions.sum(axis=1) - 1).max()
        if off > SUM_TOLERANCE or predictions.min() < -SUM_TOLERANCE:
            raise TrialError(
                f"outputs are no probabilities: apply softmax "
                f"(rows sum to 1 ± {off:.3g}, smallest {predictions.min():.3g})"
            )


def write_predictions(
    path: Path,
    part: Split,
    predictions: np.ndarray,
    scores: Mapping[str, np.ndarray] | None = None,
    answers: AnswerKind = "probabilities",
    positive: int = 1,
) -> None:
    """One row per example: id, target, p_0 … p_{k-1} (or prediction), float32; scores (n,) under their
    metric's name; the columns that the data can be sliced by, as `column:NAME`; `group` where rows of one
    group are several. Of a classifier without probabilities s_0 … or c_0 … (`LETTERS`). The file's metadata
    say which of two classes is the positive one.
    """
    columns: dict[str, np.ndarray] = {"id": np.asarray(part.ids, np.int64), "target": part.targets}
    if predictions.ndim == 2:
        columns |= {f"{LETTERS[answers]}_{c}": predictions[:, c] for c in range(predictions.shape[1])}
    else:
        columns["prediction"] = predictions
    if part.groups is not None and len(np.unique(part.groups)) < len(part.groups):
        columns["group"] = np.asarray(part.groups, np.int64)
    columns |= scores or {}
    for name, values in part.columns.items():  # a file column has one type: what mixes them becomes text
        columns[f"{COLUMN}{name}"] = values.astype(str) if values.dtype == object else values
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    known = dict(table.schema.metadata or {})
    pq.write_table(table.replace_schema_metadata({**known, POSITIVE: str(positive).encode()}), path)


def read_predictions(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ids (n,), targets (n,), answers (n, k) or values (n,): the inverse of `write_predictions`."""
    table = pd.read_parquet(path)
    predictions: np.ndarray
    if "prediction" in table:
        predictions = table["prediction"].to_numpy()
    else:
        letter = next(letter for letter in LETTERS.values() if f"{letter}_0" in table)
        k = sum(re.fullmatch(rf"{letter}_\d+", str(c)) is not None for c in table)
        predictions = table[[f"{letter}_{c}" for c in range(k)]].to_numpy()
    return table["id"].to_numpy(), table["target"].to_numpy(), predictions


def measure_quality(
    predictions: np.ndarray, targets: np.ndarray, task: Task, answers: AnswerKind = "probabilities"
) -> tuple[Measurement, ...]:
    """All quality metrics of the task; what the answers cannot tell is not estimable."""
    names = CLASSIFICATION if task.num_classes else REGRESSION
    if task.num_classes == 2 and task.positive == 0:
        # Of two classes metrics are about the second: exchanged, both are what they were for all others.
        plain = tuple(
            _measure(name, predictions, targets, answers) for name in names if name not in ONE_SIDED
        )
        turned = {m: _measure(m, predictions[:, ::-1], 1 - targets, answers) for m in ONE_SIDED}
        measured = {m.metric: m for m in plain} | turned
        return tuple(measured[name] for name in names)
    return tuple(_measure(name, predictions, targets, answers) for name in names)


def _measure(name: str, predictions: np.ndarray, targets: np.ndarray, answers: AnswerKind) -> Measurement:
    metric = METRICS[name]
    assert metric.measure is not None
    if reason := quality.not_told_by(name, answers):
        return Measurement(name, None, metric.unit, note=f"not estimable ({reason})")
    value = metric.measure(predictions, targets)
    if math.isnan(value):
        one = "one class" if name in CLASSIFICATION else "one value"
        return Measurement(
            name, None, metric.unit, note=f"not estimable ({one} only among {len(targets)} targets)"
        )
    return Measurement(name, value, metric.unit)


def measure_own(
    functions: Mapping[str, Sequence[str]],
    predictions: np.ndarray,
    targets: np.ndarray,
    part: Split | None = None,
) -> tuple[tuple[Measurement, ...], dict[str, np.ndarray]]:
    """The suite's own metrics, and the scores per example (n,) of those that give some; of one that gives a
    number the pseudo-values of leaving out parts of the examples, as `jackknife:NAME`.

    Args:
        functions: name → (`module:function`, unit). part: whose numbers and groups tell the parts.
    Raises:
        TrialError: a function raised, or what it returned is neither a number nor a score per example.
    """
    measured, scores = [], {}
    for name, (reference, unit) in functions.items():
        answer = _own_answer(name, reference, predictions, targets)
        if answer.ndim:
            scores[name] = answer
        elif part is not None:
            scores |= _resampled(name, reference, predictions, targets, part, float(answer))
        value = float(answer.mean())
        note = "" if math.isfinite(value) else f"not estimable ({reference} gave {value})"
        measured.append(Measurement(name, None if note else value, unit, note=note))
    return tuple(measured), scores


def _resampled(
    name: str, reference: str, predictions: np.ndarray, targets: np.ndarray, part: Split, whole: float
) -> dict[str, np.ndarray]:
    """Pseudo-values by part, for each example; none where the function does not take fewer examples."""
    parts = jackknife.parts_of(part.ids, part.groups)

    def measure(some: np.ndarray, of_some: np.ndarray) -> float:
        return float(_own_answer(name, reference, some, of_some))

    try:
        values = jackknife.pseudo_values(measure, predictions, targets, parts, whole)
    except (TrialError, TypeError):  # without a part it may lack a class, or give a score per example
        return {}
    return {} if values is None else {f"{jackknife.STORED}{name}": values[parts]}


def _own_answer(name: str, reference: str, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    module, _, function = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)(predictions.copy(), targets.copy())
        answer = np.asarray(found, dtype=np.float64)
    except Exception as error:  # the user's code may raise anything; the reason is the finding
        raise TrialError(f"metric {name}: {reference} raised {type(error).__name__}: {error}") from error
    if answer.shape not in ((), (len(targets),)):
        wanted = f"one number, or a score for each of the {len(targets)} examples"
        raise TrialError(f"metric {name}: {reference} returned shape {answer.shape}, it must be {wanted}")
    return answer


def describe_errors(
    facts: ScoreFacts,
    probabilities: np.ndarray,
    targets: np.ndarray,
    task: Task,
    answers: AnswerKind = "probabilities",
) -> ScoreFacts:
    """The facts with where a classifier errs: confusion, per class, weakest class, calibration."""
    counts, confidence, right = quality.reliability(probabilities, targets)
    per_class = quality.per_class_accuracy(probabilities, targets)
    weakest = quality.weakest_class(probabilities, targets)
    return replace(
        facts,
        class_names=task.class_names,
        answers=answers,
        positive=task.class_names[task.positive] if task.num_classes == 2 else None,
        confusion=tuple(map(tuple, quality.confusion_matrix(probabilities, targets).tolist())),
        per_class_accuracy=dict(zip(task.class_names, map(_number, per_class), strict=True)),
        weakest_class=WeakestClass(task.class_names[weakest], float(per_class[weakest])),
        calibration=CalibrationFacts(
            len(counts),
            tuple(counts.tolist()),
            tuple(map(_number, confidence)),
            tuple(map(_number, right)),
        )
        if answers == "probabilities"
        else None,
    )


def parity(predict: Predict, reference: Predict, inputs: Inputs, name: str) -> ParityFacts:
    """How far a runtime's answers are from the reference's on up to 1,000 examples.

    Args:
        name: of the reference, for people.
    """
    some = inputs[:PARITY_EXAMPLES]
    ours, theirs = predict_batches(predict, some), predict_batches(reference, some)
    return ParityFacts(
        name,
        len(some),
        float(np.abs(ours.astype(np.float64) - theirs).max()),
        float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()) if ours.ndim == 2 else None,
    )


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(value) else float(value)

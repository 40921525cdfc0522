"""One class of several for each example: images, texts, tables."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.kinds import quality
from harness.kinds.kind import Learning, TaskKind
from harness.kinds.measured import OF_CLASSES
from harness.late import Late
from harness.protocols import AnswerKind, Task

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from harness.facts import ScoreFacts
else:
    np = Late("numpy")

METRICS = tuple(metric.name for metric in OF_CLASSES)
SUM_TOLERANCE = 0.01
"""How far a row of probabilities may sum from 1: int8 and bf16 round, a logit is off by more."""

SMALLEST = 1e-9
"""The least share of a class where shares of several are divided by their sum."""


def check(predictions: np.ndarray, answers: AnswerKind) -> str:
    """Rows of probabilities are not negative and sum to 1."""
    if answers != "probabilities":
        return ""
    off = np.abs(predictions.sum(axis=1) - 1).max()
    if off <= SUM_TOLERANCE and predictions.min() >= -SUM_TOLERANCE:
        return ""
    return (
        f"outputs are no probabilities: apply softmax "
        f"(rows sum to 1 ± {off:.3g}, smallest {predictions.min():.3g})"
    )


def describe(
    facts: ScoreFacts,
    probabilities: np.ndarray,
    targets: np.ndarray,
    task: Task,
    answers: AnswerKind = "probabilities",
) -> ScoreFacts:
    """The facts with where a classifier errs: confusion, per class, weakest class, calibration."""
    from harness.facts.scoring import CalibrationFacts, WeakestClass

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


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(value) else float(value)


def _counts(targets: np.ndarray, task: Task) -> np.ndarray:
    return np.bincount(targets, minlength=task.num_classes)


def _agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean())


def _loss(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of logits (n, k) and classes (n,)."""
    from torch.nn import functional

    return functional.cross_entropy(outputs, targets, label_smoothing=smoothing)


def _hits(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(dim=1) == targets).sum()


def _softmax(outputs: Tensor) -> Tensor:
    import torch

    return torch.softmax(outputs, dim=-1)


IMAGES = TaskKind(
    name="image_classification",
    home=__name__,
    family="classification",
    inputs=("image",),
    targets="classes",
    metrics=METRICS,
    own=OF_CLASSES,
    watched="accuracy",
    watchable=METRICS,
    shape=lambda task: (task.num_classes,),
    check=check,
    describe=describe,
    counts=_counts,
    agreement=_agreement,
    learning=Learning(_loss, _hits, _softmax),
    only_one="one class",
    summary="images, one class each",
)
TEXTS = replace(IMAGES, name="text_classification", inputs=("text",), summary="texts, one class each")
TABLES = replace(IMAGES, name="tabular_classification", inputs=("table",), summary="rows, one class each")

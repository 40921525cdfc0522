"""What networks, estimators and finished files share on their way to a record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.codec import JsonObject
from harness.datasets.parts import Parts
from harness.datasets.splits import take
from harness.facts import TrainFacts
from harness.metrics import METRICS
from harness.protocols import AnswerKind, Job, Predict, Split, Task
from harness.record import Measurement
from harness.tasks.evaluation import check_predictions, measure_quality, predict_batches, write_predictions

Trained = tuple[tuple[Measurement, ...], TrainFacts]
"""What fitting a candidate gives."""


def about(spec: JsonObject, task: Task) -> Task:
    """The task with the class that the suite calls the positive one."""
    named = spec.get("positive")
    return task if named is None else replace(task, positive=task.class_names.index(named))


def validate(
    job: Job, parts: Parts, predict: Predict, answers: AnswerKind = "probabilities"
) -> dict[str, float | None]:
    """Predict the validation part with the fitted model in fp32, store and measure it; metric → value."""
    part = parts.validation
    if not len(part):
        return {}
    predictions = predict_batches(predict, part.inputs)
    task = about(job.trial.spec, parts.task)  # type: ignore[arg-type]
    check_predictions(predictions, len(part), task, answers)
    write_predictions(
        job.folder / "validation.parquet", part, predictions, answers=answers, positive=task.positive
    )
    measured = measure_quality(predictions, part.targets, task, answers)
    return {m.metric: m.value for m in measured}


def subset(part: Split, most: int, random: np.random.Generator) -> Split:
    """At most so many of a part's examples, drawn at random."""
    return take(part, np.sort(random.permutation(len(part))[:most]))


def measurement(name: str, value: float) -> Measurement:
    """A figure in its metric's unit."""
    return Measurement(name, float(value), METRICS[name].unit)

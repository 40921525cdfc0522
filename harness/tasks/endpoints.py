"""Services as candidates: asked a few examples, so that what they answer is known; not trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.datasets.parts import Parts
from harness.facts import TrainFacts
from harness.kinds import kind_of
from harness.metrics import METRICS
from harness.models import endpoint
from harness.models.fitted import Meta, write_meta
from harness.protocols import Inputs, Job, Task
from harness.record import Measurement, TrialError
from harness.runtimes import runtime
from harness.suite.model_ref import parse_model
from harness.tasks.finished import what_answers
from harness.tasks.shared import Trained, validate

EXAMPLES = 8


def adopt_endpoint(job: Job, parts: Parts) -> Trained:
    """Ask a service some training examples and keep how it is spoken to.

    Raises:
        TrialError: nobody answers, or not what the task needs; the message has the cure.
    """
    spec, task = job.trial.spec, parts.task
    if task.columns:
        raise TrialError(
            "rows of typed columns are not sent to a service: give it a table of numbers, images or texts"
        )
    gives = what_it_gives(spec["model"], spec["args"], task, parts.train.inputs[:EXAMPLES])
    folder = job.folder / "fitted"
    folder.mkdir(parents=True, exist_ok=True)
    write_meta(folder, Meta("endpoint", spec["model"], spec["args"], task, ends={"gives": gives}))
    predict = runtime("endpoint").load(folder, 1)
    unknown = Measurement("parameters", None, METRICS["parameters"].unit, note="a service does not tell")
    facts = TrainFacts(trained=False, gives={"kind": gives}, validation=validate(job, parts, predict))
    return (unknown,), facts


def what_it_gives(model: str, args: Mapping[str, Any], task: Task, examples: Inputs) -> str:
    """Of what kind a service's answers are.

    Raises:
        TrialError: nobody answers, or with another shape than the task needs.
    """
    url = parse_model(model).name
    try:
        service = endpoint.build(task, **args)
        answer = endpoint.connect(url, service)(examples)
    except ValueError as error:
        raise TrialError(str(error)) from error
    n, k = len(examples), task.num_classes
    kind = what_answers(answer, n, task, service.output)
    if kind is None:
        raise TrialError(
            f"{url} answers {n} examples with {answer.shape}, the task needs {(n, k) if k else (n,)}: "
            "see what args.answer names"
        )
    is_labels = kind == "logits" and kind_of(task.name).targets == "labels"
    return "label_logits" if is_labels else kind


def ask_one(model: str, args: Mapping[str, Any], task: Task) -> None:
    """Ask a service one example of no meaning, before a run begins.

    Raises:
        TrialError: nobody answers, or not what the task needs.
    """
    if task.takes == "text":
        example = np.array(["a text"])
    else:
        example = np.zeros((1, *task.input_shape), np.uint8 if task.takes == "image" else np.float32)
    what_it_gives(model, args, task, example)

"""Images, texts and tables, classes and values: how such a task trains, scores and answers.

A network, a scikit-learn estimator and a finished ONNX file go the same way and end in the same
table. Networks are trained by `harness.training.loop`; what is fitted is kept by `harness.models.fitted`.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import streams
from harness.datasets.catalog import input_columns
from harness.datasets.parts import Parts, load_parts
from harness.datasets.resplit import part_of
from harness.datasets.splits import take
from harness.facts import ScoreFacts, TrainFacts
from harness.metrics import METRICS, watched_metric
from harness.models.estimator import estimator_predict, load_estimator, save_estimator
from harness.models.estimators import build as build_estimator
from harness.models.fitted import Meta, Scaling, find_file, load_meta, module_folder, save_onnx
from harness.models.servable import (
    Scaled,
    Servable,
    build_network,
    example_inputs,
    load_servable,
    own_scaling,
    save_network,
)
from harness.protocols import ONE_SIDED, AnswerKind, Inputs, Job, Outcome, Predict, Split, Task
from harness.record import Measurement, TrialError
from harness.runtimes import runtime, texts
from harness.suite.model_ref import parse_model
from harness.suite.schema import Training
from harness.tasks import estimators, finished, text
from harness.tasks.evaluation import (
    check_predictions,
    describe_errors,
    measure_own,
    measure_quality,
    parity,
    predict_batches,
    write_predictions,
)
from harness.training.batches import Batches, TensorBatches
from harness.training.flops import count_parameters, flops_per_example
from harness.training.loop import Epoch, Fit, Objective, classification, fit, regression
from harness.training.own_loss import with_own_loss
from harness.training.texts import TokenBatches

CALIBRATION_EXAMPLES = 500
VALIDATION_PER_EPOCH = 2000
"""The best epoch is chosen on at most so many validation examples; more would cost as much as training."""

Trained = tuple[tuple[Measurement, ...], TrainFacts]


def train(job: Job) -> Outcome:
    """Fit a candidate; write `fitted/`, `history.csv` and `validation.parquet` into the job's folder.

    Raises:
        TrialError: the loss became NaN, the model does not fit the data, …
    """
    spec = job.trial.spec
    torch.set_num_threads(job.threads)  # a reused worker keeps what the last trial set
    parts = load_parts(spec["data"], spec["train_size"], ("train", "validation"))
    kind = parse_model(spec["model"]).about.fitted
    text.refuse_finished(kind, parts.task)
    measured, facts = _TRAIN[kind](job, parts)
    # An export tells the columns: whoever calls the model must make them.
    columns = tuple(input_columns(spec["data"]["name"], spec["data"].get("args"), part_of(spec["data"])))
    return Outcome(measured, replace(facts, data=parts.facts, input_columns=columns or None))


def score(job: Job) -> Outcome:
    """Prepare the runtime's artifact, predict the test part with it once, measure quality and parity.

    Raises:
        TrialError: the runtime cannot run this model, or what it answers is no prediction.
    """
    spec = job.trial.spec
    torch.set_num_threads(job.threads)
    parts = load_parts(spec["data"], spec["train_size"], ("train", "validation", "test"))
    source = job.needs[spec["fitted"]] / "fitted"
    artifact = job.folder / "artifact"
    # For quantisation: training examples, never test data.
    calibration = _subset(parts.train, CALIBRATION_EXAMPLES, streams.generator(spec["seed"], "calibration"))
    prepared = runtime(spec["runtime"]).prepare(
        source, artifact, text.for_runtime(calibration, source), text.for_runtime(parts.validation, source)
    )
    text.ship_tokenizer(source, artifact)
    answers = load_meta(source).answers
    task = about(spec, parts.task)
    predict = load_variant(spec, artifact, job.threads, job.device)

    started, cpu_started = time.perf_counter(), time.process_time()
    predictions = predict_batches(predict, parts.test.inputs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    check_predictions(predictions, len(parts.test), task, answers)
    own, scores = measure_own(spec.get("metrics", {}), predictions, parts.test.targets, parts.test)
    write_predictions(
        job.folder / "predictions.parquet", parts.test, predictions, scores, answers, task.positive
    )
    reference, name = reference_predict(source)
    facts = ScoreFacts(
        dict(prepared), seconds, cpu_seconds, parity(predict, reference, parts.test.inputs, name)
    )
    if task.num_classes:
        facts = describe_errors(facts, predictions, parts.test.targets, task, answers)
    measured = measure_quality(predictions, parts.test.targets, task, answers)
    return Outcome((*measured, *own), facts)


def about(spec: Mapping[str, Any], task: Task) -> Task:
    """The task with the class that the suite calls the positive one."""
    named = spec.get("positive")
    return task if named is None else replace(task, positive=task.class_names.index(named))


def load_variant(spec: Mapping[str, Any], artifact: Path, threads: int, device: str) -> Predict:
    """The deployable artifact, ready to answer raw examples."""
    return texts.load(spec["runtime"], artifact, threads, device)


def examples(spec: Mapping[str, Any]) -> Inputs:
    """Raw test examples to serve, without their targets."""
    return load_parts(spec["data"], spec.get("train_size"), ("test",)).test.inputs


def reference_predict(source: Path) -> tuple[Predict, str]:
    """The fitted model in its own framework, in fp32, and its name for people."""
    meta = load_meta(source)
    if meta.kind == "sklearn":
        return estimator_predict(load_estimator(source), meta), parse_model(meta.model).about.native
    if meta.kind == "onnx":
        return finished.load(source / "model.onnx"), "the file itself"
    return text.taking_texts(_network_predict(load_servable(source)), source), "torch fp32"


def fit_scaling(part: Split, task: Task) -> Scaling:
    """Mean and deviation per channel (of 0…1) or per column, and of a regression's targets.

    Only the training part may be passed: anything else leaks.
    """
    if text.is_text(task):
        return Scaling((), ())
    if task.name == "image_classification":
        levels = np.arange(256) / 255.0
        counts = np.stack(
            [np.bincount(channel.ravel(), minlength=256) for channel in np.moveaxis(part.inputs, 1, 0)]
        )
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ levels
        std = np.sqrt(np.maximum(share @ levels**2 - mean**2, 0.0))
        least = np.full(len(std), 1e-6)  # of levels from 0 to 1
    else:
        table = np.asarray(part.inputs, dtype=np.float64)
        if not np.isfinite(table).all():
            raise TrialError("the table holds NaN or infinite numbers: fill them in before")
        mean, std = table.mean(axis=0), table.std(axis=0)
        least = np.maximum(1e-12 * np.abs(mean), 1e-30)  # whatever the column's unit: nanometres are small
    std = np.where(std > least, std, 1.0)  # a constant column stays 0
    if task.num_classes:
        return Scaling(tuple(mean.tolist()), tuple(std.tolist()))
    spread = float(np.std(part.targets)) or 1.0
    return Scaling(tuple(mean.tolist()), tuple(std.tolist()), float(np.mean(part.targets)), spread)


def _train_network(job: Job, parts: Parts) -> Trained:
    spec, task, seed = job.trial.spec, parts.task, job.trial.spec["seed"]
    training = Training.model_validate(spec["training"])
    scaling = fit_scaling(parts.train, task)
    tokenizer = text.fitted_tokenizer(spec, parts.train) if text.is_text(task) else None
    if tokenizer:
        task = replace(task, vocab_size=tokenizer.vocab_size, max_length=tokenizer.max_length)
        parts = replace(parts, splits={n: text.as_tokens(p, tokenizer) for n, p in parts.splits.items()})
    torch.manual_seed(streams.seed_for(seed, "init"))
    network = build_network(spec["model"], task, spec["args"], spec.get("search"))
    scaling = own_scaling(network, scaling)
    model = Scaled(network, scaling, task)
    if not tokenizer:
        _answers_one(model, example_inputs(task))
    example = text.typical_tokens(parts.train.inputs) if tokenizer else None
    flops = flops_per_example(model, example_inputs(task) if example is None else torch.from_numpy(example))

    result = fit(
        model,
        _batches(parts, scaling, training, seed, job.device),
        with_own_loss(_objective(spec, task, training, scaling), network, training.label_smoothing),
        training,
        seed=seed,
        device=job.device,
        progress=job.progress,
        folder=job.checkpoint,
        key=job.trial.id,
        owner=network,
    )
    write_history(job.folder / "history.csv", result.history)
    search = spec.get("search") or module_folder(spec["model"])
    meta = Meta("torch", spec["model"], spec["args"], task, **asdict(scaling), search=search)
    save_network(job.folder / "fitted", network, meta)
    if tokenizer:
        tokenizer.save(job.folder / "fitted" / texts.TOKENIZER)
    servable = Servable(model.cpu(), scaling, task).eval()
    size = getattr(network, "size", None)
    facts = replace(
        _told(result, watched_metric(spec)),
        validation=_validate(job, parts, _network_predict(servable)),
        vocabulary=None if example is None else task.vocab_size,
        flops_at_tokens=None if example is None else int(example.shape[1]),
        input_scaling="the network's own" if hasattr(network, "input_mean") else None,
        resized=f"{task.input_shape[1]}×{task.input_shape[2]} images to {size[0]}×{size[1]}"
        if size is not None and len(task.input_shape) == 3
        else None,
    )
    return (
        _measurement("train_seconds", sum(e.seconds for e in result.history)),
        _measurement("parameters", count_parameters(network)),
        _measurement("flops_per_example", flops),
    ), facts


def _answers_one(model: Scaled, examples: torch.Tensor) -> None:
    """Refuse a network that forgets the batch where it holds one example: it would fail when it is served.

    Raises:
        TrialError: with what its end should be.
    """
    model.eval()
    with torch.inference_mode():
        several, one = (tuple(model(examples[:n]).shape) for n in (2, 1))
    if one != (1, *several[1:]):
        raise TrialError(
            f"two examples are answered with shape {several}, one with {one}: it cannot be served. Does the "
            "network end in `.squeeze()`, which drops the batch too? Write `.squeeze(-1)`"
        )


def _batches(parts: Parts, scaling: Scaling, training: Training, seed: int, device: str) -> Batches:
    watched = _subset(parts.validation, VALIDATION_PER_EPOCH, streams.generator(seed, "validation"))
    if text.is_text(parts.task):
        return TokenBatches(
            parts.train.inputs,
            parts.train.targets,
            watched.inputs,
            watched.targets,
            training.batch_size,
            seed,
            device,
        )

    def targets(part: Split) -> torch.Tensor:
        if parts.task.num_classes:
            return torch.from_numpy(part.targets.astype(np.int64)).to(device)
        scaled = (part.targets - scaling.target_mean) / scaling.target_std
        return torch.from_numpy(scaled.astype(np.float32)).to(device)

    def inputs(part: Split) -> torch.Tensor:
        return torch.from_numpy(np.array(part.inputs, order="C")).to(device)

    return TensorBatches(
        inputs(parts.train),
        targets(parts.train),
        inputs(watched),
        targets(watched),
        training.batch_size,
        training.augmentation,
        seed,
    )


def _objective(spec: Mapping[str, Any], task: Task, training: Training, scaling: Scaling) -> Objective:
    """What training minimises, and what its best epoch is chosen by."""
    plain = classification(training.label_smoothing) if task.num_classes else regression()
    name = spec.get("watch")
    if name is None:
        return plain
    metric, positive = METRICS[name], about(spec, task).positive
    sign = 1.0 if metric.better == "higher" else -1.0

    def score(outputs: np.ndarray, targets: np.ndarray) -> float:
        assert metric.measure is not None
        if task.num_classes:
            odds = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            answers = odds / odds.sum(axis=1, keepdims=True)
            if positive == 0 and task.num_classes == 2 and name in ONE_SIDED:
                answers, targets = answers[:, ::-1], 1 - targets
        else:
            answers, targets = (v.reshape(-1) * scaling.target_std for v in (outputs, targets))
        value = metric.measure(answers, targets)
        return sign * value if np.isfinite(value) else 0.0

    return replace(plain, score=score)


def _told(result: Fit, watched: str) -> TrainFacts:
    """What was decided while training, for the record."""
    best = next(e for e in result.history if e.epoch == result.best_epoch)
    return replace(
        result.facts,
        precision=result.mode.precision,
        mode=result.mode.label,
        best_epoch=result.best_epoch,
        epochs=len(result.history),
        best_epoch_by="validation score" if best.validation_score is not None else "last epoch",
        best_epoch_metric=watched,
        train_cpu_seconds=sum(e.cpu_seconds for e in result.history),
    )


def _train_estimator(job: Job, parts: Parts) -> Trained:
    spec, task = job.trial.spec, parts.task
    args = dict(spec["args"])
    words = args.pop("tfidf", {}) if text.is_text(task) else {}
    args = estimators.by_number(args, task)
    search = spec.get("search")
    seed = streams.seed_for(spec["seed"], "init") % 2**31  # what the smallest of the libraries takes
    try:
        estimator = build_estimator(
            spec["model"], args, seed, job.threads, task=task, search=Path(search) if search else None
        )
    except ValueError as error:
        raise TrialError(str(error)) from error
    scaling = Scaling((), ()) if estimators.sees_raw(estimator) else fit_scaling(parts.train, task)
    started, cpu_started = time.perf_counter(), time.process_time()
    made = estimators.fit_estimator(estimator, parts.train, parts.validation, task, scaling, words)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    search = search or module_folder(spec["model"])
    answers = estimators.answers_of(made.model) if task.num_classes else "probabilities"
    meta = Meta(
        "sklearn",
        spec["model"],
        spec["args"],
        task,
        **asdict(scaling),
        classes=made.classes,
        search=search,
        answers=answers,
    )
    save_estimator(job.folder / "fitted", made.model, meta)
    validation = _validate(job, parts, estimator_predict(made.model, meta), answers)
    measured = [_measurement("train_seconds", seconds)]
    parameters = estimators.count_parameters(made.model)
    if parameters is not None:
        measured.append(_measurement("parameters", parameters))
    return tuple(measured), replace(made.facts, train_cpu_seconds=cpu_seconds, validation=validation)


def _adopt_finished(job: Job, parts: Parts) -> Trained:
    """A finished ONNX file is checked and wrapped, not trained."""
    spec = job.trial.spec
    path = find_file(parse_model(spec["model"]).name, spec.get("search"))
    adopted = finished.adopt(path, parts.task, spec["args"], parts.train.inputs[:8])
    meta = Meta("onnx", spec["model"], spec["args"], parts.task)
    save_onnx(job.folder / "fitted", adopted.model, meta)
    predict = finished.load(job.folder / "fitted" / "model.onnx")
    facts = replace(adopted.facts, validation=_validate(job, parts, predict))
    return (_measurement("parameters", adopted.parameters),), facts


_TRAIN: Mapping[str, Callable[[Job, Parts], Trained]] = {
    "torch": _train_network,
    "sklearn": _train_estimator,
    "onnx": _adopt_finished,
}
"""What a candidate is once fitted → how it is fitted."""


def _validate(
    job: Job, parts: Parts, predict: Predict, answers: AnswerKind = "probabilities"
) -> dict[str, float | None]:
    """Predict the validation part with the fitted model in fp32, store and measure it; metric → value."""
    part = parts.validation
    if not len(part):
        return {}
    predictions = predict_batches(predict, part.inputs)
    task = about(job.trial.spec, parts.task)
    check_predictions(predictions, len(part), task, answers)
    write_predictions(
        job.folder / "validation.parquet", part, predictions, answers=answers, positive=task.positive
    )
    measured = measure_quality(predictions, part.targets, task, answers)
    return {m.metric: m.value for m in measured}


def _network_predict(servable: Servable) -> Predict:
    def predict(raw: Inputs) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(servable(torch.from_numpy(np.array(raw, order="C"))).numpy())

    return predict


def write_history(path: Path, history: tuple[Epoch, ...]) -> None:
    """`history.csv`, one row per epoch; what was not measured is empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Epoch)])
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)


def _subset(part: Split, most: int, random: np.random.Generator) -> Split:
    """At most so many of a part's examples, drawn at random."""
    return take(part, np.sort(random.permutation(len(part))[:most]))


def _measurement(name: str, value: float) -> Measurement:
    return Measurement(name, float(value), METRICS[name].unit)

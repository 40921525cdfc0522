"""Images, texts and tables; classes, labels and values: how such a task trains, scores and answers.

A network, a scikit-learn estimator and a finished ONNX file go the same way and end in the same
table. Networks are trained by `harness.training.loop`; what is fitted is kept by `harness.models.fitted`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from harness import streams
from harness.datasets.parts import Parts, load_parts
from harness.datasets.splits import take
from harness.exported import tables
from harness.facts import ScoreFacts
from harness.kinds import kind_of
from harness.models.estimator import estimator_predict, load_estimator, save_estimator
from harness.models.estimators import build as build_estimator
from harness.models.fitted import Meta, Scaling, find_file, load_meta, module_folder, save_onnx
from harness.models.servable import load_servable
from harness.protocols import Inputs, Job, Outcome, Predict
from harness.record import TrialError
from harness.runtimes import runtime, texts
from harness.runtimes.common import first_line, folder_size_mb
from harness.specification import Spec
from harness.suite.model_ref import OWN_ESTIMATOR, parse_model
from harness.tasks import estimators, finished, raw, text
from harness.tasks.class_numbers import by_number
from harness.tasks.endpoints import adopt_endpoint
from harness.tasks.evaluation import (
    check_predictions,
    constant_quality,
    measure_own,
    measure_quality,
    parity,
    predict_batches,
    write_predictions,
)
from harness.tasks.finished_networks import adopt_network
from harness.tasks.network import network_predict, train_network
from harness.tasks.scaling import fit_scaling
from harness.tasks.shared import Trained, about, measurement, subset, validate

CALIBRATION_EXAMPLES = 500
FEW = 64
"""Rows that tell whether the export of an untrained network is that network."""


def train(job: Job) -> Outcome:
    """Fit a candidate; write `fitted/`, `history.csv` and `validation.parquet` into the job's folder.

    Raises:
        TrialError: the loss became NaN, the model does not fit the data, …
    """
    spec = job.trial.spec
    torch.set_num_threads(job.threads)  # a reused worker keeps what the last trial set
    parts = load_parts(spec["data"], spec["train_size"], ("train", "validation"))
    about_it = parse_model(spec["model"]).about
    is_endpoint = about_it.fitted == "endpoint"  # it makes numbers of texts itself
    text.refuse_finished(about_it.is_trained or is_endpoint, parts.task)
    parts, table = (parts, None) if is_endpoint else raw.as_numbers(spec, parts)
    if (
        table is not None
        and about_it.fitted == "sklearn"
        and parse_model(spec["model"]).kind != OWN_ESTIMATOR
    ):
        placed = {**spec, "args": raw.by_place(spec["args"], table)}
        job = replace(job, trial=replace(job.trial, spec=cast(Spec, placed)))
    measured, facts = _TRAIN[about_it.fitted, about_it.is_trained](job, parts)
    if table is not None:
        table.save(job.folder / "fitted" / tables.FILE)
        made = tuple({"column": s["column"], "as": s["as"], "numbers": tables.width(s)} for s in table.steps)
        facts = replace(facts, input_columns=made)
    return Outcome(measured, replace(facts, data=parts.facts))


def score(job: Job) -> Outcome:
    """Prepare the runtime's artifact, predict the test part with it once, measure quality and parity.

    Raises:
        TrialError: the runtime cannot run this model, or what it answers is not a prediction.
    """
    spec = job.trial.spec
    torch.set_num_threads(job.threads)
    parts = load_parts(spec["data"], spec["train_size"], ("train", "validation", "test"))
    source = job.needs[spec["fitted"]] / "fitted"
    artifact = job.folder / "artifact"
    # For quantisation: training examples, never test data.
    calibration = subset(parts.train, CALIBRATION_EXAMPLES, streams.generator(spec["seed"], "calibration"))
    untrained = bool(spec.get("untrained"))
    validation = (
        take(parts.validation, np.arange(min(len(parts.validation), FEW))) if untrained else parts.validation
    )
    prepared = runtime(spec["runtime"]).prepare(
        source, artifact, raw.for_runtime(calibration, source), raw.for_runtime(validation, source)
    )
    raw.ship(source, artifact)
    if untrained:  # it is made to be served; what it answers tells nothing
        return Outcome((measurement("model_size_mb", folder_size_mb(artifact)),), ScoreFacts(dict(prepared)))
    answers = load_meta(source).answers
    task = about(spec, parts.task)  # type: ignore[arg-type]
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
        dict(prepared),
        seconds,
        cpu_seconds,
        parity(predictions, reference, parts.test.inputs, name, task),
        constant=constant_quality(parts.train.targets, parts.test.targets, task),
    )
    facts = kind_of(task.name).describe(facts, predictions, parts.test.targets, task, answers)
    measured = measure_quality(predictions, parts.test.targets, task, answers)
    return Outcome((*measured, *own), facts)


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
        predict, name = estimator_predict(load_estimator(source), meta), parse_model(meta.model).about.native
    elif meta.kind == "endpoint":
        predict, name = runtime("endpoint").load(source, 1), "the service itself"
    elif meta.kind == "onnx":
        predict, name = finished.load(source / "model.onnx"), "the file itself"
    else:
        predict, name = network_predict(load_servable(source)), "torch fp32"
    return raw.taking_raw(predict, source), name


def _train_estimator(job: Job, parts: Parts) -> Trained:
    spec, task = job.trial.spec, parts.task
    args = dict(spec["args"])
    words = args.pop("tfidf", {}) if task.takes == "text" else {}
    args = by_number(args, task, spec["model"])
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
    made = estimators.fit_estimator(
        estimator, parts.train, parts.validation, task, scaling, words, parts.categorical
    )
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    search = search or module_folder(spec["model"])
    answers = estimators.answers_of(made.model) if kind_of(task.name).targets != "values" else "probabilities"
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
    if parse_model(spec["model"]).kind == OWN_ESTIMATOR:
        _store_own(job.folder / "fitted", made.model, meta)
    else:
        save_estimator(job.folder / "fitted", made.model, meta)
    validation = validate(job, parts, estimator_predict(made.model, meta), answers)
    measured = [measurement("train_seconds", seconds)]
    parameters = estimators.count_parameters(made.model)
    if parameters is not None:
        measured.append(measurement("parameters", parameters))
    return tuple(measured), replace(made.facts, train_cpu_seconds=cpu_seconds, validation=validation)


def _store_own(fitted: Path, estimator: Any, meta: Meta) -> None:
    """Store a user's own estimator; what cannot be stored or read back is said now, not where it is served.

    Raises:
        TrialError: with what it must be made of.
    """
    try:
        save_estimator(fitted, estimator, meta)
    except Exception as error:  # skops meets objects of any kind
        raise TrialError(
            f"what {meta.model} has learnt cannot be stored ({first_line(error)}): keep it as numbers, "
            "texts, arrays and estimators of scikit-learn"
        ) from error
    load_estimator(fitted)


def _adopt_finished(job: Job, parts: Parts) -> Trained:
    """A finished ONNX file is checked and wrapped, not trained."""
    spec = job.trial.spec
    path = find_file(parse_model(spec["model"]).name, spec.get("search"))
    adopted = finished.adopt(path, parts.task, spec["args"], parts.train.inputs[:8])
    meta = Meta("onnx", spec["model"], spec["args"], parts.task)
    save_onnx(job.folder / "fitted", adopted.model, meta)
    predict = finished.load(job.folder / "fitted" / "model.onnx")
    facts = replace(adopted.facts, validation=validate(job, parts, predict))
    return (measurement("parameters", adopted.parameters),), facts


_TRAIN: Mapping[tuple[str, bool], Callable[[Job, Parts], Trained]] = {
    ("torch", True): train_network,
    ("torch", False): adopt_network,
    ("sklearn", True): _train_estimator,
    ("onnx", False): _adopt_finished,
    ("endpoint", False): adopt_endpoint,
}
"""What a candidate is once fitted, and whether it is trained → how it is fitted."""

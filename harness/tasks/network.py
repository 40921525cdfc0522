"""How a network of a supervised task is fitted: scaling, batches, what it minimises, what is kept."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import streams
from harness.datasets.mapped import Mapped
from harness.datasets.parts import Parts
from harness.facts import TrainFacts
from harness.kinds import kind_of
from harness.metrics import METRICS, watched_metric
from harness.models.fitted import Meta, Scaling, folder_of
from harness.models.hf_trainer import TrainerNetwork
from harness.models.servable import (
    Scaled,
    Servable,
    build_network,
    example_inputs,
    own_scaling,
    save_network,
    servable_of,
)
from harness.protocols import ONE_SIDED, Inputs, Job, Predict, Split, Task
from harness.record import TrialError
from harness.runtimes import texts
from harness.runtimes.common import first_line
from harness.suite.schema import Training
from harness.tasks import text
from harness.tasks.same_answers import (
    few_rows,
    refuse_forgetful,
    refuse_padded,
    refuse_unlearnable,
    refuse_unsteady,
    unequal_rows,
)
from harness.tasks.scaling import fit_scaling
from harness.tasks.shared import Trained, about, measurement, subset, validate
from harness.training.batches import Batches, TensorBatches
from harness.training.flops import count_parameters, flops_per_example
from harness.training.hf_trainer import fit_trainer
from harness.training.lightning_module import fit_lightning, is_lightning
from harness.training.loop import Epoch, Fit, Objective, fit, objective_of
from harness.training.own_batches import with_own, with_shares
from harness.training.own_loss import refuse_failing, refuse_other_scale, with_own_loss
from harness.training.texts import TokenBatches

VALIDATION_PER_EPOCH = 2000
"""The best epoch is chosen on at most so many validation examples; more would cost as much as training."""


def train_network(job: Job, parts: Parts) -> Trained:
    """Fit a network by the suite's settings; see `Trained` for what comes out."""
    spec, task, seed = job.trial.spec, parts.task, job.trial.spec["seed"]
    training = Training.model_validate(spec["training"])
    scaling = fit_scaling(parts.train, task)
    tokenizer = text.fitted_tokenizer(spec, parts.train) if task.takes == "text" else None
    if tokenizer:
        task = replace(task, vocab_size=tokenizer.vocab_size, max_length=tokenizer.max_length)
        parts = replace(parts, splits={n: text.as_tokens(p, tokenizer) for n, p in parts.splits.items()})
    torch.manual_seed(streams.seed_for(seed, "init"))
    own = spec.get("transforms", "")
    network = build_network(spec["model"], task, spec["args"], spec.get("search"), transforms=own)
    scaling = own_scaling(network, scaling)
    model, servable = Scaled(network, scaling, task), servable_of(network, scaling, task)
    if not tokenizer:
        _answers_one(servable.scaled, example_inputs(task))
    example = text.typical_tokens(parts.train.inputs) if tokenizer else None
    flops = flops_per_example(
        servable, example_inputs(task) if example is None else torch.from_numpy(example)
    )

    def keep(servable: Servable) -> None:
        refuse_unsteady(servable, rows)
        if unequal is not None:
            refuse_padded(servable, unequal)
        save_network(job.folder / "fitted", network, _meta(spec, task, scaling))
        refuse_forgetful(servable, job.folder / "fitted", rows)
        if tokenizer:
            tokenizer.save(job.folder / "fitted" / texts.TOKENIZER)

    rows, unequal = few_rows(parts.train, task), unequal_rows(parts.train, task)
    counted = measurement("parameters", count_parameters(network)), measurement("flops_per_example", flops)
    if spec.get("untrained"):
        keep(servable)
        return counted, TrainFacts(trained=False)
    images = example_inputs(task) if task.takes == "image" else None
    batches = with_own(_batches(parts, scaling, training, seed, job.device), network, images, seed)
    keep(servable)  # now, and not after hours of training
    if not (isinstance(network, TrainerNetwork) or is_lightning(network)):
        refuse_unlearnable(model, rows, task)
    result = _fit(job, model, batches, training, _objective(spec, task, training, scaling))
    write_history(job.folder / "history.csv", result.history)
    servable = servable_of(network.cpu(), scaling, task)
    keep(servable)
    facts = replace(
        _of_network(_told(result, watched_metric(spec)), network, task),
        validation=validate(job, parts, network_predict(servable)),
        vocabulary=None if example is None else task.vocab_size,
        flops_at_tokens=None if example is None else int(example.shape[1]),
    )
    return (measurement("train_seconds", sum(e.seconds for e in result.history)), *counted), facts


def _of_network(facts: TrainFacts, network: torch.nn.Module, task: Task) -> TrainFacts:
    """With what a pretrained network says of itself: its own head, scaling and size."""
    is_ours = type(network).__module__.startswith("harness.")  # a user's may call anything `size`
    head, size = (getattr(network, name, None) if is_ours else None for name in ("head", "size"))
    resized = None
    if size is not None and len(task.input_shape) == 3:
        resized = f"{task.input_shape[1]}×{task.input_shape[2]} images to {size[0]}×{size[1]}"
    return replace(
        facts,
        head=head if isinstance(head, str) else None,
        input_scaling="the network's own" if hasattr(network, "input_mean") else None,
        resized=resized,
    )


def _fit(job: Job, model: Scaled, batches: Batches, training: Training, objective: Objective) -> Fit:
    """Train by the loop here, or by the Trainer that the network brings or asks for."""
    network, seed = model.network, job.trial.spec["seed"]
    learn: Callable[..., Fit] = fit_trainer if isinstance(network, TrainerNetwork) else fit_lightning
    if not (isinstance(network, TrainerNetwork) or is_lightning(network)):
        learn = partial(fit, owner=network)
        objective = with_shares(objective) if hasattr(network, "collate") else objective
        inputs, targets = next(iter(batches.training(0)))
        refuse_failing(model.to(job.device), network, (inputs, targets))
        if kind_of(job.trial.spec["task"]).targets == "values":
            refuse_other_scale(network, targets)
        objective = with_own_loss(objective, network, training.label_smoothing)
    return learn(
        model,
        batches,
        objective,
        training,
        seed=seed,
        device=job.device,
        progress=job.progress,
        folder=job.checkpoint,
        key=job.trial.id,
    )


def _meta(spec: Mapping[str, Any], task: Task, scaling: Scaling) -> Meta:
    own = spec.get("transforms", "")
    search = spec.get("search") or folder_of(spec["model"], own)
    return Meta("torch", spec["model"], spec["args"], task, **asdict(scaling), search=search, transforms=own)


def _answers_one(model: Scaled, examples: torch.Tensor) -> None:
    """Refuse a network that forgets the batch where it holds one example: it would fail when it is served.

    Raises:
        TrialError: with what its end should be.
    """
    model.eval()
    with torch.inference_mode():
        several = tuple(model(examples[:2]).shape)
        try:
            one = tuple(model(examples[:1]).shape)
        except (RuntimeError, ValueError, IndexError) as error:
            raise TrialError(
                f"one example alone cannot be answered, and it would be served so: {first_line(error)}; is "
                "it a batch norm that has no running statistics or is kept in training mode?"
            ) from error
    if one != (1, *several[1:]):
        raise TrialError(
            f"two examples are answered with shape {several}, one with {one}: it cannot be served. Does the "
            "network end in `.squeeze()`, which drops the batch too? Write `.squeeze(-1)`"
        )


def _batches(parts: Parts, scaling: Scaling, training: Training, seed: int, device: str) -> Batches:
    watched = subset(parts.validation, VALIDATION_PER_EPOCH, streams.generator(seed, "validation"))
    if parts.task.takes == "text":
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
        kind = kind_of(parts.task.name)
        assert kind.learning is not None, kind.name
        told = part.targets
        if kind.targets == "values":
            told = (told - scaling.target_mean) / scaling.target_std
        return torch.from_numpy(told.astype(kind.learning.target_type)).to(device)

    def inputs(part: Split) -> torch.Tensor | Mapped:
        if isinstance(part.inputs, Mapped):
            return part.inputs
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
    kind = kind_of(task.name)
    plain = objective_of(kind, training.label_smoothing)
    assert kind.learning is not None, kind.name
    activate = kind.learning.activate
    name = spec.get("watch")
    if name is None:
        return plain
    metric, positive = METRICS[name], about(spec, task).positive
    sign = 1.0 if metric.better == "higher" else -1.0

    def score(outputs: np.ndarray, targets: np.ndarray) -> float:
        assert metric.measure is not None
        if activate is not None:
            answers = activate(torch.from_numpy(outputs)).numpy()
            if kind.targets == "classes" and positive == 0 and task.num_classes == 2 and name in ONE_SIDED:
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
        mode=f"{result.mode.label}, {result.own}" if result.own else result.mode.label,
        best_epoch=result.best_epoch,
        epochs=len(result.history),
        best_epoch_by="validation score" if best.validation_score is not None else "last epoch",
        best_epoch_metric=watched,
        train_cpu_seconds=sum(e.cpu_seconds for e in result.history),
    )


def network_predict(servable: Servable) -> Predict:
    """A network in fp32 as a function of raw examples."""

    def predict(raw: Inputs) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(servable(torch.from_numpy(np.array(raw, order="C"))).numpy())

    return predict


def write_history(path: Path, history: tuple[Epoch, ...]) -> None:
    """`history.csv`, one row per epoch: unmeasured is empty, what a network logged is `logged_NAME`."""
    names = [f.name for f in fields(Epoch) if f.name != "logged"]
    rows = [{**{f"logged_{k}": v for k, v in e.logged.items()}, **asdict(e)} for e in history]
    logged = dict.fromkeys(name for row in rows for name in row if name.startswith("logged_"))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names, *logged], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)

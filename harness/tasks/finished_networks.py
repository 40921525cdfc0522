"""Finished networks: checked against the task, with what they take and give found out; not trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.datasets.parts import Parts
from harness.facts import TrainFacts
from harness.models.finished_network import Ends, Finished, Loaded, copy_network, load_network
from harness.models.fitted import Meta, Scaling, find_file, module_folder, write_meta
from harness.models.servable import Scaled, load_servable
from harness.protocols import Job, Task
from harness.record import TrialError
from harness.suite.model_ref import own_code, parse_model
from harness.tasks.finished import Wants, build, layout_of, what_answers
from harness.tasks.network import network_predict
from harness.tasks.shared import Trained, measurement, validate
from harness.training.flops import count_parameters, flops_per_example

OWN = ("class", "hyper_parameters", "classes")
"""Arguments that say how a file is read; the others say what it takes and gives."""

ALONE = 1e-3
"""How far an answer may move when an example is asked alone and not among others."""

EXAMPLES = 8


def adopt_network(job: Job, parts: Parts) -> Trained:
    """Check a finished network against the task and store it as what every runtime of networks serves.

    Raises:
        TrialError: it cannot be read safely, or does not fit the task or the data; the message has the cure.
    """
    spec, task = job.trial.spec, parts.task
    ref, search, folder = parse_model(spec["model"]), spec.get("search"), job.folder / "fitted"
    path = find_file(ref.name, search)
    try:
        loaded = load_network(ref, path, spec["args"], Path(search) if search else None)
        wants = _wants(path.name, task, spec["args"], loaded)
        scaling, ends = _scaling(wants, task), _ends(path.name, wants, loaded, task)
        answers = _answers(loaded, ends, scaling, task, np.asarray(parts.train.inputs[:EXAMPLES]), path.name)
        copy_network(ref, path, folder)
    except ValueError as error:
        raise TrialError(str(error)) from error
    search = search or next((module_folder(str(own)) for own in own_code(ref, spec["args"])), None)
    output, gives = _which(answers, task, wants.output, path.name)
    ends = Ends(ends.layout, ends.shape, ends.dtype, output, gives)
    write_meta(
        folder,
        Meta("torch", spec["model"], spec["args"], task, **asdict(scaling), search=search, ends=asdict(ends)),
    )
    servable = load_servable(folder)
    inputs = torch.from_numpy(np.array(parts.train.inputs[:2], order="C"))
    takes = {
        **{k: v for k, v in asdict(wants).items() if k != "output"},
        "layout": ends.layout,
        "dtype": ends.dtype,
    }
    facts = TrainFacts(
        trained=False,
        takes=takes,
        gives={"output": str(output), "kind": gives, "type": ends.dtype},
        validation=validate(job, parts, network_predict(servable)),
    )
    return (
        measurement("parameters", count_parameters(servable)),
        measurement("flops_per_example", flops_per_example(servable, inputs)),
    ), facts


def _wants(name: str, task: Task, args: Mapping[str, Any], loaded: Loaded) -> Wants:
    options = {k: v for k, v in args.items() if k not in OWN}
    if not {"mean", "std"} & set(options):  # what a network brings along, as one that is trained here may
        brought = {k: getattr(loaded.network, f"input_{k}", None) for k in ("mean", "std")}
        options |= {k: tuple(float(v) for v in values) for k, values in brought.items() if values is not None}
    try:
        wants = build(task, **options)
    except TypeError as error:
        raise TrialError(f"{name}: {error}; there are layout, scale, mean, std, output") from error
    for what, values in (("mean", wants.mean), ("std", wants.std)):
        if len(values) not in (1, task.input_shape[0]):
            raise TrialError(f"{name}: {what} has {len(values)} numbers, write 1 or {task.input_shape[0]}")
    if loaded.dtype == "uint8":  # such a network scales for itself
        return Wants(wants.layout, 1.0, wants.mean, wants.std, wants.output)
    return wants


def _scaling(wants: Wants, task: Task) -> Scaling:
    """The same as mean and deviation, which for images are of values in 0…1."""
    unit = (255.0 if task.takes == "image" else 1.0) * wants.scale
    return Scaling(tuple(m / unit for m in wants.mean), tuple(s / unit for s in wants.std))


def _ends(name: str, wants: Wants, loaded: Loaded, task: Task) -> Ends:
    if loaded.dims is None:
        shape = task.input_shape if wants.layout != "flat" else (int(np.prod(task.input_shape)),)
        return Ends("nchw" if wants.layout == "auto" else wants.layout, shape, loaded.dtype)
    layout = layout_of(loaded.dims, name, task, wants.layout)
    shape = tuple(loaded.dims) if all(loaded.dims) else (int(np.prod(task.input_shape)),)
    return Ends(layout, shape, loaded.dtype)


def _answers(
    loaded: Loaded, ends: Ends, scaling: Scaling, task: Task, examples: np.ndarray, name: str
) -> list[np.ndarray]:
    """All outputs for some raw examples.

    Raises:
        TrialError: it cannot take them, or answers an example otherwise when others are beside it or it is
            asked again: it is in training mode.
    """
    scaled = Scaled(torch.nn.Identity(), scaling, task)
    network = Finished(loaded.network, ends, task)
    try:
        with torch.inference_mode():
            inputs = scaled(torch.from_numpy(np.array(examples, order="C")))
            found = [network.outputs(inputs) for _ in range(2)]
            alone = network.outputs(inputs[:1])
    except Exception as error:  # whatever a network of a user raises at these shapes
        first = " ".join(str(error).split()) or type(error).__name__
        raise TrialError(
            f"{name} cannot answer inputs of shape {tuple(examples.shape)} ({ends.layout}): {first[:300]}"
        ) from error
    for one, again, single in zip(*found, alone, strict=True):
        if not one.is_floating_point() or one.ndim == 0 or len(one) != len(examples):
            continue
        size = max(1.0, float(one.abs().max()))
        if float((one - again).abs().max()) > ALONE * size:
            raise TrialError(
                f"{name} answers the same examples otherwise when it is asked again: it was exported in "
                "training mode. Call .eval() before torch.export.export"
            )
        if single.shape[1:] != one.shape[1:] or float((one[:1] - single).abs().max()) > ALONE * size:
            raise TrialError(
                f"{name} answers an example otherwise alone than among others: it was exported in training "
                "mode, or drops the batch at its end (write .squeeze(-1)). Call .eval() before it is exported"
            )
    return [answer.numpy() for answer in found[0]]


def _which(answers: list[np.ndarray], task: Task, asked: str, name: str) -> tuple[int, str]:
    """The output that answers the task, and what it is."""
    for number, answer in enumerate(answers):
        kind = what_answers(answer, len(answers[0]), task, asked)
        if kind is not None:
            return number, kind
    n, k = len(answers[0]) if answers else 0, task.num_classes
    shapes = ", ".join(str(a.shape) for a in answers) or "no tensor"
    raise TrialError(
        f"{name} answers {n} examples with {shapes}, the task needs {(n, k) if k else (n,)} floats"
    )

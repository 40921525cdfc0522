"""A candidate's network at other sizes of its input: texts of n tokens, images of n×n.

What a network costs depends on its shape and not on what it has learnt, so it is built anew with fresh
weights: a vision transformer has as many places as its image has patches, a text encoder as many as its
longest text has words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.models.build import build_model
from harness.models.fitted import Meta, load_meta
from harness.models.servable import save_network
from harness.protocols import Inputs, Predict, Split, Task
from harness.record import TrialError
from harness.runtimes import runtime
from harness.runtimes.common import reference
from harness.streams import generator
from harness.suite.model_ref import parse_model
from harness.training.flops import flops_per_example

SPECIAL_TOKENS = 4
"""The lowest numbers pad, or stand for unknown words and marks; a text of these alone is not text."""


CALIBRATION = 64
"""Examples that int8's ranges are taken from."""


@dataclass(frozen=True)
class Sized:
    """A network at one size, ready to answer.

    Args:
        predict: tokens (batch, size) int64 (cutting a text into them is left out), or images
            (batch, channels, size, size) uint8.
        inputs: a few such examples. flops: counts the operations per example; runs the network, so call it
            when memory has been measured.
    """

    size: int
    predict: Predict
    inputs: np.ndarray
    flops: Callable[[], float]


def at_sizes(
    spec: Mapping[str, Any], artifact: Path, sizes: Sequence[int], threads: int, device: str, scratch: Path
) -> Iterator[Sized]:
    """The variant at each size, one after the other in the given order.

    A text encoder is built once, for the longest text; an image network for each size.

    Raises:
        TrialError: the network cannot be built or exported at a size; the reason names it.
    """
    meta = load_meta(artifact)
    is_text = meta.task.takes == "text"
    random = generator(int(spec.get("seed") or 0), "sizes")
    made: tuple[Predict, Inputs] | None = None
    for size in sizes:
        task = _task_at(meta.task, max(sizes) if is_text else size)
        if made is None or not is_text:
            made = _made(spec["runtime"], replace(meta, task=task), size, threads, device, scratch)
        predict, network = made
        inputs = _inputs(task, size, random)
        example = torch.from_numpy(inputs[:1])
        flops = partial(flops_per_example, network, example if is_text else example.float())
        yield Sized(size, predict, inputs, flops)


def _task_at(task: Task, size: int) -> Task:
    if task.takes == "text":
        return replace(task, max_length=size)
    return replace(task, input_shape=(task.input_shape[0], size, size))


def _made(
    name: str, meta: Meta, size: int, threads: int, device: str, scratch: Path
) -> tuple[Predict, torch.nn.Module]:
    args, is_pretrained = dict(meta.args), parse_model(meta.model).about.is_pretrained
    if meta.task.takes == "text" and (is_pretrained or "max_length" in args):
        args["max_length"] = meta.task.max_length
    if is_pretrained or "pretrained" in args:
        args["pretrained"] = False  # fresh weights, as the facts say, and nothing to fetch
    search = Path(meta.search) if meta.search else None
    folder = scratch / f"size-{size}"
    try:
        torch.manual_seed(0)
        network = build_model(meta.model, meta.task, args, search).eval()
        save_network(folder / "fitted", network, replace(meta, args=args))
        way = runtime(name)
        calibration = _calibration(folder / "fitted", meta.task, size) if way.is_calibrated else None
        way.prepare(folder / "fitted", folder / "artifact", calibration)
    except (ValueError, RuntimeError, TrialError) as error:
        raise TrialError(f"cannot be built at size {size}: {error}") from error
    return runtime(name).load(folder / "artifact", threads, device), network


def _calibration(fitted: Path, task: Task, size: int) -> Split:
    """Examples that the network itself has labelled: int8 is chosen by what keeps its answers and is fast."""
    inputs = _inputs(task, size, generator(0, "calibration"), CALIBRATION)
    answers = reference(fitted)(inputs)
    targets = answers.argmax(1) if answers.ndim == 2 else answers
    return Split(inputs, targets, np.arange(len(inputs)))


def _inputs(task: Task, size: int, random: np.random.Generator, count: int = 8) -> np.ndarray:
    if task.takes == "text":
        return random.integers(SPECIAL_TOKENS, max(task.vocab_size, SPECIAL_TOKENS + 1), (count, size))
    return random.integers(0, 256, (count, *task.input_shape), dtype=np.uint8)

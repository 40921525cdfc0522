"""How much fits a budget: image size, epochs, seeds, rounds and candidates, the dearest that still fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from harness.init.look import Seen
from harness.init.offer import Offer
from harness.planning.estimate import STARTING_S, RowCounts, guess_seconds, row_size
from harness.planning.trials import plan_trials
from harness.protocols import Task
from harness.record import DataError, Trial
from harness.suite.schema import Suite

if TYPE_CHECKING:
    import torch
    from torch import nn

SIDES = (96, 64, 48, 32)
"""Sides of images that are tried, the largest first."""
STEPS = 600
"""Steps that a small network is given, where the budget has room for them."""
SHARE = 0.7
"""Of the budget that is planned for: estimates are off by some tens of percent."""
TRIED_S = 0.4
"""How long a network's steps are timed."""


@dataclass(frozen=True)
class Effort:
    """What a run does.

    Args:
        side: of images; 0 for other data. keep: how many candidates. rows: to learn from; 0: all.
    """

    epochs: int
    batch: int
    seeds: int = 3
    rounds: int = 3
    side: int = 0
    keep: int = 99
    rows: int = 0


@dataclass(frozen=True)
class EffortChoice:
    """The effort that was chosen, and how long it is expected to take."""

    effort: Effort
    seconds: float
    fits: bool


def best_fit(efforts: Sequence[Effort], seconds: Callable[[Effort], float], budget_s: float) -> EffortChoice:
    """The first effort that fits the budget, else the quickest."""
    tried: list[EffortChoice] = []
    for effort in efforts:
        fit = EffortChoice(effort, seconds(effort), True)
        if fit.seconds <= SHARE * budget_s:
            return fit
        tried.append(fit)
    return replace(min(tried, key=lambda fit: fit.seconds), fits=False)


def ladder(seen: Seen, offered: int, fixed: int, side: int | None = None) -> Iterator[Effort]:
    """Efforts, from what one would like to what one can hardly do without.

    Args:
        offered: candidates; fixed: those of them that are never left out. side: the user's.
    """
    batch = 16 if seen.train_rows < 400 else 32 if seen.train_rows < 2000 else 128
    steps = max(1, ceil(0.9 * seen.train_rows / batch))
    most = max(3, min(60, ceil(STEPS / steps)))
    sides = _sides(seen, side)
    for first in sides:
        yield Effort(most, batch, 3, 3, first)
        yield Effort(most, batch, 3, 2, first)
        yield Effort(most, batch, 2, 2, first)
        if most > 15:
            yield Effort(ceil(most / 2), batch, 2, 2, first)
    least = Effort(max(2, most // 4), batch, 2, 2, sides[-1])
    yield least
    for keep in range(offered - 1, max(fixed, 2) - 1, -1):
        yield replace(least, keep=keep)
    for rows in (10_000, 3000, 1000):
        if rows < 0.8 * seen.train_rows and seen.task.name != "recommendation":
            yield replace(least, keep=max(fixed, 2), rows=rows)
    yield replace(least, keep=max(fixed, 2), epochs=2, seeds=1, rounds=1)


def _sides(seen: Seen, side: int | None) -> list[int]:
    if seen.dataset != "image_folder":
        return [0]
    if side is not None:
        return [side]
    own = seen.task.input_shape[-1]
    return [s for s in SIDES if s <= own] or [max(4, own - own % 4)]


def expected_seconds(suite: Suite, rates: Mapping[str, float], seen: Seen) -> float:
    """How long a suite will take here, as `plan` says it but with the networks' measured speed.

    Args:
        rates: candidate → seconds for a row and epoch.
    """
    share = min(1.0, suite.data.train_sizes[0] / seen.train_rows) if suite.data.train_sizes else 1.0
    rows = RowCounts(round(seen.train_rows * (1 - suite.data.validation) * share), seen.test_rows)
    size = row_size(suite)
    work = {"train": 0.0, "score": 0.0, "serve": 0.0}

    def seconds(trial: Trial) -> float:
        if trial.kind == "train" and trial.candidate in rates:
            return 3.0 + rates[trial.candidate] * rows.train * float(trial.spec["training"]["epochs"])
        return guess_seconds(trial, size, rows)

    for trial in plan_trials(suite):
        work[trial.kind] += seconds(trial)
    slots = max(1, min(os.cpu_count() or 1, len(suite.candidates) * len(suite.training.seeds)))
    return STARTING_S + (work["train"] + work["score"]) / slots + work["serve"]


def seconds_per_row(offer: Offer, task: Task, batch: int, search: Path, tokens: int = 64) -> float:
    """Seconds that a training step of a network takes for each of its rows, timed here on one thread.

    Args:
        tokens: of a text, in the median.
    Raises:
        ValueError, HarnessError: the network cannot be built, or answers one row in another shape than two.
    """
    import time

    import torch

    from harness.models.build import build_model

    if task.name == "text_classification":
        task = replace(task, vocab_size=5000, max_length=128)
        inputs = torch.randint(1, 5000, (batch, max(4, min(128, tokens))))
    else:
        inputs = torch.randn(batch, *task.input_shape)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = build_model(offer.network, task, dict(offer.args), search).train()
        steps, ended, started = 0, 0.0, time.perf_counter()
        while ended < TRIED_S or steps < 2:  # the machine may pause in the first, which counts for nothing
            network.zero_grad()
            network(inputs).float().square().mean().backward()
            if steps == 0:
                started = time.perf_counter()  # the first step allocates
            steps, ended = steps + 1, time.perf_counter() - started
        _answers_one(offer.network, network.eval(), inputs)
        return ended / ((steps - 1) * batch)
    finally:
        torch.set_num_threads(threads)


def _answers_one(name: str, network: nn.Module, inputs: torch.Tensor) -> None:
    """Refuse a network that forgets the batch where it holds one row: it would fail when it is served.

    Raises:
        DataError: with what its end should be.
    """
    import torch

    with torch.inference_mode():
        several, one = (tuple(network(inputs[:n]).shape) for n in (2, 1))
    if one != (1, *several[1:]):
        raise DataError(
            f"{name} answers two rows with shape {several}, and one with {one}: it cannot be served. Does it "
            "end in `.squeeze()`, which drops the batch too? Write `.squeeze(-1)`"
        )

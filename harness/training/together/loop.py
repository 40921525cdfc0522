"""The training loop of one process among several: `harness.training.loop`, with batches shared.

Every process makes the same batches in the same order, from the same random streams, and takes its rows of
each, so the steps are those of one process with the same batch size, but for three things: sums in another
order of their terms, batch normalisation by each share's own statistics, and dropout's draws.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from harness import streams
from harness.codec import Json
from harness.facts import TrainFacts
from harness.protocols import Progress
from harness.suite.schema import Training
from harness.training import checkpoint as checkpoints
from harness.training.batches import Batches
from harness.training.checkpoint import Checkpoint, Weights
from harness.training.loop import (
    CHECK_EVERY,
    Epoch,
    Fit,
    Objective,
    best_epoch,
    for_people,
    refuse_nan,
    validate,
)
from harness.training.optim import build_optimizer, lr_factor, set_lr
from harness.training.precision import Mode, choose_mode
from harness.training.together.group import AnswersOfAll, TrainingGroup, summed


def fit_together(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    training: Training,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress = lambda state: None,
    folder: Path | None = None,
    key: str = "",
    owner: nn.Module | None = None,
    group: TrainingGroup,
) -> Fit:
    """Train a model as one process of a group; each ends with the weights of the best epoch.

    Args: as `harness.training.loop.fit` has them; the whole group calls it with the same ones.
        folder: where all processes read checkpoints, and the leader writes them.

    Raises:
        TrialError: the loss became NaN, in all processes at once.
        PeerLostError: another process of the group is gone.
    """
    resumed = checkpoints.load(folder, key) if folder else None
    mode, tried = _agreed_mode(model, batches, objective, training, device, resumed, folder, group)
    model.zero_grad()
    model = mode.place(model, device)
    group.start_alike(model)
    optimizer = build_optimizer(owner or model, training.optimizer)
    run = _Shared(model, batches, objective, training, optimizer, mode, seed, device, group)

    history: list[Epoch] = []
    best, start = checkpoints.snapshot(model), 0
    if resumed:
        checkpoints.restore(model, resumed.model)
        checkpoints.restore_optimizer(optimizer, resumed.optimizer)
        history = [Epoch(**row) for row in resumed.progress["history"]]
        best, start = resumed.best, resumed.epoch

    for number in range(start, training.epochs):
        history.append(run.epoch(number))
        if best_epoch(history) == number + 1:
            best = checkpoints.snapshot(model)
        if not group.leads:
            continue
        if folder:
            _keep(folder, key, model, best, optimizer, history, mode, tried)
        progress(for_people(history[-1], training.epochs))

    checkpoints.restore(model, best)
    facts = TrainFacts(
        tried_seconds_per_step=cast(Mapping[str, float] | None, tried.get("tried_seconds_per_step")),
        refused_modes=cast(Mapping[str, str] | None, tried.get("refused_modes")),
        resumed_after_epoch=start or None,
    )
    return Fit(tuple(history), best_epoch(history), mode, facts, own=f"{group.size} workers")


def _agreed_mode(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    training: Training,
    device: str,
    resumed: Checkpoint | None,
    folder: Path | None,
    group: TrainingGroup,
) -> tuple[Mode, Mapping[str, Json]]:
    """How steps are computed, and what was tried: the leader tries it, on the share that each will have."""
    found: object = None
    if group.leads and resumed:
        found = resumed.progress["mode"], resumed.progress["tried"]
    elif group.leads:
        inputs, targets = next(iter(batches.training(0)))
        share = group.share(len(targets))
        batch = inputs[share], targets[share]
        mode, tried = choose_mode(model, batch, objective.loss, device, training.precision, folder)
        found = asdict(mode), dict(tried)
    agreed, told = cast(tuple[dict[str, str | bool], dict[str, Json]], group.from_leader(found))
    return Mode(**agreed), told  # type: ignore[arg-type]


def _keep(
    folder: Path,
    key: str,
    model: nn.Module,
    best: Weights,
    optimizer: torch.optim.Optimizer,
    history: list[Epoch],
    mode: Mode,
    tried: Mapping[str, Json],
) -> None:
    """The checkpoint after the last epoch of the history."""
    state = {"history": [asdict(e) for e in history], "mode": asdict(mode), "tried": dict(tried)}
    moments = checkpoints.optimizer_tensors(optimizer)
    weights = checkpoints.snapshot(model)
    checkpoints.save(folder, Checkpoint(key, len(history), weights, best, moments, state))


@dataclass(frozen=True)
class _Shared:
    """All that an epoch needs in one process of a group."""

    model: nn.Module
    batches: Batches
    objective: Objective
    training: Training
    optimizer: torch.optim.Optimizer
    mode: Mode
    seed: int
    device: str
    group: TrainingGroup

    def epoch(self, number: int) -> Epoch:
        """Train over all examples once, then look at the validation part; `number` counts from 0.

        Examples, losses, scores and the CPU time are those of all processes.
        """
        started, cpu_started = time.perf_counter(), time.process_time()
        train_loss, train_score, examples, lr = self._train(number)
        trained = time.perf_counter()
        answering = AnswersOfAll(self.model, self.group)
        validation_loss, validation_score = validate(
            answering, self.batches, self.objective, self.mode, self.device, number
        )
        return Epoch(
            epoch=number + 1,
            train_loss=train_loss,
            train_score=train_score,
            validation_loss=validation_loss,
            validation_score=validation_score,
            seconds=time.perf_counter() - started,
            examples_per_s=examples / (trained - started),
            lr=lr,
            cpu_seconds=summed(self.group, [time.process_time() - cpu_started], self.device)[0],
        )

    def _train(self, number: int) -> tuple[float, float, int, float]:
        """Mean loss, mean score and number of examples of all processes; last learning rate."""
        training, steps, group = self.training, self.batches.steps_per_epoch, self.group
        losses: list[Tensor] = []
        score, examples, lr = torch.zeros((), device=self.device), 0, 0.0
        drawn = (number,) if group.leads else (number, group.rank)  # other examples, other draws
        torch.manual_seed(streams.seed_for(self.seed, "dropout", *drawn))
        self.model.train()
        for step, (inputs, targets) in enumerate(self.batches.training(number)):
            lr = set_lr(
                self.optimizer, lr_factor(number * steps + step, training.epochs * steps, training.schedule)
            )
            share = group.share(len(targets))
            own_inputs, own_targets = inputs[share], targets[share]
            with self.mode.active(self.device):
                outputs = self.model(own_inputs)
            loss = self.objective.loss(outputs.float(), own_targets) * (len(own_targets) / len(targets))
            loss.backward()  # type: ignore[no-untyped-call]
            group.sum_gradients(self.model)
            if training.gradient_clip:
                nn.utils.clip_grad_norm_(self.model.parameters(), training.gradient_clip)
            self.optimizer.step()
            self.optimizer.zero_grad()

            losses.append(loss.detach())
            score += self.objective.summed_score(outputs.detach().float(), own_targets)
            examples += len(targets)
            if step % CHECK_EVERY == 0 or step == steps - 1:
                seen = group.sum(torch.stack(losses))  # all see the same, so that all stop at once
                refuse_nan(list(seen), number, self.mode)
        group.average_statistics(self.model)
        return float(seen.mean()), float(group.sum(score)) / examples, examples, lr

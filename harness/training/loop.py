"""The training loop: forward, loss, backward, step.

The best epoch is the one with the highest validation score (the suite's quality objective), of
equal ones that with the lower validation loss; without a validation part it is the last. Test data is
never seen here. All randomness comes from (seed, epoch), so the same seed gives the same weights
on the same machine, threads and mode, and a resumed training ends like one that never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import streams
from harness.facts import TrainFacts
from harness.kinds import TaskKind
from harness.kinds.classification import IMAGES
from harness.kinds.regression import REGRESSION
from harness.protocols import Progress
from harness.record import TrialError
from harness.suite.schema import Training
from harness.training import checkpoint as checkpoints
from harness.training.batches import Batches, TensorBatches
from harness.training.checkpoint import Checkpoint
from harness.training.compiling import Network, compiled_again, compiled_where_it_pays
from harness.training.optim import build_optimizer, lr_factor, refuse_sparse, set_lr
from harness.training.precision import Mode, choose_mode

CHECK_EVERY = 20
"""Steps between looks at the losses: looking waits for a GPU."""


@dataclass(frozen=True)
class Epoch:
    """One row of `history.csv`. Losses of the training part are means over the epoch, as it trained.

    Args:
        train_score: None where the network steps by itself: its answers are not seen.
        logged: what a network that steps by itself logged, a column each.
    """

    epoch: int
    train_loss: float
    train_score: float | None
    validation_loss: float | None
    validation_score: float | None
    seconds: float
    examples_per_s: float
    lr: float
    cpu_seconds: float = 0.0
    logged: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """What a training gave; the model holds the weights of `best_epoch`.

    Args:
        own: what the network did its own way instead of the suite's; empty: nothing.
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    mode: Mode
    facts: TrainFacts = field(default_factory=TrainFacts)
    own: str = ""


@dataclass(frozen=True)
class Objective:
    """What is minimised and what is reported; all take (outputs in float32, targets).

    Args:
        loss: mean over the batch, with label smoothing.
        plain_loss: mean over the batch, without.
        summed_score: sum over the batch of what the score averages, higher is better.
        score: of the whole validation part where the score is no mean, higher is better: (outputs, targets)
            as arrays; None: the mean of `summed_score`.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    plain_loss: Callable[[Tensor, Tensor], Tensor]
    summed_score: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[np.ndarray, np.ndarray], float] | None = None


def objective_of(kind: TaskKind, label_smoothing: float = 0.0) -> Objective:
    """What a network of a kind of task learns by."""
    learning = kind.learning
    assert learning is not None, kind.name
    return Objective(
        loss=lambda out, y: learning.loss(out, y, label_smoothing),
        plain_loss=lambda out, y: learning.loss(out, y, 0.0),
        summed_score=learning.summed_score,
    )


def classification(label_smoothing: float = 0.0) -> Objective:
    """Cross-entropy of logits (n, k) and classes (n,); the score is accuracy."""
    return objective_of(IMAGES, label_smoothing)


def regression() -> Objective:
    """Squared error of targets scaled to variance 1 in the training part; the score is 1 - MSE, near R²."""
    return objective_of(REGRESSION)


def fit(
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
) -> Fit:
    """Train a model in place; it ends with the weights of its best epoch.

    Args:
        model: maps a batch of `batches` to logits (n, k) or values (n,).
        folder, key: where checkpoints are kept, and whose they are; a training with the same key that finds
            one goes on from there.
        owner: the module that may bring its own `param_groups`; the model itself unless given.

    Raises:
        TrialError: the loss became NaN; the reason says when.
    """
    refuse_sparse(model, training)
    resumed = checkpoints.load(folder, key) if folder else None
    model, network, mode, tried = _way(model, batches, objective, training, device, resumed, folder)
    optimizer = build_optimizer(model if owner is None else owner, training.optimizer)
    run = _Run(model, network, batches, objective, training, optimizer, mode, seed, device)

    history, best, start = [], checkpoints.snapshot(model), 0
    if resumed:
        checkpoints.restore(model, resumed.model)
        checkpoints.restore_optimizer(optimizer, resumed.optimizer)
        history = [Epoch(**row) for row in resumed.progress["history"]]
        best, start = resumed.best, resumed.epoch

    for number in range(start, training.epochs):
        history.append(run.epoch(number))
        if best_epoch(history) == number + 1:
            best = checkpoints.snapshot(model)
        if folder:
            state = {"history": [asdict(e) for e in history], "mode": asdict(mode), "tried": dict(tried)}
            moments = checkpoints.optimizer_tensors(optimizer)
            now = Checkpoint(key, number + 1, checkpoints.snapshot(model), best, moments, state)
            checkpoints.save(folder, now)
        progress(for_people(history[-1], training.epochs))

    checkpoints.restore(model, best)
    facts = TrainFacts(
        tried_seconds_per_step=tried.get("tried_seconds_per_step"),
        compiling_seconds_per_step=tried.get("compiling_seconds_per_step"),
        refused_modes=tried.get("refused_modes"),
        resumed_after_epoch=start or None,
    )
    return Fit(tuple(history), best_epoch(history), mode, facts)


def _way(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    training: Training,
    device: str,
    resumed: Checkpoint | None,
    folder: Path | None,
) -> tuple[nn.Module, Network, Mode, Mapping[str, Any]]:
    """How steps are computed, as it was or as is fastest: the model in its place, what computes its forward
    pass, the mode, and what was tried."""
    if resumed:
        mode, tried = Mode(**resumed.progress["mode"]), resumed.progress["tried"]
        model = mode.place(model, device)
        if not mode.compiled:
            return model, model, mode, tried
        first = next(iter(batches.training(0)))
        return model, *compiled_again(model, first, objective.loss, device, mode, tried, resumed.epoch)
    first = next(iter(batches.training(0)))
    mode, tried = choose_mode(model, first, objective.loss, device, training.precision, folder)
    model.zero_grad()  # a loss with weights of its own was tried on them, not on a copy
    model = mode.place(model, device)
    if training.precision != "auto" or not isinstance(batches, TensorBatches):  # texts have many lengths
        return model, model, mode, tried
    steps = batches.steps_per_epoch * training.epochs
    return model, *compiled_where_it_pays(model, first, objective.loss, device, steps, mode, tried)


def best_epoch(history: list[Epoch]) -> int:
    """Number of the epoch with the highest validation score, then lowest validation loss, then first.

    Without a validation part the last.
    """
    if history[-1].validation_score is None:
        return history[-1].epoch
    return max(history, key=lambda e: (e.validation_score, -(e.validation_loss or 0.0), -e.epoch)).epoch


@dataclass(frozen=True)
class _Run:
    """All that an epoch needs; `network` computes the model's forward pass, which may be compiled."""

    model: nn.Module
    network: Network
    batches: Batches
    objective: Objective
    training: Training
    optimizer: torch.optim.Optimizer
    mode: Mode
    seed: int
    device: str

    def epoch(self, number: int) -> Epoch:
        """Train over all examples once, then look at the validation part; `number` counts from 0."""
        started, cpu_started = time.perf_counter(), time.process_time()
        train_loss, train_score, examples, lr = self._train(number)
        trained = time.perf_counter()
        validation_loss, validation_score = validate(
            self.model, self.batches, self.objective, self.mode, self.device, number
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
            cpu_seconds=time.process_time() - cpu_started,
        )

    def _train(self, number: int) -> tuple[float, float, int, float]:
        """Mean loss, mean score, number of examples, last learning rate."""
        training, steps = self.training, self.batches.steps_per_epoch
        losses: list[Tensor] = []
        score, examples, lr = torch.zeros((), device=self.device), 0, 0.0
        torch.manual_seed(streams.seed_for(self.seed, "dropout", number))
        self.model.train()
        for step, (inputs, targets) in enumerate(self.batches.training(number)):
            lr = set_lr(
                self.optimizer, lr_factor(number * steps + step, training.epochs * steps, training.schedule)
            )
            with self.mode.active(self.device):
                outputs = self.network(inputs)
            loss = self.objective.loss(outputs.float(), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            if training.gradient_clip:
                nn.utils.clip_grad_norm_(self.model.parameters(), training.gradient_clip)
            self.optimizer.step()
            self.optimizer.zero_grad()

            losses.append(loss.detach())
            score += self.objective.summed_score(outputs.detach().float(), targets)
            examples += len(targets)
            if step % CHECK_EVERY == 0 or step == steps - 1:
                refuse_nan(losses, number, self.mode)
        return float(torch.stack(losses).mean()), float(score) / examples, examples, lr


@torch.no_grad()
def validate(
    model: nn.Module, batches: Batches, objective: Objective, mode: Mode, device: str, number: int
) -> tuple[float | None, float | None]:
    """Mean loss and score over the validation part after epoch `number`, counted from 0; None without one.

    Leaves the model in evaluation mode.

    Raises:
        TrialError: the loss became NaN.
    """
    loss, score, examples = 0.0, 0.0, 0
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    model.eval()
    for inputs, targets in batches.validation():
        with mode.active(device):
            outputs = model(inputs).float()
        loss += float(objective.plain_loss(outputs, targets)) * len(targets)
        score += float(objective.summed_score(outputs, targets))
        if objective.score is not None:
            seen.append((outputs.cpu().numpy(), targets.cpu().numpy()))
        examples += len(targets)
    if not math.isfinite(loss):
        raise TrialError(f"loss became NaN on the validation part after epoch {number + 1}{_cure(mode)}")
    if not examples:
        return None, None
    if objective.score is not None:
        outputs_all, targets_all = (np.concatenate(arrays) for arrays in zip(*seen, strict=True))
        return loss / examples, objective.score(outputs_all, targets_all)
    return loss / examples, score / examples


def refuse_nan(losses: list[Tensor], number: int, mode: Mode) -> None:
    """Raise a TrialError that names the step of epoch `number`, counted from 0, whose loss was not finite."""
    finite = torch.isfinite(torch.stack(losses))
    if not bool(finite.all()):
        step = int((~finite).nonzero()[0]) + 1
        raise TrialError(f"loss became NaN at epoch {number + 1}, step {step}{_cure(mode)}")


def _cure(mode: Mode) -> str:
    lower = ": lower optimizer.lr"
    return lower + " or set precision: fp32" if mode.precision == "bf16" else lower


def for_people(epoch: Epoch, epochs: int) -> dict[str, Any]:
    """What the progress line says of an epoch."""
    validated = epoch.validation_score is not None
    return {
        "epoch": epoch.epoch,
        "epochs": epochs,
        "loss": epoch.validation_loss if validated else epoch.train_loss,
        "score": epoch.validation_score if validated else epoch.train_score,
        "seconds": epoch.seconds,
    }

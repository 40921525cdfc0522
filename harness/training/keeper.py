"""What happens around each epoch of a training whose steps a library makes.

Seeds, score, history and checkpoints: Lightning and transformers call for them by hooks of their own names;
what is kept is the same for both, and as for a network that `harness.training.loop` trains.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from harness import streams
from harness.codec import Json
from harness.facts import TrainFacts
from harness.models.servable import Scaled
from harness.protocols import Progress
from harness.suite.schema import Training
from harness.training import checkpoint as checkpoints
from harness.training.batches import Batches
from harness.training.checkpoint import Checkpoint, Weights
from harness.training.loop import Epoch, Fit, Objective, best_epoch, for_people, refuse_nan, validate
from harness.training.precision import Mode


@dataclass(eq=False)
class Keeper:
    """A training as far as it has come. The first ten are as `harness.training.loop.fit` has them.

    Args:
        history: the epochs that are whole. best: weights of the best of them; found: those resumed from.
        start: epochs that an earlier attempt had finished.
        losses, examples: of the epoch's steps so far.
        began: wall and processor's seconds at its beginning.
    """

    model: Scaled
    batches: Batches
    objective: Objective
    training: Training
    mode: Mode
    seed: int
    device: str
    progress: Progress
    folder: Path | None
    key: str
    history: list[Epoch] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    found: Weights = field(default_factory=dict)
    start: int = 0
    losses: list[Tensor] = field(default_factory=list)
    examples: int = 0
    began: tuple[float, float] = (0.0, 0.0)

    def resume_from(self, state_of: Callable[[Checkpoint], Path]) -> Path | None:
        """Take up the last whole epoch; the library's own state of it, None where there is none.

        Args:
            state_of: where the library's state lies that belongs to a checkpoint.
        """
        found = checkpoints.load(self.folder, self.key) if self.folder else None
        if found is None or not (state := state_of(found)).exists():
            return None
        self.history = [Epoch(**row) for row in found.progress["history"]]
        self.best, self.found, self.start = found.best, found.model, found.epoch
        return state

    def begin_epoch(self, number: int) -> int:
        """Seed epoch `number`, counted from 0, and forget the one before; the seed."""
        seed = streams.seed_for(self.seed, "dropout", number)
        torch.manual_seed(seed)
        self.losses, self.examples = [], 0
        self.began = time.perf_counter(), time.process_time()
        return seed

    def refuse_nan(self, number: int) -> None:
        """Raise a TrialError where a loss of epoch `number`, counted from 0, was not finite."""
        refuse_nan(self.losses, number, self.mode)

    def end_epoch(
        self, number: int, train_loss: float, trained: float, lr: float, logged: dict[str, float]
    ) -> Epoch:
        """Look at the validation part, and remember the weights if they are the best so far.

        Args:
            number: of the epoch, counted from 0. trained: when its last step was done (`perf_counter`).
        """
        loss, score = validate(self.model, self.batches, self.objective, self.mode, self.device, number)
        now = Epoch(
            epoch=number + 1,
            train_loss=train_loss,
            train_score=None,
            validation_loss=loss,
            validation_score=score,
            seconds=time.perf_counter() - self.began[0],
            examples_per_s=self.examples / (trained - self.began[0]),
            lr=lr,
            cpu_seconds=time.process_time() - self.began[1],
            logged=logged,
        )
        self.history.append(now)
        if best_epoch(self.history) == number + 1:
            self.best = checkpoints.snapshot(self.model)
        return now

    def save(self, epoch: int, state: Path, states: str, **beside: Json) -> None:
        """Keep a whole epoch once the library's state of it is written: the checkpoint that names that state
        is whole only with it. Older states go.

        Args:
            epoch: its number, counted from 1. state: the library's. states: glob of all of them.
            beside: what else is to be found again.
        """
        assert self.folder is not None
        progress = {"history": [asdict(e) for e in self.history], **beside}
        weights = checkpoints.snapshot(self.model)
        checkpoints.save(self.folder, Checkpoint(self.key, epoch, weights, self.best, {}, progress))
        for old in self.folder.glob(states):
            if old != state:
                shutil.rmtree(old) if old.is_dir() else old.unlink()

    def tell(self) -> None:
        """Say of the last epoch what people want to know."""
        self.progress(for_people(self.history[-1], self.training.epochs))

    def fit(self, said: str) -> Fit:
        """End with the weights of the best epoch.

        Args:
            said: what the training's loss and steps were taken from.
        """
        checkpoints.restore(self.model.to(self.device), self.best)
        facts = TrainFacts(resumed_after_epoch=self.start or None)
        return Fit(tuple(self.history), best_epoch(self.history), self.mode, facts, said)

"""A `transformers.Trainer` learns as it says itself; the rest is as for any network.

Its own: TrainingArguments (optimizer, rates, schedule, accumulation, clipping, precision, label smoothing),
`compute_loss`, callbacks, and what it logs, which goes into `history.csv`. The suite's: data, their order and
augmentation, seeds, checkpoints, and the validation score that chooses the best epoch; epochs and batch size
stand in both. Its model is what is scored and served.
"""

from __future__ import annotations

import importlib
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.models.hf_trainer import TrainerNetwork
from harness.models.servable import Scaled
from harness.protocols import Progress
from harness.record import TrialError
from harness.suite.schema import Training
from harness.training import checkpoint as checkpoints
from harness.training.batches import Batches
from harness.training.keeper import Keeper
from harness.training.loop import CHECK_EVERY, Fit, Objective
from harness.training.precision import Mode

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

OWN = "the Trainer's own arguments and loss"

NOT_FIGURES = ("epoch", "step", "total_flos", "num_input_tokens_seen")
"""What stands beside what was logged."""

AT_THE_END = "train_runtime"
"""What Trainer logs once, of the whole training; it is no epoch's."""

RANDOM = "rng_state.pth"
"""Randomness is seeded for each epoch: a resumed one must not go on where another stopped."""


def fit_trainer(
    model: Scaled,
    batches: Batches,
    objective: Objective,
    training: Training,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress = lambda state: None,
    folder: Path | None = None,
    key: str = "",
) -> Fit:
    """Train the Trainer's model in `model`, in place; it ends with the weights of its best epoch.

    Args:
        model: its batches reach the Trainer's model scaled, as it takes them when it is served.
        objective: its score chooses the best epoch; its loss is shown for the validation part alone.
        folder, key: where checkpoints are kept, and whose they are.

    Raises:
        TrialError: the loss became NaN, or the Trainer refused; the reason says what.
    """
    network = model.network
    assert isinstance(network, TrainerNetwork)
    trainer = network.trainer
    assert trainer is not None
    _same_device(trainer.args, device)
    mode = Mode("bf16" if trainer.args.bf16 else "fp32")
    callbacks = importlib.import_module("transformers.trainer_callback")
    kind = type("Keeper", (_Keeper, callbacks.TrainerCallback), {})
    keeper = kind(model.to(device), batches, objective, training, mode, seed, device, progress, folder, key)
    again = keeper.resume()
    for name in ("PrinterCallback", "ProgressCallback"):  # they print
        trainer.remove_callback(getattr(callbacks, name))
    trainer.add_callback(keeper)
    vars(trainer).update(
        get_train_dataloader=lambda: _Loader(batches, model, network, keeper),
        training_step=keeper.listening(trainer.training_step),
    )
    _keep_in(folder, trainer, keeper)
    trainer.args.num_train_epochs = training.epochs  # other than its own in a smoke run or a search alone
    trainer.args.per_device_train_batch_size = training.batch_size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice about loaders and devices, which are not the user's here
            trainer.train(resume_from_checkpoint=str(again) if again else None)
    except TrialError:
        raise
    except Exception as error:
        raise TrialError(f"transformers.Trainer stopped: {type(error).__name__}: {error}") from error
    # Under bf16 the model's forward was wrapped to compute in it; what answers from here on is in fp32.
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    ended: Fit = keeper.fit(OWN)
    return ended


def _keep_in(folder: Path | None, trainer: Trainer, keeper: _Keeper) -> None:
    """Let the trainer keep its optimizer and schedule where the harness keeps weights, after each epoch."""
    trainer.args.save_strategy = "no"  # when to save is the keeper's to say
    trainer.args.save_only_model, trainer.args.save_total_limit = False, None
    if folder is not None:
        trainer.args.output_dir = str(folder)
    vars(trainer).update(
        save_model=lambda place, **_: Path(place).mkdir(parents=True, exist_ok=True),
        _load_from_checkpoint=lambda *_: checkpoints.restore(keeper.model, keeper.found),
    )


def _same_device(args: TrainingArguments, device: str) -> None:
    """Refuse where the Trainer would train elsewhere than the trial has claimed."""
    if args.device.type != torch.device(device).type or args.n_gpu > 1:
        raise TrialError(
            f"the Trainer would train on {max(args.n_gpu, 1)} × {args.device.type}, the trial has claimed "
            f"{device}: set training.resources.gpus, and use_cpu in TrainingArguments, to the same"
        )


@dataclass(frozen=True)
class _Loader:
    """The training batches of the epoch that the trainer is at, by the names of its model's arguments."""

    batches: Batches
    model: Scaled
    network: TrainerNetwork
    keeper: _Keeper

    def __len__(self) -> int:
        return self.batches.steps_per_epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for inputs, targets in self.batches.training(self.keeper.epoch):
            self.keeper.examples += len(targets)
            yield {**self.network.batch(self.model.scaled(inputs)), "labels": targets}


@dataclass(eq=False)
class _Keeper(Keeper):
    """A training as the Trainer's hooks tell of it.

    Args:
        epoch: the one that it is at, counted from 0. logged: what was logged in it. steps: made in it.
    """

    epoch: int = 0
    logged: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    def resume(self) -> Path | None:
        """The Trainer's own checkpoint of the last whole epoch, with what was kept beside it."""
        return self.resume_from(lambda found: Path(self.folder or ".") / found.progress["trainer"])

    def listening(self, step: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The trainer's step, its loss kept: of several that are accumulated each gives its share."""

        def training_step(*given: object, **named: object) -> Tensor:
            loss = step(*given, **named)
            self.losses.append(loss.detach())
            return loss

        return training_step

    def on_epoch_begin(self, args: object, state: object, control: object, **given: object) -> None:
        self.epoch = len(self.history)
        seed = self.begin_epoch(self.epoch)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # a loss that mixes examples draws from it
        self.logged, self.steps = {}, 0

    def on_log(
        self, args: object, state: object, control: object, logs: Mapping[str, object], **given: object
    ) -> None:
        told = dict(logs)
        if AT_THE_END in told:
            return
        self.logged |= {
            name: float(value)
            for name, value in told.items()
            if name not in NOT_FIGURES and isinstance(value, (int, float))
        }
        if len(self.history) > self.epoch:  # told after the epoch's end, and of it
            self.history[-1] = replace(self.history[-1], logged=dict(self.logged))

    def on_step_end(self, args: object, state: object, control: object, **given: object) -> None:
        self.steps += 1
        if self.steps % CHECK_EVERY == 0:
            self.refuse_nan(self.epoch)

    def on_epoch_end(
        self,
        args: object,
        state: TrainerState,
        control: TrainerControl,
        optimizer: torch.optim.Optimizer,
        **given: object,
    ) -> None:
        self.refuse_nan(self.epoch)
        loss = float(torch.stack(self.losses).sum()) / self.steps
        lr = float(optimizer.param_groups[0]["lr"])
        self.end_epoch(self.epoch, loss, time.perf_counter(), lr, dict(self.logged))
        # From an epoch that a callback cut short no other would go on: Trainer counts steps.
        is_whole = state.global_step * state.num_train_epochs == (self.epoch + 1) * state.max_steps
        control.should_save = self.folder is not None and is_whole  # once the epoch's last words are logged
        if not control.should_save:
            self.tell()

    def on_save(self, args: object, state: TrainerState, control: object, **given: object) -> None:
        """The Trainer's state is whole by now."""
        if self.folder is None or len(self.history) == self.epoch:
            return  # a save that a callback of the user's asks for in the midst of an epoch
        place = self.folder / f"checkpoint-{state.global_step}"
        (place / RANDOM).unlink(missing_ok=True)
        self.save(self.epoch + 1, place, "checkpoint-*", trainer=place.name)
        self.tell()

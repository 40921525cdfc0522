"""A LightningModule learns as it says itself, through `lightning.Trainer`; the rest is as for any network.

Its own: `training_step`, `configure_optimizers` with schedulers, hooks, and what it logs, which goes into
`history.csv`. The suite's: data, their order and augmentation, seeds, epochs, batch size, number format,
the norm that gradients are clipped to, and the validation score that chooses the best epoch. Its `forward`
is what is scored and served.
"""

from __future__ import annotations

import importlib
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.models.servable import Scaled
from harness.protocols import Progress
from harness.record import TrialError
from harness.suite.schema import Training
from harness.training.batches import Batches
from harness.training.keeper import Keeper
from harness.training.loop import CHECK_EVERY, Fit, Objective
from harness.training.precision import Mode

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

OWN = "the module's own training_step and optimizers"


def is_lightning(network: object) -> bool:
    """Whether this is a LightningModule; nothing is imported to find out."""
    return _package(network) is not None


def _package(network: object) -> str | None:
    """Where its Trainer lives: the same classes are installed under two names, and do not mix."""
    homes = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}
    for kind in type(network).__mro__:
        if kind.__name__ == "LightningModule" and kind.__module__.partition(".")[0] in homes:
            return homes[kind.__module__.partition(".")[0]]
    return None


def fit_lightning(
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
    """Train the LightningModule in `model`, in place; it ends with the weights of its best epoch.

    Args:
        model: its batches reach `training_step` scaled, as `forward` takes them.
        objective: its score chooses the best epoch; its loss is shown for the validation part alone.
        folder, key: where checkpoints are kept, and whose they are.

    Raises:
        TrialError: the loss became NaN, or the module or the Trainer refused; the reason says what.
    """
    module: Any = model.network
    if training.label_smoothing:
        raise TrialError(
            "a LightningModule brings a loss of its own, which knows nothing of training.label_smoothing: "
            "set it to 0 and smooth in training_step"
        )
    mode = Mode("bf16" if training.precision == "bf16" else "fp32")
    package = importlib.import_module(str(_package(module)))
    # Of Lightning's kind of callback that is called last, when the schedulers have made their step.
    kind = type("Keeper", (_Keeper, package.callbacks.Checkpoint), {})
    keeper: _Keeper = kind(
        model.to(device), batches, objective, training, mode, seed, device, progress, folder, key
    )
    again = keeper.resume()
    trainer = _trainer(package, keeper, module.automatic_optimization)
    validates = type(module).validation_step is not package.LightningModule.validation_step
    # Its advice is about loaders, loggers and accelerators, which are not the user's here.
    logging.getLogger(package.__name__).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(
                module,
                _Loader(batches, model, trainer),
                _Validation(batches, model) if validates else None,
                ckpt_path=str(again) if again else None,
                weights_only=True,
            )
    except TrialError:
        raise
    except Exception as error:
        raise TrialError(f"lightning.Trainer stopped: {type(error).__name__}: {error}") from error
    return keeper.fit(OWN)


def _trainer(package: ModuleType, keeper: _Keeper, steps_for_it: bool) -> Any:
    """Lightning's Trainer, told of this trial alone; `steps_for_it`: the module leaves the steps to it."""
    training = keeper.training
    return package.Trainer(
        max_epochs=training.epochs,
        accelerator="gpu" if keeper.device.startswith("cuda") else "cpu",
        devices=1,
        precision="bf16-mixed" if keeper.mode.precision == "bf16" else "32-true",
        # A module that steps its optimizers by itself clips by itself too.
        gradient_clip_val=(training.gradient_clip or None) if steps_for_it else None,
        callbacks=[keeper],
        default_root_dir=str(keeper.folder) if keeper.folder else None,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@dataclass(frozen=True)
class _Loader:
    """The training batches of the epoch that the trainer is at, scaled as the network takes them."""

    batches: Batches
    model: Scaled
    trainer: Trainer

    def __len__(self) -> int:
        return self.batches.steps_per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in self.batches.training(self.trainer.current_epoch):
            yield self.model.scaled(inputs), targets


@dataclass(frozen=True)
class _Validation:
    """The validation part, for the module's own `validation_step`."""

    batches: Batches
    model: Scaled

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in self.batches.validation():
            yield self.model.scaled(inputs), targets


@dataclass(eq=False)
class _Keeper(Keeper):
    """A training as Lightning's hooks tell of it."""

    trained: float = 0.0

    def resume(self) -> Path | None:
        """Lightning's own checkpoint of the last whole epoch, with what was kept beside it."""
        return self.resume_from(lambda found: self._state(found.epoch))

    def _state(self, epoch: int) -> Path:
        assert self.folder is not None
        return self.folder / f"lightning-{epoch:04d}.ckpt"

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.begin_epoch(trainer.current_epoch)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        module: LightningModule,
        outputs: object,
        batch: tuple[Tensor, Tensor],
        step: int,
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self.losses.append(loss.detach())
        self.examples += len(batch[1])
        self.trained = time.perf_counter()
        last = step == self.batches.steps_per_epoch - 1
        if self.losses and (step % CHECK_EVERY == 0 or last):
            self.refuse_nan(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        number = trainer.current_epoch
        switched = [(part, part.training) for part in self.model.modules()]
        loss = float(torch.stack(self.losses).mean()) if self.losses else float("nan")
        lr = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else 0.0
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.end_epoch(number, loss, self.trained, lr, logged)
        for part, training in switched:  # Lightning leaves each part as the module left it, and so does this
            part.training = training
        if self.folder:
            state = self._state(number + 1)
            self.folder.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(state)
            self.save(number + 1, state, "lightning-*.ckpt")
        self.tell()

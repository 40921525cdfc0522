"""What a `transformers.Trainer` asks for that the harness would not obey: refused before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from harness.models.hf_trainer import TrainerNetwork
from harness.models.vocabulary import PAD

if TYPE_CHECKING:
    from transformers import Trainer, TrainingArguments

ARGUMENTS: Mapping[str, tuple[tuple[object, ...], str]] = {
    "max_steps": ((-1, 0), "the suite counts epochs: set num_train_epochs and training.epochs"),
    "eval_strategy": (("no", None), "after each epoch the suite's validation part is scored"),
    "eval_on_start": ((False,), "the suite's validation part is scored after each epoch"),
    "load_best_model_at_end": ((False,), "the best epoch is chosen by the suite's objective"),
    "metric_for_best_model": ((None,), "the best epoch is chosen by the suite's objective"),
    "fp16": ((False,), "a network learns in fp32 or bf16 here"),
    "fp16_full_eval": ((False,), "what is served is scored, on its own runtime"),
    "bf16_full_eval": ((False,), "what is served is scored, on its own runtime"),
    "seed": ((42,), "seeds are the suite's: training.seeds"),
    "data_seed": ((None,), "seeds are the suite's: training.seeds"),
    "train_sampling_strategy": (("random",), "the order of examples is the suite's"),
    "group_by_length": ((False,), "texts of like length stand in one batch already"),
    "dataloader_drop_last": ((False,), "batches are the suite's, none is dropped"),
    "auto_find_batch_size": ((False,), "batch_size is the suite's"),
    "report_to": (([], (), None), "runs are tracked by the suite's `track`"),
    "push_to_hub": ((False,), "`harness export` writes what is deployed"),
    "enable_jit_checkpoint": ((False,), "a checkpoint is kept after each epoch"),
    "resume_from_checkpoint": ((None,), "what it begins with comes from the builder"),
    "label_names": ((None,), "targets are handed over as `labels`"),
    "deepspeed": ((None,), "one process trains it"),
    "fsdp": ((None, "", [], False), "one process trains it"),
}
"""Argument of TrainingArguments → what it may be, and what stands in its place."""

HANDED = {
    "train_dataset": "data are the suite's",
    "eval_dataset": "data are the suite's",
    "compute_metrics": "metrics are the suite's: `metrics` takes your own",
    "preprocess_logits_for_metrics": "metrics are the suite's: `metrics` takes your own",
    "model_init": "the builder is called anew for each seed: build the model there and give `model`",
}
"""Argument of Trainer that must be left out → what stands in its place."""

SUITES = ("optimizer", "schedule", "gradient_clip", "precision")
"""Settings of training that TrainingArguments say."""

METHODS = ("get_train_dataloader", "_get_train_sampler", "evaluate", "evaluation_loop", "prediction_step")
"""What a class may override and is not called here."""


def refused(
    network: TrainerNetwork, epochs: int, batch_size: int, asks: Collection[str], is_shortened: bool = False
) -> list[str]:
    """Why a trainer cannot be trained here as it says, each with the cure.

    Args:
        epochs, batch_size: of the suite, for this candidate. asks: what it says itself of `training`.
        is_shortened: a smoke run's epochs and batches are fewer on purpose.
    """
    trainer = network.trainer
    assert trainer is not None
    found = _arguments(trainer.args) + _handed(trainer) + _overridden(trainer) + _padding(network)
    own = trainer.args.num_train_epochs, trainer.args.per_device_train_batch_size
    if not is_shortened and own != (epochs, batch_size):
        found.append(
            f"its TrainingArguments say {own[0]:g} epochs of batches of {own[1]}, the suite {epochs} of "
            f"{batch_size}: write the same in both, for instance `training: {{epochs: {own[0]:g}, "
            f"batch_size: {own[1]}}}` for this candidate"
        )
    useless = [f"training.{key}" for key in SUITES if key in asks]
    if useless:
        found.append(
            f"{' and '.join(useless)} of this candidate would not be used: TrainingArguments say it. Set it "
            "there (for instance by `args`), and leave it out here"
        )
    if "label_smoothing" in asks:
        found.append(
            "training.label_smoothing would not be used: TrainingArguments say it. Set it to 0 for this "
            "candidate, and label_smoothing_factor there"
        )
    given = network.takes_labels or trainer.compute_loss_func or trainer.label_smoother
    if not given and (type(trainer).compute_loss is _theirs(trainer).compute_loss):
        found.append(
            "its model's forward takes no labels, so it gives no loss: give Trainer a compute_loss_func"
        )
    return found


def _arguments(args: TrainingArguments) -> list[str]:
    return [
        f"TrainingArguments.{name} would not be obeyed, {why}: leave it out"
        for name, (allowed, why) in ARGUMENTS.items()
        if getattr(args, name, allowed[0]) not in allowed
    ]


def _handed(trainer: Trainer) -> list[str]:
    found = [
        f"Trainer's {name} would not be used, {why}: leave it out"
        for name, why in HANDED.items()
        if getattr(trainer, name, None) is not None
    ]
    if trainer.processing_class is not None:
        found.append(
            "Trainer's processing_class would not be used, the suite makes numbers of texts and images: "
            "leave it out, or fine-tune a pretrained model by hf:./folder, which brings its own"
        )
    elif getattr(trainer.data_collator, "__name__", "") != "default_data_collator":
        found.append("Trainer's data_collator would not be used, batches are the suite's: leave it out")
    if any(_is(callback, "EarlyStoppingCallback") for callback in trainer.callback_handler.callbacks):
        found.append("EarlyStoppingCallback would not be obeyed, the best epoch is kept anyway: leave it out")
    if _is(trainer.lr_scheduler, "ReduceLROnPlateau") or _is(trainer.lr_scheduler, "GreedyLR"):
        found.append(
            f"{type(trainer.lr_scheduler).__name__} would never step, it waits for Trainer's own evaluation: "
            "give `optimizers` another schedule"
        )
    return found


def _is(thing: object, name: str) -> bool:
    """Whether a class of this name is behind it, wherever it was imported from."""
    return any(kind.__name__ == name for kind in type(thing).__mro__)


def _padding(network: TrainerNetwork) -> list[str]:
    pad = getattr(getattr(network.model, "config", None), "pad_token_id", None)
    if not network.is_text or pad in (None, PAD):
        return []
    return [
        f"its model's configuration says pad_token_id {pad}, and the suite's texts are padded with {PAD}: "
        f"set it to {PAD}"
    ]


def _overridden(trainer: Trainer) -> list[str]:
    theirs, own = _theirs(trainer), type(trainer).__name__
    return [
        f"{own}.{name} would not be called, batches, their order and scores are the suite's"
        for name in METHODS
        if getattr(type(trainer), name, None) is not getattr(theirs, name, None)
    ]


def _theirs(trainer: Trainer) -> type[Trainer]:
    """The class of transformers that a user's trainer is made from."""
    return next(kind for kind in type(trainer).__mro__ if kind.__module__.startswith("transformers."))

"""A `transformers.Trainer` that a builder returns, as a network like others: its model, and what feeds it.

Trainer hands a model its batch by names; the harness hands a network one tensor. Here is which is which.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from harness.kinds import kind_of
from harness.models.vocabulary import PAD
from harness.protocols import Task

if TYPE_CHECKING:
    from transformers import Trainer

INPUTS = {"text": "input_ids", "image": "pixel_values"}
"""What models of transformers call their inputs; another model's first argument is taken."""

BROUGHT = ("input_mean", "input_std", "transforms")
"""What a network may bring that the harness asks for: the model's own, if it has them."""


def is_trainer(made: object) -> TypeGuard[Trainer]:
    """Whether this is a `transformers.Trainer`; nothing is imported to find out."""
    return any(
        kind.__name__ == "Trainer" and kind.__module__.partition(".")[0] == "transformers"
        for kind in type(made).__mro__
    )


def wrap(trainer: Trainer, task: Task) -> TrainerNetwork:
    """The trainer's model as a network of the task; building one leaves nothing behind in this process."""
    with suppress(OSError):  # it makes its output_dir when it is built; kept is what stands in it already
        Path(trainer.args.output_dir or "").rmdir()
    return TrainerNetwork(trainer, task)


class TrainerNetwork(nn.Module):
    """Inputs → logits (n, k), or values (n,), of a trainer's model. `trainer`: None in a copy."""

    trainer: Trainer | None = None

    def __init__(self, trainer: Trainer, task: Task) -> None:
        super().__init__()
        model = trainer.model
        assert model is not None
        self.model = model.cpu()
        self.trainer = trainer
        known = list(inspect.signature(model.forward).parameters)
        named = INPUTS.get(task.takes, "")
        self.input = named if named in known else known[0]
        self.is_text = task.takes == "text"
        self.is_masked = self.is_text and "attention_mask" in known
        self.is_value = kind_of(task.name).targets == "values"
        self.takes_labels = "labels" in known
        for name in BROUGHT:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def batch(self, inputs: Tensor) -> dict[str, Tensor]:
        """Inputs by the names that the model gives them."""
        named = {self.input: inputs}
        if self.is_masked:
            named["attention_mask"] = (inputs != PAD).to(torch.int64)
        return named

    def forward(self, inputs: Tensor) -> Tensor:
        answer = self.model(**self.batch(inputs))
        if not isinstance(answer, Tensor):
            answer = answer["logits"] if isinstance(answer, dict) and "logits" in answer else answer[0]
        logits: Tensor = answer.squeeze(-1) if self.is_value and answer.ndim == 2 else answer
        return logits

    def __getstate__(self) -> dict[str, object]:
        """A copy is to answer; what trains stays behind."""
        return {key: value for key, value in self.__dict__.items() if key != "trainer"}

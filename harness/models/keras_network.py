"""A Keras 3 model on its torch backend as a network like others.

Keras keeps whether it learns in an argument of the call and not in `train()`, lays images out with their
channels last, adds its regularisers to a list, and draws from seeds of its own: each is put right here once.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.protocols import Task

if TYPE_CHECKING:
    from keras import Model

BACKEND = "KERAS_BACKEND"
EXPORT = (
    "train it with model.fit, write it with model.export(FILE, format='onnx') and name that file: onnx:FILE"
)


def prepare() -> None:
    """Before a user's module imports Keras: on torch, unless the user says otherwise."""
    os.environ.setdefault(BACKEND, "torch")


def is_keras(network: object) -> bool:
    """Whether this is a Keras model or layer; nothing is imported to find out."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(network).__mro__}
    return bool({"keras.Model", "keras.Layer"} & names)


def start_afresh() -> None:
    """Names and seeds as in a fresh process, if Keras is in use: weights are found again by their names.

    Weights follow torch's seed, as those of other networks do.
    """
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.clear_session()
        state = torch.get_rng_state()
        keras.utils.set_random_seed(torch.initial_seed() % 2**32)
        torch.set_rng_state(state)  # other networks draw what they draw where Keras is not in use


class KerasNetwork(nn.Module):
    """Answers as the Keras model does, learning or not as `train()` and `eval()` say.

    Args:
        model: a Keras model or layer. images_last: whether it takes (batch, height, width, channels).
    """

    def __init__(self, model: Model, images_last: bool) -> None:
        super().__init__()
        self.keras = model
        self.images_last = images_last
        for name in ("input_mean", "input_std"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def forward(self, inputs: Tensor) -> Tensor:
        laid_out = inputs.permute(0, 2, 3, 1) if self.images_last else inputs
        out: Tensor = self.keras(laid_out, training=self.training)
        return out

    def penalty(self) -> Tensor | float:
        """What its regularisers add to the loss of the last batch."""
        added: Tensor | float = sum(self.keras.losses)
        return added


def wrap(ref: str, model: Model, task: Task, example: Tensor) -> KerasNetwork:
    """A Keras model as a network whose weights all exist.

    Args:
        example: inputs as other networks take them; a model that has not been built is built by them.

    Raises:
        ValueError: it does not run on torch, or was compiled; with the cure.
    """
    import keras

    if keras.backend.backend() != "torch":
        raise ValueError(
            f"{ref} returned a Keras model on {keras.backend.backend()}, which cannot be trained here: set "
            f"{BACKEND}=torch, or {EXPORT}"
        )
    if getattr(model, "compiled", False):
        raise ValueError(
            f"{ref} returned a compiled Keras model: its optimizer, loss and metrics would not be used, the "
            "suite's are. Leave out model.compile, or "
            f"{EXPORT}"
        )
    network = KerasNetwork(model, task.takes == "image" and _images_last(model, task))
    if not model.built:
        with torch.no_grad():
            network.eval()(example)
    return network.train()


def _images_last(model: Model, task: Task) -> bool:
    """By the input that it declares; without one by Keras's own setting."""
    import keras

    channels, height, width = task.input_shape
    declared = tuple(getattr(model, "input_shape", None) or ())[1:] if model.built else ()
    if declared in ((channels, height, width), (height, width, channels)):
        return declared == (height, width, channels)
    return bool(keras.config.image_data_format() == "channels_last")

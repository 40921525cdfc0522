"""What a network brings for its batches: `transforms(train)` of images, `collate` of examples.

`transforms(True)` gives what a training image goes through, one image at a time; `transforms(False)` what
every other image does, a batch at a time: that is a part of the model and is served and exported with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import streams
from harness.models.servable import own_transforms
from harness.record import TrialError
from harness.training.batches import Batches
from harness.training.loop import Objective

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class OwnBatches:
    """Batches that go through a network's own transforms and collate, drawn anew in each epoch.

    Args:
        batches: raw inputs. train: of one training image (channels, height, width), None leaves it.
        rest: of a batch of other images. collate: a list of (input, target) → (inputs, targets).
    """

    batches: Batches
    train: Transform | None
    rest: Transform | None
    collate: Callable[[list[tuple[Tensor, Tensor]]], Any] | None
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    def training(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for step, (inputs, targets) in enumerate(self.batches.training(epoch)):
            with _seeded(streams.seed_for(self.seed, "transforms", epoch, step)):
                batch = self._batch(inputs, targets)
            yield batch

    def _batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        examples = list(zip(inputs if self.train is None else map(self.train, inputs), targets, strict=True))
        if self.collate is None:
            return torch.stack([_tensor(each, "transforms(True)") for each, _ in examples]), targets
        made = self.collate(examples)
        if not isinstance(made, tuple) or len(made) != 2 or len(made[0]) != len(made[1]):
            raise TrialError("the network's collate must return (inputs, targets), of as many examples each")
        return _tensor(made[0], "collate"), _tensor(made[1], "collate")

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in self.batches.validation():
            yield inputs if self.rest is None else self.rest(inputs), targets


def with_own(batches: Batches, network: nn.Module, images: Tensor | None, seed: int) -> Batches:
    """The batches as the network wants them; unchanged where it brings nothing.

    Args:
        images: some raw ones, to try its transforms on; None where the examples are no images.
    Raises:
        TrialError: its transforms do not fit the data or each other; the message has the cure.
    """
    collate = getattr(network, "collate", None)
    train, rest = own_transforms(network, True), own_transforms(network, False)
    if train is None and rest is None and collate is None:
        return batches
    if images is not None:
        _try(train or rest, rest, images)
    elif train or rest:
        raise TrialError("the network brings transforms, which are for images, and these are none")
    return OwnBatches(batches, train or rest, rest, collate, seed)


def _try(train: Transform | None, rest: Transform | None, images: Tensor) -> None:
    """Training images must look like the others, and the others the same each time."""
    others, again = (
        (images if rest is None else _tensor(rest(images), "transforms(False)")) for _ in range(2)
    )
    if not torch.equal(others, again):
        raise TrialError(
            "transforms(False) gives the same images otherwise each time: leave what is drawn at random to "
            "transforms(True)"
        )
    learnt = images[0] if train is None else _tensor(train(images[0]), "transforms(True)")
    if learnt.shape != others.shape[1:] or learnt.dtype != others.dtype:
        raise TrialError(
            f"transforms(True) gives an image {tuple(learnt.shape)} of {learnt.dtype}, transforms(False) one "
            f"{tuple(others.shape[1:])} of {others.dtype}: they must end alike"
        )


def with_shares(objective: Objective) -> Objective:
    """The objective for targets that a collate may have mixed: of shares by class the largest is scored."""

    def score(outputs: Tensor, targets: Tensor) -> Tensor:
        mixed = targets.ndim == 2 and outputs.ndim == 2 and targets.is_floating_point()
        return objective.summed_score(outputs, targets.argmax(1) if mixed else targets)

    return replace(objective, summed_score=score)


def _tensor(value: object, where: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise TrialError(
            f"the network's own {where} gives a {type(value).__name__}: end it in a tensor, (channels, "
            "height, width) for an image (torchvision.transforms.v2.ToImage, albumentations' ToTensorV2)"
        )
    return value


class _seeded:
    """Randomness of torch, numpy and Python as a seed says, and afterwards as if nothing had been drawn."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.before = torch.get_rng_state(), np.random.get_state(), random.getstate()
        torch.manual_seed(self.seed % 2**63)
        np.random.seed(self.seed % 2**32)
        random.seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self.before[0])
        np.random.set_state(self.before[1])
        random.setstate(self.before[2])

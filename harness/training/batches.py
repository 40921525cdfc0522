"""Training data cut into batches: no worker processes, no decoding per epoch.

What fits is resident, the rows of what does not are read from a mapped file. Resident tensors with
augmentation on whole batches cost 0.04 CPU-seconds per 10,000 images where files decoded one by one cost 2.4.
The order of examples and the augmentation depend on (seed, epoch) only, so all candidates see the same
examples in the same order, and a resumed training continues as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from harness import streams
from harness.datasets.mapped import Mapped
from harness.suite.schema import Augmentation


class Batches(Protocol):
    """What the loop trains on: (inputs, targets) on the device, raw inputs as the model takes them."""

    @property
    def steps_per_epoch(self) -> int: ...

    def training(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """`steps_per_epoch` batches, the same for the same epoch."""

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of the validation part, empty where there is none."""


@dataclass(frozen=True)
class TensorBatches:
    """Batches of images or table rows.

    Args:
        inputs: (n, channels, height, width) uint8 or (n, columns) float32, resident or mapped; targets: (n,).
        batch_size: at most; the batches of an epoch are of equal size within 1, so that no example is left
            out and no batch is too small for batch normalisation.
    """

    inputs: Tensor | Mapped
    targets: Tensor
    validation_inputs: Tensor | Mapped
    validation_targets: Tensor
    batch_size: int
    augmentation: Augmentation
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return ceil(len(self.targets) / self.batch_size)

    def training(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = streams.generator(self.seed, "order", epoch).permutation(len(self.targets))
        random = streams.generator(self.seed, "augment", epoch)
        for rows in np.array_split(order, self.steps_per_epoch):
            index = torch.from_numpy(rows).to(self.targets.device)
            inputs = self._read(self.inputs, rows) if isinstance(self.inputs, Mapped) else self.inputs[index]
            yield augment(inputs, self.augmentation, random), self.targets[index]

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        # Without gradients a batch needs less memory; larger ones only leave the cache.
        size = max(self.batch_size, 128)
        for start in range(0, len(self.validation_targets), size):
            rows = slice(start, start + size)
            given = self.validation_inputs
            inputs = self._read(given, rows) if isinstance(given, Mapped) else given[rows]
            yield inputs, self.validation_targets[rows]

    def _read(self, inputs: Mapped, rows: np.ndarray | slice) -> Tensor:
        """Mapped rows, on the device."""
        return torch.from_numpy(inputs[rows]).to(self.targets.device)


def augment(images: Tensor, settings: Augmentation, random: np.random.Generator) -> Tensor:
    """Flip and crop a batch of images (n, channels, height, width), each image with its own draw.

    Pixels that the crop brings in from outside are 0.
    """
    n = len(images)
    if settings.flip:
        mirrored = torch.from_numpy(random.random(n) < 0.5).to(images.device)
        images = torch.where(mirrored.view(n, 1, 1, 1), images.flip(-1), images)
    if settings.crop:
        images = _shift(images, random.integers(-settings.crop, settings.crop + 1, size=(2, n)))
    return images


def _shift(images: Tensor, offsets: np.ndarray) -> Tensor:
    """Move image i by (offsets[0, i], offsets[1, i]) pixels down and right, zeros come in."""
    n, _, height, width = images.shape
    dy, dx = torch.from_numpy(offsets).to(images.device)
    rows = torch.arange(height, device=images.device) - dy[:, None]
    columns = torch.arange(width, device=images.device) - dx[:, None]
    inside = (
        ((rows >= 0) & (rows < height))[:, None, :, None]
        & ((columns >= 0) & (columns < width))[:, None, None, :]
    )  # fmt: skip
    batch = torch.arange(n, device=images.device)[:, None, None]
    # Advanced indices around a slice put the slice's axis last: (n, height, width, channels).
    moved: Tensor = images[
        batch, :, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    shifted: Tensor = moved.permute(0, 3, 1, 2) * inside
    return shifted

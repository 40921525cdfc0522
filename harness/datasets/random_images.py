"""Images of noise with labels at random: for size and speed of networks, where there is nothing to learn.

Parameters, multiply-adds and latency of a network depend on the shape of its input and on the number of
classes alone, and tables of them are published for 1,000 classes at 224 × 224 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.codec import Json
from harness.datasets.arguments import complete
from harness.late import Late
from harness.protocols import Dataset, Split, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

DESCRIPTION = "noise, 3 × 224 × 224 pixels and 1,000 classes unless asked otherwise: speed and size only"


def load(
    *, size: int = 224, channels: int = 3, classes: int = 1000, train: int = 8, test: int = 64, seed: int = 0
) -> Dataset:
    """Images (n, channels, size, size) uint8; rows of the classes in turn."""
    for name, value in (("train", train), ("test", test)):
        if value < 1:
            raise DataError(f"random_images: {name} is {value}: write a positive number of images")
    rng = np.random.default_rng(seed)
    parts = []
    for rows in (train, test):
        pixels = rng.integers(0, 256, (rows, channels, size, size), np.uint8)
        parts.append(Split(pixels, rng.integers(0, classes, rows), np.arange(rows, dtype=np.int64)))
    return Dataset(task(size=size, channels=channels, classes=classes), *parts)


def task(**args: Json) -> Task:
    """Of the shape and the number of classes.

    Raises:
        DataError: there is no such image.
    """
    given = complete(load, args)
    size, channels, classes = (given[name] for name in ("size", "channels", "classes"))
    for name, value, least in (("size", size, 1), ("channels", channels, 1), ("classes", classes, 2)):
        if value < least:
            raise DataError(f"random_images: {name} is {value}: write {least} or more")
    names = tuple(f"class_{code}" for code in range(classes))
    return Task("image_classification", classes, names, (channels, size, size))


def checksum(**args: Json) -> str:
    """Of what the images are drawn from; nothing is drawn for it."""
    return content_hash({**complete(load, args), "version": 1})

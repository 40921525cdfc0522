"""Cheap descriptions of raw examples, for an audit: what a linear model can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.late import Late
from harness.protocols import Inputs, Task

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

THUMBNAIL = 16


def describe(inputs: Inputs, task: Task) -> Inputs:
    """Features (n, columns) for a linear model, sparse for texts."""
    if task.takes == "image":
        return standardised(thumbnails(inputs).reshape(len(inputs), -1))
    if task.takes == "text":
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2)
        ).fit_transform(inputs)
    return standardised(np.asarray(inputs, np.float32).reshape(len(inputs), -1))


def thumbnails(images: np.ndarray, side: int = THUMBNAIL) -> np.ndarray:
    """Grey images of at most `side`² by averaging blocks.

    Args:
        images: (n, channels, height, width) uint8.
    Returns:
        (n, h, w) float32 in 0…255.
    """
    n, _, height, width = images.shape
    rows, columns = min(side, height), min(side, width)
    grey = np.empty((n, rows, columns), np.float32)
    row_edges = np.arange(rows) * height // rows
    column_edges = np.arange(columns) * width // columns
    area = np.outer(np.diff([*row_edges, height]), np.diff([*column_edges, width]))
    for start in range(0, n, 1024):  # in blocks: a large data set as float would not fit
        block = images[start : start + 1024].astype(np.float32).mean(axis=1)
        sums = np.add.reduceat(np.add.reduceat(block, row_edges, axis=1), column_edges, axis=2)
        grey[start : start + 1024] = sums / area
    return grey


def standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0))

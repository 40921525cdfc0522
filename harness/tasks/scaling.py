"""What brings raw numbers to where networks learn: mean and deviation of the training part."""

from __future__ import annotations

import numpy as np

from harness.datasets.mapped import in_blocks
from harness.kinds import kind_of
from harness.models.fitted import Scaling
from harness.protocols import Split, Task
from harness.record import TrialError

COUNTED = 64
"""Images whose levels are counted at a time."""


def fit_scaling(part: Split, task: Task) -> Scaling:
    """Mean and deviation per channel (of 0…1) or per column, and of a regression's targets.

    Only the training part may be passed: anything else leaks.
    """
    if task.takes == "text":
        return Scaling((), ())
    if task.takes == "image":
        levels = np.arange(256) / 255.0
        counts = np.sum([_levels(block) for block in in_blocks(part.inputs, COUNTED)], axis=0)
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ levels
        std = np.sqrt(np.maximum(share @ levels**2 - mean**2, 0.0))
        least = np.full(len(std), 1e-6)  # of levels from 0 to 1
    else:
        table = np.asarray(part.inputs, dtype=np.float64)
        if not np.isfinite(table).all():
            raise TrialError("the table holds NaN or infinite numbers: fill them in before")
        mean, std = table.mean(axis=0), table.std(axis=0)
        least = np.maximum(1e-12 * np.abs(mean), 1e-30)  # whatever the column's unit: nanometres are small
    std = np.where(std > least, std, 1.0)  # a constant column stays 0
    if kind_of(task.name).targets != "values":
        return Scaling(tuple(mean.tolist()), tuple(std.tolist()))
    spread = float(np.std(part.targets)) or 1.0
    return Scaling(tuple(mean.tolist()), tuple(std.tolist()), float(np.mean(part.targets)), spread)


def _levels(images: np.ndarray) -> np.ndarray:
    """(channels, 256) how many pixels have each level; counting takes 8 bytes a pixel."""
    return np.stack([np.bincount(c.ravel(), minlength=256) for c in np.moveaxis(images, 1, 0)])

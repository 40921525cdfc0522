"""Two networks of one's own, named in suite.yaml as `my_models:mlp` and `my_models:separable`.

A builder takes the task and keyword arguments. Images arrive normalised, float32, (batch, channels,
height, width); what goes out are logits, (batch, num_classes). Scaling, softmax, training and export are
the harness's.
"""

from __future__ import annotations

import math

from torch import nn

from harness.protocols import Task


def mlp(task: Task, *, width: int = 64, dropout: float = 0.1) -> nn.Module:
    """One hidden layer over the flattened image."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(task.input_shape), width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, task.num_classes),
    )


def separable(task: Task, *, width: int = 32, depth: int = 3) -> nn.Module:
    """Depthwise-separable convolutions: each mixes places first, then channels.

    Raises:
        ValueError: there is no block at all; the text becomes the reason of the failed trial.
    """
    if depth < 1:
        raise ValueError(f"separable: depth is {depth}, write at least 1")
    stem = [nn.Conv2d(task.input_shape[0], width, 3, padding=1), nn.ReLU()]
    blocks = [layer for _ in range(depth) for layer in _block(width)]
    return nn.Sequential(
        *stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, task.num_classes)
    )


def _block(width: int) -> list[nn.Module]:
    return [
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]

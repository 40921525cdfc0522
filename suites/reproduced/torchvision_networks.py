"""Networks of torchvision as candidates."""

from __future__ import annotations

from typing import Any

from torch import nn


def build(task: Any, *, name: str) -> nn.Module:
    """A network of torchvision by its name, with fresh weights, for three channels and the task's classes."""
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights=None, num_classes=task.num_classes)
    return network

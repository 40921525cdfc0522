"""How a network learns several labels at once: a yes or no for each, apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.kinds.kind import Learning

if TYPE_CHECKING:
    from torch import Tensor


def loss(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Binary cross-entropy of logits (n, k) and targets (n, k), mean over examples and labels.

    Smoothing moves both answers towards one half.
    """
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(outputs, targets * (1 - smoothing) + smoothing / 2)


def summed_score(outputs: Tensor, targets: Tensor) -> Tensor:
    """The share of an example's labels that are right, summed over examples."""
    return ((outputs > 0) == (targets > 0.5)).float().mean(dim=1).sum()


def activate(outputs: Tensor) -> Tensor:
    """A probability for each label; they do not sum to 1."""
    import torch

    return torch.sigmoid(outputs)


LEARNING = Learning(loss, summed_score, activate, target_type="float32")

"""A loss that a network brings along: `loss(outputs, targets)`, or a `penalty()` on top of the usual one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from harness.record import TrialError
from harness.training.loop import Objective


def with_own_loss(objective: Objective, network: nn.Module, label_smoothing: float) -> Objective:
    """The objective with the network's own loss, where it brings one, in training and on the validation part.

    `loss` takes outputs in float32, (n, k) logits or (n,) values, and the batch's targets: (n,) int64
    classes, (n, k) float32 labels of 0 and 1, or values scaled to variance 1. The best epoch is chosen by
    the same score as without it.

    Raises:
        TrialError: label smoothing is asked for, which only the usual loss knows; or, when it is called, what
            comes out is not one number that a gradient leads back from.
    """
    own, penalty = getattr(network, "loss", None), getattr(network, "penalty", None)
    if not callable(own):
        return _with_penalty(objective, penalty) if callable(penalty) else objective
    if label_smoothing:
        raise TrialError(
            "the network brings a loss of its own, which knows nothing of training.label_smoothing: "
            "set it to 0 and smooth in the loss"
        )
    return replace(objective, loss=_checked(own), plain_loss=own)


def _with_penalty(objective: Objective, penalty: Callable[[], Tensor | float]) -> Objective:
    """The usual loss and what the network adds to it; the validation part shows the usual one alone."""
    usual = objective.loss
    return replace(objective, loss=lambda outputs, targets: usual(outputs, targets) + penalty())


def _checked(own: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        value = own(outputs, targets)
        if not isinstance(value, Tensor) or value.shape != ():
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise TrialError(
                f"the network's own loss gives {found}: it must give one number, for instance .mean()"
            )
        if not value.requires_grad:
            raise TrialError(
                "no gradient leads back from the network's own loss: compute it from the outputs, "
                "without .detach(), .item() or argmax"
            )
        return value

    return loss

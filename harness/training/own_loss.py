"""A loss that a network brings along: `loss(outputs, targets)`, or a `penalty()` on top of the usual one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from harness.record import TrialError
from harness.training.loop import Objective
from harness.training.precision import Loss


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
    return replace(objective, loss=_Checked(own), plain_loss=own)


def refuse_failing(model: nn.Module, network: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    """Refuse a loss of a network's own that cannot be called with what it is given.

    Args:
        model: that answers the batch's inputs, with the network inside. batch: some raw inputs and targets.
    Raises:
        TrialError: with what it is given.
    """
    if not callable(getattr(network, "loss", None)):
        return
    try:
        probe, own = copy.deepcopy((model, network))  # a copy: batch norm would remember the rows
        loss: Callable[[Tensor, Tensor], object] = getattr(own, "loss")  # noqa: B009  # typed as a tensor
    except Exception:  # some cannot be copied: their first step says what is wrong
        return
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        outputs = probe.train()(batch[0]).float()
        try:
            loss(outputs, batch[1])
        except Exception as error:  # it is the user's own and may raise anything
            raise TrialError(
                f"the network's own loss fails ({type(error).__name__}: {str(error)[:150]}): it is called as "
                f"loss(outputs, targets), here with outputs {tuple(outputs.shape)} and targets "
                f"{tuple(batch[1].shape)} of {batch[1].dtype}, and may be called otherwise where it is none"
            ) from error


def refuse_other_scale(network: nn.Module, targets: Tensor) -> None:
    """Refuse a regression's own loss that is not least where outputs are the targets.

    These are brought to mean 0 and deviation 1, and outputs are scaled back: a loss of counts or logarithms
    trains, and answers in another scale than it is scored in.

    Args:
        targets: (n,) some, as the loss is given them.
    Raises:
        TrialError: with the cure.
    """
    own = getattr(network, "loss", None)
    if not callable(own):
        return
    try:
        with torch.no_grad():
            least, *others = (float(own(targets + off, targets)) for off in (0.0, *OFF))
    except Exception:  # it may want what a forward pass leaves, or raise anything: the first step says what
        return
    if not math.isfinite(least) or min(others) < least - 1e-3 * max(1.0, abs(least)):
        raise TrialError(
            "the network's own loss is not least where its outputs are the targets. A regression's targets "
            "reach it with mean 0 and deviation 1, half of them negative, and its outputs are scaled back: a "
            "loss of counts, shares or logarithms (Poisson, binary cross-entropy, RMSLE) does not fit that. "
            "Take one of differences (L1Loss, SmoothL1Loss, HuberLoss)"
        )


OFF = (-2.0, -0.5, 0.5, 2.0)
"""Deviations that outputs are moved by, to see whether a loss sinks."""


def _with_penalty(objective: Objective, penalty: Callable[[], Tensor | float]) -> Objective:
    """The usual loss and what the network adds to it; the validation part shows the usual one alone."""
    return replace(objective, loss=_WithPenalty(objective.loss, penalty))


@dataclass(frozen=True)
class _WithPenalty:
    """No closure: a copy of it with a network reads that copy."""

    usual: Loss
    penalty: Callable[[], Tensor | float]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.usual(outputs, targets) + self.penalty()


@dataclass(frozen=True)
class _Checked:
    """The network's own loss, whose answer is looked at. No closure, as above."""

    own: Loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        value: object = self.own(outputs, targets)
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

"""Optimisers and learning-rate schedules: how big each step is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from harness.record import TrialError
from harness.suite.schema import Optimizer, Schedule, Training


def build_optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """AdamW, Adam or SGD over the network's parameter groups.

    A network may bring its own groups with a method `param_groups(lr, weight_decay)` (layer-wise
    learning rates, frozen parts); otherwise `decay_groups`. Each group's own `lr` is its peak.
    """
    own = getattr(network, "param_groups", None)
    if callable(own):
        groups = list(own(settings.lr, settings.weight_decay))
    else:
        groups = decay_groups(network, settings.weight_decay)
    optimizer = _create(groups, settings)
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return optimizer


def refuse_sparse(network: nn.Module, training: Training) -> None:
    """Refuse embeddings whose gradients are sparse where nothing here takes these.

    Raises:
        TrialError: with the cure.
    """
    found = [name for name, part in network.named_modules() if getattr(part, "sparse", False) is True]
    optimizer = training.optimizer
    if found and (training.gradient_clip or optimizer.name != "sgd" or optimizer.weight_decay):
        raise TrialError(
            f"`{found[0]}` has sparse=True, and such gradients can neither be clipped, nor decayed, nor "
            "taken by Adam: leave it out, or write `training: {optimizer: {name: sgd, weight_decay: 0}, "
            "gradient_clip: 0}`"
        )


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and filters only: pulling biases, norms and embeddings of position to 0
    regularises nothing (and timm's networks name further exceptions in `no_weight_decay()`).
    """
    named = getattr(network, "no_weight_decay", None)
    exceptions = set(named()) if callable(named) else set()
    orthogonal = _behind_orthogonal(network)
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            spare = parameter.ndim <= 1 or name in exceptions or id(parameter) in orthogonal
            (spared if spare else decayed).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return [g for g in groups if g["params"]]


def _behind_orthogonal(network: nn.Module) -> set[int]:
    """Ids of what `torch.nn.utils.parametrizations.orthogonal` makes weights of: the first decay of it makes
    a weight that is not square exactly 0 (findings/torch_orthogonal_weights_die_of_weight_decay.sh)."""
    lists = [m for m in network.modules() if isinstance(m, ParametrizationList)]
    mine = [m for m in lists if any(type(part).__name__ == "_Orthogonal" for part in m)]
    return {id(parameter) for one in mine for parameter in one.parameters(recurse=False)}


def _create(groups: list[dict[str, Any]], settings: Optimizer) -> torch.optim.Optimizer:
    fused = one_kernel(p for group in groups for p in group["params"])
    if settings.name == "sgd":
        # A processor's kernel takes no sparse gradients, which plain SGD does.
        fused = fused if all(p.is_cuda for group in groups for p in group["params"]) else None
        return torch.optim.SGD(
            groups, settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=fused
        )
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.lr, weight_decay=settings.weight_decay, fused=fused)


def one_kernel(parameters: Iterable[Tensor]) -> bool | None:
    """`fused` of an optimiser: one pass over each parameter where torch has that, else torch's own choice.

    That choice passes over memory some ten times for each step of Adam on a processor: 21 ms a step of a
    ConvNeXt with 3.4 million parameters, fused 5. There the kernel takes numbers as they lie in memory, so
    that a view with gaps would be changed beside itself.
    """
    return True if all(p.is_floating_point() and (p.is_cuda or _is_dense(p)) for p in parameters) else None


def _is_dense(parameter: Tensor) -> bool:
    """Whether a parameter of a processor's fills its memory, in whatever order."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(parameter.ndim, torch.contiguous_format)
    return parameter.device.type == "cpu" and (
        parameter.is_contiguous() or parameter.is_contiguous(memory_format=last)
    )


def lr_factor(step: int, total_steps: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at a step, 0 < factor <= 1.

    It rises linearly over the first `warmup` share of all steps and reaches the peak on the last of
    them, then falls to nearly 0 at the end: on a line, or on half a cosine. `constant` warms up too.

    Args:
        step: from 0 to total_steps - 1.
    """
    warmup_steps = round(schedule.warmup * total_steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule.name == "constant":
        return 1.0
    # The first step after warm-up is still at the peak; one past the last step would be at 0.
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 1 - done if schedule.name == "linear_warmup_decay" else (1 + math.cos(math.pi * done)) / 2


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set every group to its peak times `factor`; return the first group's rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    return float(optimizer.param_groups[0]["lr"])

"""Checkpoints: one per epoch, so that a training that was interrupted goes on and ends the same.

    <folder>/epoch-0003/   state.json            epoch, history, best epoch, mode, the trial's key
                           model.safetensors     weights after that epoch
                           best.safetensors      weights of the best epoch so far
                           optimizer.safetensors moments

No pickle. A checkpoint is written beside and renamed, so a folder that is there is whole. Randomness needs
no state: each epoch's streams are seeded by (seed, epoch).
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands after an epoch; `progress` is JSON-able."""

    key: str
    epoch: int
    model: Weights
    best: Weights
    optimizer: dict[str, Tensor]
    progress: Mapping[str, Any]


def snapshot(model: nn.Module) -> Weights:
    """A copy of the weights on the CPU in plain layout."""
    return {
        k: v.detach().to("cpu", copy=True).contiguous()
        for k, v in model.state_dict().items()
    }  # fmt: skip


def restore(model: nn.Module, weights: Weights) -> None:
    """Put a snapshot's weights into a model, which keeps its device and layout.

    Of which versions its modules are is the model's to say: a file of tensors does not, and a module that
    asks (torchvision's MNASNet) refuses weights without one.
    """
    state = OrderedDict(weights)
    state._metadata = model.state_dict()._metadata  # type: ignore[attr-defined]
    model.load_state_dict(state)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments by parameter number and name, all tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()
        for index, moments in state.items()
        for name, value in moments.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors` for an optimiser built the same way.

    Moments lie in memory as their parameters do: a kernel for all of them refuses others on a GPU, and on a
    processor takes their numbers in the wrong order (findings/torch_fused_optimisers_ignore_the_layout.sh).
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        is_moment = value.shape == parameter.shape and value.ndim > 0
        placed = torch.empty_like(parameter, dtype=value.dtype).copy_(value) if is_moment else value
        state.setdefault(int(index), {})[name] = placed
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint and remove the older ones."""
    final = folder / f"epoch-{checkpoint.epoch:04d}"
    unfinished = folder / f".{final.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_file(_unshared(checkpoint.model), unfinished / "model.safetensors")
    save_file(_unshared(checkpoint.best), unfinished / "best.safetensors")
    save_file(checkpoint.optimizer, unfinished / "optimizer.safetensors")
    state = {"key": checkpoint.key, "epoch": checkpoint.epoch, "progress": checkpoint.progress}
    (unfinished / "state.json").write_text(json.dumps(state))
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    for old in folder.glob("epoch-*"):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, key: str) -> Checkpoint | None:
    """The last checkpoint of the training with this key, None where there is none that can be read."""
    for place in sorted(folder.glob("epoch-*"), reverse=True):
        try:
            found = _read(place)
        except (OSError, ValueError, KeyError, SafetensorError):
            continue  # cut short by a full disk or a power cut: train again rather than fail for good
        if found.key == key:
            return found
    return None


def _read(place: Path) -> Checkpoint:
    state = json.loads((place / "state.json").read_text())
    return Checkpoint(
        state["key"],
        state["epoch"],
        load_file(place / "model.safetensors"),
        load_file(place / "best.safetensors"),
        load_file(place / "optimizer.safetensors"),
        state["progress"],
    )


def _unshared(weights: Weights) -> Weights:
    """Tied weights as separate copies: the file format knows no sharing."""
    return {k: v.clone() for k, v in weights.items()}

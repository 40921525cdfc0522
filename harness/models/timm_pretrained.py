"""Pretrained image networks as practice uses them: weights from a file, scaling of the weights, freezing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.codec import JsonObject
from harness.models.weights import in_package


class Pretrained(nn.Module):
    """A timm network that starts from trained weights.

    Args:
        size: (height, width) that images are brought to; None leaves them.
        freeze: how many of the lowest groups of layers do not learn; −1: all but the head (a linear probe).
        layer_decay: by how much the learning rate shrinks from a group of layers to the one below it.

    `input_mean` and `input_std`, per channel of 0…1, are those that the weights were trained with.
    """

    def __init__(
        self, network: nn.Module, size: tuple[int, int] | None, freeze: int, layer_decay: float, channels: int
    ) -> None:
        super().__init__()
        self.network, self.size, self.layer_decay = network, size, layer_decay
        settings: JsonObject = network.pretrained_cfg  # type: ignore[assignment]
        self.input_mean, self.input_std = (_per_channel(settings[k], channels) for k in ("mean", "std"))
        _freeze(network, freeze)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images (batch, channels, height, width) → logits (batch, num_classes)."""
        if self.size is not None:
            x_BCHW = F.interpolate(x_BCHW, self.size, mode="bicubic", align_corners=False)
        logits: Tensor = self.network(x_BCHW)
        return logits

    def train(self, mode: bool = True) -> Pretrained:
        """What is frozen stays in evaluation mode: its batch norm keeps the statistics of its weights."""
        super().train(mode)
        for module in self.network.modules():
            parameters = list(module.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                module.eval()
        return self

    def param_groups(self, lr: float, weight_decay: float) -> list[dict[str, object]]:
        """The head at `lr`, each group of layers below at `layer_decay` times the rate above.

        Vectors (biases, norms) do not decay.
        """
        optim = importlib.import_module("timm.optim")

        exempt: Any = getattr(self.network, "no_weight_decay", tuple)()
        groups = optim.param_groups_layer_decay(
            self.network, weight_decay, exempt, layer_decay=self.layer_decay
        )
        return [
            {"params": g["params"], "lr": lr * g["lr_scale"], "weight_decay": g["weight_decay"]}
            for g in groups
        ]


def weights_of(pretrained: str) -> Path:
    """The file that `pretrained` names: a path, or `pip/PACKAGE`.

    Raises:
        ValueError: there is none.
    """
    path = in_package(pretrained.removeprefix("pip/")) if pretrained.startswith("pip/") else Path(pretrained)
    if not path.is_file():
        raise ValueError(f"pretrained: there is no file {pretrained}")
    return path


def read_weights(path: Path, plain: nn.Module) -> tuple[dict[str, Tensor], int | None]:
    """The weights of a file by the names of a network, and how many classes their head tells apart.

    Names of another implementation of the same network are accepted where all shapes agree in order.

    Args:
        plain: the network as the weights were trained: its head is that of the file where it has one.
    Raises:
        ValueError: it holds no weights, or those of another network.
    """
    from timm.models import clean_state_dict

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and the file system raise kinds of their own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path.name} cannot be read as weights: {first}") from error
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()) or not found:
        raise ValueError(f"{path.name} holds no weights by name: save a network's state_dict() in it")
    state = {
        k.removeprefix("model.") if "model." in k else k: v for k, v in clean_state_dict(dict(found)).items()
    }
    own = plain.state_dict()
    if not set(state) & set(own):
        # The head's matrix and vector, the last two, may tell other classes apart.
        shapes = [[tuple(v.shape) for v in weights.values()][:-2] for weights in (state, own)]
        in_order = path.suffix != ".safetensors"  # which sorts what it holds
        if shapes[0] != shapes[1] or not in_order:
            raise ValueError(
                f"{path.name} holds the weights of another network: {', '.join(list(state)[:3])}, …; this "
                f"one has {', '.join(list(own)[:3])}, …"
            )
        state = dict(zip(own, state.values(), strict=True))
    head = str(plain.pretrained_cfg["classifier"])  # type: ignore[index]
    weight = state.get(f"{head}.weight")
    return state, None if weight is None else int(weight.shape[0])


def groups_of(network: nn.Module) -> dict[str, int]:
    """Parameter → its group of layers, counted from the input; the head's group is the last."""
    from timm.models import group_parameters

    matcher = getattr(network, "group_matcher", None)
    if matcher is None:
        raise ValueError("this network names no groups of its layers: leave freeze at 0 or -1")
    groups: dict[str, int] = group_parameters(network, matcher(coarse=True), reverse=True)
    return groups


def _freeze(network: nn.Module, number: int) -> None:
    if number == 0:
        return
    if number == -1:
        head = {id(p) for p in network.get_classifier().parameters()}  # type: ignore[operator]
        if not head:
            raise ValueError("freeze: -1 leaves nothing to learn: this network has no classifier")
        for parameter in network.parameters():
            parameter.requires_grad_(id(parameter) in head)
        return
    groups = groups_of(network)
    most = max(groups.values())
    if not 0 < number <= most:
        raise ValueError(
            f"freeze is {number}: this network has {most} groups of layers below its head, write 0 to "
            f"{most}, or -1 for all of them"
        )
    for name, parameter in network.named_parameters():
        if groups[name] < number:
            parameter.requires_grad_(False)


def _per_channel(values: Any, channels: int) -> tuple[float, ...]:
    """The weights' own figures; of grey images the mean over the colours, which their first layer adds up."""
    given = [float(v) for v in values]
    return tuple(given) if len(given) == channels else (sum(given) / len(given),) * channels

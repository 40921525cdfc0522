"""Image networks of transformers, fine-tuned: `hf:NAME`, `hf:./folder`, `hf:pip/PACKAGE`.

What comes before the network is the folder's own (`preprocessor_config.json`): size, resampling, mean and
deviation. A head that tells the task's classes apart is kept.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models import torchvision_shim
from harness.models.pretrained import resolve, unavailable
from harness.protocols import Task

if TYPE_CHECKING:
    from transformers import PretrainedConfig

PREPROCESSOR = "preprocessor_config.json"
RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as such a file writes them."""


class FineTunedImages(nn.Module):
    """An image classifier of transformers, and what its folder says of the images before it.

    Args:
        size: (height, width) that images are brought to; None leaves them.
        mode: how they are. channels: what the network takes; a grey image is given in each.
        freeze: how many of the lowest layers do not learn, with the embeddings; −1: all but the head.
        layer_decay: by how much the learning rate shrinks from a layer to the one below it.
        head: where the head comes from, for people.
    """

    def __init__(
        self, network: nn.Module, size: tuple[int, int] | None, mode: str, channels: int, freeze: int,
        layer_decay: float, head: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.size, self.mode, self.channels = network, size, mode, channels
        self.layer_decay, self.head = layer_decay, head
        self.mean: Tensor | None
        self.std: Tensor
        self.register_buffer("mean", None)
        self._depths = _depths(network)
        most = max(self._depths.values()) - 1
        if not -1 <= freeze <= most:
            raise ValueError(
                f"freeze is {freeze}: this network has {most} layers, write 0 to {most}, or -1 for all"
            )
        for name, parameter in network.named_parameters():
            below = most if freeze == -1 else freeze
            parameter.requires_grad_(freeze == 0 or self._depths[name] > below)

    def normalise(self, mean: Any, std: Any, grey: bool) -> None:
        """Scale as the folder says, by channel of what the network takes: images arrive as 0…1."""
        for name, values in (("mean", mean), ("std", std)):
            listed = values if isinstance(values, list | tuple) else [values] * self.channels
            self.register_buffer(name, torch.tensor(listed).float().view(-1, 1, 1), persistent=False)
        self.input_mean, self.input_std = ((v,) * (1 if grey else self.channels) for v in (0.0, 1.0))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images (batch, channels, height, width) → logits (batch, num_classes).

        They are of 0…1 where the folder says how they are normalised, else normalised already.
        """
        if self.size is not None:
            smooth = {} if self.mode == "nearest" else {"align_corners": False}
            shrinks = self.mode != "nearest" and x_BCHW.shape[-1] > self.size[1]
            x_BCHW = F.interpolate(x_BCHW, self.size, mode=self.mode, antialias=shrinks, **smooth)
        if x_BCHW.shape[1] != self.channels:
            x_BCHW = x_BCHW.expand(-1, self.channels, -1, -1)
        if self.mean is not None:
            x_BCHW = (x_BCHW - self.mean) / self.std
        logits: Tensor = self.network(pixel_values=x_BCHW).logits
        return logits

    def train(self, mode: bool = True) -> FineTunedImages:
        """What is frozen stays in evaluation mode: its batch norm keeps the statistics of its weights."""
        super().train(mode)
        for module in self.network.modules():
            parameters = list(module.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                module.eval()
        return self

    def param_groups(self, lr: float, weight_decay: float) -> list[dict[str, object]]:
        """The head at `lr`, each layer below at `layer_decay` times the rate above; vectors do not decay."""
        top = max(self._depths.values())
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                rate = lr * self.layer_decay ** (top - self._depths[name])
                key = (rate, weight_decay if parameter.ndim > 1 else 0.0)
                groups.setdefault(key, []).append(parameter)
        return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def _depths(network: nn.Module) -> dict[str, int]:
    """Parameter → its layer: 0 for what comes before them, the last number for the head.

    The layers are the list of modules that holds most of the weights: blocks of a ViT, stages of a Swin.
    """
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    layers = list(max(lists, key=lambda each: sum(p.numel() for p in each.parameters()), default=()))
    depth_of = {id(p): number for number, layer in enumerate(layers, 1) for p in layer.parameters()}
    body: Any = getattr(network, "base_model", network)
    in_body = {id(p) for p in body.parameters()}
    depths, reached = {}, 0
    for name, parameter in network.named_parameters():
        if id(parameter) not in in_body:
            depths[name] = len(layers) + 1
        else:
            # What stands behind the layers, a last norm for instance, belongs to the last of them.
            reached = depth_of.get(id(parameter), reached)
            depths[name] = reached
    return depths


def build(
    task: Task,
    name: str,
    *,
    freeze: int = 0,
    layer_decay: float = 1.0,
    resize: int | bool | None = None,
    pretrained: bool = True,
    search: Path | None = None,
) -> nn.Module:
    """Build a classifier of images from a folder or a name on the Hub.

    Args:
        name: see `harness.models.pretrained.resolve`.
        freeze: lowest layers that do not learn; −1: all but the head (a linear probe).
        layer_decay: ratio of the learning rates of a layer and the one above it.
        resize: the side in pixels that images are brought to; false: as the data are. Unless given, as the
            folder's preprocessor_config.json says, or else the network's configuration.
        pretrained: False builds the same network with fresh weights, for weights that come from a file.
    Raises:
        ValueError: the model cannot be had, or does not take these images; names the cure.
    """
    torchvision_shim.prepare()
    transformers = importlib.import_module("transformers")  # typed, and too large for a type checker
    transformers.utils.logging.disable_progress_bar()
    place = resolve(name, search)
    try:
        config = transformers.AutoConfig.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise unavailable(name, error) from error
    if type(config) not in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        raise ValueError(
            f"hf:{name} is a model of type {config.model_type}, which takes no images: choose one that "
            "does, for instance a ViT, ConvNeXt or Swin from a folder, hf:./folder"
        )
    try:
        network, head = _classifier(transformers, place if pretrained else None, config, task)
    except (OSError, ValueError) as error:
        raise unavailable(name, error) from error
    settings = _settings(transformers, place)
    channels = int(getattr(config, "num_channels", None) or 3)
    if task.input_shape[0] not in (1, channels):
        raise ValueError(
            f"hf:{name} takes images of {channels} channels, these have {task.input_shape[0]}: choose a "
            "model for such images"
        )
    size = _size(settings, config, resize, task.input_shape[1:])
    mode = RESAMPLING.get(int(settings.get("resample", 2)), "bicubic")
    try:
        built = FineTunedImages(network, size, mode, channels, freeze, layer_decay, head)
    except ValueError as error:
        raise ValueError(f"hf:{name}: {error}") from error
    if settings.get("do_normalize", True) and "image_mean" in settings:
        built.normalise(settings["image_mean"], settings["image_std"], grey=task.input_shape[0] == 1)
    return built


def _classifier(
    transformers: Any, place: str | None, config: PretrainedConfig, task: Task
) -> tuple[nn.Module, str]:
    """The network with a head for the task, and what became of its own; fresh weights without a place."""
    order, head = _kept(config, task)
    config.num_labels = task.num_classes
    make = transformers.AutoModelForImageClassification
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    if place is None:
        return make.from_config(config, **options), "new, as all its weights"
    network = make.from_pretrained(place, config=config, ignore_mismatched_sizes=True, **options)
    _settle_head(network, order)
    return network, head


def _kept(config: PretrainedConfig, task: Task) -> tuple[list[int] | None, str]:
    """Which row of the folder's head answers each class of the task; None where a new head is learnt."""
    named = {int(number): str(label) for number, label in (config.id2label or {}).items()}
    labels = [named[number] for number in sorted(named)]
    if len(labels) != task.num_classes:
        return None, f"new: the folder's tells {len(labels)} classes apart"
    if all(label == f"LABEL_{number}" for number, label in enumerate(labels)):
        return list(range(len(labels))), "the folder's, whose classes have no names: taken in order"
    if sorted(labels) == sorted(task.class_names):
        return [labels.index(label) for label in task.class_names], "the folder's: its labels are the task's"
    return None, "new: the folder's labels are others"


def _settle_head(network: nn.Module, order: Sequence[int] | None) -> None:
    """Put the head's rows into the task's order, or make it anew where it told other classes apart."""
    body: Any = getattr(network, "base_model", network)
    in_body = {id(p) for p in body.parameters()}
    heads = [
        module
        for module in network.modules()
        if isinstance(module, nn.Linear) and id(module.weight) not in in_body
    ]
    with torch.no_grad():
        for parameter in heads[-1].parameters() if heads else ():
            if order is not None:
                parameter.copy_(parameter[list(order)].clone())
            elif parameter.ndim > 1:
                nn.init.trunc_normal_(parameter, std=0.02)
            else:
                nn.init.zeros_(parameter)


def _settings(transformers: Any, place: str) -> Mapping[str, Any]:
    """The folder's preprocessor_config.json; empty where it has none."""
    folder = Path(place)
    if folder.is_dir():
        file = folder / PREPROCESSOR
        found = json.loads(file.read_text()) if file.is_file() else {}
    else:
        found = transformers.AutoImageProcessor.from_pretrained(place).to_dict()
    return found if isinstance(found, Mapping) else {}


def _size(
    settings: Mapping[str, Any], config: PretrainedConfig, asked: int | bool | None, image: Sequence[int]
) -> tuple[int, int] | None:
    if asked is False:
        return None
    if isinstance(asked, int) and asked is not True:
        wanted = (asked, asked)
    else:
        cropped = settings.get("do_center_crop") and settings.get("crop_size")
        size: Any = cropped or settings.get("size") or getattr(config, "image_size", None) or tuple(image)
        if settings.get("do_resize") is False and not getattr(config, "image_size", None):
            size = tuple(image)
        if isinstance(size, Mapping):
            side = size.get("shortest_edge")
            size = (size.get("height", side), size.get("width", side))
        height, width = size if isinstance(size, list | tuple) else (size, size)
        wanted = (int(height), int(width))
    return None if wanted == tuple(image) else wanted

"""Image models of timm, made to fit the task's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models import torchvision_shim
from harness.models.names import nearest
from harness.models.timm_pretrained import Pretrained, read_weights, weights_of
from harness.protocols import Task

_OURS = ("num_classes", "in_chans")
_PRETRAINED = ("pretrained", "freeze", "layer_decay", "resize")


class Padded(nn.Module):
    """A network behind zero padding, for architectures whose strides need a larger image.

    Args:
        size: (height, width) after padding; the image stays in the middle. Zero is the mean of a
            normalised image.
    """

    def __init__(self, network: nn.Module, image: tuple[int, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        down, right = size[0] - image[0], size[1] - image[1]
        self.padding = (right // 2, right - right // 2, down // 2, down - down // 2)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images (batch, channels, height, width) → logits (batch, num_classes)."""
        logits: Tensor = self.network(F.pad(x_BCHW, self.padding))
        return logits


class Resized(nn.Module):
    """A network with fresh weights behind a change of size, as a pretrained one beside it has.

    Args:
        size: (height, width) that images are brought to.
    """

    def __init__(self, network: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images (batch, channels, height, width) → logits (batch, num_classes)."""
        logits: Tensor = self.network(F.interpolate(x_BCHW, self.size, mode="bicubic", align_corners=False))
        return logits


def build(task: Task, name: str, args: Mapping[str, Any], load: bool = True) -> nn.Module:
    """Build a timm model for the task's channels and classes.

    Fresh weights stand behind padding where the network needs larger images. Trained ones come with the
    scaling that they were trained with, and smaller images are enlarged to the size of their training.

    Args:
        args: `resize` (the side in pixels; false: as the data are); `pretrained` (true: from the Hub; a
            file; `pip/PACKAGE` that carries one), then also `freeze` and `layer_decay`; all others are
            keywords of `timm.create_model`, for instance `drop_path_rate`.
        load: False builds a pretrained network without its weights, which come from a fitted model.
    Raises:
        ValueError: timm refuses the name or the arguments, or no padding up to 64 more pixels helps.
    """
    torchvision_shim.prepare()
    import timm

    for argument in args:
        if argument in _OURS:
            raise ValueError(f"timm:{name}: leave {argument} out, it comes from the data")
    options = dict(args)
    ours = {key: options.pop(key) for key in _PRETRAINED if key in options}
    pretrained = ours.pop("pretrained", False)
    if not pretrained:
        return _fresh(timm, task, name, options, ours)
    size = _size_for(timm, name, options, task.input_shape[1:], ours.get("resize"))
    options |= _weights(timm, name, options, pretrained) if load else {}
    network = _create(timm, task, name, options, size or task.input_shape[1:])
    network.pretrained_cfg.pop("state_dict", None)  # type: ignore[union-attr, operator]
    try:
        return Pretrained(
            network,
            size,
            int(ours.get("freeze", 0)),
            float(ours.get("layer_decay", 1.0)),
            task.input_shape[0],
        )
    except ValueError as error:
        raise ValueError(f"timm:{name}: {error}") from error


def _fresh(
    timm: ModuleType, task: Task, name: str, options: Mapping[str, Any], ours: Mapping[str, Any]
) -> nn.Module:
    """The network with weights of its own; its images have another size only where one is asked for."""
    if trained := [key for key in ours if key != "resize"]:
        raise ValueError(f"timm:{name}: {', '.join(trained)} is for pretrained weights: add pretrained: true")
    channels, *image = task.input_shape
    size = _size_for(timm, name, options, image, ours.get("resize") or False)
    network = _create(timm, task, name, options, size or image)
    fitted = _fit_to_image(name, network, (channels, *(size or image)))
    return Resized(fitted, size) if size else fitted


def _create(
    timm: ModuleType, task: Task, name: str, options: Mapping[str, Any], size: Sequence[int]
) -> nn.Module:
    options = {**options, "num_classes": task.num_classes, "in_chans": task.input_shape[0]}
    if _takes_image_size(timm, name) and "img_size" not in options:
        options["img_size"] = tuple(size)
    shown = {k: v for k, v in options.items() if k not in ("pretrained_cfg_overlay", *_OURS)}
    try:
        network = timm.create_model(name, **options)
    except (TypeError, RuntimeError, ValueError, AssertionError) as error:
        height, width = size
        raise ValueError(f"timm:{name} refuses {shown} for {height}×{width} images: {error}") from error
    except OSError as error:  # weights that cannot be downloaded
        raise ValueError(
            f"timm:{name}: cannot get its pretrained weights ({error}): write pretrained: false, or give "
            "them as pretrained: FILE or pretrained: pip/PACKAGE"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def _weights(
    timm: ModuleType, name: str, options: Mapping[str, Any], pretrained: bool | str
) -> dict[str, Any]:
    """What timm is told of where the weights are."""
    if isinstance(pretrained, bool):
        return {"pretrained": True}
    plain = {k: v for k, v in options.items() if k != "pretrained_cfg_overlay"}
    state, classes = read_weights(weights_of(pretrained), timm.create_model(name, **plain))
    overlay = {**options.get("pretrained_cfg_overlay", {}), "state_dict": state}
    if classes is not None:
        overlay["num_classes"] = classes  # a head for as many classes as the task has is kept
    return {"pretrained": True, "pretrained_cfg_overlay": overlay}


def _size_for(
    timm: ModuleType, name: str, options: Mapping[str, Any], image: Sequence[int], asked: Any
) -> tuple[int, int] | None:
    """The size that images are brought to: what is asked for, else that of the weights where it is larger."""
    height, width = image
    if asked is False:
        return None
    if asked is not None and asked is not True:
        if not isinstance(asked, int) or asked < 1:
            raise ValueError(f"timm:{name}: resize is {asked!r}, write a side in pixels, or false")
        return None if (asked, asked) == (height, width) else (asked, asked)
    if name.startswith(("hf_hub:", "hf-hub:")):
        return None
    settings = timm.get_pretrained_cfg(name).to_dict() | options.get("pretrained_cfg_overlay", {})
    side = int(settings["input_size"][-1])
    other = (height, width) != (side, side) if settings.get("fixed_input_size") else min(height, width) < side
    return (side, side) if other else None


def _takes_image_size(timm: ModuleType, name: str) -> bool:
    """Whether the architecture is built for one image size, as vision transformers are."""
    if name.startswith(("hf_hub:", "hf-hub:")):
        return False
    architecture = name.split(".")[0]
    if not timm.is_model(architecture):
        raise ValueError(f"timm has no model {architecture!r}{nearest(architecture, timm.list_models())}")
    settings = timm.get_pretrained_cfg(architecture)
    return bool(settings and settings.fixed_input_size)


def _fit_to_image(name: str, network: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    channels, height, width = shape
    problem = ""
    for unit in (1, 32, 64):
        size = (-(-height // unit) * unit, -(-width // unit) * unit)
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(1, channels, *size))
        except (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError) as error:
            problem = problem or str(error).splitlines()[0]
            continue
        network.train()
        return network if unit == 1 else Padded(network, (height, width), size)
    raise ValueError(f"timm:{name} cannot take {height}×{width} images: {problem}; choose another model")

"""Image models of timm, made to fit the task's images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models import torchvision_shim
from harness.models.names import nearest
from harness.protocols import Task

_OURS = ("num_classes", "in_chans")


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


def build(task: Task, name: str, args: Mapping[str, Any]) -> nn.Module:
    """Build a timm model for the task's channels and classes, behind padding where it needs that.

    Args:
        args: keywords of `timm.create_model`, for instance `pretrained` or `drop_path_rate`.
    Raises:
        ValueError: timm refuses the name or the arguments, or no padding up to 64 more pixels helps.
    """
    torchvision_shim.prepare()
    import timm

    for argument in args:
        if argument in _OURS:
            raise ValueError(f"timm:{name}: leave {argument} out, it comes from the data")
    channels, height, width = task.input_shape
    options = {**args, "num_classes": task.num_classes, "in_chans": channels}
    if _takes_image_size(timm, name) and "img_size" not in args:
        options["img_size"] = (height, width)
    try:
        network = timm.create_model(name, **options)
    except (TypeError, RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(f"timm:{name} refuses {dict(args)} for {height}×{width} images: {error}") from error
    except OSError as error:  # weights that cannot be downloaded
        raise ValueError(
            f"timm:{name}: cannot get its pretrained weights ({error}): write pretrained: false, or give "
            "them as pretrained_cfg_overlay: {file: PATH}"
        ) from error
    assert isinstance(network, nn.Module)
    return _fit_to_image(name, network, (channels, height, width))


def _takes_image_size(timm: Any, name: str) -> bool:
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

"""A trained network on disk, and how it is rebuilt: raw inputs → scaling → network → answers.

Scaling is part of the model: a `Servable` takes what a client sends (uint8 images, a float32 table; of
texts their tokens, for a graph of tensors cannot hold a tokenizer) and returns probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.codec import Json, JsonObject
from harness.kinds import kind_of
from harness.models.build import build_model
from harness.models.finished_network import Ends, Finished, load_network, stored
from harness.models.fitted import Meta, Scaling, load_meta, write_meta
from harness.models.own import bring_transforms
from harness.protocols import Task
from harness.record import TrialError
from harness.suite.model_ref import parse_model


class Scaled(nn.Module):
    """Raw inputs → scaled float32 → network → logits (n, num_classes), or values (n,) for regression."""

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        network: nn.Module,
        scaling: Scaling,
        task: Task,
        first: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """`first`: what raw images go through before all else, a batch at a time."""
        super().__init__()
        self.network, self.first = network, first
        self.is_image = task.takes == "image"
        self.is_text = task.takes == "text"
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (scaling.mean, scaling.std))
        unit = 255.0 if self.is_image else 1.0
        shape = (-1, 1, 1) if self.is_image else (-1,)
        # One multiply and one add, whatever the scaling; not in the state: model.json holds it.
        self.register_buffer("scale", (1 / (unit * std)).float().view(shape), persistent=False)
        self.register_buffer("shift", (-mean / std).float().view(shape), persistent=False)

    def scaled(self, raw: Tensor) -> Tensor:
        """Raw inputs as the network takes them; images of floats are its own transforms' and ready."""
        raw = raw if self.first is None else self.first(raw)
        if self.is_text or (self.is_image and raw.is_floating_point()):
            return raw
        return raw.float() * self.scale + self.shift

    def forward(self, raw: Tensor) -> Tensor:
        out: Tensor = self.network(self.scaled(raw))
        return out


class Servable(nn.Module):
    """What is deployed: raw inputs → probabilities (n, num_classes), or values (n,) for regression."""

    def __init__(self, scaled: Scaled, scaling: Scaling, task: Task, ends: bool = True) -> None:
        """`ends`: what it answers is still to become probabilities or values; a finished network's is."""
        super().__init__()
        self.scaled = scaled
        learning = kind_of(task.name).learning
        assert learning is not None, task.name
        self.activate = learning.activate if ends else None
        self.target_mean, self.target_std = scaling.target_mean, scaling.target_std

    def forward(self, raw: Tensor) -> Tensor:
        out = self.scaled(raw).float()
        if self.activate is not None:
            return self.activate(out)
        values: Tensor = out * self.target_std + self.target_mean
        return values


def save_network(fitted: Path, network: nn.Module, meta: Meta) -> None:
    """Write `model.json` and `weights.safetensors` of a trained network."""
    from safetensors.torch import save_model

    fitted.mkdir(parents=True, exist_ok=True)
    # The file format wants plain layout; training may have used channels_last.
    network = network.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    save_model(network, str(fitted / "weights.safetensors"))
    write_meta(fitted, meta)


def load_servable(fitted: Path) -> Servable:
    """Rebuild a trained network, with its scaling, in evaluation mode on the CPU.

    Raises:
        TrialError: the fitted model is not a network.
    """
    from safetensors.torch import load_model

    meta = load_meta(fitted)
    if meta.kind != "torch":
        raise TrialError(f"{meta.model} is not a torch network (kind {meta.kind})")
    if meta.ends:
        return _finished(fitted, meta)
    args = _without_download(meta.model, meta.args)
    network = build_network(meta.model, meta.task, args, meta.search, False, meta.transforms)
    load_model(network, str(fitted / "weights.safetensors"))
    return servable_of(network, meta.scaling, meta.task)


def servable_of(network: nn.Module, scaling: Scaling, task: Task) -> Servable:
    """A trained network with all that stands before and behind it, its own transforms included."""
    first = own_transforms(network, False)
    return Servable(Scaled(network, scaling, task, first), scaling, task).eval()


def own_transforms(network: nn.Module, train: bool) -> Callable[[Tensor], Tensor] | None:
    """What images go through before the network's scaling; None where it brings nothing.

    Raises:
        TrialError: what is called so is no function that gives them.
    """
    make: Any = getattr(network, "transforms", None)
    is_made = type(make).__module__.partition(".")[0] in ("torchvision", "albumentations", "kornia")
    if is_made:
        raise TrialError(
            f"the network's transforms is a {type(make).__name__}, and it must be a function that gives one: "
            "`def transforms(self, train): …`; call it otherwise where only forward uses it"
        )
    if not callable(make) or isinstance(make, nn.Module):  # some layers of its own
        return None
    given: Callable[[Tensor], Tensor] | None = make(train)
    return given


def _finished(fitted: Path, meta: Meta) -> Servable:
    """A network that was trained elsewhere, from the user's file."""
    ref = parse_model(meta.model)
    search = Path(meta.search) if meta.search else None
    try:
        loaded = load_network(ref, fitted / stored(ref), meta.args, search)
    except ValueError as error:
        raise TrialError(str(error)) from error
    network = Finished(loaded.network, Ends(**meta.ends), meta.task)
    return Servable(Scaled(network, meta.scaling, meta.task), meta.scaling, meta.task, ends=False).eval()


def example_inputs(task: Task, n: int = 2) -> Tensor:
    """Raw inputs of the right shape and type, for export and for counting FLOPs."""
    if task.takes == "image":
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (n, *task.input_shape), dtype=torch.uint8, generator=generator)
    if task.takes == "text":
        return torch.ones((n, min(task.max_length or 16, 16)), dtype=torch.int64)
    return torch.zeros((n, *task.input_shape), dtype=torch.float32)


def own_scaling(network: nn.Module, fitted: Scaling) -> Scaling:
    """The scaling of inputs that a network was trained with, where it brings one; else that of the data.

    A network brings `input_mean` and `input_std`: per channel of an image in 0…1, or per column of a table.
    """
    mean, std = (getattr(network, name, None) for name in ("input_mean", "input_std"))
    if mean is None or std is None:
        return fitted
    mean, std = (tuple(torch.as_tensor(values).double().flatten().tolist()) for values in (mean, std))
    if len(mean) != len(fitted.mean) or len(std) != len(fitted.std) or min(std) <= 0:
        raise TrialError(
            f"input_mean and input_std hold {len(mean)} and {len(std)} numbers: {len(fitted.mean)} are "
            "needed, and no deviation of 0"
        )
    return replace(fitted, mean=mean, std=std)


def build_network(
    model: str, task: Task, args: JsonObject, search: str | None, load: bool = True, transforms: str = ""
) -> nn.Module:
    """A fresh network of a model reference, with the suite's transforms; `load` as for `build_model`.

    Raises:
        TrialError: the reference, its arguments or the data do not fit; the message names the cure.
    """
    try:
        folder = Path(search) if search else None
        network = build_model(model, task, dict(args), folder, load)
        bring_transforms(network, transforms, folder)
        return network
    except ValueError as error:
        raise TrialError(str(error)) from error


def _without_download(model: str, args: JsonObject) -> dict[str, Json]:
    """Weights come from the file, so what a builder would fetch for `pretrained` is not needed."""
    if parse_model(model).kind == "timm":
        return dict(args)  # they say how large images are, and what stands before the network
    by_default = parse_model(model).about.is_pretrained
    return {**args, "pretrained": False} if args.get("pretrained", by_default) else dict(args)

"""Networks that were trained elsewhere: `lightning:FILE.ckpt`, `torch:FILE.pt2`, `keras:FILE.keras`.

Each becomes a module from what the harness hands over (scaled float32 inputs) to what it takes back
(probabilities or values), so that every runtime of networks serves it. Nothing is retrained, and nothing in a
file runs as code (`harness.models.safe_files`); the classes that a suite names are the user's own.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.kinds import kind_of
from harness.kinds.classification import SMALLEST
from harness.models import keras_network, torchvision_shim
from harness.models.own import find_function
from harness.models.safe_files import check_keras, check_program, read_checkpoint
from harness.protocols import Task
from harness.suite.model_ref import ModelRef, parse_model

UNUSED = ("optimizer_states", "lr_schedulers", "callbacks", "loops")
"""What a checkpoint holds for training to go on: stored and shipped for nothing."""


@dataclass(frozen=True)
class Ends:
    """How a finished network takes inputs and gives answers.

    Args:
        layout: `nchw`, `nhwc` or `flat`. shape: of one input, for `flat`.
        dtype: of its input, for instance `float32` or `uint8`.
        output: which of its outputs is the answer.
        gives: `probabilities`, `logits`, `shares`, `values`, `positive_probability` or `positive_logit`.
    """

    layout: str = "nchw"
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    output: int = 0
    gives: str = "logits"


class Finished(nn.Module):
    """Scaled inputs → probabilities (n, num_classes), or values (n,) for regression."""

    def __init__(self, network: nn.Module, ends: Ends, task: Task) -> None:
        super().__init__()
        self.network, self.ends = network, ends
        learning = kind_of(task.name).learning
        assert learning is not None, task.name
        self.activate = learning.activate

    def forward(self, scaled: Tensor) -> Tensor:
        answer = self.outputs(scaled)[self.ends.output].float()
        gives = self.ends.gives
        if gives == "values":
            return answer.reshape(-1)
        if gives == "logits":
            assert self.activate is not None
            return self.activate(answer)
        if gives == "probabilities":
            return answer
        if gives == "shares":
            shares = answer.clamp_min(SMALLEST)
            return shares / shares.sum(dim=1, keepdim=True)
        positive = answer.reshape(-1, 1)
        positive = positive.sigmoid() if gives == "positive_logit" else positive
        return torch.cat([1 - positive, positive], dim=1)

    def outputs(self, scaled: Tensor) -> list[Tensor]:
        """All that the network answers, in its own order."""
        ends = self.ends
        if ends.layout == "nhwc":
            scaled = scaled.permute(0, 2, 3, 1)
        elif ends.layout == "flat":
            scaled = scaled.reshape(-1, *ends.shape)
        return _tensors(self.network(scaled.to(getattr(torch, ends.dtype))))


def _tensors(answer: Any) -> list[Tensor]:
    if isinstance(answer, Tensor):
        return [answer]
    items = answer.values() if isinstance(answer, Mapping) else answer
    return [item for item in items if isinstance(item, Tensor)]


class Program(nn.Module):
    """A program of torch.export: in training or evaluation mode as it was exported, once and for all."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, inputs: Tensor) -> Any:
        return self.program(inputs)

    def train(self, mode: bool = True) -> Program:
        self.training = mode
        return self


@dataclass(frozen=True)
class Loaded:
    """A network from its file.

    Args:
        dims: the shape of one input, 0 where any size fits; None where only trying tells.
        dtype: of its input.
    """

    network: nn.Module
    dims: list[int] | None = None
    dtype: str = "float32"


def load_network(ref: ModelRef, path: Path, args: Mapping[str, Any], search: Path | None) -> Loaded:
    """The network of a file, in evaluation mode.

    Args:
        args: of the candidate: `class` and `hyper_parameters` of `lightning:`, `classes` of `keras:`.
        search: the folder of the suite file, where the user's own modules are.
    Raises:
        ValueError: it cannot be read, would run code, or does not fit its class; with the cure.
    """
    return _LOAD[ref.kind](path, args, search)


def copy_network(ref: ModelRef, path: Path, folder: Path) -> None:
    """Store what answering needs in a folder of fitted models."""
    folder.mkdir(parents=True, exist_ok=True)
    if ref.kind == "lightning":
        content = read_checkpoint(path)
        torch.save({k: v for k, v in content.items() if k not in UNUSED}, folder / stored(ref))
    else:
        shutil.copyfile(path, folder / stored(ref))


def stored(ref: ModelRef) -> str:
    """The name of a finished network's file in a folder of fitted models."""
    return f"network{Path(ref.name).suffix}"


def _lightning(path: Path, args: Mapping[str, Any], search: Path | None) -> Loaded:
    content = read_checkpoint(path)
    named = args.get("class")
    if not named:
        raise ValueError(f"{path.name}: which class is it of? Add args: {{class: 'my_models:Net'}}")
    torchvision_shim.prepare()
    made = find_function(parse_model(str(named)), search)
    given = dict(args.get("hyper_parameters") or {})
    try:
        network = _restored(made, path, content, given)
    except TypeError as error:
        raise ValueError(
            f"{named} cannot be built: {error}. What it takes and the checkpoint does not hold (it holds "
            f"{', '.join(content.get('hyper_parameters', {})) or 'no hyper-parameters'}) stands in args: "
            "{hyper_parameters: {…}}"
        ) from error
    except (RuntimeError, KeyError) as error:
        first = " ".join(str(error).split())
        raise ValueError(
            f"{path.name} holds weights of another network than {named}: {first[:300]}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"{named} is a {type(network).__name__}: it must be a torch.nn.Module")
    return Loaded(network.eval())


def _restored(
    made: Callable[..., object], path: Path, content: Mapping[str, Any], given: dict[str, Any]
) -> object:
    """By Lightning itself where it is a LightningModule, for it calls the module's hooks."""
    load: Any = getattr(made, "load_from_checkpoint", None)
    if load is not None:
        # What was read with weights_only runs no code in either way; older versions do not know the word.
        safe = {"weights_only": True} if "weights_only" in inspect.signature(load).parameters else {}
        loaded: object = load(path, map_location="cpu", **safe, **given)
        return loaded
    network = made(**{**content.get("hyper_parameters", {}), **given})
    if isinstance(network, nn.Module):
        network.load_state_dict(content["state_dict"])
    return network


def _program(path: Path, args: Mapping[str, Any], search: Path | None) -> Loaded:
    check_program(path)
    try:
        program = torch.export.load(path)
        takes = program.graph_signature.user_inputs
        if len(takes) != 1:
            raise ValueError(f"{path.name} takes {len(takes)} inputs, one is needed")
        value = next(n.meta["val"] for n in program.graph.nodes if n.name == takes[0])
        module = program.module()
    except (RuntimeError, KeyError, AssertionError, TypeError, StopIteration) as error:
        first = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"torch.export cannot load {path.name}: {first[:300]}") from error
    if isinstance(value.shape[0], int):
        raise ValueError(
            f"{path.name} was exported for batches of {value.shape[0]} alone: export it with "
            "dynamic_shapes=({0: torch.export.Dim('batch')},) and an example of two rows"
        )
    dims = [d if isinstance(d, int) else 0 for d in value.shape[1:]]
    return Loaded(Program(module), dims, str(value.dtype).removeprefix("torch."))


def _keras(path: Path, args: Mapping[str, Any], search: Path | None) -> Loaded:
    keras_network.prepare()
    own = [find_function(parse_model(str(name)), search) for name in args.get("classes") or ()]
    check_keras(path, tuple(each.__module__ for each in own))
    keras_network.start_afresh()
    keras = importlib.import_module("keras")
    if keras.backend.backend() != "torch":
        raise ValueError(
            f"{path.name} would be loaded on {keras.backend.backend()}: set {keras_network.BACKEND}=torch, "
            "or write it with model.export(FILE, format='onnx') and name that file: onnx:FILE"
        )
    try:
        model = keras.saving.load_model(
            path, custom_objects={each.__name__: each for each in own}, compile=False, safe_mode=True
        )
    except Exception as error:  # Keras raises kinds of every sort for a file that it cannot read
        first = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"Keras cannot load {path.name}: {first[:300]}") from error
    shape = getattr(model, "input_shape", None)
    if isinstance(shape, list | dict):
        raise ValueError(f"{path.name} takes {len(shape)} inputs, one is needed")
    dims = [d or 0 for d in shape[1:]] if shape else None
    dtype = getattr(model, "input_dtype", None) or "float32"
    return Loaded(keras_network.KerasNetwork(model, images_last=False).eval(), dims, str(dtype))


_LOAD: Mapping[str, Callable[[Path, Mapping[str, Any], Path | None], Loaded]] = {
    "lightning": _lightning,
    "torch": _program,
    "keras": _keras,
}
"""Kind of reference → what reads such a file."""

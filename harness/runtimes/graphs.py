"""The ONNX graphs of networks, kept on this node: networks of one architecture differ in their weights alone.

Tracing a network and translating it takes seconds of one core, and an architecture is exported for each seed
and once more as the base of 8 bits. So its graph is kept as it is before it is optimised, where each weight
still stands under its own name, and another checkpoint's weights take their places.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.record import HarnessError
from harness.store.disk import cache_root, locked

if TYPE_CHECKING:
    import onnx_ir
    import torch
    from torch import nn
    from torch.onnx import ONNXProgram

TOOLS = ("torch", "onnx", "onnx-ir", "onnxscript", "timm", "transformers", "torchvision")
"""Whose version may change the graph of the same network."""
MOST_BYTES = 2**30
"""Of all graphs that are kept."""
LARGEST_BYTES = 2**28
"""Of one, with the weights that it was exported with."""
WEIGHTS = "harness.weights"
"""In a kept graph: the names of its weights, as JSON."""


def architecture_of(fitted: Path) -> str:
    """All that a trained network's graph follows from but its inputs' shapes; empty where that is not known.

    A training's record says which code built it, `model.json` with which arguments, sizes and scaling. Of a
    network that was trained elsewhere, the user's file is the network.
    """
    try:
        trained = json.loads((fitted.parent / "record.json").read_text())["trial"]["spec"]
        card = json.loads((fitted / "model.json").read_text())
        return "" if card["ends"] else json.dumps([trained["code"], card], sort_keys=True)
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def with_weights(
    network: nn.Module, architecture: str, examples: Sequence[np.ndarray], axes: Sequence[Mapping[int, str]],
    export: Callable[[], ONNXProgram],
) -> ONNXProgram:  # fmt: skip
    """The graph of a network, not optimised, with its weights: a kept one's, or exported and kept.

    Who needs one that another process is just exporting waits for it.

    Args:
        architecture: what the graph follows from, see `architecture_of`; empty: it is not kept.
    """
    if not architecture:
        return export()
    shapes = [(one.dtype.str, one.shape, sorted(own)) for one, own in zip(examples, axes, strict=True)]
    path = cache_root() / "graphs" / f"{_digest(architecture, shapes)}.onnx"
    with _turn(path):
        program = _kept(path, network)
        if program is None:
            program = export()
            _keep(path, program, network)
        return program


def _digest(*what: object) -> str:
    versions = [_version(name) for name in TOOLS]
    own = [path.read_text() for path in (Path(__file__), Path(__file__).with_name("exporting.py"))]
    return hashlib.sha256(repr([what, versions, own]).encode()).hexdigest()[:32]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """One process at a time; where there can be no lock, each by itself."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, HarnessError):
            stack.enter_context(locked(path.with_name(f"{path.name[:2]}.lock")))
        yield


def _kept(path: Path, network: nn.Module) -> ONNXProgram | None:
    """The kept graph with this network's weights; None where there is none, or its weights are others."""
    import onnx_ir
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from torch.onnx import ONNXProgram

    try:
        model = onnx_ir.load(path)
        os.utime(path)
    except (OSError, DecodeError):
        return None
    names = json.loads(model.metadata_props.pop(WEIGHTS, "[]"))
    return ONNXProgram(model, None) if _take_weights(model, names, network) else None


def _take_weights(model: onnx_ir.Model, names: Sequence[str], network: nn.Module) -> bool:
    """Put a network's weights in the place of those of the same names; whether it has all of them."""
    from onnx_ir.tensor_adapters import TorchTensor

    ours, initializers = _weights_of(network), model.graph.initializers
    for name in names:
        stood = initializers[name].const_value if name in initializers else None
        if name not in ours or stood is None:
            return False
        weight = TorchTensor(ours[name].detach().cpu().contiguous(), name=name)
        if weight.dtype != stood.dtype or list(weight.shape) != list(stood.shape):
            return False
        initializers[name].const_value = weight
    return True


def _weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """All that a network's file holds, and its buffers besides."""
    named = dict(network.named_parameters(remove_duplicate=False))
    return {**named, **dict(network.named_buffers(remove_duplicate=False))}


def _keep(path: Path, program: ONNXProgram, network: nn.Module) -> None:
    """For the next one; what was longest not used goes."""
    import onnx_ir

    model, ours = program.model, _weights_of(network)
    numbers = model.graph.initializers
    if sum(v.const_value.nbytes for v in numbers.values() if v.const_value is not None) > LARGEST_BYTES:
        return
    draft = path.with_suffix(f".{os.getpid()}")
    model.metadata_props[WEIGHTS] = json.dumps([name for name in numbers if name in ours])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx_ir.save(model, draft)
        draft.replace(path)
        _make_room(path.parent)
    except OSError:  # it is only a memory
        draft.unlink(missing_ok=True)
    finally:
        del model.metadata_props[WEIGHTS]


def _make_room(folder: Path) -> None:
    left = MOST_BYTES
    for path in sorted(folder.glob("*.onnx"), key=lambda p: p.stat().st_mtime, reverse=True):
        left -= path.stat().st_size
        if left < 0:
            path.unlink(missing_ok=True)

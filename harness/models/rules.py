"""What a model asks of its input, said before a trial starts; imports no torch.

`RULES` maps a model's name to a function of the task and the model's arguments that raises
ValueError with the cure. A rule names its arguments with the builder's own defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from harness.codec import JsonObject
from harness.models.names import check_timm_name, nearest
from harness.protocols import Task
from harness.suite.model_ref import NAMED, ModelRef

IMAGES, TEXTS = "image_classification", "text_classification"


def check(ref: ModelRef, task: Task, args: JsonObject) -> None:
    """Check a model reference against a task.

    Args:
        ref: as in a suite: a name in `harness.models`, `timm:NAME`, …; of a user's own function
            nothing is known and nothing is checked.
        args: the candidate's arguments.
    Raises:
        ValueError: the model cannot take these inputs; the message names the cure.
    """
    if ref.kind == "timm":
        _images_only(str(ref), task)
        check_timm_name(ref.name)
    elif ref.kind == "endpoint":
        from harness.models import endpoint

        endpoint.check(ref.name, args)
    elif ref.kind == "hf":
        _apply(str(ref), _hf_images if task.takes == "image" else _hf, task, args)
    elif ref.kind == NAMED and ref.name in RULES:
        _apply(ref.name, RULES[ref.name], task, args)


def _apply(ref: str, rule: Callable[..., None], task: Task, args: JsonObject) -> None:
    known = list(inspect.signature(rule).parameters)[1:]
    for name in args:
        if name not in known:
            hint = nearest(name, known) or f": it takes {', '.join(known)}"
            raise ValueError(f"{ref} has no argument {name!r}{hint}")
    rule(task, **args)


def _small_cnn(task: Task, *, width: int = 64) -> None:
    _images_only("small_cnn", task)
    _at_least("small_cnn", task, 4, "it halves the image twice")
    if width < 2 or width % 2:
        raise ValueError(
            f"small_cnn: width {width} must be even and 2 or more: its first layer has half of it"
        )


def _resnet(task: Task, *, width: int = 16, depth: int = 18) -> None:
    _images_only("resnet", task)
    _at_least("resnet", task, 8, "it halves the image three times")
    _positive("resnet", width=width)
    if depth not in (10, 18, 34):
        raise ValueError(f"resnet: depth {depth} is not laid out here: write 10, 18 or 34")


def _vit(
    task: Task, *, patch: int = 4, dim: int = 96, depth: int = 6, heads: int = 3, mlp_ratio: float = 2.0,
    dropout: float = 0.0,
) -> None:  # fmt: skip
    _images_only("vit", task)
    _positive("vit", patch=patch, dim=dim, depth=depth, heads=heads, mlp_ratio=mlp_ratio)
    _, height, width = task.input_shape
    if height % patch or width % patch:
        fitting = [p for p in range(2, min(height, width) + 1) if not height % p and not width % p]
        choice = ", ".join(map(str, fitting[:6]))
        raise ValueError(
            f"vit: patch {patch} does not divide the {height}×{width} image: write one of {choice}"
        )
    _heads_divide("vit", dim, heads)
    _share("vit", dropout=dropout)


def _bilstm(
    task: Task, *, dim: int = 128, hidden: int = 128, layers: int = 1, dropout: float = 0.4,
    max_length: int = 128, min_count: int = 2,
) -> None:  # fmt: skip
    _texts_only("an LSTM", task)
    _positive("an LSTM", dim=dim, hidden=hidden, layers=layers, max_length=max_length, min_count=min_count)
    _share("an LSTM", dropout=dropout)


def _transformer_encoder(
    task: Task, *, dim: int = 128, depth: int = 2, heads: int = 4, mlp_ratio: float = 2.0,
    dropout: float = 0.3, max_length: int = 128, min_count: int = 2,
) -> None:  # fmt: skip
    name = "transformer_encoder"
    _texts_only(name, task)
    _positive(name, dim=dim, depth=depth, heads=heads, mlp_ratio=mlp_ratio)
    _positive(name, max_length=max_length, min_count=min_count)
    _heads_divide(name, dim, heads)
    _share(name, dropout=dropout)


def _ft_transformer(
    task: Task, *, dim: int = 32, depth: int = 2, heads: int = 4, mlp_ratio: float = 1.5, dropout: float = 0.1
) -> None:
    name = "ft_transformer"
    if task.takes != "table":
        raise ValueError(f"{name} takes tables, the task is {task.name}: choose a model for that task")
    _positive(name, dim=dim, depth=depth, heads=heads, mlp_ratio=mlp_ratio)
    _heads_divide(name, dim, heads)
    _share(name, dropout=dropout)


def _hf(
    task: Task, *, max_length: int = 128, pooling: str = "mean", dropout: float = 0.1, freeze: int = 0,
    layer_decay: float = 1.0, pretrained: bool = True,
) -> None:  # fmt: skip
    _texts_only("a pretrained text encoder", task)
    _fine_tuning(freeze, layer_decay)
    if max_length < 3:
        raise ValueError(f"hf: max_length is {max_length}, write 3 or more: two tokens are marks")
    if pooling not in ("mean", "first"):
        raise ValueError(f"hf: pooling is {pooling!r}, write mean or first")
    _share("hf", dropout=dropout)


def _hf_images(
    task: Task, *, freeze: int = 0, layer_decay: float = 1.0, resize: int | bool | None = None,
    pretrained: bool = True,
) -> None:  # fmt: skip
    _images_only("an image network of hf:", task)
    _fine_tuning(freeze, layer_decay)
    if resize is True or (not isinstance(resize, bool) and resize is not None and resize < 1):
        raise ValueError(f"hf: resize is {resize}, write a side in pixels, or false")


def _fine_tuning(freeze: int, layer_decay: float) -> None:
    if freeze < -1:
        raise ValueError(f"hf: freeze is {freeze}, write a number of layers, or -1 for the whole encoder")
    if not 0 < layer_decay <= 1:
        raise ValueError(
            f"hf: layer_decay is {layer_decay}, write a ratio above 0 and up to 1, for instance 0.9"
        )


def _texts_only(name: str, task: Task) -> None:
    if task.takes != "text":
        raise ValueError(f"{name} takes texts, the task is {task.name}: choose a model for that task")


def _images_only(name: str, task: Task) -> None:
    if task.takes != "image":
        raise ValueError(f"{name} takes images, the task is {task.name}: choose a model for that task")


def _at_least(name: str, task: Task, size: int, why: str) -> None:
    _, height, width = task.input_shape
    if min(height, width) < size:
        raise ValueError(
            f"{name} needs images of {size}×{size} or more ({why}), these are {height}×{width}: "
            "enlarge them (image_folder: size) or choose another model"
        )


def _positive(name: str, **values: float) -> None:
    for argument, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}: {argument} is {value}, write a positive number")


def _share(name: str, **values: float) -> None:
    for argument, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: {argument} is {value}, write a share from 0 to below 1")


def _heads_divide(name: str, dim: int, heads: int) -> None:
    if dim % heads:
        fitting = ", ".join(str(h) for h in range(1, min(dim, 16) + 1) if not dim % h)
        raise ValueError(f"{name}: {heads} heads do not divide dim {dim}: write heads as one of {fitting}")


RULES: dict[str, Callable[..., None]] = {
    "bilstm": _bilstm,
    "ft_transformer": _ft_transformer,
    "lstm": _bilstm,
    "resnet": _resnet,
    "small_cnn": _small_cnn,
    "transformer_encoder": _transformer_encoder,
    "vit": _vit,
}

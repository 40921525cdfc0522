"""Pretrained text encoders of transformers, fine-tuned: `hf:NAME`, `hf:./folder`, `hf:pip/PACKAGE`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from harness.models import torchvision_shim
from harness.models.pretrained import load_pretrained_tokenizer, resolve, unavailable
from harness.models.vocabulary import PAD
from harness.protocols import Task

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class FineTuned(nn.Module):
    """A pretrained encoder, its outputs pooled over the real tokens, and a new linear head.

    Args:
        pad: the encoder's own number for padding; tokens arrive with 0 for it, and the two numbers
            exchanged (see `harness.models.tokenizers`).
        freeze: how many of the lowest layers stay as they are, with the embeddings; −1: all.
        layer_decay: by how much the learning rate shrinks from a layer to the one below it.
    """

    def __init__(
        self, encoder: nn.Module, hidden: int, num_classes: int, pad: int, pooling: str, dropout: float,
        freeze: int, layer_decay: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder = encoder
        self.pad, self.pooling, self.layer_decay = pad, pooling, layer_decay
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, num_classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self._frozen = _freeze(encoder, freeze)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Tokens (batch, length) int64, 0 = padding at the end → logits (batch, num_classes)."""
        real_BL = tokens_BL != PAD
        if self.pad != PAD:
            pads, zeros = tokens_BL == PAD, tokens_BL == self.pad
            tokens_BL = tokens_BL.masked_fill(pads, self.pad).masked_fill(zeros, PAD)
        out = self.encoder(input_ids=tokens_BL, attention_mask=real_BL.to(torch.int64))
        x_BLD: Tensor = out.last_hidden_state
        if self.pooling == "first":
            pooled_BD = x_BLD[:, 0]
        else:
            real_BL1 = real_BL.unsqueeze(-1)
            pooled_BD = (x_BLD * real_BL1).sum(dim=1) / real_BL1.sum(dim=1).clamp(min=1)
        logits: Tensor = self.head(self.dropout(pooled_BD))
        return logits

    def train(self, mode: bool = True) -> FineTuned:
        """Frozen parts stay in evaluation mode: dropout in what does not learn is only noise."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def param_groups(self, lr: float, weight_decay: float) -> list[dict[str, object]]:
        """Groups for an optimizer: the head at `lr`, each layer below at `layer_decay` times the rate above.

        Vectors (biases, norms) do not decay.
        """
        layers = list(_layers(self.encoder))
        depth_of = {id(p): i for i, layer in enumerate(layers) for p in layer.parameters()}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                below = 0 if name.startswith("head.") else len(layers) - depth_of.get(id(parameter), -1)
                key = (lr * self.layer_decay**below, weight_decay if parameter.ndim > 1 else 0.0)
                groups.setdefault(key, []).append(parameter)
        return [
            {"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()
        ]


def build(
    task: Task,
    name: str,
    *,
    max_length: int = 128,
    pooling: Literal["mean", "first"] = "mean",
    dropout: float = 0.1,
    freeze: int = 0,
    layer_decay: float = 1.0,
    pretrained: bool = True,
    search: Path | None = None,
) -> nn.Module:
    """Build a classifier on a pretrained encoder.

    Args:
        name: see `harness.models.pretrained.resolve`.
        max_length: tokens kept of a text. pooling: the mean over tokens, or the first (class) token.
        freeze: lowest layers that do not learn; −1: the whole encoder.
        layer_decay: ratio of the learning rates of a layer and the one above it, for instance 0.9.
        pretrained: False builds the same network with fresh weights, for weights that come from a file.
        search: the folder of the suite file, for `./folder`.
    Raises:
        ValueError: the model cannot be had, or does not take texts this long; names the cure.
    """
    torchvision_shim.prepare()
    transformers = importlib.import_module("transformers")  # typed, and too large for a type checker
    transformers.utils.logging.disable_progress_bar()
    place = resolve(name, search)
    options = {"attn_implementation": "eager"}  # on CPU in bf16 1.5 times faster than fused attention
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        if pretrained:
            encoder = transformers.AutoModel.from_pretrained(place, dtype=torch.float32, **options)
        else:
            encoder = transformers.AutoModel.from_config(config, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        raise unavailable(name, error) from error
    longest = _longest(encoder, config)
    if longest and max_length > longest:
        raise ValueError(
            f"hf:{name} reads at most {longest} tokens, max_length is {max_length}: write {longest}"
        )
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # its output is not used, so it would be stored and shipped for nothing
    pad = load_pretrained_tokenizer(name, max_length, search).pad
    return FineTuned(
        encoder, int(config.hidden_size), task.num_classes, pad, pooling, dropout, freeze, layer_decay
    )


def _longest(encoder: nn.Module, config: PretrainedConfig) -> int:
    """How many tokens an encoder reads at most, 0 where there is no limit.

    RoBERTa and its kin count positions from the number of padding + 1, so as many of their table are unused.
    """
    longest = int(getattr(config, "max_position_embeddings", 0) or 0)
    positions = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(positions, "padding_idx", None)
    return longest if padding is None else longest - padding - 1


def _layers(encoder: nn.Module) -> nn.ModuleList:
    """The encoder's stack of layers: its longest list of modules."""
    lists = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ValueError("this encoder has no list of layers to freeze or to give learning rates to")
    return max(lists, key=len)


def _freeze(encoder: nn.Module, number: int) -> list[nn.Module]:
    """Stop the lowest layers and the embeddings from learning; → what was frozen."""
    layers = _layers(encoder)
    if not -1 <= number <= len(layers):
        raise ValueError(
            f"freeze is {number}: this encoder has {len(layers)} layers, write 0 to {len(layers)} or -1"
        )
    if number == 0:
        return []
    if number == -1:
        frozen: list[nn.Module] = [encoder]
    else:
        below = [module for name, module in encoder.named_children() if "embed" in name]
        frozen = [*below, *list(layers)[:number]]
    for module in frozen:
        module.requires_grad_(False)
    return frozen

"""A vision transformer for small images.

Source: A. Dosovitskiy et al., An Image is Worth 16×16 Words, 2021; tokens are averaged instead of
read through a class token (L. Beyer et al., Better plain ViT baselines, 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.models.attention import Layer
from harness.protocols import Task


class VisionTransformer(nn.Module):
    """Patches become tokens, tokens attend to each other, their mean is classified.

    Args:
        input_shape: (channels, height, width); `patch` divides height and width.
        dim: of a token, a multiple of `heads`.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, patch: int, dim: int, depth: int, heads: int,
        mlp_ratio: float, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        channels, height, width = input_shape
        self.embed = nn.Conv2d(channels, dim, patch, patch)
        self.positions = nn.Parameter(torch.zeros(1, (height // patch) * (width // patch), dim))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(*(Layer(dim, heads, mlp_ratio, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images (batch, channels, height, width) → logits (batch, num_classes)."""
        tokens_BLD: Tensor = self.embed(x_BCHW).flatten(2).transpose(1, 2)
        tokens_BLD = self.layers(self.dropout(tokens_BLD + self.positions))
        logits: Tensor = self.head(self.norm(tokens_BLD.mean(dim=1)))
        return logits


def build(
    task: Task, *, patch: int = 4, dim: int = 96, depth: int = 6, heads: int = 3, mlp_ratio: float = 2.0,
    dropout: float = 0.0,
) -> nn.Module:  # fmt: skip
    """Build a ViT; the defaults have 0.46 million parameters and 49 tokens on 28×28 images."""
    return VisionTransformer(task.input_shape, task.num_classes, patch, dim, depth, heads, mlp_ratio, dropout)

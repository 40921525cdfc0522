"""A vision transformer for small images.

Source: A. Dosovitskiy et al., An Image is Worth 16×16 Words, 2021; tokens are averaged instead of
read through a class token (L. Beyer et al., Better plain ViT baselines, 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.protocols import Task


class Layer(nn.Module):
    """Attention and a two-layer perceptron, each normalised before and added to what came in."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """(batch, tokens, dim) → the same shape."""
        B, L, D = x_BLD.shape
        qkv: Tensor = self.qkv(self.attention_norm(x_BLD))
        q_BHLd, k_BHLd, v_BHLd = (
            qkv.reshape(B, L, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        )
        mixed_BHLd = F.scaled_dot_product_attention(q_BHLd, k_BHLd, v_BHLd)
        x_BLD = x_BLD + self.dropout(self.out(mixed_BHLd.transpose(1, 2).reshape(B, L, D)))
        result: Tensor = x_BLD + self.dropout(self.mlp(x_BLD))
        return result


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

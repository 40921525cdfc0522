"""A transformer encoder over words, from scratch.

Source: A. Vaswani et al., Attention Is All You Need, 2017; normalised before each part (R. Xiong
et al., On Layer Normalization in the Transformer Architecture, 2020), learned positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.models.attention import Layer
from harness.models.vocabulary import PAD
from harness.protocols import Task


class TransformerEncoder(nn.Module):
    """Words with their places attend to each other; the mean of the real ones is classified.

    Args:
        max_length: longest text, in words. dim: of a word, a multiple of `heads`.
    """

    def __init__(
        self, vocab_size: int, num_classes: int, max_length: int, dim: int, depth: int, heads: int,
        mlp_ratio: float, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocab_size, dim, padding_idx=PAD)
        nn.init.normal_(self.embed.weight, std=0.1)
        with torch.no_grad():
            self.embed.weight[PAD] = 0
        self.positions = nn.Parameter(torch.zeros(1, max_length, dim))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(dim, heads, mlp_ratio, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Tokens (batch, length ≤ max_length) int64, 0 = padding → logits (batch, num_classes)."""
        places_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
        real_BL = (tokens_BL != PAD) | (places_L == 0)  # a row of padding alone must not become NaN
        x_BLD: Tensor = self.dropout(self.embed(tokens_BL) + self.positions[:, : tokens_BL.shape[1]])
        for layer in self.layers:
            x_BLD = layer(x_BLD, real_BL[:, None, None, :])
        real_BL1 = real_BL.unsqueeze(-1)
        mean_BD = (x_BLD * real_BL1).sum(dim=1) / real_BL1.sum(dim=1).clamp(min=1)
        logits: Tensor = self.head(self.dropout(self.norm(mean_BD)))
        return logits


def build(
    task: Task, *, dim: int = 128, depth: int = 2, heads: int = 4, mlp_ratio: float = 2.0,
    dropout: float = 0.3, max_length: int = 128, min_count: int = 2,
) -> nn.Module:  # fmt: skip
    """Build a transformer encoder for tokens (batch, length) int64, 0 = padding at the end.

    Args:
        max_length, min_count: of the vocabulary: words kept of a text (and places learned), and how
            often a word must stand in the training texts to be known. `task.vocab_size` comes from it.
    """
    places = task.max_length or max_length
    return TransformerEncoder(
        task.vocab_size, task.num_classes, places, dim, depth, heads, mlp_ratio, dropout
    )

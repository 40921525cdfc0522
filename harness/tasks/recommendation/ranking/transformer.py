"""A transformer over the recent items, asked by each candidate (after Chen et al. 2019, and DIN).

The history is encoded once per request; the thousand candidates attend to it and not to each other, so
that the cost grows with their number and not with its square.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from harness.tasks.recommendation.features import RECENT


class Attention(nn.Module):
    """Multi-head attention from queries (n, k, d) to a masked memory (n, l, d)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.memory, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, here: torch.Tensor) -> torch.Tensor:
        n, k, d = x.shape
        q = self.query(x).view(n, k, self.heads, -1).transpose(1, 2)
        key, value = self.memory(memory).view(n, -1, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, key, value, attn_mask=here[:, None, None, :])
        return self.out(mixed.transpose(1, 2).reshape(n, k, d))  # type: ignore[no-any-return]


class AttentionBlock(nn.Module):
    """Attention to a memory (or to itself) and a two-layer network, each behind a norm and added."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention, self.norm2 = nn.LayerNorm(dim), Attention(dim, heads), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None, here: torch.Tensor) -> torch.Tensor:
        y = self.norm(x)
        x = x + self.attention(y, y if memory is None else memory, here)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Log-odds of a click from the features and the items chosen last."""

    def __init__(self, num_features: int, num_categories: int, dim: int, heads: int, depth: int) -> None:
        super().__init__()
        self.category = nn.Embedding(num_categories + 1, dim)  # 0: none
        self.number = nn.Linear(num_features, dim)
        self.event = nn.Linear(2, dim)
        self.position = nn.Parameter(torch.zeros(RECENT + 1, dim))
        self.nothing = nn.Parameter(torch.zeros(1, 1, dim))  # always there to attend to
        self.blocks = nn.ModuleList([AttentionBlock(dim, heads) for _ in range(depth)])
        self.ask = AttentionBlock(dim, heads)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 1))
        self.linear = nn.Linear(num_features, 1)
        nn.init.normal_(self.category.weight, std=0.05)
        nn.init.zeros_(self.linear.weight)

    def forward(
        self,
        numbers: torch.Tensor,
        category: torch.Tensor,
        recent: torch.Tensor,
        recent_price: torch.Tensor,
        in_visit: torch.Tensor,
    ) -> torch.Tensor:
        events = self.category(recent) + self.event(torch.stack([recent_price, in_visit], -1))
        memory = torch.cat([self.nothing.expand(len(recent), -1, -1), events], 1) + self.position
        here = torch.cat([torch.ones_like(recent[:, :1]), recent], 1) > 0
        for block in self.blocks:
            memory = block(memory, None, here)
        asked = self.ask(self.number(numbers) + self.category(category + 1), memory, here)
        return self.head(asked).squeeze(-1) + self.linear(numbers).squeeze(-1)  # type: ignore[no-any-return]


def build(
    num_features: int, num_categories: int, *, dim: int = 32, heads: int = 2, depth: int = 1
) -> nn.Module:
    """Args: dim, heads, depth: of the encoder of recent items."""
    if dim % heads:
        raise ValueError(f"ranking.dim must be a multiple of heads ({heads}), not {dim}")
    return Transformer(num_features, num_categories, dim, heads, depth)

"""Wide & Deep: memory for pairs of categories beside a network on the features (Cheng et al. 2016)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

CROSSES = 1 << 16
"""Pairs of (candidate's, recent item's) category are hashed into this many weights."""


class WideAndDeep(nn.Module):
    """Log-odds of a click: linear with crossed categories, and a network, added (Cheng et al. 2016)."""

    def __init__(
        self, num_features: int, num_categories: int, width: int, depth: int, embedding: int
    ) -> None:
        super().__init__()
        self.wide = nn.Linear(num_features, 1)
        self.crosses = nn.Embedding(CROSSES, 1)
        self.category = nn.Embedding(num_categories, embedding)
        sizes = [num_features + embedding] + [width] * depth
        layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        self.deep = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
        nn.init.zeros_(self.crosses.weight)
        nn.init.zeros_(self.wide.weight)
        nn.init.normal_(self.category.weight, std=0.05)

    def forward(
        self,
        numbers: torch.Tensor,
        category: torch.Tensor,
        recent: torch.Tensor,
        recent_price: torch.Tensor,
        in_visit: torch.Tensor,
    ) -> torch.Tensor:
        last = recent[:, -1:]  # 0: none
        crossed = self.crosses((category * 7919 + last * 104729) % CROSSES).squeeze(-1) * (last > 0)
        deep = self.deep(torch.cat([numbers, self.category(category)], -1)).squeeze(-1)
        return self.wide(numbers).squeeze(-1) + crossed + deep  # type: ignore[no-any-return]


def build(
    num_features: int, num_categories: int, *, width: int = 64, depth: int = 2, embedding: int = 16
) -> nn.Module:
    """Args: width, depth: of the deep part. embedding: of the category."""
    return WideAndDeep(num_features, num_categories, width, depth, embedding)

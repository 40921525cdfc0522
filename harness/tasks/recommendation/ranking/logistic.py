"""Logistic regression on the features: the baseline that a network must beat."""

from __future__ import annotations

import torch
from torch import nn


class Logistic(nn.Module):
    """Log-odds of a click, linear in the features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weights = nn.Linear(num_features, 1)
        nn.init.zeros_(self.weights.weight)

    def forward(
        self,
        numbers: torch.Tensor,
        category: torch.Tensor,
        recent: torch.Tensor,
        recent_price: torch.Tensor,
        in_visit: torch.Tensor,
    ) -> torch.Tensor:
        return self.weights(numbers).squeeze(-1)  # type: ignore[no-any-return]


def build(num_features: int, num_categories: int) -> nn.Module:
    return Logistic(num_features)

"""A transformer over the columns of a table.

Source: Y. Gorishniy, I. Rubachev, V. Khrulkov, A. Babenko, Revisiting Deep Learning Models for Tabular Data,
NeurIPS 2021 (FT-Transformer); columns of categories arrive as the numbers that `encoding` makes of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.models.attention import Layer
from harness.protocols import Task


class TableTransformer(nn.Module):
    """Each column becomes a token, its number times a vector plus a vector; the first token is read.

    Args:
        columns: numbers of a row. outputs: logits, or 1 for a value.
        dim: of a token, a multiple of `heads`.
    """

    def __init__(
        self, columns: int, outputs: int, dim: int, depth: int, heads: int, mlp_ratio: float, dropout: float
    ) -> None:
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.empty(columns, dim)) for _ in range(2))
        self.first = nn.Parameter(torch.empty(1, 1, dim))
        for parameter in (self.scale, self.shift, self.first):
            nn.init.uniform_(parameter, -(dim**-0.5), dim**-0.5)
        self.layers = nn.Sequential(*(Layer(dim, heads, mlp_ratio, dropout) for _ in range(depth)))
        self.end = nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, outputs))
        self.is_value = outputs == 1

    def forward(self, x_BC: Tensor) -> Tensor:
        """Scaled rows (batch, columns) → logits (batch, num_classes), or values (batch,)."""
        tokens_BCD = x_BC.unsqueeze(-1) * self.scale + self.shift
        tokens_BLD = torch.cat([self.first.expand(len(x_BC), -1, -1), tokens_BCD], dim=1)
        out: Tensor = self.end(self.layers(tokens_BLD)[:, 0])
        return out.squeeze(-1) if self.is_value else out


def build(
    task: Task, *, dim: int = 32, depth: int = 2, heads: int = 4, mlp_ratio: float = 1.5, dropout: float = 0.1
) -> nn.Module:
    """Build an FT-Transformer; the defaults have 20,000 parameters on 20 columns."""
    outputs = task.num_classes or 1
    return TableTransformer(task.input_shape[0], outputs, dim, depth, heads, mlp_ratio, dropout)

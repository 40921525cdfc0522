"""A transformer layer, shared by the networks of images and of texts."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Layer(nn.Module):
    """Attention and a two-layer perceptron, each normalised before and added to what came in.

    Args:
        dim: of a token, a multiple of `heads`. mlp_ratio: the perceptron's inner width over `dim`.
    """

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

    def forward(self, x_BLD: Tensor, mask_B11L: Tensor | None = None) -> Tensor:
        """(batch, tokens, dim) → the same shape; `mask_B11L` is True where a token may be looked at."""
        B, L, D = x_BLD.shape
        qkv: Tensor = self.qkv(self.attention_norm(x_BLD)).reshape(B, L, 3, self.heads, D // self.heads)
        q_BHLd, k_BHLd, v_BHLd = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed_BHLd = F.scaled_dot_product_attention(q_BHLd, k_BHLd, v_BHLd, mask_B11L)
        x_BLD = x_BLD + self.dropout(self.out(mixed_BHLd.transpose(1, 2).reshape(B, L, D)))
        result: Tensor = x_BLD + self.dropout(self.mlp(x_BLD))
        return result

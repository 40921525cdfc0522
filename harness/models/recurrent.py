"""Recurrent networks over words, without packed sequences (which ONNX does not know).

Padding stands at the end, so a state never sees padding before the text's own words: the forward
reading comes to it last, and the backward one reads each text from its own last word (its order is
turned by index, padding stays where it is).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.models.vocabulary import PAD
from harness.protocols import Task


class RecurrentLayer(nn.Module):
    """An LSTM that reads each text from its first word, and another one from its last word if `both_ways`."""

    def __init__(self, inputs: int, hidden: int, both_ways: bool) -> None:
        super().__init__()
        self.hidden = hidden
        self.readers = nn.ModuleList(
            nn.LSTM(inputs, hidden, batch_first=True) for _ in range(2 if both_ways else 1)
        )

    def forward(self, x_BLD: Tensor, real_BL1: Tensor) -> Tensor:
        """(batch, length, inputs) → (batch, length, hidden · readers), to be ignored at padding."""
        if torch.onnx.is_in_onnx_export():
            return self._as_onnx_operator(x_BLD, real_BL1)
        readings: list[Tensor] = [self.readers[0](x_BLD)[0]]
        if len(self.readers) > 1:
            place_BL1 = _turned(real_BL1)
            readings.append(_reorder(self.readers[1](_reorder(x_BLD, place_BL1))[0], place_BL1))
        return torch.cat(readings, dim=-1)

    def _as_onnx_operator(self, x_BLD: Tensor, real_BL1: Tensor) -> Tensor:
        """ONNX's own LSTM, which takes the texts' lengths and both directions at once.

        Left to itself torch 2.13 unrolls the second LSTM that a process exports, and fixes its length.
        """
        B, L, _ = x_BLD.shape
        weights = [
            torch.stack([_onnx_gates(getattr(r, f"weight_{k}_l0")) for r in self.readers])
            for k in ("ih", "hh")
        ]
        biases = [
            torch.cat([_onnx_gates(getattr(r, f"bias_{k}_l0")) for k in ("ih", "hh")]) for r in self.readers
        ]
        lengths_B = real_BL1.sum(dim=(1, 2)).to(torch.int32)
        y_LRBH = torch.onnx.ops.symbolic(
            "LSTM",
            (x_BLD.transpose(0, 1), *weights, torch.stack(biases), lengths_B),
            {
                "hidden_size": self.hidden,
                "direction": "bidirectional" if len(self.readers) > 1 else "forward",
            },
            dtype=x_BLD.dtype,
            shape=(L, len(self.readers), B, self.hidden),
            version=20,
        )
        return y_LRBH.permute(2, 0, 1, 3).reshape(B, L, len(self.readers) * self.hidden)


class Recurrent(nn.Module):
    """LSTM layers, their outputs averaged and maximised over a text's words, a linear head.

    Args:
        dim: of a word's embedding. hidden: of the state, per direction.
        both_ways: read the text from both ends; each layer gets both readings of the one below.
    """

    def __init__(
        self, vocab_size: int, num_classes: int, dim: int, hidden: int, layers: int, dropout: float,
        both_ways: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocab_size, dim, padding_idx=PAD)
        nn.init.normal_(self.embed.weight, std=0.1)
        with torch.no_grad():
            self.embed.weight[PAD] = 0
        width = 2 * hidden if both_ways else hidden
        self.layers = nn.ModuleList(
            RecurrentLayer(width if i else dim, hidden, both_ways) for i in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Tokens (batch, length) int64, 0 = padding at the end → logits (batch, num_classes)."""
        real_BL1 = (tokens_BL != PAD).unsqueeze(-1)
        x_BLD: Tensor = self.dropout(self.embed(tokens_BL))
        for layer in self.layers:
            x_BLD = self.dropout(layer(x_BLD, real_BL1))
        logits: Tensor = self.head(pool(x_BLD, real_BL1))
        return logits


def pool(x_BLD: Tensor, real_BL1: Tensor) -> Tensor:
    """Mean and maximum over the real words: (batch, 2 · dim); 0 where there is none."""
    number_B1 = real_BL1.sum(dim=1).clamp(min=1)
    mean_BD = (x_BLD * real_BL1).sum(dim=1) / number_B1
    lowest = torch.finfo(x_BLD.dtype).min
    peak_BD = x_BLD.masked_fill(~real_BL1, lowest).amax(dim=1)
    peak_BD = torch.where(real_BL1.any(dim=1), peak_BD, torch.zeros_like(peak_BD))
    return torch.cat([mean_BD, peak_BD], dim=-1)


def build_recurrent(
    task: Task, both_ways: bool, dim: int, hidden: int, layers: int, dropout: float
) -> nn.Module:
    """The network of `lstm` and `bilstm`."""
    return Recurrent(task.vocab_size, task.num_classes, dim, hidden, layers, dropout, both_ways)


def _turned(real_BL1: Tensor) -> Tensor:
    """Where each place's word is in the turned text: the last word first, padding in its place."""
    place_BL1 = torch.arange(real_BL1.shape[1], device=real_BL1.device).view(1, -1, 1).expand_as(real_BL1)
    last_B11 = real_BL1.sum(dim=1, keepdim=True) - 1
    return torch.where(real_BL1, last_B11 - place_BL1, place_BL1)


def _reorder(x_BLD: Tensor, place_BL1: Tensor) -> Tensor:
    return x_BLD.gather(1, place_BL1.expand(-1, -1, x_BLD.shape[-1]))


def _onnx_gates(weight: Tensor) -> Tensor:
    """Gates from torch's order (input, forget, cell, output) to ONNX's (input, output, forget, cell).

    Slices and not `chunk`: the exporter folds these into constants, which quantisation needs.
    """
    size = weight.shape[0] // 4
    return torch.cat([weight[:size], weight[3 * size :], weight[size : 3 * size]])

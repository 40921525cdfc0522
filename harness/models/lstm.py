"""An LSTM that reads words from left to right.

Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997.
"""

from __future__ import annotations

from torch import nn

from harness.models.recurrent import build_recurrent
from harness.protocols import Task


def build(
    task: Task, *, dim: int = 128, hidden: int = 128, layers: int = 1, dropout: float = 0.4,
    max_length: int = 128, min_count: int = 2,
) -> nn.Module:  # fmt: skip
    """Build an LSTM for tokens (batch, length) int64, 0 = padding at the end.

    Args:
        dim: of a word's embedding. hidden: of the state.
        max_length, min_count: of the vocabulary: words kept of a text, and how often a word must
            stand in the training texts to be known. `task.vocab_size` comes from it.
    """
    return build_recurrent(task, False, dim, hidden, layers, dropout)

"""Training batches of texts of like length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from harness import streams

POOL = 50
"""Batches' worth of shuffled texts that are sorted by length together: more would make the batches of
all epochs alike, fewer leave more padding."""


@dataclass(frozen=True)
class TokenBatches:
    """Batches of token numbers, each cut to its longest text.

    Args:
        tokens: (n, length) int64, 0 = padding at the end; targets: (n,) classes, or (n, k) labels.
        batch_size: at most; the batches of an epoch are of equal size within 1.
    """

    tokens: np.ndarray
    targets: np.ndarray
    validation_tokens: np.ndarray
    validation_targets: np.ndarray
    batch_size: int
    seed: int
    device: str = "cpu"

    @property
    def steps_per_epoch(self) -> int:
        return ceil(len(self.targets) / self.batch_size)

    def training(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = streams.generator(self.seed, "order", epoch)
        lengths = lengths_of(self.tokens)
        order = random.permutation(len(lengths))
        unsorted = np.array_split(order, self.steps_per_epoch)
        batches: list[np.ndarray] = []
        for start in range(0, len(unsorted), POOL):
            some = unsorted[start : start + POOL]
            pool = np.concatenate(some)
            by_length = pool[np.argsort(lengths[pool], kind="stable")]
            batches += np.split(by_length, np.cumsum([len(rows) for rows in some])[:-1])
        for number in random.permutation(len(batches)):
            yield self._batch(self.tokens, self.targets, batches[number])

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.argsort(lengths_of(self.validation_tokens), kind="stable")
        size = max(self.batch_size, 128)
        for start in range(0, len(order), size):
            yield self._batch(self.validation_tokens, self.validation_targets, order[start : start + size])

    def _batch(self, tokens: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        longest = max(1, int(lengths_of(tokens[rows]).max()))
        cut = np.ascontiguousarray(tokens[rows, :longest])
        kind = np.float32 if targets.ndim == 2 else np.int64  # labels are learnt as numbers of 0 and 1
        wanted = torch.from_numpy(targets[rows].astype(kind))
        return torch.from_numpy(cut).to(self.device), wanted.to(self.device)


def lengths_of(tokens: np.ndarray) -> np.ndarray:
    """(n,) tokens up to padding."""
    return np.asarray((tokens != 0).sum(axis=1))

"""LightGCN: users' and items' vectors smoothed over the graph of who chose what (He et al. 2020).

The vectors are the mean of the learned ones and of `layers` steps over the graph, each edge weighed by
1 / √(degree of the user × degree of the item). A user who was not there in training has the mean user's
vector; the visit's clicks do not move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from harness.streams import seed_for
from harness.tasks.recommendation.loop import fit_epochs
from harness.tasks.recommendation.retrieval.base import Lesson, interaction_matrix
from harness.tasks.recommendation.retrieval.pairs import Pairs, pairs_loss, with_mean
from harness.tasks.recommendation.served import LightGcn


class Network(nn.Module):
    """Args: chosen: (num_users, num_items), 1 where a user chose an item."""

    edges: torch.Tensor

    def __init__(self, chosen: sp.csr_matrix, dim: int, layers: int, init_std: float) -> None:
        super().__init__()
        self.num_users, self.layers = chosen.shape[0], layers
        self.table = nn.Embedding(sum(chosen.shape), dim)
        nn.init.normal_(self.table.weight, std=init_std)
        self.register_buffer("edges", _edges(chosen), persistent=False)

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(num_users, dim) and (num_items, dim), smoothed."""
        step = total = self.table.weight
        for _ in range(self.layers):
            step = torch.sparse.mm(self.edges, step)
            total = total + step
        mean = total / (self.layers + 1)
        return mean[: self.num_users], mean[self.num_users :]


def _edges(chosen: sp.csr_matrix) -> torch.Tensor:
    """The graph's adjacency among users and items together, normalised on both sides."""
    both = sp.block_array([[None, chosen], [chosen.T, None]], format="coo")
    degree = np.maximum(np.bincount(both.row, minlength=both.shape[0]), 1)
    weight = 1 / np.sqrt(degree[both.row] * degree[both.col])
    places = torch.from_numpy(np.stack([both.row, both.col]).astype(np.int64))
    values = torch.from_numpy(weight.astype(np.float32))
    return torch.sparse_coo_tensor(places, values, both.shape, check_invariants=False).coalesce()


def fit(
    lesson: Lesson,
    *,
    dim: int = 64,
    layers: int = 2,
    negatives: int = 4,
    init_std: float = 0.1,
    l2: float = 0.0001,
) -> LightGcn:
    """Learn to score a user's items above random ones.

    Args:
        dim: of the vectors. layers: steps over the graph, 0 for plain factors.
        negatives: random items per event. l2: on the learned vectors of each batch.
    """
    settings = lesson.settings
    torch.manual_seed(seed_for(settings.seed, "init"))
    chosen = interaction_matrix(lesson)
    network = Network(chosen, dim, layers, init_std).to(settings.device)
    pairs, num_users = Pairs(lesson, negatives), chosen.shape[0]

    def batches(_: int) -> Iterator[torch.Tensor]:
        for batch in pairs.epoch():
            user, items, counts = (part.to(settings.device) for part in batch)
            users_table, items_table = network()
            u, v = users_table[user], items_table[items]
            raw_u, raw_v = network.table(user), network.table(items + num_users)
            penalty = l2 * (raw_u.square().sum(-1).mean() + raw_v.square().sum(-1).mean())
            yield pairs_loss((u[:, None] * v).sum(-1), counts) + penalty

    def current() -> LightGcn:
        with torch.inference_mode():
            users, items = (part.cpu().numpy() for part in network())
        seen = np.diff(chosen.indptr) > 0
        return LightGcn({"users": with_mean(users, seen), "items": items.copy()})

    validate = lesson.validate
    check = (lambda: validate(current())) if validate else None
    curve = fit_epochs(network, batches, settings, check, lesson.progress)
    return LightGcn(current().weights, {}, curve)


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> LightGcn:
    return LightGcn(arrays, options)

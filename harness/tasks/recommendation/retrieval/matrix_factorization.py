"""Matrix factorisation by Bayesian personalised ranking (Rendle et al. 2009).

A user who was not there in training has the mean user's vector; the visit's clicks do not move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from harness.streams import generator, seed_for
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.loop import fit_epochs
from harness.tasks.recommendation.retrieval.base import Fitted, Lesson


@dataclass(frozen=True)
class MatrixFactorization(Fitted):
    name: str = "matrix_factorization"

    def item_vectors(self) -> np.ndarray:
        return self.weights["items"]

    def encode(self, requests: Requests, history: History) -> np.ndarray:
        known = self.weights["users"]
        return np.asarray(known[np.where(requests.user >= 0, requests.user, len(known) - 1)])


def fit(
    lesson: Lesson, *, dim: int = 64, negatives: int = 4, init_std: float = 0.1, l2: float = 0.002
) -> MatrixFactorization:
    """Learn to score a user's items above random ones.

    Args:
        dim: of the vectors. negatives: random items per event. l2: on the vectors of each batch.
    """
    torch.manual_seed(seed_for(lesson.settings.seed, "init"))
    num_users, num_items = len(lesson.users), len(lesson.catalogue)
    users_table, items_table = (
        nn.Embedding(num_users, dim),
        nn.Embedding(num_items, dim + 1),
    )  # the last: bias
    network = nn.ModuleList([users_table, items_table])
    nn.init.normal_(users_table.weight, std=init_std)
    nn.init.normal_(items_table.weight, std=init_std)
    with torch.no_grad():
        items_table.weight[:, -1] = 0
    rng = generator(lesson.settings.seed, "order")
    user, item = lesson.events.user.astype(np.int64), lesson.events.item.astype(np.int64)
    positives = set((user * num_items + item).tolist()) if len(user) <= 5_000_000 else set()

    def batches(_: int) -> Iterator[torch.Tensor]:
        for rows in np.array_split(rng.permutation(len(user)), -(-len(user) // lesson.settings.batch_size)):
            other = rng.integers(0, num_items, (len(rows), negatives))
            wrong = np.array(
                [key in positives for key in (user[rows, None] * num_items + other).ravel().tolist()]
            )
            u = users_table(torch.from_numpy(user[rows]))
            v = items_table(torch.from_numpy(np.concatenate([item[rows, None], other], 1)))
            score = (u[:, None] * v[..., :-1]).sum(-1) + v[..., -1]
            loss = -F.logsigmoid(score[:, :1] - score[:, 1:])
            weight = torch.from_numpy(~wrong.reshape(other.shape)).float()
            penalty = l2 * (u.square().sum(-1).mean() + v.square().sum(-1).mean())
            yield (loss * weight).sum() / weight.sum().clamp(min=1) + penalty

    def current() -> MatrixFactorization:
        users = users_table.weight.detach().numpy().copy()
        items = items_table.weight.detach().numpy().copy()
        seen = np.bincount(user, minlength=num_users) > 0
        mean = users[seen].mean(0) if seen.any() else np.zeros(dim, np.float32)
        users[~seen] = mean  # random otherwise
        users = np.concatenate([users, mean[None]])
        ones = np.ones((len(users), 1), np.float32)
        return MatrixFactorization(
            {"users": np.concatenate([users, ones], 1).astype(np.float32), "items": items}
        )

    validate = lesson.validate
    curve = fit_epochs(
        network,
        batches,
        lesson.settings,
        (lambda: validate(current())) if validate else None,
        lesson.progress,
    )
    return MatrixFactorization(current().weights, {}, curve)


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> MatrixFactorization:
    return MatrixFactorization(arrays, options)

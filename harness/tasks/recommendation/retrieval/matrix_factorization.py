"""Matrix factorisation by Bayesian personalised ranking (Rendle et al. 2009).

A user who was not there in training has the mean user's vector; the visit's clicks do not move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from harness.streams import seed_for
from harness.tasks.recommendation.loop import fit_epochs
from harness.tasks.recommendation.retrieval.base import Lesson
from harness.tasks.recommendation.retrieval.pairs import Pairs, pairs_loss, with_mean
from harness.tasks.recommendation.served import MatrixFactorization


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
    pairs = Pairs(lesson, negatives)

    def batches(_: int) -> Iterator[torch.Tensor]:
        for user, items, counts in pairs.epoch():
            u, v = users_table(user), items_table(items)
            penalty = l2 * (u.square().sum(-1).mean() + v.square().sum(-1).mean())
            yield pairs_loss((u[:, None] * v[..., :-1]).sum(-1) + v[..., -1], counts) + penalty

    def current() -> MatrixFactorization:
        seen = np.bincount(pairs.user, minlength=num_users) > 0
        users = with_mean(users_table.weight.detach().numpy(), seen)
        ones = np.ones((len(users), 1), np.float32)
        items = items_table.weight.detach().numpy().copy()
        return MatrixFactorization({"users": np.concatenate([users, ones], 1), "items": items})

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

"""Matrix factorisation by weighted alternating least squares (Hu, Koren, Volinsky 2008), by `implicit`.

Every item counts for every user: what was chosen as 1 with confidence 1 + alpha, all else as 0 with 1.
A user's vector has a closed form given the items, so that clicks of the visit and users who were not there in
training are answered too; only fitting needs the library.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from harness.streams import seed_for
from harness.tasks.recommendation.retrieval.base import Lesson, interaction_matrix
from harness.tasks.recommendation.served import ImplicitAls


def fit(
    lesson: Lesson, *, dim: int = 64, l2: float = 10.0, alpha: float = 4.0, sweeps: int = 15
) -> ImplicitAls:
    """Solve for users and items in turn.

    Args:
        dim: of the vectors. l2: regularisation. alpha: confidence that a choice adds to the 1 of every pair.
        sweeps: how often both are solved for.
    """
    with threadpool_limits(1, "blas"):  # as many threads beside implicit's own slow it down, and it warns
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=dim, regularization=l2, alpha=1.0, iterations=sweeps, use_cg=False, num_threads=1,
            random_state=seed_for(lesson.settings.seed, "init") % 2**31,
        )  # fmt: skip
        model.fit(interaction_matrix(lesson) * np.float32(1 + alpha), show_progress=False)
    users = model.user_factors[np.bincount(lesson.events.user, minlength=len(lesson.users)) > 0]
    mean = users.mean(0) if len(users) else np.zeros(dim, np.float32)
    return ImplicitAls({"items": np.array(model.item_factors), "mean": mean}, {"l2": l2, "alpha": alpha})


def load(arrays: Mapping[str, np.ndarray], options: Mapping[str, float]) -> ImplicitAls:
    return ImplicitAls(arrays, options)

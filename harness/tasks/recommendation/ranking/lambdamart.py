"""LambdaMART: boosted trees on the features, taught the order of each list (Burges 2010), by LightGBM.

What it gives is an order and no probability: the scores of different lists do not compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from harness.streams import seed_for
from harness.tasks.recommendation.features import FEATURES

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

    from harness.tasks.recommendation.ranking.fit import Slates

LR = 0.05
PATIENCE = 30
"""Trees without a better validation score, after which no more are grown."""


class Trees(nn.Module):
    """A booster as a ranker's network; its weights are LightGBM's own text."""

    text: torch.Tensor

    def __init__(self, text: bytes) -> None:
        from lightgbm import Booster

        super().__init__()
        self.register_buffer("text", torch.from_numpy(np.frombuffer(text, np.uint8).copy()))
        self.booster: Booster = Booster(model_str=text.decode())

    def forward(
        self,
        numbers: torch.Tensor,
        category: torch.Tensor,
        recent: torch.Tensor,
        recent_price: torch.Tensor,
        in_visit: torch.Tensor,
    ) -> torch.Tensor:
        rows = numbers.reshape(-1, numbers.shape[-1]).cpu().numpy()
        if not len(rows):
            return torch.zeros(numbers.shape[:-1])
        scores = np.asarray(self.booster.predict(rows, num_threads=1), np.float32)
        return torch.from_numpy(scores).reshape(numbers.shape[:-1])


def fit(
    lessons: Slates,
    validation: Slates | None,
    position_bias: str,
    weights: np.ndarray | None,
    lr: float | None,
    seed: int,
    *,
    trees: int = 300,
    leaves: int = 31,
    min_leaf: int = 50,
) -> tuple[Trees, list[dict[str, float]]]:
    """Grow trees that put what was clicked above the rest of its list.

    Args:
        position_bias: `feature` estimates what a slot adds beside the order (as Hu et al. 2019).
        weights: (n, k) of the items; None for all alike.
        trees: at most. leaves: of a tree, at most. min_leaf: items in a leaf, at least.
    Returns:
        the trees, and NDCG@10 of the validation lists after each of them.
    """
    import lightgbm

    data = _dataset(lessons, weights, position_bias == "feature")
    parameters = {
        "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "learning_rate": lr or LR,
        "num_leaves": leaves, "min_data_in_leaf": min_leaf, "num_threads": 1, "deterministic": True,
        "force_row_wise": True, "verbose": -1, "seed": seed_for(seed, "init", "ranker") % 2**31,
    }  # fmt: skip
    found: dict[str, dict[str, list[float]]] = {}
    watched: dict[str, Any] = {}
    if validation is not None and validation.clicked.any():
        watched["valid_sets"] = [_dataset(validation, None, False, data)]
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        watched["callbacks"] = [stop, lightgbm.record_evaluation(found)]
    booster = lightgbm.train(parameters, data, trees, **watched)
    scores = found.get("valid_0", {}).get("ndcg@10", [])
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    return Trees(text.encode()), [
        {"epoch": number, "validation_score": score} for number, score in enumerate(scores, 1)
    ]


def load(arrays: Mapping[str, np.ndarray]) -> Trees:
    return Trees(arrays["text"].tobytes())


def _dataset(lists: Slates, weights: np.ndarray | None, slots: bool, like: Dataset | None = None) -> Dataset:
    import lightgbm

    count, length = lists.clicked.shape
    return lightgbm.Dataset(
        lists.facts.numbers.reshape(count * length, -1), lists.clicked.ravel().astype(np.int32),
        group=np.full(count, length), reference=like, feature_name=list(FEATURES),
        weight=None if weights is None else weights.ravel(),
        position=(lists.position.ravel() + 1).astype(np.int32) if slots else None,
    )  # fmt: skip

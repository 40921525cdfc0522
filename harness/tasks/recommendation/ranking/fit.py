"""How rankers learn: from what was shown and clicked, or, without impressions, from what was chosen.

A later slot is clicked less for the same item. `position_bias` says what is done about it: `none`;
`feature`, a learned term per slot that is left out when serving (Zhao et al. 2019); `ipw`, clicks weighted
by the inverse of the slot's examination (Joachims et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from harness.protocols import Progress
from harness.streams import generator, seed_for
from harness.tasks.recommendation.features import FEATURES, Facts, adjusted
from harness.tasks.recommendation.loop import FitSettings, fit_epochs
from harness.tasks.recommendation.ranking import RANKERS

RANKER_LR = 0.001
"""Unless `ranking.lr` says otherwise: what suits the embeddings of a retriever is too much for a ranker."""
_STAGE_KEYS = ("model", "position_bias", "optimize", "price_weight", "unshown", "epochs", "lr")


@dataclass(frozen=True)
class Slates:
    """Labelled lists.

    Args:
        facts: of n lists of k items. clicked: (n, k). position: (n, k) slot, −1 where there was none.
    """

    facts: Facts
    clicked: np.ndarray
    position: np.ndarray

    def rows(self, index: np.ndarray) -> Slates:
        return Slates(self.facts.rows(index), self.clicked[index], self.position[index])


@dataclass(frozen=True)
class Ranker:
    """A fitted ranker.

    Args:
        spec: the suite's `ranking` mapping. num_categories: what the network was built for.
        price_weight: added to the logit per unit of standardised log price: clicks for revenue.
    """

    spec: Mapping[str, Any]
    num_categories: int
    network: nn.Module
    curve: list[dict[str, float]] = field(default_factory=list)

    def score(self, facts: Facts) -> np.ndarray:
        """(n, k) what is ranked by, see `adjusted`."""
        return adjusted(self.spec, self.logits(facts), facts)

    def logits(self, facts: Facts) -> np.ndarray:
        """(n, k) of a click alone, whatever is optimised."""
        with torch.inference_mode():
            return np.asarray(self.network(*tensors(facts, self._device)).cpu().numpy())

    @property
    def _device(self) -> torch.device:
        """Where the network is: on the CPU once fitted, where it learns while it is validated."""
        return next(self.network.parameters(), torch.empty(0)).device

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            name: value.detach().cpu().numpy().copy() for name, value in self.network.state_dict().items()
        }


def tensors(facts: Facts, device: str | torch.device = "cpu") -> tuple[torch.Tensor, ...]:
    """What a ranker's `forward` takes."""
    columns = (facts.numbers, facts.category, facts.recent, facts.recent_price, facts.in_visit)
    return tuple(torch.from_numpy(np.ascontiguousarray(column)).to(device) for column in columns)


def build_network(spec: Mapping[str, Any], num_categories: int) -> nn.Module:
    module = import_module(RANKERS[spec["model"]])
    network: nn.Module = module.build(len(FEATURES), num_categories, **_arguments(spec))
    return network


def _arguments(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own keywords."""
    return {name: value for name, value in spec.items() if name not in _STAGE_KEYS}


def load_ranker(spec: Mapping[str, Any], num_categories: int, arrays: Mapping[str, np.ndarray]) -> Ranker:
    """A fitted ranker from its settings and arrays."""
    module = import_module(RANKERS[spec["model"]])
    if hasattr(module, "load"):
        return Ranker(spec, num_categories, module.load(arrays))
    network = build_network(spec, num_categories)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return Ranker(spec, num_categories, network.eval())


def fit_ranker(
    spec: Mapping[str, Any],
    lessons: Slates,
    validation: Slates | None,
    examination: np.ndarray,
    num_categories: int,
    settings: FitSettings,
    progress: Progress,
) -> Ranker:
    """Fit a ranker to labelled lists.

    Args:
        examination: (positions,) of the slots, for `ipw`.
    """
    module = import_module(RANKERS[spec["model"]])
    if hasattr(module, "fit"):
        return _fit_trees(module, spec, lessons, validation, examination, num_categories, settings.seed)
    settings = replace(
        settings,
        batch_size=max(settings.batch_size // 8, 16),  # lists, not items
        epochs=spec.get("epochs", settings.epochs),
        lr=spec.get("lr", RANKER_LR),
    )
    torch.manual_seed(seed_for(settings.seed, "init", "ranker"))
    network = build_network(spec, num_categories)
    bias = spec.get("position_bias", "feature")
    slots = nn.Embedding(int(lessons.position.max(initial=0)) + 2, 1)
    nn.init.zeros_(slots.weight)
    whole = nn.ModuleList([network, slots]).to(settings.device)
    rng = generator(settings.seed, "order", "ranker")
    rate = min(max(float(lessons.clicked.mean()), 1e-6), 0.5)
    base = float(np.log(rate / (1 - rate)))  # from 0, every weight would first learn that clicks are rare

    def batches(_: int) -> Iterator[torch.Tensor]:
        order = rng.permutation(len(lessons.clicked))
        for rows in np.array_split(order, max(len(order) // settings.batch_size, 1)):
            part = lessons.rows(rows)
            logits = base + network(*tensors(part.facts, settings.device))
            if bias == "feature":
                slot = torch.from_numpy(part.position.astype(np.int64) + 1).to(settings.device)
                logits = logits + slots(slot).squeeze(-1)
            clicked = torch.from_numpy(part.clicked.astype(np.float32)).to(settings.device)
            weights = _weights(part, examination, bias, settings.device)
            yield F.binary_cross_entropy_with_logits(logits, clicked, weights)

    def validate() -> float:
        assert validation is not None
        return within_list_auc(
            Ranker(spec, num_categories, network).logits(validation.facts), validation.clicked
        )

    usable = validation is not None and validation.clicked.any()
    curve = fit_epochs(whole, batches, settings, validate if usable else None, progress)
    return Ranker(spec, num_categories, network.cpu().eval(), curve)


def _fit_trees(
    module: ModuleType, spec: Mapping[str, Any], lessons: Slates, validation: Slates | None,
    examination: np.ndarray, num_categories: int, seed: int,
) -> Ranker:  # fmt: skip
    """A ranker that is no network fits itself."""
    bias = spec.get("position_bias", "feature")
    weights = _weights(lessons, examination, bias, "cpu")
    network, curve = module.fit(
        lessons, validation, bias, None if weights is None else weights.numpy(), spec.get("lr"), seed,
        **_arguments(spec),
    )  # fmt: skip
    return Ranker(spec, num_categories, network, curve)


def within_list_auc(scores: np.ndarray, clicked: np.ndarray) -> float:
    """Mean share of (clicked, not clicked) pairs of a list in the right order; ties count half."""
    mixed = clicked.any(1) & ~clicked.all(1)
    s, c = scores[mixed], clicked[mixed]
    pair = c[:, :, None] & ~c[:, None, :]
    right = (s[:, :, None] > s[:, None, :]) + 0.5 * (s[:, :, None] == s[:, None, :])
    return float((right * pair).sum() / max(pair.sum(), 1))


def _weights(part: Slates, examination: np.ndarray, bias: str, device: str) -> torch.Tensor | None:
    if bias != "ipw":
        return None
    slot = np.clip(part.position, 0, len(examination) - 1)
    weight = np.where(part.clicked, 1 / np.maximum(examination[slot], 0.1), 1.0)
    return torch.from_numpy((weight / weight.mean()).astype(np.float32)).to(device)

"""What the log says of a policy that never ran: IPS, its self-normalised form, doubly robust.

A page's items were there with the logged probabilities, so an item that both the policy and the log show
counts 1 ÷ propensity times; clicks move between slots by the slots' examination. Under 1 % of all pairs
match when the catalogue is large: the effective number of matches says how little such an estimate knows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.datasets.interactions import Impressions
from harness.facts.recommending import PolicyEstimate

CLIP = 200.0
"""Largest weight of one observation: a little bias for much less variance."""


def estimate_ctr(
    slates: np.ndarray,
    logged: np.ndarray,
    clicked: np.ndarray,
    propensity: np.ndarray,
    examination: np.ndarray,
    predicted: np.ndarray,
    predicted_logged: np.ndarray,
) -> Mapping[str, PolicyEstimate]:
    """`ips`, `snips` and `doubly_robust` of the CTR that a policy would have had.

    Args:
        slates: (n, k) the policy's items for logged requests, −1 for empty places.
        logged, clicked, propensity: (n, k) what was shown, what came of it, how likely it was on the page.
        examination: (k,) share of clicks that a slot keeps against the first.
        predicted: (n, k) a model's click probability of the policy's items at the first slot.
        predicted_logged: (n, k) the same of the logged items.
    """
    k = slates.shape[1]
    match = (slates[:, :, None] == logged[:, None, :]) & (slates >= 0)[
        :, :, None
    ]  # (n, policy slot, logged slot)
    weight = np.minimum(1 / np.maximum(propensity, 1e-9), CLIP)[:, None, :] * match
    moved = examination[:, None] / examination[None, :]  # from the logged slot to the policy's
    ips = (weight * moved * clicked[:, None, :]).sum((1, 2)) / k
    expected_weight = (slates >= 0).sum(1) / k
    total = weight.sum((1, 2)) / k
    model = (predicted * examination * (slates >= 0)).sum(1) / k
    surprise = clicked - predicted_logged * examination
    robust = model + (weight * moved * surprise[:, None, :]).sum((1, 2)) / k
    squared = (weight**2).sum()
    effective = float(weight.sum() ** 2 / squared) if squared else 0.0
    share = expected_weight.mean() / total.mean() if total.any() else float("nan")
    # The ratio's influence: each page's clicks less what its weight alone would give.
    ratio = ips * share - (ips.mean() * share / max(expected_weight.mean(), 1e-12)) * (
        total * share - expected_weight
    )
    return {
        "ips": _with_interval(ips, effective),
        "snips": _with_interval(ratio, effective),
        "doubly_robust": _with_interval(robust, effective),
    }


def click_rates(
    shown: Impressions, examination: np.ndarray, num_items: int, prior: float = 50.0
) -> np.ndarray:
    """(num_items,) click probability of each item at the first slot, drawn to the mean: a crude model."""
    clicks = np.bincount(shown.item, shown.clicked, minlength=num_items)
    chances = np.bincount(shown.item, examination[shown.position], minlength=num_items)
    mean = clicks.sum() / max(chances.sum(), 1e-9)
    return np.asarray((clicks + mean * prior) / (chances + prior))


def _with_interval(values: np.ndarray, effective: float) -> PolicyEstimate:
    mean = float(values.mean())
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return PolicyEstimate(mean, mean - half, mean + half, effective)

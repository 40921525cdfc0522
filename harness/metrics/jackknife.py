"""Leaving out parts of the test examples: how far a metric that is no mean over examples would vary.

The parts are the same for all models, as they depend on the order of the examples' numbers alone: so their
pseudo-values are paired, and stored ones can be read again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PARTS = 20
"""Parts that are left out in turn; fewer where there are fewer examples, or groups of them."""

STORED = "jackknife:"
"""Before a metric's name in stored predictions: each example's column holds its part's pseudo-value."""


def parts_of(ids: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """(n,) the part of each example; rows of one group are in one part.

    Args:
        ids: (n,) the examples' numbers. groups: (n,) whose each example is.
    """
    order = np.argsort(ids, kind="stable")
    owner = np.arange(len(ids))
    if groups is not None:
        # By first appearance in the order of the numbers, so that the order of the file tells nothing.
        _, first, inverse = np.unique(groups[order], return_index=True, return_inverse=True)
        owner = np.empty(len(ids), dtype=int)
        owner[order] = np.argsort(np.argsort(first))[inverse]
    else:
        owner[order] = np.arange(len(ids))
    count = int(owner.max()) + 1 if len(ids) else 0
    # A fixed shuffle: no part is one class of a data set that is stored class by class.
    shuffled = np.random.Generator(np.random.Philox(0)).permutation(count) % max(min(PARTS, count), 1)
    return np.asarray(shuffled[owner])


def pseudo_values(
    measure: Callable[[np.ndarray, np.ndarray], float],
    outputs: np.ndarray,
    targets: np.ndarray,
    parts: np.ndarray,
    whole: float,
) -> np.ndarray | None:
    """(parts,) mean about `whole`, variance over the parts that of the metric; None where it is not defined
    without one of them."""
    count = int(parts.max()) + 1 if len(parts) else 0
    if count < 2:
        return None
    without = np.array([measure(outputs[parts != g], targets[parts != g]) for g in range(count)])
    return count * whole - (count - 1) * without if np.isfinite(without).all() else None

"""What sorting tells of arrays, without what of numpy takes long to load."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.stats import Array


def nearest_quantiles(columns: Array, probabilities: Sequence[float]) -> Array:
    """What `np.quantile(columns, probabilities, axis=0, method="nearest")` gives: draws that there are.

    That would load numpy's masked arrays, a fortieth of a decision's time.

    Args:
        columns: (draws, …); a column with a NaN has no quantile.
    Returns:
        (len(probabilities), …).
    """
    ordered = np.sort(columns, axis=0)
    found = ordered[[int(np.rint(p * (len(ordered) - 1))) for p in probabilities]]
    return np.asarray(np.where(np.isnan(ordered[-1]), np.nan, found))


def distinct(values: Array) -> tuple[Array, Array]:
    """The first places of each value, by rising values, and of each place the number of its value.

    `np.unique` would load numpy's masked arrays.

    Args:
        values: (n,), no NaN.
    """
    order = np.argsort(values, kind="stable")
    ordered, new = values[order], np.ones(len(values), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    numbers = np.empty(len(values), dtype=np.intp)
    numbers[order] = np.cumsum(new) - 1
    return order[new], numbers


def runs(ordered: Array) -> tuple[Array, Array]:
    """The first and the last place of each value's equals, in rows that are sorted.

    Args:
        ordered: (rows, n).
    Returns:
        (rows, n) twice.
    """
    places = np.arange(ordered.shape[1])
    new = np.ones((len(ordered), ordered.shape[1] + 1), dtype=bool)
    new[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    start = np.maximum.accumulate(np.where(new[:, :-1], places, 0), axis=1)
    last = np.where(new[:, 1:], places, ordered.shape[1])[:, ::-1]
    return start, np.minimum.accumulate(last, axis=1)[:, ::-1]

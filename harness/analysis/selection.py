"""How surely a limit is kept by a variant that was picked among several of which none is sure.

Of several variants whose truth lies at a limit each looks as if it kept it with 90 % in one of ten
measurements; that one of them does is likelier. So a probability is held against the luckiest of all that are
in doubt, not against one row's luck alone: a step-down test of the maximum (Westfall and Young 1993) on the
joint draws, which know how far rows err together.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.stats import Array


def standings(slack: Array) -> Array:
    """Where each draw stands among its row's own, from 0 to 1: the probability of keeping a limit that would
    be stated if the truth lay exactly at it and the measurement erred by as much as this draw does.

    Args:
        slack: (draws, rows), higher is farther inside the limit; NaN counts as lowest.
    """
    columns = np.ascontiguousarray(np.where(np.isnan(slack), -np.inf, slack).T)
    order, places = np.argsort(columns, axis=1), np.arange(columns.shape[1])
    ordered = np.take_along_axis(columns, order, axis=1)
    result = np.empty(columns.shape)
    np.put_along_axis(result, order, (places + (places + 1))[None] / (2 * len(places)), axis=1)
    for k in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1)):  # equal draws share the middle place
        below, until = (np.searchsorted(ordered[k], columns[k], side) for side in ("left", "right"))
        result[k] = (below + until) / (2 * len(places))
    return result.T


def after_selection(kept: Array, standing: Array) -> Array:
    """The probabilities, corrected for the choice among those in doubt.

    Args:
        kept: (rows,) the probability of each row on its own. standing: (draws, rows) as of `standings`.
    Returns:
        (rows,), none higher than `kept`; a single row keeps its own, and so do rows that always err together.
    """
    order = np.argsort(-kept, kind="stable")
    luckiest = np.maximum.accumulate(standing[:, order[::-1]], axis=1)[:, ::-1]
    corrected = (luckiest <= kept[order] + 1e-12).mean(0)
    result = np.empty(len(kept))
    result[order] = np.minimum.accumulate(corrected)
    return np.asarray(np.minimum(result, kept))

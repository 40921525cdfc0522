"""A test part that is cut off own rows, and leaves of each class something to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.datasets.splits import coded, hash_split


def cut_off(
    keys: Sequence[str] | np.ndarray, targets: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `hash_split`; but where all rows of a class would be cut off, as they equal rows of others or belong
    to them, they are learnt from rather than asked for.

    Returns:
        (rest, part) as sorted row numbers.
    """
    rest, part = hash_split(keys, targets, share)
    if not (len(rest) and len(part)):  # of few owners each is a stratum of its own
        rest, part = hash_split(keys, np.zeros(len(targets), dtype=np.int64), share)
    if targets.ndim > 1 or targets.dtype.kind not in "iu":
        return rest, part
    lost = np.isin(targets[part], np.setdiff1d(targets[part], targets[rest]))
    if not lost.any():
        return rest, part
    codes = coded(keys)[0]
    moved = np.isin(codes[part], codes[part[lost]])  # with all that have their keys
    if moved.all():
        return rest, part
    return np.sort(np.concatenate([rest, part[moved]])), part[~moved]

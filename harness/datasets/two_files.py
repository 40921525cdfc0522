"""A column that is written in one way in the training file and in another in the test file."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.datasets.frames import UserTable


def written_apart(
    table: UserTable, name: str, bad: np.ndarray, known: np.ndarray, like_numbers: bool, is_target: bool
) -> list[str]:
    """What is said where all cells of one file are numbers and all of the other none; else nothing.

    Args:
        bad: (n,) bool, cells that are no numbers. known: (n,) bool, those that stand for something.
        like_numbers: they are such in another notation, which both may have if no number has a decimal point.
    """
    cut = len(bad) - table.test_rows
    parts = (slice(0, cut), slice(cut, None))
    all_bad = [bool(bad[part].sum() == known[part].sum() > 0) for part in parts]
    none_bad = [not bad[part].any() and bool(known[part].any()) for part in parts]
    if not table.test_rows or not any(all_bad) or not any(none_bad):
        return []
    cells = table.frame[name]
    numbers = pd.to_numeric(cells[~bad & known], errors="coerce")
    if like_numbers and not (np.mod(numbers, 1) != 0).any():
        return []
    shown = [str(cells.iloc[int(np.flatnonzero(known[part])[0]) + part.start]) for part in parts]
    which = f', or say which label is which, `kind: classes` and `labels: {{"{shown[1]}": "{shown[0]}"}}`'
    return [
        f"column {name!r} is written in two ways, {shown[0]!r} in {table.path} and {shown[1]!r} in "
        f"{table.paths[1]}: write both alike{which if is_target else ''}"
    ]

"""Lists and structs in the cells of a table, as Parquet has them, and as JSON writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

LOOKED_AT = 100
"""Cells that tell of a column that it holds such."""
_WRITTEN = re.compile(r"\s*(?:\{\s*[\"'].*\}|\[\s*\{.*\}\s*\]|\[\s*\]|\{\s*\})\s*", re.DOTALL).fullmatch


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose cells can be counted and compared: lists and structs as Python writes them."""
    found = {
        name: frame[name].map(str)
        for name in frame.columns
        if frame[name].dtype == object and any(isinstance(v, (list, dict, np.ndarray)) for v in frame[name])
    }
    return frame.assign(**found) if found else frame


def are_nested(cells: Sequence[str]) -> bool:
    """Whether texts hold dicts, or lists of them, as JSON or Python writes them."""
    return bool(cells) and all(map(_WRITTEN, cells))

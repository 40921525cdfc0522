"""Lists and structs in the cells of a table, as Parquet has them."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose cells can be counted and compared: lists and structs as Python writes them."""
    found = {
        name: frame[name].map(str)
        for name in frame.columns
        if frame[name].dtype == object and any(isinstance(v, (list, dict, np.ndarray)) for v in frame[name])
    }
    return frame.assign(**found) if found else frame

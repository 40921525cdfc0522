"""What you know of your items: a CSV or Parquet file with a row for each, beside a log of interactions.

    item,category,department,price,margin,rating,title,description
    B07X,shoes,sport,19.90,0.35,4.2,Trail runner,"Light, for wet ground"

All columns but the item's may be absent, and cells empty. Items that nobody has chosen yet belong to the
catalogue by it, and are recommended by what they are and by the words that are written of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from harness.datasets.formats import is_parquet
from harness.datasets.interactions import Catalogue, plain_catalogue
from harness.datasets.line_of_names import is_row, lacking, without_names
from harness.datasets.raw import Layout, read_file
from harness.record import DataError

GROUPS = ("category", "department")
TEXTS = ("title", "text", "description")
NUMBERS = {"price": (0.0, np.inf), "margin": (0.0, 1.0), "rating": (-np.inf, np.inf)}
"""Column → the least and the largest value there can be; a margin is a share of the price."""


def read_items(file: Path, path: str, item: str, layout: Layout) -> pd.DataFrame:
    """The table, ids and groups as text, numbers as float64, NaN where a cell is empty.

    Args:
        path: as the user wrote it. item: the name of the ids' column.
    Raises:
        DataError: a column of ids is missing, an id is missing or stands twice, a cell is no number or one
            that cannot be; all mistakes at once.
    """
    frame = read_file(file, layout, [item])
    if item not in frame:
        names = list(map(str, frame.columns))
        is_bare = not is_parquet(file) and is_row(frame)
        raise DataError(without_names(path, names) if is_bare else lacking(Path(path), item, names))
    frame[item] = frame[item].fillna("").astype(str).str.strip()
    mistakes = [f"{path}:{row + 2}: no {item}" for row in np.flatnonzero((frame[item] == "").to_numpy())[:5]]
    for row in np.flatnonzero((frame[item].duplicated() & (frame[item] != "")).to_numpy())[:5]:
        mistakes.append(
            f"{path}:{row + 2}: {item} {frame[item][row]!r} stands there twice: keep one row for each"
        )
    for name, (least, most) in NUMBERS.items():
        if name in frame:
            frame[name] = _numbers(frame[name], path, name, least, most, mistakes)
    if mistakes:
        raise DataError(*mistakes)
    return frame


def catalogue_of(
    ids: np.ndarray, category: np.ndarray, price: np.ndarray, table: pd.DataFrame | None, places: np.ndarray
) -> Catalogue:
    """The catalogue of a log, and of a table of items where there is one: what that says goes first.

    Args:
        ids: (n,) of all items. category: (n,) texts, price: (n,), as the log has them, "" and NaN where not.
        places: (rows of the table,) the code of each row's item.
    """
    if table is None:
        return plain_catalogue(ids, np.unique(category, return_inverse=True)[1], price)
    groups = {"category": category, "department": np.full(len(ids), "", object)}
    for name in GROUPS:
        if name in table:
            groups[name][places] = table[name].fillna("").astype(str).str.strip()
    codes = {name: np.unique(texts.astype(str), return_inverse=True)[1] for name, texts in groups.items()}
    found = {"price": price.astype(np.float64)}
    for name in NUMBERS:
        if name in table:
            said = np.full(len(ids), np.nan)
            said[places] = table[name]
            found[name] = np.where(np.isfinite(said), said, found.get(name, np.nan))
    return replace(
        plain_catalogue(ids, codes["category"]),
        department=codes["department"].astype(np.int32),
        text=_texts(len(ids), table, places),
        **{name: values.astype(np.float32) for name, values in found.items()},
    )


def _texts(count: int, table: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """(count,) the cells of the columns of texts, one after the other."""
    found = np.full(count, "", object)
    for name in TEXTS:
        if name in table:
            found[places] += table[name].fillna("").astype(str).str.strip().to_numpy(object) + " "
    return np.array([text.strip() for text in found], np.str_)


def _numbers(
    column: pd.Series, path: str, name: str, least: float, most: float, mistakes: list[str]
) -> np.ndarray:
    texts = column.fillna("").astype(str).str.strip()
    values = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    wrong = (texts != "").to_numpy() & ~((values >= least) & (values <= most) & np.isfinite(values))
    for row in np.flatnonzero(wrong)[:5]:
        what = "is no number" if np.isnan(values[row]) else f"lies outside {least:g} to {most:g}"
        cure = (
            "a margin is a share of the price" if name == "margin" else "leave the cell empty, or write 19.90"
        )
        mistakes.append(f"{path}:{row + 2}: {name} {what}: {texts[row]!r}: {cure}")
    return values

"""Who and what the rows of a log are of: ids are text, however a program wrote them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.datasets.frames import canonical

NOTHING = frozenset({"nan", "null", "none", "<na>", "#n/a", "nil", "undefined"})
"""What programs write where there is no id, and some people are called."""
WHOLE = re.compile(r"(-?\d+)\.0+")
"""A whole number as a program writes it whose column has holes elsewhere."""
SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+")
"""A long number as a spreadsheet shows it."""
BASKETS = 0.2
"""Of the items a share that hold several."""
SHOWN = 40
"""Signs of a cell."""
MANY, LARGE = 50, 0.1
"""Of so many users one who has such a share of the rows is none."""


def check_ids(column: pd.Series, path: str, name: str) -> list[str]:
    """What is wrong with a column of ids, each with its cure."""
    codes, unique = pd.factorize(column)
    texts = [str(value).strip() for value in unique]
    none = np.array([*(text == "" for text in texts), True])[codes]
    mistakes = []
    if none.any():
        row, count = int(np.flatnonzero(none)[0]), int(none.sum())
        more = f" ({count} such rows)" if count > 1 else ""
        mistakes.append(f"{path}:{row + 2}: no {name}{more}; drop such rows or give them an id")
    if short := next((text for text in texts if SHORTENED.fullmatch(text)), None):
        row = int(np.flatnonzero(codes == texts.index(short))[0])
        mistakes.append(
            f"{path}:{row + 2}: the {name} {short!r} was shortened by a spreadsheet, so that several became "
            "one: write the file anew from its source, with this column as text"
        )
    return mistakes


def check_single(column: pd.Series, path: str, name: str) -> list[str]:
    """What is wrong with items that are baskets: several in a cell, of which many stand alone elsewhere."""
    codes, unique = pd.factorize(column)
    texts = [str(value).strip().strip("[]") for value in unique]
    if lists := lists_among(texts):
        row = int(np.flatnonzero(codes == texts.index(lists[0]))[0])
        return [f"{path}:{row + 2}: the {name} {_short(lists[0])!r} holds several: write a row for each"]
    for mark in ",;|":
        several = [text for text in texts if mark in text]
        alone = {_bare(text) for text in texts if mark not in text}
        parts = {_bare(part) for text in several for part in text.split(mark)} - {""}
        if several and len(several) >= BASKETS * len(texts) and 2 * len(parts & alone) >= len(parts):
            row = int(np.flatnonzero(codes == texts.index(several[0]))[0])
            return [
                f"{path}:{row + 2}: the {name} {str(unique[codes[row]])!r} holds several, which stand alone "
                "elsewhere: write a row for each"
            ]
    return []


def lists_among(texts: Sequence[str]) -> list[str]:
    """The cells that hold several ids with blanks between them, as `N55189-1 N42782-0`, where a good part
    does: of one form that is no mere number (`0 986 494 100`), now more of them and now fewer."""
    found = [text for text in texts if " " in text and _is_list(text)]
    vary = len({len(text.split()) for text in texts}) > 1
    return found if found and vary and len(found) >= BASKETS * len(texts) else []


def _is_list(text: str) -> bool:
    forms = {re.sub(r"\d+", "0", part) for part in text.split()}
    return len(forms) == 1 and "0" in (form := forms.pop()) and form != "0"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _bare(text: str) -> str:
    return text.strip(" '\"")


def said_of_ids(column: pd.Series, name: str) -> list[str]:
    """What is worth knowing of a column of ids."""
    counts = column.astype(str).str.strip().value_counts()
    said = []
    folded = pd.Series(counts.index.str.casefold())
    if twins := int(folded.duplicated().sum()):
        one = folded[folded.duplicated()].iloc[0]
        alike = [text for text in counts.index if text.casefold() == one]
        said.append(
            f"{twins} {name} id{'s differ' if twins > 1 else ' differs'} from another one in case only "
            f"({', '.join(map(repr, alike[:3]))}): taken as different"
        )
    said += [
        f"{name} {text!r} ({rows} row{'s' if rows > 1 else ''}) is taken as an id: where it stands "
        "for none drop these rows"
        for text, rows in counts.items()
        if str(text).casefold() in NOTHING
    ]
    if len(counts) >= MANY and (share := counts.iloc[0] / len(column)) >= LARGE:
        said.append(
            f"{share:.0%} of the rows are of one {name}, {counts.index[0]!r}: if it stands for nobody in "
            "particular drop these rows"
        )
    return said


def codes_of(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Sorted identifiers and the code of each row: whole numbers where that loses no zero, else text.

    `12` and `12.0` are one id where all are numbers: so programs write a column that has holes elsewhere.
    """
    codes, unique = pd.factorize(column)
    texts = plain_ids([str(value).strip() for value in unique])
    whole = all(text == canonical(text) for text in texts)
    found = np.array([int(text) for text in texts], dtype=np.int64) if whole else np.array(texts)
    ids, place = np.unique(found, return_inverse=True)
    return ids, place[codes]


def plain_ids(texts: Sequence[str]) -> list[str]:
    """Ids without the `.0` of whole numbers, where every one is a whole number."""
    cut = [match[1] if (match := WHOLE.fullmatch(text)) else text for text in texts]
    return cut if all(text == canonical(text) for text in cut) else list(texts)


def check_known_items(chosen: pd.Series, known: pd.Series, path: str) -> list[str]:
    """What is wrong with a table of items that knows none of a log's: one of them writes ids otherwise."""
    here, there = (plain_ids([str(v).strip() for v in pd.unique(column)]) for column in (known, chosen))
    if not here or set(here) & set(there):
        return []
    return [
        f"{path}: no item of the log stands in it: items are called {here[0]!r} here and {there[0]!r} in the "
        "log: write them alike"
    ]

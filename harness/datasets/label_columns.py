"""Several labels of a row as columns of 0 and 1 side by side: `toxic`, `obscene`, `threat` beside a text, or
`rust`, `scab`, `healthy`, one of which is 1."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

LEAST = 3
"""Side by side: two marks, such as `has_link` and `is_spam`, are common."""
MOST = 200
HEAD = 100
"""Rows that tell of most columns that they hold something else."""
SHOWN = 6
_ANSWER = re.compile(r"(?i)((?:y|targets?|labels?|outcome)[_ .-])(.+)")
_OF_IT = re.compile(
    r"(?i).*(lag|prev|prior|last|past|shift|roll|mean|avg|median|std|min|max|sum|count|enc|freq|diff).*"
)
"""What is made of an answer and known before it: `target_mean`, `y_lag1`."""
_BINARY = frozenset({"0", "1", "0.0", "1.0", "true", "false"})


def label_columns(frame: pd.DataFrame, target: str) -> tuple[str, ...]:
    """The columns of 0 and 1 beside the one to predict, itself among them; empty where they are too few."""
    names = list(frame.columns)
    if target not in names or not _is_binary(frame[target]):
        return ()
    place = names.index(target)
    first, last = place, place + 1
    while 0 < first > place - MOST and _is_binary(frame[names[first - 1]]):
        first -= 1
    while last < min(len(names), place + MOST) and _is_binary(frame[names[last]]):
        last += 1
    return tuple(map(str, names[first:last])) if last - first >= LEAST else ()


def one_of(frame: pd.DataFrame, target: str) -> tuple[str, ...]:
    """The columns of 0 and 1 side by side of which one is 1 in each row, the one to predict among them: the
    others tell it. Empty where there are none."""
    labels = label_columns(frame, target)
    if not labels:
        return ()
    place = labels.index(target)
    ones = np.stack([_plain(frame[name]).isin(["1", "1.0", "true"]) for name in labels], axis=1)
    before = np.concatenate([np.zeros((len(ones), 1), dtype=np.int64), ones.cumsum(axis=1)], axis=1)
    found = (
        labels[first:last]
        for first in range(place + 1)
        for last in range(len(labels), max(place, first + LEAST - 1), -1)
        if (before[:, last] - before[:, first] == 1).all()
    )
    return next(found, ())


def named_alike(names: Sequence[str], target: str) -> tuple[str, ...]:
    """The columns that are called answers as the one to predict is, `y_toxic` beside `y_spam`, or `target_2`
    beside `target_1`: what they say is known when it is. Of an amount `y_1` may be what it was before.
    """
    found = _ANSWER.fullmatch(target)
    if found is None or _OF_IT.fullmatch(found[2]):
        return ()
    head, is_y = found[1].casefold(), found[1][0] in "yY"
    rest = {name: name[len(head) :] for name in names if name != target and name.casefold().startswith(head)}
    return tuple(
        name
        for name, after in rest.items()
        if after and not _OF_IT.fullmatch(after) and not (is_y and re.fullmatch(r"\D?\d+", after))
    )


def said_of_labels(
    frame: pd.DataFrame, target: str, features: Sequence[str], are_texts: Sequence[bool]
) -> list[str]:
    """That what is predicted from may be labels of the same row, as what is predicted is one."""
    beside = [name for name in one_of(frame, target) if name != target]
    if beside and set(beside) <= set(features):
        return [
            f"{target!r} is 1 where {_listed(beside)} are 0 and nowhere else: they tell it: leave them "
            "out of `features`, or write one column of classes"
        ]
    if beside := [name for name in named_alike(list(map(str, frame.columns)), target) if name in features]:
        return [
            f"{target!r} is predicted from {_listed(beside)} too, which by their names are answers as it is: "
            "where they are not known before it, leave them out of `features`"
        ]
    beside = [name for name in label_columns(frame, target) if name != target and name in features]
    if not any(are_texts) or len(beside) < LEAST - 1:
        return []
    return [
        f"beside {target!r} stand {_listed(beside)}, of 0 and 1 too, and predicted from: where they are "
        "labels of the same texts they are not known when one predicts: leave them out of `features`, "
        "or write all labels in one cell, `a|b`, for `task: multilabel_classification`"
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def _is_binary(column: pd.Series) -> bool:
    return all(_BINARY.issuperset(_plain(cells).unique()) for cells in (column.head(HEAD), column))


def _plain(cells: pd.Series) -> pd.Series:
    if cells.dtype.kind in "biuf":
        cells = cells.astype("float32")  # of millions of rows few texts are made
    else:
        cells = cells.astype(str)  # lists among them
    codes, unique = pd.factorize(cells, use_na_sentinel=False)
    return pd.Series(unique).astype(str).str.strip().str.casefold().take(codes)

"""What a table's rows become for a model that takes numbers: learnt of the training part alone.

A candidate's `encoding` says how columns of categories become numbers, whether of 3 values or of 30,000. What
is learnt travels with the fitted model (`harness.exported.tables`), so that a client sends rows as they are.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.exported.tables import HOLE, TableEncoding, calendar, single, width
from harness.kinds import kind_of
from harness.protocols import Dataset, Split, Task
from harness.suite.encodings import HASHED, MOST_ONE_HOT, NATIVE, ONE_HOT, ORDINAL, TARGET

BUCKETS = 64
"""Of a hashed column."""
MOST_BINS = 255
"""Categories that scikit-learn's histogram boosting takes in a column."""
WORDS = 100
"""Of a column of texts, those that stand in most rows."""
MOST_CLASSES = 10
"""Of more classes a mean for each would make a column too wide."""
MOST_LOST = 1e-3
"""The share of a column's standard deviation that it may lose in 32 bits."""
LEAST_ROWS = 20
"""Means of a target are not learnt of fewer."""


@dataclass(frozen=True)
class How:
    """How rows become numbers.

    Args:
        categories: a name of `harness.suite.encodings`; `auto`: a column for each of up to 32 values, beyond
            that means of the target.
        keeps_holes: whether the model takes NaN itself. most_codes: the most categories of a column that it
            takes as such. most_one_hot: values that have a column each, the rest sharing one; None: all have.
    """

    categories: str = "auto"
    keeps_holes: bool = False
    most_codes: int | None = None
    most_one_hot: int | None = None


def fit_table(
    part: Split, task: Task, how: How, seed: int, notation: Mapping[str, Any] | None = None,
    columns: Sequence[Mapping[str, Any]] = (),
) -> tuple[TableEncoding, np.ndarray]:  # fmt: skip
    """Learn how rows become numbers.

    Args:
        part: the training part; anything else leaks.
        columns, notation: how a client's cells are written; see `TableEncoding`.
    Returns:
        the table, and the part's own numbers (n, width): means of the target as of other rows than each
        row's own (cross-fitted), where the table would give a row its own answer.
    """
    names = part.inputs.dtype.names or ()
    steps: list[dict[str, Any]] = []
    own: dict[str, np.ndarray] = {}
    for name, kind in zip(names, task.columns, strict=True):
        values = part.inputs[name]
        if kind == "category":
            step, fitted = _category(values, part.targets, task, how, seed)
            if fitted is not None:
                own[name] = fitted
        else:
            step = {"number": _number, "date": _date, "words": _words}[kind](values, how)
        steps.append({"column": name, **step})
    plain = [{"name": name, "kind": kind} for name, kind in zip(names, task.columns, strict=True)]
    table = TableEncoding(columns or plain, steps, notation or {})
    numbers = table.encode(part.inputs)
    start = 0
    for step in steps:
        if (fitted := own.get(step["column"])) is not None:
            numbers[:, start : start + fitted.shape[1]] = fitted
        start += width(step)
    return table, numbers


def _number(values: np.ndarray, how: How) -> dict[str, Any]:
    numbers = single(values)
    holes = ~np.isfinite(numbers)
    known = values[~holes]
    minus = float(np.median(known)) if lost_in_32_bits(known) else 0.0
    taken = {"minus": minus} if minus else {}
    if how.keeps_holes:
        return {"as": "number", "if_missing": None, "marks": False, **taken}
    fill = minus + _median(known - minus)
    return {"as": "number", "if_missing": fill, "marks": bool(holes.any()), **taken}


def lost_in_32_bits(values: np.ndarray) -> float:
    """By how much finite numbers, (n,) float64, are off in 32 bits, where that is no small part of what they
    differ by; 0 where it is."""
    if not len(values):
        return 0.0
    lost = float(np.abs(values - single(values)).max())
    differ = values.min() < values.max()  # of equal ones the standard deviation may be 1e-17
    return lost if differ and lost > MOST_LOST * float(np.std(values)) else 0.0


def _median(known: np.ndarray) -> float:
    return float(np.median(single(known))) if len(known) else 0.0


def _date(values: np.ndarray, how: How) -> dict[str, Any]:
    figures = calendar(values)
    holes = np.isnat(values)
    if not (figures["hour"][~holes] != 0).any():
        del figures["hour"]
    fills = None if how.keeps_holes else [_median(f[~holes]) for f in figures.values()]
    marks = bool(holes.any()) and not how.keeps_holes
    return {"as": "date", "parts": list(figures), "if_missing": fills, "marks": marks}


def _words(values: np.ndarray, _: How) -> dict[str, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(max_features=WORDS)
    try:
        vectorizer.fit([text or "" for text in values.tolist()])
    except ValueError:  # no words at all
        return {"as": "words", "words": [], "weights": []}
    words = vectorizer.get_feature_names_out().tolist()
    return {"as": "words", "words": words, "weights": vectorizer.idf_.tolist()}


def _category(
    values: np.ndarray, targets: np.ndarray, task: Task, how: How, seed: int
) -> tuple[dict[str, Any], np.ndarray | None]:
    """A step, and the numbers of its own rows where they are others than the step gives."""
    texts = [HOLE if value is None else value for value in values.tolist()]
    counts = Counter(texts)
    known = sorted(counts)
    way = _way(how, len(known))
    if way == TARGET:
        found = _means(texts, targets, task, seed)
        if found is not None:
            return found
        way = HASHED
    if way == NATIVE:
        return {"as": "codes", "values": [value for value in known if value != HOLE]}, None
    if way == ORDINAL:
        return {"as": "ordinal", "values": known}, None
    if way == HASHED:
        return {"as": "hashed", "buckets": BUCKETS}, None
    most = how.most_one_hot or len(known)
    kept = sorted(sorted(known, key=lambda value: (-counts[value], value))[:most])
    return {"as": "one_hot", "values": kept, "other": len(known) > most}, None


def _way(how: How, values: int) -> str:
    if how.categories == NATIVE and (how.most_codes is None or values <= how.most_codes):
        return NATIVE
    if how.categories in (NATIVE, "auto"):
        return ONE_HOT if values <= MOST_ONE_HOT else TARGET
    return how.categories


def _means(
    texts: Sequence[str], targets: np.ndarray, task: Task, seed: int
) -> tuple[dict[str, Any], np.ndarray] | None:
    """Means of the target by category, drawn to the mean of all where there are few rows; None where they
    cannot be learnt: of several labels, of many classes, of too few rows.
    """
    from sklearn.preprocessing import TargetEncoder

    classes = len(np.unique(targets)) if task.num_classes else 0
    if kind_of(task.name).targets == "labels" or len(texts) < LEAST_ROWS:
        return None
    if task.num_classes and not 2 <= classes <= MOST_CLASSES:
        return None
    sort = "continuous" if not task.num_classes else "binary" if classes == 2 else "multiclass"
    encoder = TargetEncoder(target_type=sort, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class has fewer rows than there are folds
        own = encoder.fit_transform(np.array(texts, dtype=object).reshape(-1, 1), targets)
    means = np.stack(encoder.encodings_, axis=1)
    step = {
        "as": "target",
        "values": encoder.categories_[0].tolist(),
        "means": means.tolist(),
        "otherwise": np.atleast_1d(encoder.target_mean_).tolist(),
    }
    return step, np.asarray(own, np.float32)


def as_numbers(dataset: Dataset, how: How) -> tuple[Dataset, list[str]]:
    """A data set of rows with numbers in their place, and the column that each number is of; other data sets
    as they are, and no names."""
    if not dataset.task.columns:
        return dataset, []
    table, train = fit_table(dataset.train, dataset.task, how, 0)
    made = [step["column"] for step in table.steps for _ in range(width(step))]
    return (
        replace(
            dataset,
            task=replace(dataset.task, input_shape=(table.width,), columns=()),
            train=replace(dataset.train, inputs=train),
            test=replace(dataset.test, inputs=table.encode(dataset.test.inputs)),
        ),
        made,
    )

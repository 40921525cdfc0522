"""How own rows fall apart into training and test rows as a suite cuts them: tried before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec import Json, JsonObject
from harness.datasets import catalog
from harness.datasets.described import from_memory
from harness.datasets.resplit import part_of
from harness.late import Late
from harness.protocols import Dataset
from harness.record import DataError
from harness.suite.source import flow

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = Late("numpy"), Late("pandas")

IN_ROWS = ("tabular_csv", "text_csv")
"""Own files that are rows: loading them takes no decoding."""

LARGE = 64_000_000
"""Bytes of a file from which on one part is tried and not each fold."""

MOST = 0.5
"""The share of the squared deviations of few test rows where a squared error says little of the rest."""

FEW = 0.01
FEW_GROUPS = 10
"""Owners in a test part below which intervals are so wide that another cut is worth its trainings."""

NOTHING = "there is nothing to predict; name another column as the target"


@dataclass(frozen=True)
class Cuts:
    """What is to be known of the parts.

    Args:
        notes: a sentence each. few, rows, share: of numbers, the test rows farthest from their mean, of how
            many, and what they hold of the squared deviations; 0 where no few of them hold the most.
        lowest: the smallest target. usual, has_usual: the commonest of the test part, and the share of rows
        that have it.
    """

    notes: tuple[str, ...] = ()
    few: int = 0
    rows: int = 0
    share: float = 0.0
    lowest: float = 0.0
    usual: float = 0.0
    has_usual: float = 0.0


def cuts_of(name: str, args: JsonObject, split: Mapping[str, Json] | None, seed: int) -> Cuts:
    """Of own rows, and of the split that a suite asks for; nothing of other data sets.

    Raises:
        DataError: the rows cannot be cut so, for instance by a column that holds no times.
    """
    module = catalog.dataset_module(name)
    has_times = hasattr(module, "times") or hasattr(module, "load_part")
    if split and split.get("by") == "time" and not has_times:
        raise DataError(f"data set {name} has no column of times to cut by: write `by: random`")
    if name not in IN_ROWS:
        return Cuts()
    about: list[object] = ["cuts", name, catalog.checksum(name, args), args, dict(split or {}), seed]
    return from_memory(Cuts, about, lambda: _tried(name, args, split, seed))


def _tried(name: str, args: JsonObject, split: Mapping[str, Json] | None, seed: int) -> Cuts:
    folds = int(str((split or {}).get("folds") or 0)) or 1
    file = Path(str(args.get("path")))
    tried = 1 if file.is_file() and file.stat().st_size > LARGE else folds
    notes: list[str] = []
    heaviest = Cuts(share=-1.0)
    for number in range(tried):
        part = part_of({"split": {**split, "part": number}, "seed": seed}) if split else None
        dataset = catalog.load_dataset(name, args, None, part)
        which = f"part {number + 1} of {folds}: " if folds > 1 else ""
        if not dataset.task.class_names:
            _refuse_constant(dataset, args)
            heaviest = max(heaviest, _numbers(dataset), key=lambda cut: cut.share)
        notes += [which + text for text in _said(dataset, split, args)]
    if name == "tabular_csv" and not split and not args.get("group") and not args.get("test_path"):
        notes += _series_by_hash(args)
    return replace(heaviest, notes=tuple(notes), share=max(0.0, heaviest.share))


def _series_by_hash(args: JsonObject) -> Iterator[str]:
    """That rows of series are cut by hash: what stands beside a test row in time is learnt from."""
    from harness.datasets.series import has_later_classes, series_of
    from harness.datasets.tabular_csv import as_it_stands

    frame = as_it_stands(**args).apply(_as_numbers)
    target = str(args.get("target")).strip()
    series = series_of(frame, [str(name) for name in frame.columns if str(name).strip() != target])
    if series is None or target not in frame or has_later_classes(frame, series.time, target):
        return
    row = "a row for each " + " and ".join(repr(name) for name in (series.time, *series.of))
    yield (
        f"{row}: a series, of which a test row's neighbours in time are learnt from; where what comes next "
        f"is asked, `split: {{by: time, column: {flow(series.time)}}}` under `data` tests on the latest fifth"
    )


def _as_numbers(column: pd.Series) -> pd.Series:
    """A column of texts as numbers, where all of them are numbers."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def _refuse_constant(dataset: Dataset, args: JsonObject) -> None:
    values = np.concatenate([dataset.train.targets, dataset.test.targets])
    if len(values) and (values == values[0]).all():
        where = f"{args.get('path')}: column {args.get('target')!r}"
        raise DataError(f"{where} is {values[0]:g} in every row: {NOTHING}")


def _said(dataset: Dataset, split: Mapping[str, Json] | None, args: JsonObject) -> Iterator[str]:
    if args.get("group"):
        if split and split.get("by") == "time":
            yield from _owners(dataset, str(args["group"]))
        elif not (split and split.get("folds")):
            yield from _few_groups(dataset, str(args["group"]))
    yield from _alone(dataset, bool(split))
    yield from _unlearnt(dataset)
    yield from _empty(dataset)


def _owners(dataset: Dataset, group: str) -> Iterator[str]:
    """That time alone cuts, where rows of one owner stand on both sides."""
    train, test = dataset.train.groups, dataset.test.groups
    if train is None or test is None or not (known := int(np.isin(test, train).sum())):
        return
    yield (
        f"`by: time` cuts by time alone: {known:,} of {len(test):,} test rows are of a {group!r} that is "
        "trained on too, so scores say how known ones go on, not how new ones do"
    )


def _few_groups(dataset: Dataset, group: str) -> Iterator[str]:
    """That the test part is of few owners, by which all that is said of others is known."""
    groups = dataset.test.groups
    count = 0 if groups is None else len(np.unique(groups))
    if groups is None or not 0 < count < FEW_GROUPS or count == len(groups):
        return
    whole = count if dataset.train.groups is None else len(np.union1d(dataset.train.groups, groups))
    cure = f"`split: {{by: group, folds: {min(5, whole)}}}` tests on each of {whole} once"
    if count == 1:
        yield f"the test part is one {group!r} and tells nothing of others, so that nobody is named: {cure}"
    else:
        yield f"the test part is of {count} {group!r} values, by which intervals are wide: {cure}"


def _alone(dataset: Dataset, is_cut: bool) -> Iterator[str]:
    """That every row of a part has one answer: there is nothing to learn, or to score."""
    cure = "cut it another way (`data.split`)" if is_cut else "write a way to cut it that mixes them"
    for which, split in (("training", dataset.train), ("test", dataset.test)):
        targets = split.targets
        if targets.ndim > 1 or not len(targets) or (targets != targets[0]).any():
            continue
        if names := dataset.task.class_names:
            yield f"all rows of the {which} part are of one class, {names[int(targets[0])]!r}: {cure}"
        elif which == "test":
            yield f"all test rows have the target {targets[0]:g}, where R² is not estimable: {cure}"
        else:
            yield f"all training rows have the target {targets[0]:g}, of which nothing can be learnt: {cure}"


def _unlearnt(dataset: Dataset) -> Iterator[str]:
    """Classes that only the test part has."""
    if dataset.train.targets.ndim > 1 or not (names := dataset.task.class_names):
        return
    tested = dataset.test.targets
    for number in sorted(set(tested.tolist()) - set(dataset.train.targets.tolist())):
        rows = int((tested == number).sum())
        yield f"no training row is of the class {names[number]!r}: its {rows} test rows are always missed"


def _empty(dataset: Dataset) -> Iterator[str]:
    """Columns that are filled in on one side only."""
    train, test = dataset.train.inputs, dataset.test.inputs
    if not isinstance(train, np.ndarray) or not isinstance(test, np.ndarray):
        return
    for name in train.dtype.names or ():
        empty = [bool(pd.isna(rows[name]).all()) for rows in (train, test)]
        if empty == [False, True]:
            yield f"column {name!r} is empty in all test rows, and was learnt from: scores are without it"
        elif empty == [True, False]:
            yield f"column {name!r} is empty in all training rows, not in the test part: it says nothing"


def _numbers(dataset: Dataset) -> Cuts:
    """How few test rows hold the most of the squared deviations, and how many are alike."""
    targets = dataset.test.targets.astype(np.float64)
    if targets.ndim > 1 or len(targets) < 2:
        return Cuts()
    values, counts = np.unique(targets, return_counts=True)
    lowest = float(min(values[0], dataset.train.targets.min()))
    usual, has_usual = float(values[counts.argmax()]), float(counts.max() / len(targets))
    few = max(1, int(FEW * len(targets)))
    squares = np.sort((targets - targets.mean()) ** 2)[::-1]
    share = float(squares[:few].sum() / squares.sum()) if squares.sum() else 0.0
    if share < MOST:
        few, share = 0, 0.0
    return Cuts((), few, len(targets), share, lowest, usual, has_usual)

"""What the rest of the harness reads data through: the same rows for every candidate.

The validation part and the training subsets are cut from a data set's training part by the suite's
stream `split`, so all candidates see the same ones; a smaller training set is part of a larger one.
Reads with numpy alone: serving loads its examples here without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from harness.datasets import dvc
from harness.datasets.catalog import checksum, fetch, load_dataset, notes, task_info, verify
from harness.datasets.duplicates import row_hashes
from harness.datasets.own_files import paths_of
from harness.datasets.resplit import part_of
from harness.datasets.splits import blocks_of, latest_rows, split_rows, strata, take
from harness.facts import DataFacts
from harness.kinds import kind_of
from harness.protocols import Dataset, Split, Task
from harness.record import DataError
from harness.streams import generator

__all__ = ["PartName", "Parts", "checksum", "fetch", "load_parts", "task_info", "verify"]

PartName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Parts:
    """The parts that one trial sees.

    Args:
        splits: the parts that were asked for.
        facts: for the record.
        written: of rows of a table, how a client's cells are written (see `Dataset`).
        categorical: of a table of numbers, the places of those that name categories.
    """

    task: Task
    splits: Mapping[str, Split]
    facts: DataFacts = field(default_factory=DataFacts)
    written: Mapping[str, Any] = field(default_factory=dict)
    categorical: tuple[int, ...] = ()

    @property
    def train(self) -> Split:
        return self._part("train")

    @property
    def validation(self) -> Split:
        return self._part("validation")

    @property
    def test(self) -> Split:
        return self._part("test")

    def _part(self, name: str) -> Split:
        assert name in self.splits, f"part {name} was not loaded: load_parts(…, parts=(…, '{name}'))"
        return self.splits[name]


def load_parts(
    data: Mapping[str, Any],
    train_size: int | None,
    parts: tuple[PartName, ...] = ("train", "validation", "test"),
) -> Parts:
    """Cut a data set into the parts of a trial; kept for the next trial of this process.

    Args:
        data: a specification's `data`: `name`, and optionally `args`, `checksum` (compared when it
            is there), `validation` (share of the training part, default 0.1), `seed` (the suite's),
            `split` (`harness.datasets.resplit`, with the number of its `part`).
        train_size: rows to train on, without validation; None takes all.
        parts: which ones to read; the others cost nothing.
    Raises:
        DataError: unknown data set, data changed since it was planned, or fewer rows than asked for.
    """
    args = dict(data.get("args") or {})
    found = checksum(data["name"], args)
    if data.get("checksum") not in (None, found):
        raise DataError(
            f"data set {data['name']} has changed since the run was planned "
            f"(checksum {found}, planned {data['checksum']}): start the run again to plan it anew"
        )
    part = part_of(data)
    dataset = load_dataset(data["name"], args, found, part)
    if dataset.test.order is not None and not args.get("group"):
        blocks = blocks_of(dataset.test.order)
        if blocks is not None:
            dataset = replace(dataset, test=replace(dataset.test, groups=dataset.test.ids[blocks]))
    cut = _cut(
        _Identified(found, json.dumps([args, str(part)], sort_keys=True), dataset),
        float(data.get("validation", 0.1)),
        int(data.get("seed", 0)),
        train_size,
        tuple(sorted(set(parts))),
    )
    said = [*notes(data["name"], args), *_of_one_class(cut.facts)]
    kept = dvc.facts(paths_of(args))
    said += [
        f"{one['path']} differs from what DVC tracks ({one['pointer']}): `dvc commit` keeps it, "
        "`dvc checkout` brings the tracked one back"
        for one in kept.values()
        if one.get("changed")
    ]
    if not said and not kept:
        return cut
    return replace(cut, facts=replace(cut.facts, notes=tuple(said) or None, dvc=kept or None))


def _of_one_class(facts: DataFacts) -> list[str]:
    """What is said of a part with rows of one class only."""
    counts = {
        part: [name for name, rows in of.items() if rows] for part, of in (facts.class_counts or {}).items()
    }
    return [
        f"the {part} part has rows of one class only, {names[0]!r}: it tells nothing of how classes are told "
        "apart; write fewer folds, or another way to cut (`data.split`)"
        for part, names in counts.items()
        if len(names) == 1 and len((facts.class_counts or {})[part]) > 1
    ]


@dataclass(frozen=True)
class _Identified:
    """A data set that compares by its content's checksum and its arguments: the key of a cache."""

    checksum: str
    args: str
    dataset: Dataset = field(compare=False)


@lru_cache(maxsize=4)
def _cut(
    source: _Identified, validation: float, seed: int, train_size: int | None, parts: tuple[str, ...]
) -> Parts:
    dataset = source.dataset
    if not 0 <= validation < 1:
        raise DataError(f"validation is {validation}: write a share of the training part from 0 to below 1")
    if dataset.train.order is not None:
        train_rows, validation_rows = latest_rows(dataset.train.order, validation)
    else:
        train_rows, validation_rows = split_rows(
            strata(dataset.train.targets), dataset.train.groups, validation, generator(seed, "split")
        )
    if train_size is not None:
        _check_size(train_size, len(train_rows), len(dataset.train), len(validation_rows))
        train_rows = train_rows[:train_size]
    sources: dict[str, tuple[Split, np.ndarray]] = {
        "train": (dataset.train, train_rows),
        "validation": (dataset.train, validation_rows),
        "test": (dataset.test, np.arange(len(dataset.test))),
    }
    splits = {name: take(*sources[name]) for name in sources if name in parts}
    return Parts(dataset.task, splits, _facts(dataset.task, sources, splits), dataset.written)


def _check_size(train_size: int, available: int, whole: int, validation: int) -> None:
    if train_size < 1:
        raise DataError(f"train size {train_size}: write a positive number of rows")
    if train_size > available:
        raise DataError(
            f"train size {train_size} is more than the {available} rows that are left for training "
            f"({whole} less {validation} for validation): write at most {available} in data.train_sizes, "
            "or leave it out to train on all"
        )


def _facts(
    task: Task, sources: Mapping[str, tuple[Split, np.ndarray]], splits: Mapping[str, Split]
) -> DataFacts:
    facts = DataFacts({name: len(rows) for name, (_, rows) in sources.items()})
    count = kind_of(task.name).counts
    if count is not None:
        counts = {name: count(split.targets[rows], task) for name, (split, rows) in sources.items()}
        facts = replace(
            facts,
            class_counts={
                name: dict(zip(task.class_names, map(int, values), strict=True))
                for name, values in counts.items()
            },
            classes_missing_in_train=tuple(
                name for name, count in zip(task.class_names, counts["train"], strict=True) if not count
            ),
        )
    hashes = {name: row_hashes(split.inputs) for name, split in splits.items()}
    ordered = {name: np.sort(found) for name, found in hashes.items()}
    duplicates = {
        f"{first}_{second}": _among(hashes[second], ordered[first])
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test"))
        if first in hashes and second in hashes
    }
    return replace(facts, duplicates=duplicates)


def _among(hashes: np.ndarray, ordered: np.ndarray) -> int:
    """How many hashes are among others that are in order: `np.isin` takes ten times as long."""
    if not len(ordered):
        return 0
    place = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    return int((ordered[place] == hashes).sum())

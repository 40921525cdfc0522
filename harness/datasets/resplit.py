"""`data.split`: which rows train and which are tested on, in each of several folds or repeats.

A data set that prepares its rows by what it trains on (`tabular_csv`: medians, categories) is cut before it
prepares them; all others are cut from what they deliver. Rows of one group, or equal rows where none are
named, stand in one fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.datasets.duplicates import row_hashes
from harness.datasets.mapped import Mapped, is_array
from harness.datasets.part_names import part_called
from harness.datasets.splits import split_rows, strata, stratified_order, take
from harness.late import Late
from harness.protocols import Dataset, Split
from harness.record import DataError
from harness.streams import generator

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")


@dataclass(frozen=True)
class Part:
    """One way to cut a data set.

    Args:
        by: `random`, `group`, `time` or `predefined`; `column`: of the time, or of the fold.
        test: share of the rows to test on, without folds. folds: of equal size, 0 for one cut.
        number: which fold of which repeat, counted through. seed: the suite's.
    """

    by: str
    column: str | None
    test: float
    folds: int
    number: int
    seed: int

    @property
    def fold(self) -> int:
        return self.number % self.folds if self.folds else 0

    @property
    def repeat(self) -> int:
        return self.number // self.folds if self.folds else self.number


def part_of(data: Mapping[str, Any]) -> Part | None:
    """The part that a specification's `data` names; None where a data set's own test part stands."""
    split = data.get("split")
    if not split or (split["by"] == "predefined" and not split.get("column")):
        return None
    return Part(
        split["by"], split.get("column"), float(split.get("test", 0.2)), int(split.get("folds") or 0),
        int(split.get("part", 0)), int(data.get("seed", 0)),
    )  # fmt: skip


def cut(
    part: Part, targets: np.ndarray, groups: np.ndarray, order: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and to test on.

    Args:
        targets: (n,). groups: (n,) int64: rows of one stand in one part. order: (n,) times, for `time`.
    Raises:
        DataError: too few rows, groups or times.
    """
    if part.by == "time":
        assert order is not None
        return _by_time(part, order)
    labels = strata(targets)
    if not part.folds:
        rows = split_rows(labels, groups, part.test, generator(part.seed, "hold-out", part.repeat))
        return np.sort(rows[0]), np.sort(rows[1])
    fold = folds_of(labels, groups, part.folds, generator(part.seed, "folds", part.repeat))
    return np.flatnonzero(fold != part.fold), np.flatnonzero(fold == part.fold)


def folds_of(labels: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) the fold of each row: as many rows in each as whole groups allow, classes spread evenly.

    Raises:
        DataError: fewer groups than folds.
    """
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise DataError(f"{folds} folds of {len(names)} groups: write at most {len(names)} folds")
    first = np.zeros(len(names), dtype=np.int64)
    first[inverse[::-1]] = labels[::-1]  # each group's first row stands for it
    order = stratified_order(first, rng)
    if sizes.max() == 1:
        # Dealt class by class: dealing the stratified order itself may give all of a rare class to few folds.
        place = np.empty(len(names), dtype=np.int64)
        place[order[np.argsort(first[order], kind="stable")]] = np.arange(len(names)) % folds
        return np.asarray(place[inverse])
    # The largest groups first, each to the fold that has fewest rows (of its class first).
    order = order[np.argsort(-sizes[order], kind="stable")]
    values = np.unique(labels)
    counts = np.zeros((len(names), len(values)))
    np.add.at(counts, (inverse, np.searchsorted(values, labels)), 1)
    filled, place = np.zeros((folds, len(values))), np.zeros(len(names), dtype=np.int64)
    share = counts.sum(0)
    for group in order:
        rarity = counts[group] / share
        chosen = min(range(folds), key=lambda k: (float(filled[k] @ rarity / sizes[group]), filled[k].sum()))
        place[group] = chosen
        filled[chosen] += counts[group] / share * len(labels)
    return np.asarray(place[inverse])


def _by_time(part: Part, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The latest rows test; of folds, each block tests what was learnt from all before it.

    Rows of one moment stand in one part.
    """
    ranked = np.sort(order)
    n = len(order)
    if part.folds:
        edges = [round(n * (k + 1) / (part.folds + 1)) for k in range(part.folds + 1)]
        start, end = edges[part.fold], edges[part.fold + 1]
    else:
        start, end = n - max(1, round(n * part.test)), n
    begins = ranked[start]
    ends = ranked[end] if end < n else np.inf
    train, test = np.flatnonzero(order < begins), np.flatnonzero((order >= begins) & (order < ends))
    if not len(train) or not len(test):
        raise DataError(
            f"the times in {part.column!r} have too few different values to cut by: {len(np.unique(order))}; "
            "write fewer folds, or `by: random`"
        )
    return train, test


def predefined(
    part: Part, values: np.ndarray, targets: np.ndarray, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and to test on, as a column of the user's says: by folds, or by `train` and `test`.

    Args:
        values: (n,) texts of that column, None where it is empty. targets: (n,) classes, numbers or labels.
        groups: (n,) where the user named some: those of one must stand in one fold.
    Raises:
        DataError: a row is of no fold, there are other folds than the suite says, a fold has one class only,
            or a group stands in several.
    """
    from harness.datasets.labels import in_order

    where = f"column {part.column!r}, which says what is tested on,"
    if holes := [row + 1 for row, value in enumerate(values) if value is None]:
        rows = ", ".join(map(str, holes[:5])) + (", …" if len(holes) > 5 else "")
        raise DataError(f"{where} is empty in {len(holes)} of {len(values)} rows (rows {rows}): fill it in")
    names = in_order(values.tolist())
    said = {name: part_called(name) for name in names}
    if all(said.values()) and set(said.values()) >= {"train", "test"}:
        if part.folds:
            raise DataError(f"{where} holds {', '.join(names)}: one part to test on; leave `folds` out")
        inside = np.array([said[value] == "test" for value in values])
    elif part.folds != len(names) or len(names) < 2:
        some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        cure = f"write `folds: {len(names)}`" if len(names) > 1 else "it needs two or more"
        raise DataError(
            f"{where} holds {len(names)} different values ({some}): {cure}, or train and test in it"
        )
    else:
        inside = values == names[part.fold]
    if groups is not None and (both := np.isin(groups[inside], groups[~inside])).any():
        raise DataError(
            f"{where} divides groups: {int(both.sum())} rows to test on are of a group trained on"
        )
    if targets.ndim == 1 and targets.dtype.kind in "iu" and len(np.unique(targets[inside])) == 1:
        fold = names[part.fold] if part.folds else "test"
        raise DataError(
            f"{where} puts one class only into {fold!r} ({int(inside.sum())} rows): nothing can be told of a "
            "classifier there; put rows of another class into it"
        )
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def recut(dataset: Dataset, part: Part, order: np.ndarray | None, marks: np.ndarray | None = None) -> Dataset:
    """A data set cut anew.

    Args:
        order: (n,) the time of each id, for `time`. marks: (n,) what each id's row says, for `predefined`.
    """
    whole = _together(dataset.train, dataset.test)
    groups = whole.groups
    if groups is None:
        if part.by == "group":
            raise DataError("this data set has no groups to cut by: write `by: random`")
        groups = np.unique(row_hashes(whole.inputs), return_inverse=True)[1].astype(np.int64)
    times = None if order is None else order[whole.ids]
    whole = replace(whole, groups=groups, order=times)
    if marks is not None:
        train, test = predefined(part, marks[whole.ids], whole.targets)
    else:
        train, test = cut(part, whole.targets, groups, times)
    return replace(dataset, train=take(whole, train), test=take(whole, test))


def _together(train: Split, test: Split) -> Split:
    """Both parts; ids of a test part of its own follow those of the training part."""
    shared = np.isin(test.ids, train.ids).any()
    ids = test.ids + (train.ids.max() + 1 if shared else 0)
    groups = None
    if train.groups is not None and test.groups is not None:
        groups = np.concatenate([train.groups, test.groups + (train.groups.max() + 1 if shared else 0)])
    inputs: Any
    if isinstance(train.inputs, Mapped):
        inputs = train.inputs.followed_by(test.inputs)
    elif is_array(train.inputs):
        inputs = np.concatenate([train.inputs, test.inputs])
    else:
        inputs = [*train.inputs, *test.inputs]
    return Split(
        inputs,
        np.concatenate([train.targets, test.targets]),
        np.concatenate([train.ids, ids]),
        groups,
        {name: np.concatenate([train.columns[name], test.columns[name]]) for name in train.columns},
    )

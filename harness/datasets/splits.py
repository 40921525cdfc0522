"""How rows are divided: stratified, nested, groups whole. Pure functions of targets and a generator."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.protocols import Split

REGRESSION_BINS = 10


def take(split: Split, index: np.ndarray) -> Split:
    """The rows of `index` (m,), in its order, copied."""
    inputs = split.inputs
    return replace(
        split,
        inputs=np.ascontiguousarray(inputs[index])
        if isinstance(inputs, np.ndarray)
        else [inputs[i] for i in index],
        targets=split.targets[index],
        ids=split.ids[index],
        groups=None if split.groups is None else split.groups[index],
        columns={name: values[index] for name, values in split.columns.items()},
    )


def strata(targets: np.ndarray) -> np.ndarray:
    """What to stratify by: the class itself, or the decile of a numeric target.

    Args:
        targets: (n,) int64 classes or float values.
    Returns:
        (n,) int64.
    """
    if targets.dtype.kind in "iub":
        return targets.astype(np.int64)
    edges = np.quantile(targets, np.linspace(0, 1, REGRESSION_BINS + 1)[1:-1]) if len(targets) else []
    return np.searchsorted(edges, targets, side="right").astype(np.int64)


def stratified_order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An order of the rows in which every prefix is stratified, so that prefixes are nested samples.

    The rows of a class, shuffled, are spread evenly over the whole; classes start at random
    offsets. A prefix of m rows has m·share rows of each class, give or take one.

    Args:
        labels: (n,) int64 strata.
    Returns:
        (n,) int64, a permutation.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        place[rows] = (np.arange(len(rows)) + generator.random()) / len(rows)
    return np.argsort(place, kind="stable")


def split_rows(
    labels: np.ndarray, groups: np.ndarray | None, share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into a stratified part of about `share` and the rest, no group in both.

    Args:
        labels: (n,) int64 strata. groups: (n,) or None.
    Returns:
        The rest and the part, each a stratified order of rows. With share > 0 the part has a row
        or more, and so has the rest where there are two rows (groups).
    """
    order = stratified_order(labels, generator)
    wanted = round(share * len(labels))
    if share > 0:
        wanted = min(max(wanted, 1), len(labels) - 1)
    if groups is None:
        return order[wanted:], order[:wanted]
    chosen = _choose_groups(labels, groups, wanted, generator)
    inside = np.isin(groups, chosen)[order]
    return order[~inside], order[inside]


def _choose_groups(
    labels: np.ndarray, groups: np.ndarray, wanted: int, generator: np.random.Generator
) -> np.ndarray:
    """Groups whose rows add up to `wanted` as nearly as their order allows; never all of them."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    values, codes = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), len(values)), dtype=np.int64)
    np.add.at(counts, (inverse, codes), 1)
    order = stratified_order(counts.argmax(axis=1), generator)  # by the commonest class of a group
    reached = np.cumsum(sizes[order])
    number = int(np.argmin(np.abs(np.concatenate([[0], reached]) - wanted))) if wanted else 0
    number = min(max(number, min(wanted, 1)), len(names) - 1)
    return np.asarray(names[order[:number]])


def hash_split(
    keys: Sequence[str], targets: np.ndarray, share: float, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows by the hash of their keys, stratified: the same in every run and on every machine.

    Own data without a test part is split by this. Rows (or groups) are ranked by hash within their
    class, so adding rows moves few others.

    Returns:
        (rest, part) as sorted row numbers; a class of two rows or more is in both.
    """
    labels = strata(targets)
    units = np.asarray(keys if groups is None else [str(g) for g in groups])
    names, first, inverse, sizes = np.unique(
        units, return_index=True, return_inverse=True, return_counts=True
    )
    ranks = np.array(
        [int(hashlib.sha256(str(name).encode()).hexdigest()[:16], 16) for name in names], np.uint64
    )
    chosen = np.zeros(len(names), dtype=bool)
    unit_labels = labels[first]
    for label in np.unique(unit_labels):
        members = np.flatnonzero(unit_labels == label)
        members = members[np.argsort(ranks[members], kind="stable")]
        reached = np.cumsum(sizes[members])
        number = int(np.searchsorted(reached, share * reached[-1] + 0.5, side="right"))
        if len(members) > 1 and share > 0:
            number = min(max(number, 1), len(members) - 1)
        chosen[members[:number]] = True
    inside = chosen[inverse]
    return np.flatnonzero(~inside), np.flatnonzero(inside)

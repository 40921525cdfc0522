"""How rows are divided: stratified, nested, groups whole. Pure functions of targets and a generator."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.datasets.mapped import Mapped
from harness.kinds import kind_of
from harness.late import Late
from harness.protocols import Inputs, Split, Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = Late("numpy"), Late("pandas")

REGRESSION_BINS = 10
BLOCK = 65536
"""Keys that are hashed at a time."""
LEAST_BLOCKS, MOST_BLOCKS, BLOCK_TIMES = 15, 30, 20
"""Blocks of neighbouring times that a test part falls into, and times of a block that make it one more."""


def blocks_of(order: np.ndarray) -> np.ndarray | None:
    """(n,) int64 the block of neighbouring times that each row is of, named by its first row's place; None of
    fewer than 15 times: two months of many rows are no series, and two units would tell nothing.

    Rows beside each other in time err alike, so that many tell little more than one. Where .8 of an error is
    left a step later, intervals of 95 % over rows held the truth in .47 to .65 of 4,000 series of 100 times,
    and over 15 blocks in .83 to .88; of independent rows in .94 to .96 by either.

    Args:
        order: (n,) when each row is of; rows of one time are of one block.
    """
    times, at = np.unique(order, return_inverse=True)
    if len(times) < LEAST_BLOCKS:
        return None
    count = min(MOST_BLOCKS, max(LEAST_BLOCKS, len(times) // BLOCK_TIMES))
    block = at * count // len(times)
    first = np.unique(block, return_index=True)[1]
    return np.asarray(first[block], dtype=np.int64)


def take(split: Split, index: np.ndarray) -> Split:
    """The rows of `index` (m,), in its order, copied; of many mapped ones only noted."""
    return replace(
        split,
        inputs=_taken(split.inputs, index),
        targets=split.targets[index],
        ids=split.ids[index],
        groups=None if split.groups is None else split.groups[index],
        columns={name: values[index] for name, values in split.columns.items()},
        order=None if split.order is None else split.order[index],
    )


def _taken(inputs: Inputs, index: np.ndarray) -> Inputs:
    if isinstance(inputs, Mapped):
        return inputs.taken(index)
    if isinstance(inputs, np.ndarray):
        return np.ascontiguousarray(inputs[index])
    return [inputs[i] for i in index]


def counts_of(task: Task, *targets: np.ndarray) -> dict[str, int]:
    """Class or label → the rows that have it; empty for numbers."""
    count = kind_of(task.name).counts
    if count is None:
        return {}
    return dict(zip(task.class_names, map(int, count(np.concatenate(targets), task)), strict=True))


def strata(targets: np.ndarray) -> np.ndarray:
    """What to stratify by: the class itself, or the decile of a numeric target.

    Args:
        targets: (n,) int64 classes or float values, or (n, k) labels of 0 and 1: of these the rarest that
            a row has counts, since it is the one that a part may lack.
    Returns:
        (n,) int64.
    """
    if targets.ndim == 2:
        rare = np.argsort(targets.sum(axis=0), kind="stable")
        first = targets[:, rare].argmax(axis=1)
        return np.where(targets.any(axis=1), rare[first], -1).astype(np.int64)
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
    if groups is None or _all_differ(groups):
        return order[wanted:], order[:wanted]
    chosen = _choose_groups(labels, groups, wanted, generator)
    inside = np.isin(groups, chosen)[order]
    return order[~inside], order[inside]


def _all_differ(groups: np.ndarray) -> bool:
    if groups.dtype.kind in "iu" and len(groups) and groups.min() >= 0 and groups.max() < 8 * len(groups):
        return int(np.bincount(groups).max()) == 1  # a tenth of the time
    return len(np.unique(groups)) == len(groups)


def latest_rows(order: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into the latest, about `share` of them, and the earlier, the later ones first.

    Rows of one moment stand in one part; where all are of one moment the part is empty.
    """
    newest = np.argsort(-order, kind="stable")
    wanted = max(1, round(share * len(order))) if share > 0 else 0
    edge = order[newest[wanted - 1]] if wanted else np.inf
    if wanted and not (order < edge).any():
        edge = np.inf
    return newest[order[newest] < edge], newest[order[newest] >= edge]


def _choose_groups(
    labels: np.ndarray, groups: np.ndarray, wanted: int, generator: np.random.Generator
) -> np.ndarray:
    """Groups whose rows add up to `wanted` as nearly as their order allows; never all of them."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = stratified_order(_commonest(inverse, labels), generator)
    return np.asarray(names[order[_nearest(sizes[order], wanted)]])


def hash_split(
    keys: Sequence[str] | np.ndarray, targets: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows by the hash of their keys, stratified: the same in every run and on every machine.

    Own data without a test part is split by this. Rows of one key stay together. Keys are ranked by hash
    within their class, so that neither the order of the rows matters nor do added ones move many others.

    Args:
        keys: (n,) texts, or numbers, which count as they are written.
    Returns:
        (rest, part) as sorted row numbers; a class of two keys or more is in both.
    """
    inverse, unique = coded(keys)
    sizes = np.bincount(inverse)
    ranks = _ranks(unique)
    chosen = np.zeros(len(unique), dtype=bool)
    unit_labels = _commonest(inverse, strata(targets))
    for label in np.unique(unit_labels):
        members = np.flatnonzero(unit_labels == label)
        members = members[np.argsort(ranks[members], kind="stable")]
        chosen[members[_nearest(sizes[members], share * sizes[members].sum())]] = True
    inside = chosen[inverse]
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def coded(keys: Sequence[str] | np.ndarray) -> tuple[np.ndarray, Sequence[object] | np.ndarray]:
    """The code of each key (n,) int64, in the order in which they come first, and the different keys."""
    if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu":
        numbers, unique = pd.factorize(keys)
        return numbers.astype(np.int64, copy=False), unique
    codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    return np.array([codes[key] for key in keys], dtype=np.int64), list(codes)


def _ranks(keys: Sequence[object] | np.ndarray) -> np.ndarray:
    """(n,) uint64, the first 8 bytes of the sha256 of each key as it is written."""
    ranks = np.empty(len(keys), np.uint64)
    for start in range(0, len(keys), BLOCK):  # as Python's own, millions of numbers take 32 bytes each
        some = keys[start : start + BLOCK]
        listed = some.tolist() if isinstance(some, np.ndarray) else some
        digests = b"".join([hashlib.sha256(str(key).encode()).digest()[:8] for key in listed])
        ranks[start : start + BLOCK] = np.frombuffer(digests, ">u8")
    return ranks


def _nearest(sizes: np.ndarray, wanted: float) -> np.ndarray:
    """Which units, taken in their order, bring their sum as near to `wanted` as may be.

    One that would bring it further away is passed over, so that a giant is in no small part.

    Returns:
        Positions; where two units or more are to be divided, one or more are in and one or more out.
    """
    taken, total = np.zeros(len(sizes), dtype=bool), 0
    for place, size in enumerate(sizes.tolist()):
        if total + size / 2 <= wanted:
            taken[place], total = True, total + size
    if taken.all():
        taken[-1:] = False
    elif wanted > 0 and len(sizes) > 1 and not taken.any():
        taken[sizes.argmin()] = True
    return np.flatnonzero(taken)


def _commonest(units: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The commonest label of each unit, the lower of equally common ones.

    Args:
        units: (n,) int64 codes 0…m−1. labels: (n,) int64.
    Returns:
        (m,) int64.
    """
    values, codes = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(units * len(values) + codes, return_counts=True)
    order = np.lexsort((pairs % len(values), -counts, pairs // len(values)))
    first = np.unique(pairs[order] // len(values), return_index=True)[1]
    return np.asarray(values[pairs[order[first]] % len(values)])

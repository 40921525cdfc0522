"""Tables drawn from a known law: the problems that textbooks and papers on trees and boosting report.

A problem and a seed give the same rows everywhere (scikit-learn's generators, or numpy's legacy ones, whose
streams are frozen), so a figure published for `random_state=0` can be met to its last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.codec import Json
from harness.datasets.arguments import complete
from harness.protocols import Dataset, Split, Task
from harness.record import DataError, content_hash

DESCRIPTION = (
    "rows drawn from a known law: Hastie's spheres, Friedman's functions, Breiman's norms, waveforms"
)

Rows = tuple[np.ndarray, np.ndarray]
"""Inputs (n, columns) and targets (n,)."""


@dataclass(frozen=True)
class Problem:
    """A law to draw rows from.

    Args:
        columns: of the inputs. classes: 0 for a numeric target. noise: deviation that is added to a numeric
            target unless the suite says otherwise. draw: (rows, noise, seed) → rows. source: who uses it.
    """

    columns: int
    classes: int
    noise: float
    draw: Callable[[int, float, int], Rows]
    source: str


def load(
    *, problem: str, train: int = 2000, test: int = 10_000, noise: float | None = None, seed: int = 0
) -> Dataset:
    """The first `train` rows and the `test` rows after them, inputs float32 (as trees of scikit-learn see
    them anyway).

    Args:
        problem: a key of `PROBLEMS`. noise: deviation added to a numeric target; none: the problem's own.
        seed: of the rows; the suite's seeds do not change them.
    """
    chosen = _problem(problem)
    for name, rows in (("train", train), ("test", test)):
        if rows < 1:
            raise DataError(f"simulated: {name} is {rows}: write a positive number of rows")
    if noise is not None and (chosen.classes or noise < 0):
        raise DataError(
            f"simulated: noise {noise} for {problem}: a problem with classes takes none, others 0 or more"
        )
    inputs, targets = chosen.draw(train + test, chosen.noise if noise is None else noise, seed)
    targets = targets.astype(np.int64 if chosen.classes else np.float32)
    ids = np.arange(len(targets), dtype=np.int64)
    table = inputs.astype(np.float32)
    parts = (slice(None, train), slice(train, None))
    return Dataset(task(problem=problem), *(Split(table[p], targets[p], ids[p]) for p in parts))


def task(*, problem: str, **_: object) -> Task:
    """Of the problem.

    Raises:
        DataError: there is none of this name.
    """
    chosen = _problem(problem)
    if not chosen.classes:
        return Task("tabular_regression", 0, (), (chosen.columns,))
    names = tuple(str(c) for c in range(chosen.classes))
    return Task("tabular_classification", chosen.classes, names, (chosen.columns,))


def checksum(**args: Json) -> str:
    """Of what the rows are drawn from; nothing is drawn for it."""
    return content_hash({**complete(load, args), "version": 1})


def _problem(name: str) -> Problem:
    if name not in PROBLEMS:
        raise DataError(f"simulated: unknown problem {name!r}: there are {', '.join(PROBLEMS)}")
    return PROBLEMS[name]


def _hastie(rows: int, noise: float, seed: int) -> Rows:
    """Ten standard normal columns; class 1 outside the sphere that holds half of them."""
    from sklearn.datasets import make_hastie_10_2

    inputs, targets = make_hastie_10_2(rows, random_state=seed)
    return inputs, targets > 0


def _friedman(number: int) -> Callable[[int, float, int], Rows]:
    def draw(rows: int, noise: float, seed: int) -> Rows:
        from sklearn import datasets

        make = getattr(datasets, f"make_friedman{number}")
        inputs, targets = make(rows, noise=noise, random_state=seed)
        return inputs, targets

    return draw


def _twonorm(rows: int, noise: float, seed: int) -> Rows:
    """Two unit normals in 20 dimensions, their centres four apart on the diagonal."""
    rng = np.random.RandomState(seed)
    targets = rng.randint(0, 2, rows)
    centre = 2 / np.sqrt(20)
    return rng.normal(size=(rows, 20)) + np.where(targets, centre, -centre)[:, None], targets


def _threenorm(rows: int, noise: float, seed: int) -> Rows:
    """Class 0: one of two unit normals at ±(a, …, a); class 1: one at (a, −a, a, −a, …); a = 2/√20."""
    rng = np.random.RandomState(seed)
    targets, side = rng.randint(0, 2, rows), rng.randint(0, 2, rows) * 2 - 1
    centre = 2 / np.sqrt(20)
    zigzag = np.where(np.arange(20) % 2, -centre, centre)
    centres = np.where(targets[:, None], zigzag, side[:, None] * centre)
    return rng.normal(size=(rows, 20)) + centres, targets


def _ringnorm(rows: int, noise: float, seed: int) -> Rows:
    """Class 0: a normal of variance 4 around 0; class 1: a unit one around (a, …, a), a = 1/√20."""
    rng = np.random.RandomState(seed)
    targets = rng.randint(0, 2, rows)
    drawn = rng.normal(size=(rows, 20))
    return np.where(targets[:, None], drawn + 1 / np.sqrt(20), 2 * drawn), targets


def _waveform(rows: int, noise: float, seed: int) -> Rows:
    """Random mixtures of two of three triangles over 21 points, with unit noise on each."""
    rng = np.random.RandomState(seed)
    points = np.arange(1, 22)
    triangles = np.stack([np.maximum(6 - np.abs(points - peak), 0) for peak in (7, 15, 11)])
    pairs = np.array([(0, 1), (0, 2), (1, 2)])
    targets, share = rng.randint(0, 3, rows), rng.uniform(size=(rows, 1))
    first, second = triangles[pairs[targets, 0]], triangles[pairs[targets, 1]]
    return share * first + (1 - share) * second + rng.normal(size=(rows, 21)), targets


PROBLEMS: dict[str, Problem] = {
    "hastie_10_2": Problem(10, 2, 0, _hastie, "Elements of Statistical Learning, example 10.2"),
    "friedman_1": Problem(10, 0, 1.0, _friedman(1), "Friedman 1991; Breiman, Bagging Predictors, 1996"),
    "friedman_2": Problem(4, 0, 125.0, _friedman(2), "Friedman 1991; Breiman, Bagging Predictors, 1996"),
    "friedman_3": Problem(4, 0, 0.1, _friedman(3), "Friedman 1991; Breiman, Bagging Predictors, 1996"),
    "twonorm": Problem(20, 2, 0, _twonorm, "Breiman, Arcing Classifiers, 1998"),
    "threenorm": Problem(20, 2, 0, _threenorm, "Breiman, Arcing Classifiers, 1998"),
    "ringnorm": Problem(20, 2, 0, _ringnorm, "Breiman, Arcing Classifiers, 1998"),
    "waveform": Problem(21, 3, 0, _waveform, "Breiman, Friedman, Olshen, Stone 1984"),
}

"""Small data sets that scikit-learn carries, read from its files without importing it."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.files import sha256_of
from harness.datasets.splits import hash_split, take
from harness.late import Late
from harness.protocols import Dataset, Split, Task
from harness.record import DataError

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

TEST_SHARE = 0.2


def path_of(name: str) -> Path:
    """Where a file of `sklearn/datasets/data` is.

    Raises:
        DataError: scikit-learn is not installed, or this version does not carry the file.
    """
    found = importlib.util.find_spec("sklearn")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "datasets" / "data" / name
        if path.is_file():
            return path
    raise DataError(f"scikit-learn carries no {name} here: pip install -c constraints.txt scikit-learn")


@cache
def checksum_of(*names: str) -> str:
    """One content hash over files of scikit-learn."""
    return "-".join(sha256_of(path_of(name))[:32] for name in names)


def read_table(name: str, *, delimiter: str = ",", skip: int = 0) -> np.ndarray:
    """A numeric file as float64 (rows, columns)."""
    return np.loadtxt(path_of(name), delimiter=delimiter, skiprows=skip, ndmin=2)


def dataset(task: Task, inputs: np.ndarray, targets: np.ndarray) -> Dataset:
    """Cut a fixed stratified test part off (the same rows in every run, whatever the suite's seed)."""
    ids = np.arange(len(targets), dtype=np.int64)
    whole = Split(inputs, targets, ids)
    train, test = hash_split([str(i) for i in ids], targets, TEST_SHARE)
    return Dataset(task, take(whole, train), take(whole, test))

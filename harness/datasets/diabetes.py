"""Diabetes: progression after a year from ten measurements of 442 patients, from scikit-learn.

Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, Least Angle Regression, 2004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.datasets.bundled import checksum_of, dataset, read_table
from harness.late import Late
from harness.protocols import Dataset, Task

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

DESCRIPTION = "442 patients, 10 numeric columns, disease progression (scikit-learn); 80 % train, 20 % test"

_FILES = ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz")


def load() -> Dataset:
    """Tables (n, 10) float32 as measured (not scaled), targets float32 from 25 to 346."""
    table = read_table(_FILES[0], delimiter=" ").astype(np.float32)
    targets = read_table(_FILES[1], delimiter=" ")[:, 0].astype(np.float32)
    return dataset(task(), table, targets)


def task() -> Task:
    return Task("tabular_regression", 0, (), (10,))


def checksum() -> str:
    return checksum_of(*_FILES)

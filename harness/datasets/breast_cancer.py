"""Breast cancer: 569 tumours by 30 measurements, malignant or benign, from scikit-learn.

Source: W. Street, W. Wolberg, O. Mangasarian, Breast Cancer Wisconsin (Diagnostic), UCI, 1995.
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

DESCRIPTION = "569 tumours, 30 numeric columns, malignant or benign (scikit-learn); 80 % train, 20 % test"


def load() -> Dataset:
    """Tables (n, 30) float32, targets 0 = malignant, 1 = benign."""
    table = read_table("breast_cancer.csv", skip=1)
    return dataset(task(), table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64))


def task() -> Task:
    return Task("tabular_classification", 2, ("malignant", "benign"), (30,))


def checksum() -> str:
    return checksum_of("breast_cancer.csv")

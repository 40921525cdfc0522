"""Digits: 1,797 grey 8×8 images of handwritten digits, from scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (test part).
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

DESCRIPTION = "1,797 grey 8×8 handwritten digits (scikit-learn); 80 % train, 20 % test"


def load() -> Dataset:
    """Images (n, 1, 8, 8) uint8, the source's 0…16 stretched to 0…255."""
    table = read_table("digits.csv.gz")
    images = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return dataset(task(), images, table[:, -1].astype(np.int64))


def task() -> Task:
    return Task("image_classification", 10, tuple("0123456789"), (1, 8, 8))


def checksum() -> str:
    return checksum_of("digits.csv.gz")

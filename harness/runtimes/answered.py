"""What a fitted model answers itself to the rows that its exports are judged on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from harness.datasets.mapped import is_array
from harness.protocols import Split
from harness.runtimes.common import in_batches, kind, reference


def exact_answers(fitted: Path, validation: Split | None, rows: np.ndarray) -> np.ndarray:
    """The answers to (n, …) rows, the first of the validation part where there is one.

    A network's training stored them: to answer 2,000 images again took a sixth of a score.
    """
    stored = fitted.parent / "validation.parquet"
    if (
        kind(fitted) == "torch"
        and validation is not None
        and is_array(validation.inputs)
        and stored.is_file()
    ):
        import pyarrow.parquet as pq

        with pq.ParquetFile(stored) as file:
            first = next(file.iter_batches(len(rows)))
        answers = [
            name for name in first.schema.names if name == "prediction" or re.fullmatch(r"p_\d+", name)
        ]
        if answers and np.array_equal(first["id"].to_numpy(), validation.ids[: len(rows)]):
            exact = np.stack([first[name].to_numpy() for name in answers], axis=1)
            return exact[:, 0] if answers == ["prediction"] else exact
    return in_batches(reference(fitted), rows)

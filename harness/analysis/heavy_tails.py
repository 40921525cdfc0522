"""Errors with a long tail: a few rows make most of the mean, and its interval is too short."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness.analysis.stats import Array
from harness.protocols import Metric

LEAST = 5.0
"""A t interval over fewer rows than this times the squared skewness of their scores is too short.

Squares of errors of log-normal prices (residuals of .7 on the log scale): of 200 rows it covers 66 %, of
1,000 73 %, and that is said of 8 and 7 samples in 10; of normal errors of 2 in 100 samples of 100 rows.
"""


def heaviest(scores: Iterable[Array]) -> tuple[int, int] | None:
    """Of scores (N,) of several rows those with the longest tail: how many make half of the sum, of how many.

    None where no tail is too long for so many.
    """
    found = None
    longest = 0.0
    for values in scores:
        spread = float(values.std())
        if spread == 0 or values.min() < 0:
            continue
        skewness = float((((values - values.mean()) / spread) ** 3).mean())
        if skewness > longest and len(values) < LEAST * skewness**2:
            half = np.cumsum(np.sort(values)[::-1]) >= values.sum() / 2
            longest, found = skewness, (int(np.argmax(half)) + 1, len(values))
    return found


def said_of(metric: Metric, tail: tuple[int, int]) -> str:
    """The warning that few rows make half of an error. `tail`: how many rows, of how many."""
    few, rows = tail
    of_targets = metric.unit in ("target", "squared target")
    cure = "; decide by mae, or by errors of the logarithm (a metric of your own)" if of_targets else ""
    return (
        f"{few:,} of {rows:,} test rows make half of {metric.name}: its intervals are likely too short, and "
        f"what it decides is the luck of these rows{cure}"
    )

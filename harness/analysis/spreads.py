"""How far figures scatter: what a run says of the next one's power to tell candidates apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.stats import Array
from harness.spread import Spread


def quality_spread(scores: Sequence[Array], data: str) -> Spread | None:
    """Variances of a quality metric, means over candidates and over their pairs.

    Args:
        scores: K arrays (S_k, N), one for each candidate, column i the same test example in all; N = 1 where
            a metric exists only as an aggregate.
    Returns:
        None with fewer than two candidates, or where not all have two seeds: one says nothing of others.
    """
    if len(scores) < 2 or min(len(s) for s in scores) < 2:
        return None
    num_examples = scores[0].shape[1]
    residual = examples = alone = 0.0
    if num_examples > 1:
        residual = 2 * float(np.mean([s.var(0, ddof=1).mean() for s in scores])) / num_examples
        mean = np.stack([s.mean(0) for s in scores])
        apart = float((mean - mean.mean(0)).var(1, ddof=1).sum()) * 2 / (len(scores) - 1) / num_examples
        share = residual * float(np.mean([1 / len(s) for s in scores]))
        examples = max(apart - share, 0.0)
        alone = max(float(mean.var(1, ddof=1).mean()) / num_examples - share / 2, 0.0)
    between = float(np.mean([s.mean(1).var(ddof=1) for s in scores]))
    level = float(np.mean([s.mean() for s in scores]))
    df = sum(len(s) - 1 for s in scores)
    return Spread(data, level, alone, examples, residual, max(between - residual / 2, 0.0), df=df)


def launch_spread(logs: Array, data: str) -> Spread | None:
    """Variance between rounds of the difference of two variants' logarithms.

    Args:
        logs: (rounds, K), NaN where a launch is missing.
    Returns:
        None where no two variants share two rounds.
    """
    complete = logs[:, ~np.isnan(logs).any(0)]
    rounds, rows = complete.shape
    if rounds < 2 or rows < 2:
        return None
    own = complete - complete.mean(1, keepdims=True)
    launches = float(own.var(0, ddof=1).sum()) * 2 / (rows - 1)
    alone = float(complete.var(0, ddof=1).mean())
    df = (rows - 1) * (rounds - 1)
    return Spread(data, float(np.exp(complete.mean())), alone, launches=launches, df=df)

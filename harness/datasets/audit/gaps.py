"""Columns that have gaps in one part alone: no model has learnt what a gap means."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, lgamma

import numpy as np
import pandas as pd

from harness.datasets.audit.finding import AuditedData, Finding, named

BY_CHANCE = 0.001
"""A column's gaps, dealt to rows at random, lie in the test part alone no more often: a warning."""


def gaps(subject: AuditedData) -> Iterator[Finding]:
    """Of all rows, as they were read."""
    train, test = subject.plain.train.inputs, subject.plain.test.inputs
    if not subject.is_table or not getattr(train, "dtype", None):
        return
    names = train.dtype.names or range(train.shape[1])
    for name in names:
        learnt, asked = ((rows[name] if train.dtype.names else rows[:, name]) for rows in (train, test))
        missing = int(np.sum(pd.isna(asked)))
        if not missing or pd.isna(learnt).any():
            continue
        chance = exp(_ways(len(asked), missing) - _ways(len(learnt) + len(asked), missing))
        yield Finding(
            "gaps in the test part alone",
            "warning" if chance < BY_CHANCE else "note",
            f"{named(name)} has gaps in {missing} of {len(asked)} test rows and in no training row: what a "
            "model says there it has not learnt; leave it out, or put such rows into the training part",
            {"column": name, "missing": missing, "test_rows": len(asked)},
            tuple(subject.plain.test.ids[pd.isna(asked)][:20].tolist()),
        )


def _ways(rows: int, some: int) -> float:
    """The logarithm of how many ways there are to choose some of the rows."""
    return lgamma(rows + 1) - lgamma(some + 1) - lgamma(rows - some + 1)

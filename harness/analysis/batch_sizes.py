"""Offline figures of several launches at one batch size.

A launch's headline is the best of its batch sizes that gave a figure. Where the usual one was unsteady it is
that of another, and the mean of both is true of neither: 2,860 a second at 32 in five rounds and 840 at 1 in
the sixth were given as 2,330.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.record import Measurement, Record

THROUGHPUT = "throughput_offline_per_s"
AT_THE_BEST = (THROUGHPUT, "cpu_seconds_per_example", "energy_per_million_kwh")
"""Headlines that are those of the batch size with the highest throughput."""


def at_one_batch_size(records: Sequence[Record]) -> list[Record]:
    """A variant's serve records with the offline headlines of the batch size that is fastest over them all;
    a launch that has no figure there says why instead."""
    rates: dict[int, dict[str, float]] = defaultdict(dict)
    for record in records:
        for size, m in _by_size(record, THROUGHPUT).items():
            if m.value:
                rates[size][record.trial.id] = m.value
    if len(rates) < 2:
        return list(records)
    return [_taken_at(record, _fastest(rates)) for record in records]


def _fastest(rates: Mapping[int, Mapping[str, float]]) -> int:
    """The size that is faster than the others in the launches that both have.

    One that was steady in the fast round alone only looks fast: those count that have a figure in half as
    many launches as the size that has most.

    Args:
        rates: size → launch → requests per second.
    """
    most = max(map(len, rates.values()))
    best, *others = sorted((s for s in rates if 2 * len(rates[s]) >= most), key=lambda s: -len(rates[s]))
    for size in others:
        common = rates[size].keys() & rates[best].keys()
        if common and np.mean([np.log(rates[size][c] / rates[best][c]) for c in common]) > 0:
            best = size
    return best


def _taken_at(record: Record, size: int) -> Record:
    own = _by_size(record, THROUGHPUT)
    rate = own.get(size)
    fastest = max((m for m in own.values() if m.value), key=lambda m: m.value or 0.0, default=None)
    if rate is None or fastest is None or fastest is rate:
        return record
    kept = []
    for m in record.measurements:
        if m.at or m.metric not in AT_THE_BEST:
            kept.append(m)
            continue
        # Energy is kept of the fastest size alone, CPU time of those that gave windows.
        there = _by_size(record, m.metric).get(size) if rate.value else None
        why = f"not measured at batch {size}" if rate.value else rate.note
        kept.append(replace(there, at={}) if there else replace(m, value=None, samples=(), note=why))
    return replace(record, measurements=tuple(kept))


def _by_size(record: Record, metric: str) -> dict[int, Measurement]:
    if record.status != "finished":
        return {}
    return {
        int(m.at["batch_size"]): m
        for m in record.measurements
        if m.metric == metric and set(m.at) == {"batch_size"}
    }

"""What two runs say of a machine: the same trials served twice, nothing changed between them.

Intervals of speed come from the launches of one run. The same suite on the same machine may be faster or
slower on another day by more than they say (neighbours, clock, placement), which only a second run shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.analysis.index import RecordIndex
from harness.analysis.stats import holm, t_tail, welch_difference
from harness.metrics import METRICS
from harness.record import Record, Variant

ERROR_RATE = 0.05


def same_trials(a: Sequence[Record], b: Sequence[Record]) -> bool:
    """Whether both served the same trials: whatever they differ by is the machine's."""
    return {r.trial.id for r in a} == {r.trial.id for r in b}


def drift_note(variants: Sequence[Variant], a: RecordIndex, b: RecordIndex) -> str:
    """That the same trials, measured in two runs, differ by more than their intervals explain; else empty."""
    found: list[tuple[float, float, str]] = []
    for variant in variants:
        served = [[r for r in i.serve.get(variant, []) if r.status == "finished"] for i in (a, b)]
        if not same_trials(*served) or _measured(served[0]) == _measured(served[1]):
            continue
        names = {m.metric for r in served[0] for m in r.measurements if not m.at and m.metric in METRICS}
        for name in sorted(n for n in names if METRICS[n].is_served and METRICS[n].is_compared):
            found += _difference(f"{variant.name} {name}", name, served)
    if not found:
        return ""
    apart = [k for k, p in enumerate(holm([p for _, p, _ in found])) if p <= ERROR_RATE]
    if not apart:
        return ""
    ratio, _, where = max((found[k] for k in apart), key=lambda one: one[0])
    return (
        f"the same trials were served in both runs, and {len(apart)} of {len(found)} figures of speed differ"
        f" by more than their intervals explain ({where} by a factor of {math.exp(ratio):.2g}): the machine"
        " was not the same to both; intervals of speed and cost hold within one run"
    )


def _measured(records: Sequence[Record]) -> list[tuple[str, object]]:
    return sorted(((r.trial.id, r.measurements) for r in records), key=lambda one: one[0])


def _difference(where: str, name: str, served: Sequence[Sequence[Record]]) -> list[tuple[float, float, str]]:
    """(|log ratio|, two-sided p, where), where both runs have two positive launches at least."""
    before, after = (np.array([v for r in group if (v := r.value(name)) is not None]) for group in served)
    if min(len(before), len(after)) < 2 or not ((before > 0).all() and (after > 0).all()):
        return []
    logs = welch_difference(np.log(after), np.log(before))
    p = t_tail(logs.value / logs.se, logs.df) if logs.se > 0 else float(logs.value == 0)
    return [(abs(logs.value), p, where)]

"""Whether a machine keeps its speed: the same small product, timed for some seconds.

A hypervisor that runs another guest on a core's sibling, or a clock that changes, makes all work take half as
long again, for a tenth of a second to minutes. Medians of rounds bear that; a p99 asks how long it was so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.doctor.findings import MachineCheck

LOOK_S = 3.0
"""How long a core is looked at."""
WINDOW_S = 0.02
"""A stretch whose quickest product tells the speed: an interrupt lengthens others."""
SIDE, AT_ONCE = 48, 16
"""The product's matrices, and how many are timed together: few microseconds each, on one thread."""
SLOWER = 1.15
"""So many times the fast speed is another one."""
FAST = 0.1
"""Share of the windows that are at the fast speed at least: a single lucky one is none."""


@dataclass(frozen=True)
class Steadiness:
    """How a machine's speed varied.

    Args:
        slow: share of the time in which the product took over `SLOWER` times as long as when it was fast.
        times: how many times as long it usually took then; 1 where it never did.
    """

    slow: float
    times: float


def look_at_speed(core: int | None, seconds: float) -> Steadiness:
    """Multiply small matrices on a core for some seconds."""
    allowed = os.sched_getaffinity(0) if core is not None else set()
    matrix = np.full((SIDE, SIDE), 0.5, np.float32)
    out, clock = np.empty_like(matrix), time.perf_counter
    quickest: list[float] = []
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        end = clock() + seconds
        while (now := clock()) < end:
            until, least = now + WINDOW_S, np.inf
            while now < until:
                for _ in range(AT_ONCE):
                    np.matmul(matrix, matrix, out=out)
                then = clock()
                least, now = min(least, then - now), then
            quickest.append(least)
    finally:
        if core is not None:
            os.sched_setaffinity(0, allowed)
    return steadiness_of(quickest)


def steadiness_of(quickest: Sequence[float]) -> Steadiness:
    """What the quickest products of successive windows say.

    Args:
        quickest: seconds, one or more.
    """
    ratios = np.asarray(quickest) / np.quantile(quickest, FAST)
    slow = ratios > SLOWER
    return Steadiness(float(slow.mean()), float(np.median(ratios[slow])) if slow.any() else 1.0)


def steadiness_finding(found: Steadiness) -> MachineCheck:
    """In words; a limit on p99 is what suffers."""
    if not found.slow:
        return MachineCheck("speed", f"steady over {LOOK_S:g} s")
    said = f"the same product took {found.times:.2g} times as long in {found.slow:.0%} of {LOOK_S:g} s"
    meaning = (
        "a p99, and the load and cost within a limit on it, depend on how long it was slow: take more"
        " `serving.rounds`, or a machine whose cores nobody shares"
    )
    return MachineCheck("speed", said, meaning, "watch")

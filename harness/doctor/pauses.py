"""Whether a pause makes what comes after it slow: memory that was not touched for a moment, reached again.

Caches forget within milliseconds, and a page costs up to a tenth of a microsecond then. A hypervisor that
takes pages away from a guest (nested virtual machines, memory that is sold twice) makes it tens: a network
touches thousands, so that its first call after 30 ms takes up to ten times as long, while calls one after the
other, of which a closed loop consists, show nothing of it.
"""

from __future__ import annotations

import mmap
import os
import time
from dataclasses import dataclass

import numpy as np

from harness.doctor.findings import MachineCheck

PAUSE_S, TURNS = 0.1, 7
PAGES = 1024
"""4 MB, about what a call of a small network touches, its code included."""
COLD_US = 1.0
"""From so many microseconds a page it is more than caches that were lost."""


@dataclass(frozen=True)
class Pauses:
    """What a page of memory costs, microseconds, in the middle of `TURNS` tries.

    Args:
        at_once: touched a moment ago. after: not touched for `PAUSE_S`.
    """

    at_once: float
    after: float


def look_at_pauses(core: int | None) -> Pauses:
    """Read a byte of each page, at once and after a pause in which the core stays busy."""
    allowed = os.sched_getaffinity(0) if core is not None else set()
    pages = np.frombuffer(mmap.mmap(-1, PAGES * mmap.PAGESIZE), np.uint8)[:: mmap.PAGESIZE]
    clock, found = time.perf_counter, dict[float, list[float]]()
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        for pause in (0.0, PAUSE_S) * TURNS:
            pages.sum()
            until = clock() + pause
            while clock() < until:
                pass
            start = clock()
            pages.sum()
            found.setdefault(pause, []).append(clock() - start)
    finally:
        if core is not None:
            os.sched_setaffinity(0, allowed)
    at_once, after = (float(np.median(found[pause])) * 1e6 / PAGES for pause in (0.0, PAUSE_S))
    return Pauses(at_once, after)


def pauses_finding(found: Pauses) -> MachineCheck:
    """In words; who serves few requests a second is concerned."""
    said = (
        f"a page of memory takes {found.after:.2g} µs after {PAUSE_S * 1e3:.0f} ms without use"
        f" ({found.at_once:.2g} at once)"
    )
    if found.after < COLD_US:
        return MachineCheck("pauses", said)
    more_ms = PAGES * (found.after - found.at_once) / 1e3
    meaning = (
        f"a call after such a pause takes about {more_ms:.2g} ms longer for each 4 MB that it touches: at a"
        " few requests a second latencies are above those of `single_stream`, and a limit near them may hold"
        " under heavy load alone; run `doctor` where you serve, too"
    )
    return MachineCheck("pauses", said, meaning, "watch")

"""What a measured process does before it measures: die with its parent, go first, stay on its cores."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from harness.record import TrialError
from harness.serving import noise


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent dies: a killed run must leave nothing measuring."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            sys.exit(1)


def go_first() -> int:
    """Take the highest ordinary priority where that is allowed: the machine's own chores then wait.

    Returns:
        The niceness now (0 for users who may not lower it).
    """
    try:
        niceness = os.nice(-20)
        # A session of its own is a scheduling group of its own, whose niceness is what counts between groups.
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        return os.nice(0)
    return niceness


def cores_of(threads: int, workers: int = 1) -> list[list[int]]:
    """The cores of each worker: the quietest ones, where there are spare ones.

    Returns:
        (workers) lists; empty ones where a single worker has none to spare or the platform cannot pin.
    Raises:
        TrialError: several workers have fewer cores than threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        return [[] for _ in range(workers)]
    cores = sorted(os.sched_getaffinity(0))
    need = threads * workers
    if workers > 1 and len(cores) < need:
        raise TrialError(
            f"{workers} workers of {threads} thread{'s' if threads > 1 else ''} need {need} cores,"
            f" this machine has {len(cores)}"
        )
    if len(cores) <= need:
        shares = [cores[k * threads : (k + 1) * threads] for k in range(workers)]
        return shares if workers > 1 else [[]]
    chosen = _quietest(cores, need)
    return [sorted(chosen[k * threads : (k + 1) * threads]) for k in range(workers)]


def pin(cores: list[int]) -> None:
    """Stay on these cores; threads that start later inherit it."""
    if cores:
        os.sched_setaffinity(0, cores)


def _quietest(cores: list[int], need: int) -> list[int]:
    lost: dict[int, float] = {}
    # Two looks at each core, a few milliseconds apart; more cores than that need no choosing.
    looked_at = cores[-max(8, need) :]
    for core in [*looked_at, *looked_at]:
        os.sched_setaffinity(0, {core})
        before = noise.run_queue_waits().get(str(os.getpid()), 0)
        share = noise.spin(0.004)[0]
        waited = noise.run_queue_waits().get(str(os.getpid()), 0) - before
        lost[core] = lost.get(core, 0.0) + share + waited / 4e6
    os.sched_setaffinity(0, cores)
    return sorted(lost, key=lambda core: (round(lost[core], 1), -core))[:need]

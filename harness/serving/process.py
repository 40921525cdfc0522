"""What a measured process does before it measures: die with its parent, go first, stay on its cores."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def ahead_of_others() -> Iterator[bool]:
    """Nothing ordinary takes a core from this process inside, where that is allowed (Linux, root).

    A neighbour that gets its turn keeps it until the kernel's next tick, 4 ms or more: beside four of them
    the highest niceness left 3 to 6 % of two cores to neighbours, a real-time priority under 1 %.

    Only open-loop runs are inside: what computes without a pause would starve its machine. The kernel keeps
    a share of each second for the starving all the same.

    Yields:
        Whether it was allowed.
    """
    allowed = sys.platform == "linux" and _schedule(os.SCHED_RR, 1)
    try:
        yield allowed
    finally:
        if allowed:
            _schedule(os.SCHED_OTHER, 0)  # keeps its niceness


def _schedule(policy: int, priority: int) -> bool:
    """Put all threads of this process under a policy; whether the kernel allowed it."""
    try:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
    except OSError:
        return False
    return True


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

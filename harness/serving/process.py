"""What a measured process does before it measures: die with its parent, go first, stay on its cores."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.record import TrialError
from harness.serving import noise

AHEAD_NS, ASIDE_NS = 900_000_000, 60_000_000
"""After so much time awake whoever goes first leaves so much to all others, what it slept included. From
those that never pause Linux takes 50 ms of each second in one piece, where anything else wants to run."""
NEVER = 1 << 63


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


class Ahead:
    """The place before all others, and when to leave it for a moment.

    Args:
        allowed: whether this process has it.
    """

    def __init__(self, allowed: bool = False) -> None:
        self.allowed = allowed
        self.until_ns = time.perf_counter_ns() + AHEAD_NS if allowed else NEVER
        self._threads, self._aside = _threads() if allowed else [], False
        self._owed_ns = ASIDE_NS

    def slept(self, ns: int) -> None:
        """So long all others could run."""
        self.until_ns += ns
        self._owed_ns -= ns

    def turn(self, now_ns: int) -> None:
        """Step aside, where that is owed still, or go ahead again: due at `until_ns`."""
        if self._aside or self._owed_ns <= 0:
            if self._aside:
                _schedule(self._threads, os.SCHED_RR, 1)
            self._aside, self._owed_ns, self.until_ns = False, ASIDE_NS, now_ns + AHEAD_NS
        else:
            _schedule(self._threads, os.SCHED_OTHER, 0)
            self._aside, self.until_ns = True, now_ns + self._owed_ns


@contextmanager
def ahead_of_others() -> Iterator[Ahead]:
    """Nothing ordinary takes a core from this process inside, where that is allowed (Linux, root).

    A neighbour that gets its turn keeps it until the kernel's next tick, 4 ms or more: beside four of them
    the highest niceness left 3 to 6 % of two cores to neighbours, a real-time priority under 1 %.

    Only open-loop runs are inside: what computes without a pause would starve its machine. So that the kernel
    does not take its share for the starving in one piece, ten times a limit of 5 ms, such runs step aside
    themselves (`Ahead.turn`), at the highest niceness still.
    """
    ahead = Ahead(sys.platform == "linux" and _schedule(_threads(), os.SCHED_RR, 1))
    try:
        yield ahead
    finally:
        if ahead.allowed:
            _schedule(_threads(), os.SCHED_OTHER, 0)  # keeps its niceness


def _threads() -> list[int]:
    """Those of this process; none where the platform does not tell."""
    try:
        return [int(thread.name) for thread in Path("/proc/self/task").iterdir()]
    except OSError:
        return []


def _schedule(threads: Sequence[int], policy: int, priority: int) -> bool:
    """Put threads under a policy; whether the kernel allowed it."""
    try:
        for thread in threads:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setscheduler(thread, policy, os.sched_param(priority))
    except OSError:
        return False
    return bool(threads)


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

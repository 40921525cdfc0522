"""One queue of requests, from which whoever is free takes what has arrived by then.

Arrivals are generated ahead, so that there is no generator that could fall behind: a worker that is free
takes what has come, and where nothing has, it sleeps until the next arrival. Several workers share the
queue through an atomic cursor: idle ones wait for the same arrival, and who is awake first takes it.
"""

from __future__ import annotations

import ctypes
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from harness.protocols import Inputs
from harness.record import TrialError
from harness.serving.load import HOPELESS, ServerSettings
from harness.serving.noise import Gate, Noise
from harness.serving.process import Ahead, ahead_of_others
from harness.serving.subject import Subject, cut
from harness.serving.windows import collector_off, raised

SPIN_NS = 100_000
"""The last stretch before an arrival is waited for awake: a sleeping thread wakes up 50-100 µs late."""
MAX_ERRORS = 10
"""Failed calls after which the variant, not the load, is the problem."""


@dataclass(frozen=True)
class Queue:
    """The requests of one run, and how far they are taken.

    Args:
        arrivals_ns: (n,) when each request arrives, ascending, from the start of the run.
        issued_ns, answered_ns: (n,) when its batch was taken and answered, 0 where it never was.
        worker: (n,) which worker took it.
        cursor: (1,) the first request that nobody has taken.
        turn: held while a batch is taken, never while one is waited for.
    """

    arrivals_ns: np.ndarray
    issued_ns: np.ndarray
    answered_ns: np.ndarray
    worker: np.ndarray
    cursor: np.ndarray
    turn: Callable[[], AbstractContextManager[object]] = nullcontext

    def close(self) -> None:
        """Let nobody take any more of it."""
        self.cursor[0] = len(self.arrivals_ns)


@dataclass
class Taken:
    """What one worker tells of a run beside the clock readings.

    Args:
        batches: sizes, in order. idle_late_ns: how late it saw an arrival that it slept for.
        failed: calls that raised: first and last request of each batch, as a range.
    """

    batches: list[int] = field(default_factory=list)
    idle_late_ns: list[int] = field(default_factory=list)
    failed: list[tuple[int, int]] = field(default_factory=list)
    first_error: str = ""


@dataclass(frozen=True)
class Share:
    """What one worker did of a run, from when to when, and how quiet it was around it."""

    start_ns: int
    ended_ns: int
    taken: Taken
    noise: Noise


def own_queue(arrivals_ns: np.ndarray) -> Queue:
    """The queue of a machine with one worker."""
    n = len(arrivals_ns)
    issued, answered = np.zeros(n, np.int64), np.zeros(n, np.int64)
    return Queue(arrivals_ns, issued, answered, np.zeros(n, np.int8), np.zeros(1, np.int64))


def answer(
    subject: Subject,
    queue: Queue,
    go: Callable[[], int],
    seconds: float,
    settings: ServerSettings,
    number: int = 0,
) -> Share:
    """One worker's share of a run.

    Args:
        go: returns when the run begins, by the clock. seconds: how long requests come.
    """
    subject.ring(settings.max_batch)
    with collector_off(), ahead_of_others() as ahead:
        gate = Gate()
        start = go()
        taken = work_off(subject, queue, start, seconds, settings, number, ahead)
        return Share(start, time.perf_counter_ns(), taken, gate.read())


def work_off(
    subject: Subject,
    queue: Queue,
    start: int,
    seconds: float,
    settings: ServerSettings,
    number: int = 0,
    ahead: Ahead | None = None,
) -> Taken:
    """Take from the queue and answer, until it is empty or hopelessly long.

    Args:
        number: this worker's own. ahead: its place before others.
    Raises:
        TrialError: calls keep failing.
    """
    scheduled = (queue.arrivals_ns + start).tolist()
    end = start + int(seconds * 1e9)
    ring, total = subject.ring(settings.max_batch)
    clock, taken, ahead = time.perf_counter_ns, Taken(), ahead or Ahead()
    try:
        while True:
            now, i, j = _next_batch(queue, scheduled, end, settings, taken, ahead)
            if i == j:
                return taken
            request = cut(ring, i % total, i % total + j - i)
            queue.issued_ns[i:j] = now
            queue.worker[i:j] = number
            if _answered(subject, request, j - i, i, taken):
                queue.answered_ns[i:j] = clock()
            taken.batches.append(j - i)
            if now >= ahead.until_ns:
                ahead.turn(now)
    except BaseException:
        queue.close()
        raise


def _next_batch(
    queue: Queue, scheduled: list[int], end: int, settings: ServerSettings, taken: Taken, ahead: Ahead
) -> tuple[int, int, int]:
    """When a batch was taken, and which requests, as a range; an empty one when all is done.

    Nobody holds the turn while waiting: a worker whose core is taken away meanwhile would keep the others,
    which could answer, from the queue.
    """
    clock, n, wait = time.perf_counter_ns, len(scheduled), int(settings.max_wait_ms * 1e6)
    while (i := int(queue.cursor[0])) < n:
        full = i + settings.max_batch - 1
        close = scheduled[i] + wait
        ready = max(scheduled[i], min(close, scheduled[full])) if full < n else close
        if idle := clock() < ready:
            ahead.slept(sleep_until(ready))
        with queue.turn():
            if int(queue.cursor[0]) != i:
                continue  # another was faster
            now = clock()
            hopeless = int(HOPELESS * settings.limit_ms * 1e6)
            if now - scheduled[i] > hopeless or now > end + hopeless:
                queue.close()
                break
            j = bisect_right(scheduled, now, i + 1, min(i + settings.max_batch, n))
            queue.cursor[0] = j
        if idle:
            taken.idle_late_ns.append(now - ready)
        return now, i, j
    return 0, n, n


def _answered(subject: Subject, request: Inputs, batch: int, number: int, taken: Taken) -> bool:
    """One call; a failure is a violation until there are too many of them."""
    try:
        subject.check(subject.predict(request), batch)
    except MemoryError:
        raise
    except Exception as error:  # whatever the model raises is the finding
        reason = error if isinstance(error, TrialError) else raised(error, batch, number)
        taken.failed.append((number, number + batch))
        taken.first_error = taken.first_error or str(reason)
        if len(taken.failed) >= MAX_ERRORS:
            raise TrialError(f"fails under load: {reason}") from error
        return False
    return True


def sleep_until(target_ns: int, clock: Callable[[], int] = time.perf_counter_ns) -> int:
    """Sleep, and wait awake for the last 100 µs.

    Returns:
        ns asleep.
    """
    asleep = max(target_ns - clock() - SPIN_NS, 0)
    if asleep:
        time.sleep(asleep / 1e9)
    while clock() < target_ns:
        pass
    return asleep


def sharpen_timer() -> None:
    """Ask Linux to wake this thread on time: its default slack is 50 µs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK, 1 ns

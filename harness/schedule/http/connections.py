"""Open connections to one deployment, each a thread's own: what clients do at the same time.

They stand where the workers of a machine stand (`WorkerGroup`), so closed-loop windows and open-loop runs are
those of every other serve trial. Of the threads that are free one waits for the next arrival, the others for
their turn; who takes it sends it at once, by a connection of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.record import TrialError
from harness.serving import memory
from harness.serving.load import HOPELESS, ServerSettings
from harness.serving.noise import Gate
from harness.serving.process import ahead_of_others
from harness.serving.queueing import MAX_ERRORS, Queue, Share, Taken, own_queue
from harness.serving.subject import Subject
from harness.serving.windows import call, collector_off, own_warm_up, own_window, repeat

LEAD_NS = 2_000_000
"""All begin so long after the order."""


@dataclass
class Pending:
    """The queue of the run that goes on."""

    queue: Queue = field(default_factory=lambda: own_queue(np.zeros(0, np.int64)))

    def fill(self, arrivals_ns: np.ndarray) -> Queue:
        """A new queue, of (n,) arrivals in ns from its start."""
        self.queue = own_queue(arrivals_ns)
        return self.queue


class Connections:
    """So many clients in one process.

    Args:
        subjects: the deployment, by a connection each; the first is the process's own.
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.size, self.meter = len(subjects), None
        self.shared = Pending()
        self._subjects = subjects
        self._pool = ThreadPoolExecutor(self.size)
        everyone = threading.Barrier(self.size)
        list(self._pool.map(lambda _: everyone.wait(), subjects))  # each has its thread before a clock runs

    def together(self, subject: Any, order: str, **given: Any) -> list[Any]:
        """All do the same at the same time.

        Returns:
            what each found; of an open-loop run one share, that of the process.
        Raises:
            TrialError: the deployment answers wrongly, or not at all.
        """
        if order == "serve":
            return [self._serve(given["seconds"], given["settings"])]
        orders: dict[str, Callable[..., list[Any]]] = {
            "warm_up": self._warm_up,
            "window": self._window,
            "calls": self._calls,
            "reset_peak": lambda device: [memory.reset_peak(device)],
            "read_peak": lambda device: [memory.read_peak(device)],
        }
        return orders[order](**given)

    def _each(self, do: Callable[[Subject], Any], everyone: threading.Barrier | None = None) -> list[Any]:
        """What each found; where one fails, nobody waits for it any longer."""

        def guarded(own: Subject) -> Any:
            try:
                return do(own)
            except BaseException:
                if everyone is not None:
                    everyone.abort()
                raise

        ends = [self._pool.submit(guarded, own) for own in self._subjects]
        errors = [error for end in ends if (error := end.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        return [end.result() for end in ends]

    def _warm_up(self, batch: int, seconds: float) -> list[Any]:
        return self._each(lambda own: own_warm_up(own, batch, seconds))

    def _window(self, batch: int, seconds: float, max_calls: int, offset: int) -> list[Any]:
        everyone = threading.Barrier(self.size)

        def begin() -> int:
            everyone.wait()
            return time.perf_counter_ns() + LEAD_NS

        return self._each(
            lambda own: own_window(own, batch, seconds, max_calls, offset, None, begin), everyone
        )

    def _calls(self, batch: int, seconds: float, max_calls: int) -> list[Any]:
        return self._each(lambda own: repeat(own, batch, seconds, max_calls))

    def _serve(self, seconds: float, settings: ServerSettings) -> Share:
        """Send each request when it arrives, or as soon as a connection is free."""
        with collector_off(), ahead_of_others():
            gate = Gate()
            run = _Run(self.shared.queue, time.perf_counter_ns() + LEAD_NS, seconds, settings)
            numbered = list(enumerate(self._subjects))
            list(self._pool.map(lambda one: run.work_off(*one), numbered))
            return Share(run.start, time.perf_counter_ns(), run.taken, gate.read())


class _Run:
    """One run on one queue, worked off by several threads."""

    def __init__(self, queue: Queue, start: int, seconds: float, settings: ServerSettings) -> None:
        self.start, self.taken = start, Taken()
        self._queue = queue
        self._scheduled: list[int] = (queue.arrivals_ns + start).tolist()
        self._end = start + int(seconds * 1e9)
        self._hopeless = int(HOPELESS * settings.limit_ms * 1e6)
        self._turn = threading.Lock()

    def work_off(self, number: int, subject: Subject) -> None:
        """Take requests and send them until there are none, or the queue is hopelessly long.

        Raises:
            TrialError: calls keep failing.
        """
        queue, singles = self._queue, subject.requests(1)
        try:
            while (taken := self._next()) is not None:
                i, now = taken
                queue.issued_ns[i], queue.worker[i] = now, number
                if self._answered(subject, singles[i % len(singles)], i):
                    queue.answered_ns[i] = time.perf_counter_ns()
        except BaseException:
            queue.close()
            raise

    def _next(self) -> tuple[int, int] | None:
        """The next request and when it was taken; None where none is left."""
        clock, scheduled = time.perf_counter_ns, self._scheduled
        with self._turn:
            i = int(self._queue.cursor[0])
            if i >= len(scheduled):
                return None
            ahead = scheduled[i] - clock()
            if ahead > 0:
                time.sleep(ahead / 1e9)  # awake it would keep the others, whose answers come, from running
            now = clock()
            if ahead > 0:
                self.taken.idle_late_ns.append(now - scheduled[i])
            if now - scheduled[i] > self._hopeless or now > self._end + self._hopeless:
                self._queue.close()
                return None
            self._queue.cursor[0] = i + 1
            return i, now

    def _answered(self, subject: Subject, request: Any, number: int) -> bool:
        """One call; a failure is a violation until there are too many of them."""
        taken = self.taken
        try:
            subject.check(call(subject, request, 1, number), 1)
        except TrialError as error:
            taken.failed.append((number, number + 1))
            taken.first_error = taken.first_error or str(error)
            if len(taken.failed) >= MAX_ERRORS:
                raise TrialError(f"fails under load: {error}") from error
            return False
        taken.batches.append(1)
        return True

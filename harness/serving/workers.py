"""Several workers on one machine: processes that answer from one queue, each on cores of its own.

The measured process is the first worker and gives the orders; it starts the others
(`python -m harness.serving.workers`), which load the same artifact and then do the same as it does, at the
same time: windows of a closed loop, or taking requests from the shared queue. The queue lives in memory that
all of them map; its turn is a record lock of the kernel, which a process that dies gives back.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.codec import JsonObject
from harness.facts.serving import WarmUp
from harness.record import HarnessError, TrialError
from harness.serving import memory
from harness.serving.energy import Meter
from harness.serving.job import ServeJob
from harness.serving.load import ServerSettings
from harness.serving.process import die_with_parent, go_first, pin
from harness.serving.queueing import Queue, Share, answer, sharpen_timer
from harness.serving.subject import Subject, load_subject
from harness.serving.windows import own_warm_up, own_window, repeat

MOST_REQUESTS = 1 << 22
"""Room in the shared queue."""
FILLED = 0.98
"""Of it in the mean: how many requests come is luck."""
LEAD_NS = 2_000_000
"""All begin so long after the order: a pipe takes 0.1 ms to tell it."""

Go = Callable[[], int]
"""Says that this worker is ready, waits for the others, and returns when all begin, in ns."""


def _in_memory(size: int) -> str | None:
    """Where files lie in memory, if there is room: a container has 64 MB, and who writes beyond is killed."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        return None
    free = os.statvfs(shared)
    return str(shared) if free.f_bavail * free.f_frsize > size else None


class SharedQueue:
    """Memory for one queue at a time that several processes map, and the lock of its turn."""

    def __init__(self, file: int | None = None) -> None:
        self._kept: IO[bytes] | None = None
        if file is None:
            size = 8 * (1 + 3 * MOST_REQUESTS) + MOST_REQUESTS
            folder = _in_memory(size)
            self._kept = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the workers do
            file = self._kept.fileno()
            os.ftruncate(file, size)
        self.file = file
        self._memory = mmap.mmap(file, 0)
        words = np.frombuffer(self._memory, np.int64, 1 + 3 * MOST_REQUESTS)
        self._cursor, self._columns = words[:1], words[1:].reshape(3, MOST_REQUESTS)
        self._worker = np.frombuffer(self._memory, np.int8, MOST_REQUESTS, 8 * (1 + 3 * MOST_REQUESTS))

    def at_most(self, rate: float, seconds: float) -> float:
        """Of a run of so many requests per second the seconds that have room: a linear model on two cores
        answers two million a second, and a shorter run tells as much of it."""
        return min(seconds, FILLED * MOST_REQUESTS / rate)

    def fill(self, arrivals_ns: np.ndarray) -> Queue:
        """A new queue, of (n,) arrivals in ns from its start."""
        n = len(arrivals_ns)
        if n > MOST_REQUESTS:
            raise TrialError(f"{n:,} requests in one run: at most {MOST_REQUESTS:,} have room")
        self._columns[0, :n] = arrivals_ns
        self._columns[1:, :n] = 0
        self._worker[:n] = 0
        self._cursor[0] = 0
        return self.queue(n)

    def queue(self, n: int) -> Queue:
        """The queue that was filled last, of n requests."""
        arrivals, issued, answered = self._columns[:, :n]
        return Queue(arrivals, issued, answered, self._worker[:n], self._cursor, self._turn)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        fcntl.lockf(self.file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN)


class Crew:
    """The workers of a machine, as the first of them sees the others."""

    def __init__(self, request: Path, cores: list[list[int]]) -> None:
        """Start the other workers; `wait` until they have loaded.

        Args:
            request: the job's file. cores: of each worker, the first one's own included.
        """
        self.size = len(cores)
        self.meter: Meter | None = None
        self.shared = SharedQueue()
        self._others: list[tuple[subprocess.Popen[bytes], Connection]] = []
        for number in range(1, self.size):
            ours, theirs = Pipe()
            given = [self.shared.file, theirs.fileno()]
            words = [str(request), str(number), ",".join(map(str, cores[number])), *map(str, given)]
            process = subprocess.Popen(
                [sys.executable, "-m", "harness.serving.workers", *words], pass_fds=given
            )
            theirs.close()
            self._others.append((process, ours))

    def wait(self) -> None:
        """Until all others have loaded.

        Raises:
            TrialError: one could not load, or died.
        """
        for number in range(1, self.size):
            self._hear(number)

    def together(self, subject: Subject, order: str, **given: Any) -> list[Any]:
        """All workers do the same at the same time.

        Returns:
            (size) what each found, the first worker's own first.
        Raises:
            TrialError, MemoryError: what a worker's model raised, or a worker died.
        """
        for _, connection in self._others:
            connection.send((order, given))

        def go() -> int:
            for number in range(1, self.size):
                self._hear(number)
            start = time.perf_counter_ns() + LEAD_NS
            for _, connection in self._others:
                connection.send(start)
            return start

        found = [_obey(Worker(subject, 0, self.shared, self.meter), go, order, given)]
        found += [self._hear(number) for number in range(1, self.size)]
        for kind, said in found:
            if kind == "memory":
                raise MemoryError(said)
            if kind == "failed":
                raise TrialError(said)
        return [said for _, said in found]

    def _hear(self, number: int) -> tuple[str, Any]:
        """The next that a worker says: its kind (`ready`, `done`, `failed`, `memory`), and what."""
        process, connection = self._others[number - 1]
        try:
            kind, said = connection.recv()
        except EOFError:
            from harness.serving.serve import crash_reason

            raise TrialError(f"worker {number + 1}: {crash_reason(process.wait(), '')}") from None
        if kind == "broken":
            raise TrialError(f"worker {number + 1}: {said}")
        return kind, said


@dataclass
class Worker:
    """One of the workers: its variant, its number, the queue, and for the first the machine's meter."""

    subject: Subject
    number: int
    shared: SharedQueue
    meter: Meter | None = None


def warm_up(worker: Worker, go: Go, batch: int, seconds: float) -> WarmUp:
    """To steady state, beside the others."""
    go()
    return own_warm_up(worker.subject, batch, seconds)


def window(worker: Worker, go: Go, batch: int, seconds: float, max_calls: int, offset: int) -> Any:
    """A window in which all others have theirs."""
    return own_window(worker.subject, batch, seconds, max_calls, offset, worker.meter, go)


def calls(worker: Worker, go: Go, batch: int, seconds: float, max_calls: int) -> None:
    """Calls outside any timed window."""
    go()
    repeat(worker.subject, batch, seconds, max_calls)


def serve(worker: Worker, go: Go, requests: int, seconds: float, settings: ServerSettings) -> Share:
    """This worker's share of a run on the shared queue."""
    return answer(worker.subject, worker.shared.queue(requests), go, seconds, settings, worker.number)


def reset_peak(worker: Worker, go: Go, device: str) -> bool:
    """From now on counts for the peak of memory."""
    go()
    memory.release()
    return memory.reset_peak(device)


def read_peak(worker: Worker, go: Go, device: str) -> dict[str, float]:
    """The peak of memory since it was reset, and what of it other processes hold too."""
    go()
    return memory.read_peak(device)


ORDERS: Mapping[str, Callable[..., object]] = {
    "warm_up": warm_up,
    "window": window,
    "calls": calls,
    "serve": serve,
    "reset_peak": reset_peak,
    "read_peak": read_peak,
}
"""What the workers do together: (worker, go, what the order gives) → what it found."""


def _obey(worker: Worker, go: Go, order: str, given: JsonObject) -> tuple[str, Any]:
    """Carry an order out; what the model raises is an answer too, so that no worker waits for another."""
    began: list[int] = []

    def begin() -> int:
        began.append(go())
        return began[0]

    try:
        found: tuple[str, Any] = ("done", ORDERS[order](worker, begin, **given))
    except MemoryError as error:
        found = ("memory", str(error))
    except HarnessError as error:
        found = ("failed", str(error))
    if not began:
        go()
    return found


def main(argv: list[str]) -> None:
    """One of the other workers: load, then do what is ordered until there is nobody to order."""
    request, number, cores, queue, pipe = argv
    die_with_parent()
    connection = Connection(int(pipe))
    try:
        job = ServeJob.read(Path(request))
        memory.limit(job.memory_mb, job.device, job.workers)
        go_first()
        pin([int(core) for core in cores.split(",") if core])
        sharpen_timer()
        worker = Worker(load_subject(job), int(number), SharedQueue(int(queue)))
    except HarnessError as error:
        connection.send(("broken", str(error)))
        return
    connection.send(("ready", None))

    def go() -> int:
        connection.send(("ready", None))
        return int(connection.recv())

    while True:
        try:
            order, given = connection.recv()
        except EOFError:
            return
        connection.send(_obey(worker, go, order, given))


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)

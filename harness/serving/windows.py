"""Windows of a closed loop: warm-up to steady state, quiet windows, bounded retries."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from harness.facts.serving import WarmUp, WindowFacts
from harness.protocols import Inputs
from harness.record import TrialError
from harness.serving.energy import Meter
from harness.serving.noise import USABLE, Gate, Noise, worst
from harness.serving.quantiles import steady
from harness.serving.subject import Subject

WARM_UP_S = 1.0
WARM_UP_CALLS = 2000
DROPPED = 2
"""First calls of a window that are not counted: they pay for what ran in between."""


@dataclass(frozen=True)
class Window:
    """One stretch of calls at one batch size.

    Args:
        issued_ns, done_ns: (n,) clock readings before and after each call.
        cpu_s: CPU time of the process over the window. joules: energy over the same time, None without a
            counter.
        workers: how many processes called at the same time; calls, CPU time and energy are those of all.
    """

    batch: int
    issued_ns: np.ndarray
    done_ns: np.ndarray
    cpu_s: float
    noise: Noise
    joules: float | None = None
    workers: int = 1

    @property
    def latencies_ms(self) -> np.ndarray:
        return np.asarray((self.done_ns - self.issued_ns) / 1e6)

    @property
    def seconds(self) -> float:
        return float(self.done_ns.max() - self.issued_ns[0]) / 1e9

    @property
    def throughput(self) -> float:
        """Examples per second of time inside calls: the loop's own microseconds are not the variant's."""
        inside = float(np.sum(self.done_ns - self.issued_ns)) / self.workers / 1e9
        return self.batch * len(self.issued_ns) / inside

    def told(self, rejected: bool) -> WindowFacts:
        """For the record."""
        return WindowFacts(
            **vars(self.noise.told()),
            batch_size=self.batch,
            calls=len(self.issued_ns),
            seconds=round(self.seconds, 4),
            p50_ms=round(float(np.median(self.latencies_ms)), 5),
            rejected=rejected,
        )


@dataclass
class Windows:
    """All windows of one setting, and which of them count.

    Quiet windows count. Where fewer than three were quiet, usable ones count too, which is said; where there
    are not three of those either, or the spins beside them lost most of a core, the verdict is `too noisy`.
    """

    taken: list[Window] = field(default_factory=list)

    @property
    def quiet(self) -> list[Window]:
        return [w for w in self.taken if w.noise.quiet]

    @property
    def accepted(self) -> list[Window]:
        quiet = self.quiet
        if len(quiet) >= min(3, max(len(self.taken), 1)):
            return quiet
        usable = [w for w in self.taken if w.noise.usable]
        if len(usable) < min(3, len(self.taken)) or not usable:
            return []
        # A core that a hypervisor takes away shows in spins alone; the middle one is no timer's interrupt.
        return usable if float(np.median([w.noise.spin_lost for w in usable])) <= USABLE else []

    @property
    def note(self) -> str:
        """What a reader must know of the noise: empty where all was quiet enough."""
        if not self.accepted:
            return f"too noisy ({len(self.quiet)} of {len(self.taken)} windows quiet)"
        if len(self.quiet) < len(self.accepted):
            return f"noisy: {len(self.quiet)} of {len(self.taken)} windows quiet"
        return ""

    def told(self) -> tuple[WindowFacts, ...]:
        """All of them, for the record."""
        accepted = {id(w) for w in self.accepted}
        return tuple(w.told(rejected=id(w) not in accepted) for w in self.taken)


def warm_up(subject: Subject, batch: int, seconds: float = WARM_UP_S) -> WarmUp:
    """Call until the last 40 calls look steady, or until the cap; the verdict is a fact, not a failure.

    Several workers warm up together; the slowest tells.
    """
    if subject.crew is None:
        return own_warm_up(subject, batch, seconds)
    found = subject.crew.together(subject, "warm_up", batch=batch, seconds=seconds)
    slowest: WarmUp = max(found, key=lambda w: (w.verdict == "unsteady", w.typical_ms))
    return slowest


def own_warm_up(subject: Subject, batch: int, seconds: float) -> WarmUp:
    """The warm-up of this process alone."""
    requests = subject.requests(batch)
    clock = time.perf_counter_ns
    start = clock()
    calls: list[float] = []
    while True:
        before = clock()
        answer = call(subject, requests[len(calls) % len(requests)], batch, len(calls))
        calls.append((clock() - before) / 1e6)
        subject.check(answer, batch)
        elapsed = (clock() - start) / 1e9
        if len(calls) % 10 == 0 and len(calls) >= 40 and steady(calls):
            is_steady = True
            break
        if elapsed > seconds or len(calls) >= WARM_UP_CALLS:
            is_steady = len(calls) >= 8 and steady(calls)
            break
    typical_ms = float(np.median(calls[-20:]))
    return WarmUp(batch, len(calls), round(elapsed, 4), "steady" if is_steady else "unsteady", typical_ms)


def call(subject: Subject, request: Inputs, batch: int, number: int) -> np.ndarray:
    """One call; what the model raises becomes a reason.

    Raises:
        TrialError: `raised ValueError at call 17 …`.
        MemoryError: passed on, the caller knows at which batch.
    """
    try:
        return subject.predict(request)
    except (MemoryError, TrialError):
        raise
    except Exception as error:  # whatever the model raises is the finding
        raise raised(error, batch, number) from error


def raised(error: BaseException, batch: int, number: int) -> Exception:
    """What a model's exception means for its cell."""
    text = " ".join(str(error).split())[:160]
    if "can't allocate memory" in text or "out of memory" in text.lower() or "bad_alloc" in text:
        return MemoryError(f"out of memory at batch {batch}")
    return TrialError(f"raised {type(error).__name__} at call {number + 1}, batch {batch}: {text}")


@contextmanager
def collector_off() -> Iterator[None]:
    """No garbage collection inside; what lives already is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def repeat(subject: Subject, batch: int, seconds: float, max_calls: int) -> None:
    """Some calls outside any timed window, for the pass that measures memory."""
    requests = subject.requests(batch)
    start = time.perf_counter()
    for i in range(max_calls):
        call(subject, requests[i % len(requests)], batch, i)
        if i >= 2 and time.perf_counter() - start > seconds:
            return


def measure_window(
    subject: Subject,
    batch: int,
    seconds: float,
    max_calls: int = 1_000_000,
    offset: int = 0,
    meter: Meter | None = None,
) -> Window:
    """One window of back-to-back calls, by all workers at once where the machine has several."""
    if subject.crew is None:
        return own_window(subject, batch, seconds, max_calls, offset, meter)
    subject.crew.meter = meter
    given = {"batch": batch, "seconds": seconds, "max_calls": max_calls, "offset": offset}
    return side_by_side(subject.crew.together(subject, "window", **given))


def side_by_side(windows: Sequence[Window]) -> Window:
    """The windows of several workers at the same time, as one window of their machine."""
    issued = np.concatenate([w.issued_ns for w in windows])
    order = np.argsort(issued, kind="stable")
    done = np.concatenate([w.done_ns for w in windows])
    cpu, noise = sum(w.cpu_s for w in windows), worst([w.noise for w in windows])
    first, workers = windows[0], len(windows)
    return Window(first.batch, issued[order], done[order], cpu, noise, first.joules, workers)


def own_window(
    subject: Subject,
    batch: int,
    seconds: float,
    max_calls: int,
    offset: int,
    meter: Meter | None = None,
    start: Callable[[], int] | None = None,
) -> Window:
    """One window of this process.

    Args:
        start: returns when counting begins, by the clock: until then calls are made that do not count, so
            that nobody is measured beside workers that have not begun.
    """
    requests = subject.requests(batch)
    predict, check, count = subject.predict, subject.check, len(requests)
    issued: list[int] = []
    done: list[int] = []
    clock = time.perf_counter_ns
    with collector_off():
        for i in range(DROPPED):
            check(call(subject, requests[(offset + i) % count], batch, i), batch)
        gate = Gate()
        begin = start() if start else clock()
        while clock() < begin:
            call(subject, requests[offset % count], batch, offset)
        joules = meter.joules() if meter else 0.0
        cpu = time.process_time()
        end = max(begin, clock()) + int(seconds * 1e9)
        i = 0
        try:
            while True:
                request = requests[(offset + i) % count]
                before = clock()
                answer = predict(request)
                after = clock()
                check(answer, batch)
                issued.append(before)
                done.append(after)
                i += 1
                if after >= end or i >= max_calls:
                    break
        except (MemoryError, TrialError):
            raise
        except Exception as error:  # whatever the model raises is the finding
            raise raised(error, batch, offset + i) from error
        cpu = time.process_time() - cpu
        used = meter.joules() - joules if meter else None
        noise = gate.read()
    return Window(batch, np.array(issued, np.int64), np.array(done, np.int64), cpu, noise, used)

"""A plain loop that serves a network at fixed rates: the truth of `benchmarks.capacity_real`.

Its workers are forked, pinned to a core each, scheduled as the measured ones are, and take from an array in
shared memory. What it finds needs none of the harness's code; its clock readings are kept too, so that the
search's model can be asked about the very calls that the loop made.
"""

from __future__ import annotations

import gc
import mmap
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Lock
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving_models import images, load_variant
from harness.serving.load import Calls
from harness.serving.process import go_first
from harness.serving.serve import child_environment

MAX_BATCH, PROMISE = 8, 0.01
STEP, AROUND, FURTHER = 1.1, (-1, 0, 1), 2
"""From one rate to the next; the first ones, in steps from the guess; how many more in a turn at most."""
CLEARLY = 1.5
"""The crossing lies within the ladder where its ends' late shares are so many times from the promise."""
SETTLING, DRAWS = 0.05, 200
MOST = 1 << 20
AHEAD_NS, ASIDE_NS = 900_000_000, 60_000_000
"""From what is scheduled ahead of all else and never pauses Linux takes 50 ms of each second in one piece."""
NONE, ONE = os.sched_param(0), os.sched_param(1)
clock = time.perf_counter_ns


@dataclass(frozen=True)
class Stretch:
    """Some seconds at one rate: how many of the requests, the first 5 % apart, were late, and the calls."""

    late: int
    of: int
    calls: Calls


class Loop:
    """Workers that serve a network at one rate after the other."""

    def __init__(self, spec: dict[str, Any], artifact: Path, workers: int) -> None:
        self.spec, self.artifact = spec, artifact
        self.limit_ms = spec["scenario"]["latency_p99_ms"]
        words = np.frombuffer(mmap.mmap(-1, 8 * (3 + 4 * MOST)), np.int64)
        self.state, columns = words[:3], words[3:].reshape(4, MOST)
        self.due, self.issued, self.done, self.worker = columns
        self.turn, (self.heard, self.tell) = Lock(), os.pipe()
        self.orders = [os.pipe() for _ in range(workers)]
        cores = sorted(os.sched_getaffinity(0))
        self.pids = [self._fork(k, cores[k], self.orders[k][0]) for k in range(workers)]
        self._wait()

    def serve(self, rate: float, seconds: float, seed: int) -> Stretch:
        """Poisson arrivals at a rate."""
        gaps = np.random.default_rng(seed).exponential(1e9 / rate, int(1.2 * rate * seconds) + 100)
        due = np.cumsum(gaps)
        due = due[due < seconds * 1e9].astype(np.int64)
        n = len(due)
        self.due[:n], self.issued[:n], self.done[:n] = due, 0, 0
        self.state[:] = 0, clock() + 20_000_000, n
        for _, order in self.orders:
            os.write(order, b"g")
        self._wait()
        took_ms = (self.done[:n] - due - self.state[1])[int(SETTLING * n) :] / 1e6
        raw = {
            "scheduled_ns": due + self.state[1], "issued_ns": self.issued[:n].copy(),
            "answered_ns": self.done[:n].copy(), "worker": self.worker[:n].copy(),
        }  # fmt: skip
        return Stretch(int(np.sum(took_ms > self.limit_ms)), len(took_ms), Calls.of_requests(raw))

    def close(self) -> None:
        """End the workers."""
        for _, order in self.orders:
            os.write(order, b"e")
        for pid in self.pids:
            os.waitpid(pid, 0)

    def _wait(self) -> None:
        said = b""
        while len(said) < len(self.pids):
            said += os.read(self.heard, 1)
        if b"x" in said:
            raise SystemExit("a worker of the loop failed")

    def _fork(self, number: int, core: int, order: int) -> int:
        if pid := os.fork():
            return pid
        try:
            self._work(number, core, order)
        finally:
            os.write(self.tell, b"x")
            os._exit(1)

    def _work(self, number: int, core: int, order: int) -> None:
        os.environ.update(child_environment(1))
        os.setsid()
        go_first()
        os.sched_setaffinity(0, {core})
        predict, inputs = load_variant(self.spec, self.artifact, 1, "cpu"), images(200, 7).inputs
        for k in range(300):
            predict(inputs[: 1 + k % MAX_BATCH])
        gc.collect()
        gc.freeze()
        gc.disable()
        os.write(self.tell, b".")
        while os.read(order, 1) == b"g":
            self._serve(predict, inputs, number)
            os.write(self.tell, b".")
        os._exit(0)

    def _serve(self, predict: Any, inputs: np.ndarray, number: int) -> None:
        state, n, start = self.state, int(self.state[2]), int(self.state[1])
        due, first, until, owed = (self.due[:n] + start).tolist(), False, 0, ASIDE_NS
        while (i := int(state[0])) < n:
            if clock() > until:
                first = not first or owed <= 0
                os.sched_setscheduler(0, *((os.SCHED_RR, ONE) if first else (os.SCHED_OTHER, NONE)))
                until, owed = clock() + (AHEAD_NS if first else owed), ASIDE_NS if first else owed
            if (ahead := due[i] - clock()) > 0:
                asleep = max(ahead - 80_000, 0)
                until, owed = until + asleep, owed - asleep
                time.sleep(asleep / 1e9)
                continue
            with self.turn:
                if state[0] != i:
                    continue
                now, j = clock(), i + 1
                while j < min(n, i + MAX_BATCH) and due[j] <= now:
                    j += 1
                state[0] = j
            self.issued[i:j], self.worker[i:j] = now, number
            at = i % (len(inputs) - MAX_BATCH)
            predict(inputs[at : at + j - i])
            self.done[i:j] = clock()


class Ladder:
    """Loads in equal steps around a guess, measured in turns, so that drift hits all alike."""

    def __init__(self, loop: Loop, guess: float, seconds: float) -> None:
        self._loop, self._guess, self._seconds = loop, guess, seconds
        self._random = np.random.default_rng(int(guess))
        self._seen: dict[int, list[Stretch]] = {step: [] for step in AROUND}

    def turn(self) -> None:
        """One stretch at each rate; at the end where the crossing may lie the ladder grows by a step."""
        for step in self._random.permutation(sorted(self._seen)):
            self._measure(int(step))
        for _ in range(FURTHER):
            late = self.late
            if late[0] > PROMISE / CLEARLY:
                self._measure(min(self._seen) - 1)
            elif late[-1] < PROMISE * CLEARLY:
                self._measure(max(self._seen) + 1)

    def _measure(self, step: int) -> None:
        found = self._loop.serve(
            self._guess * STEP**step, self._seconds, int(self._random.integers(2**31))
        )  # fmt: skip
        self._seen.setdefault(step, []).append(found)

    @property
    def rates(self) -> list[float]:
        return [self._guess * STEP**step for step in sorted(self._seen)]

    @property
    def stretches(self) -> list[list[Stretch]]:
        """Of each rate, in the order of measuring."""
        return [self._seen[step] for step in sorted(self._seen)]

    @property
    def late(self) -> np.ndarray:
        """(rates,) share of late requests."""
        return np.array([sum(s.late for s in each) / sum(s.of for s in each) for each in self.stretches])

    @property
    def qps(self) -> float | None:
        """Where the share of late requests crosses the promise; None where it does not."""
        return self._crossing(self.stretches)

    def interval(self) -> tuple[float, float] | None:
        """95 % of what other stretches of the same rates would have said, None where it is not known."""
        random, found = np.random.default_rng(0), []
        for _ in range(DRAWS):
            drawn = [[each[k] for k in random.integers(len(each), size=len(each))] for each in self.stretches]
            at = self._crossing(drawn)
            if at is None:
                at = self.rates[0] if drawn[0][0].late > PROMISE * drawn[0][0].of else self.rates[-1]
            found.append(at)
        low, high = np.quantile(found, [0.025, 0.975])
        return (float(low), float(high)) if self.qps else None

    def _crossing(self, stretches: Sequence[Sequence[Stretch]]) -> float | None:
        late = [sum(s.late for s in each) for each in stretches]
        return crossing(self.rates, late, [sum(s.of for s in each) for each in stretches])


def crossing(rates: Sequence[float], late: Sequence[float], of: Sequence[float]) -> float | None:
    """Where the late share crosses the promise, on a line in logarithms; None where it does not.

    A lighter load is not late more often but by chance: neighbours in the wrong order are pooled.
    """
    pools: list[list[float]] = []  # late, of, how many rates
    for some, all_ in zip(late, of, strict=True):
        pools.append([float(some), float(all_), 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    level = np.log(np.maximum([s / n for s, n, k in pools for _ in range(int(k))], 1e-4))
    above = np.flatnonzero(level > np.log(PROMISE))
    if not len(above) or above[0] == 0:
        return None
    k = int(above[0])
    share = (np.log(PROMISE) - level[k - 1]) / (level[k] - level[k - 1])
    return float(rates[k - 1] * (rates[k] / rates[k - 1]) ** share)

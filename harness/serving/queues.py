"""Queues on paper: arrivals, and servers with batching, simulated exactly.

What the open-loop scenario does with a clock, this does with numbers: the search for the highest load asks
it with the service times that were seen, costs ask it for the load that a latency limit allows, and the
self-check takes its known truth from it. The loop is compiled (numba): one search simulates 20 million
requests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np

from harness.facts.serving import LoadPoint
from harness.serving.load import HOPELESS, PROMISE, SETTLING, Calls, Observed, ServerSettings
from harness.streams import generator

HIGHEST, LOWEST = 1.05, 0.02
"""Loads that are tried, as shares of what the server could do were it always busy with its best batch."""
STEP = 0.85
"""From one load to the next lower one, while the highest that keeps the promise is looked for."""
NEAR = 1.15
"""Around an estimate, the answer is looked for within this factor first."""
EXACT = 0.002


def poisson_arrivals(rate: float, seconds: float, seed: int, burstiness: float = 1.0) -> np.ndarray:
    """(n,) arrival times in seconds from 0, made before any of them happens.

    The same seed gives the same randomness at every rate: loads differ, luck does not.

    Args:
        burstiness: see `unit_gaps`; 1 is a Poisson process.
    """
    expected, spread = rate * seconds, max(burstiness, 1.0)
    count = int(expected + 6 * spread * np.sqrt(expected) + 10 * spread**2)
    times = np.cumsum(unit_gaps(count, generator(seed, "arrivals"), burstiness)) / rate
    return times[times < seconds]


def unit_gaps(count: int, random: np.random.Generator, burstiness: float = 1.0) -> np.ndarray:
    """(count,) gaps between arrivals, 1 in the mean: gamma distributed, independent.

    Args:
        burstiness: their coefficient of variation: 1 is exponential, above come bursts and lulls.
    """
    if burstiness == 1.0:
        return random.exponential(size=count)
    shape = burstiness**-2
    return random.gamma(shape, 1 / shape, count)


@dataclass(frozen=True)
class Services:
    """How long calls take: the k-th takes base[its size] · factor[k] + extra[k], after a pause `woken` more.

    After the last k the first follows again, so that bursts stay bursts.

    Args:
        base: (max_batch + 1,) seconds by batch size; base[0] means nothing.
        factor, extra: (calls,) seconds, both. woken: seconds.
    """

    base: np.ndarray
    factor: np.ndarray
    extra: np.ndarray
    woken: float = 0.0

    @staticmethod
    def fixed(seconds_by_size: np.ndarray) -> Services:
        """The same time for every call of a size; (max_batch,), of sizes 1, 2, 3, …"""
        return Services(np.concatenate([[0.0], seconds_by_size]), np.ones(1), np.zeros(1))

    @property
    def peak(self) -> float:
        """Requests per second of one worker that is always busy with its best batch."""
        sizes = np.arange(1, len(self.base))
        return float(np.max(sizes / (self.base[1:] * self.factor.mean() + self.extra.mean())))


def served(arrivals: np.ndarray, services: Services, settings: ServerSettings, first: int = 0) -> Calls:
    """The calls that answer a stream of arrivals: whoever is free takes what has come, in order.

    Args:
        arrivals: (n,) seconds, ascending.
        first: which of the service times the first call takes.
    """
    room = _room(len(arrivals))
    calls = _answer(arrivals, services, settings, first, len(arrivals), room)
    size, issued, answered, worker = room
    size = size[:calls]
    end = np.cumsum(size)
    return Calls(
        size, arrivals[end - size], arrivals[end - 1], issued[:calls], answered[:calls], worker[:calls]
    )


Room = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Where calls are written: sizes, when issued, when answered, by whom; (n,) of n requests."""


def _room(n: int) -> Room:
    return np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n, np.int64)


def _answer(
    arrivals: np.ndarray, services: Services, settings: ServerSettings, first: int, most_late: int, room: Room
) -> int:
    """How many calls answer the arrivals; -1 once more requests than `most_late` were late."""
    return _compiled()(
        np.ascontiguousarray(arrivals, dtype=float), services.base, services.factor, services.extra,
        services.woken, settings.max_batch, settings.max_wait_ms / 1e3, settings.workers, first,
        settings.limit_ms / 1e3, int(SETTLING * len(arrivals)), most_late, *room,
    )  # fmt: skip


def sojourns(
    arrivals: np.ndarray, services: Services, settings: ServerSettings, first: int = 0
) -> np.ndarray:
    """(n,) seconds from each arrival to its answer."""
    calls = served(arrivals, services, settings, first)
    return np.asarray(np.repeat(calls.answered, calls.size) - arrivals)


def most_late(requests: int, promise: float) -> int:
    """How many requests may be later than the limit, of those after the first 5 %: the queue starts empty."""
    counted = requests - int(SETTLING * requests)
    most = round(promise * counted)
    return most if most / counted <= promise else most - 1


def highest_load(
    gaps: np.ndarray,
    services: Services,
    settings: ServerSettings,
    promise: float = PROMISE,
    near: float | None = None,
    first: int = 0,
    exact: float = EXACT,
) -> float | None:
    """The highest load that keeps the promise, requests per second; None if not even the lightest does.

    It is looked for from above: where batches wait for company longer than the limit allows, light loads are
    worse than heavy ones.

    Args:
        gaps: (n,) arrival times at one request per second: every load meets the same luck.
        near: an estimate; loads around it are tried first. exact: relative width at which to stop.
    """

    may_be_late, room = most_late(len(gaps), promise), _room(len(gaps))

    def keeps(load: float) -> bool:
        return _answer(gaps / load, services, settings, first, may_be_late, room) >= 0

    peak = settings.workers * services.peak
    low, high = 0.0, HIGHEST * peak
    if near is not None and near * NEAR < high and not keeps(near * NEAR) and keeps(near / NEAR):
        low, high = near / NEAR, near * NEAR
    else:
        load = high
        while not keeps(load):
            high, load = load, load * STEP
            if load < LOWEST * peak:
                return None
        low = load
    while high - low > exact * high:
        middle = (low + high) / 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def _serve(
    arrivals: np.ndarray, base: np.ndarray, factor: np.ndarray, extra: np.ndarray, woken: float,
    max_batch: int, max_wait: float,
    workers: int, first: int, limit: float, counted: int, most_late: int,
    size: np.ndarray, issued: np.ndarray, answered: np.ndarray, worker: np.ndarray,
) -> int:  # fmt: skip
    """The loop of `served`; writes into the last four arrays and returns how many calls there were.

    A load that breaks its promise shows early: -1 once more than `most_late` requests, the first `counted`
    apart, took longer than `limit` seconds.
    """
    n, series = len(arrivals), len(factor)
    free = np.zeros(workers)
    i, call, k, late = 0, 0, first % series, 0
    while i < n:
        who = 0
        for other in range(1, workers):
            if free[other] < free[who]:
                who = other
        start = max(free[who], arrivals[i])
        most = min(i + max_batch, n)
        j = i + 1
        while j < most and arrivals[j] <= start:
            j += 1
        close = arrivals[i] + max_wait
        if j - i < max_batch and close > start:
            full = i + max_batch - 1
            start = min(close, arrivals[full]) if full < n else close
            while j < most and arrivals[j] <= start:
                j += 1
        took = base[j - i] * factor[k] + extra[k]
        if start > free[who]:
            took += woken
        size[call], issued[call], answered[call], worker[call] = j - i, start, start + took, who
        free[who] = start + took
        for request in range(max(i, counted), j):
            if start + took - arrivals[request] <= limit:
                break  # whoever came later waited less
            late += 1
        if late > most_late:
            return -1
        i, call = j, call + 1
        k = k + 1 if k + 1 < series else 0
    return call


@cache
def _compiled() -> Callable[..., int]:
    """The loop as machine code, kept on disk from one process to the next; the first use takes a second."""
    import numba

    try:
        return cast("Callable[..., int]", numba.njit(cache=True)(_serve))
    except RuntimeError:  # no folder that this user may write keeps it: compiled again in each process
        return cast("Callable[..., int]", numba.njit(_serve))


def compile_now() -> None:
    """Compile the loop before a clock runs."""
    served(np.zeros(1), Services.fixed(np.ones(1)), ServerSettings(1.0, 1, 0.0))


def unit_arrivals(requests: int, random: np.random.Generator, burstiness: float = 1.0) -> np.ndarray:
    """(requests,) arrivals at one per second: divided by a load, they come at that load."""
    return np.cumsum(unit_gaps(requests, random, burstiness))


def true_capacity(
    services: Services, settings: ServerSettings, requests: int = 200_000, seed: int = 1
) -> float:
    """The capacity of a server whose service times are known, from long runs; 0 where no load has one."""
    gaps = unit_arrivals(requests, generator(seed, "truth"), settings.burstiness)
    return highest_load(gaps, services, settings) or 0.0


def simulated_run(
    services: Services, settings: ServerSettings, first: Callable[[int], int] = lambda seed: 0
) -> Callable[[float, float, int], Observed]:
    """A function that answers what a load does to a simulated server (`capacity.RunLoad`).

    Args:
        first: seed of the run → which of the service times its first call takes.
    """

    def run(rate: float, seconds: float, seed: int) -> Observed:
        arrivals = poisson_arrivals(rate, seconds, seed, settings.burstiness)
        calls = served(arrivals, services, settings, first(seed))
        return observed(calls, arrivals, rate, seconds, settings, seed)

    return run


def observed(
    calls: Calls, arrivals: np.ndarray, rate: float, seconds: float, settings: ServerSettings, seed: int
) -> Observed:
    """A simulated run as the open loop would have told it; what waits long after the end is unanswered."""
    sojourn = np.repeat(calls.answered, calls.size) - arrivals
    counted = arrivals >= SETTLING * seconds
    late = (sojourn > settings.limit_ms / 1e3)[counted]
    given_up = np.repeat(calls.issued, calls.size) > seconds + HOPELESS * settings.limit_ms / 1e3
    p50, p99 = (float(v) * 1e3 for v in np.percentile(sojourn, [50, 99])) if len(sojourn) else (0.0, 0.0)
    point = LoadPoint(
        rate, float(np.mean(~given_up)) * rate if len(arrivals) else 0.0, int(counted.sum()), int(late.sum()),
        p50, p99, batch=float(calls.size.mean()) if len(calls.size) else 0.0, seed=seed,
        came=len(arrivals) / seconds,
    )  # fmt: skip
    kept = calls.issued <= seconds + HOPELESS * settings.limit_ms / 1e3
    return Observed(point, arrivals, late, calls.only(kept))

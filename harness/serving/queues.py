"""Queues on paper: arrivals, and servers with batching, simulated exactly.

What the open-loop scenario does with a clock, this does with numbers: the known truth of the
self-check.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from heapq import heapreplace

import numpy as np

from harness.serving.capacity import LoadPoint
from harness.streams import generator


def poisson_arrivals(rate: float, seconds: float, seed: int) -> np.ndarray:
    """(n,) arrival times in seconds from 0, made before any of them happens.

    The same seed gives the same randomness at every rate: loads differ, luck does not.
    """
    expected = rate * seconds
    gaps = generator(seed, "arrivals").exponential(size=int(expected + 6 * np.sqrt(expected) + 10))
    times = np.cumsum(gaps) / rate
    return times[times < seconds]


def simulate(
    arrivals: np.ndarray,
    service: Callable[[int, int], float],
    max_batch: int = 1,
    max_wait: float = 0.0,
    servers: int = 1,
) -> np.ndarray:
    """Times in system of all requests, in seconds: first come first served, with batching.

    Args:
        arrivals: (n,) seconds, ascending.
        service: (batch size, number of the call) → seconds.
        max_batch, max_wait: a batch starts when it is full, or when its oldest request has waited so long.
        servers: how many take from the queue; one at a time forms a batch.
    Returns:
        (n,) seconds from arrival to answer.
    """
    n = len(arrivals)
    if max_batch == 1 and servers == 1:
        services = np.array([service(1, k) for k in range(n)])
        return one_at_a_time(arrivals, services)
    sojourn = np.empty(n)
    times = arrivals.tolist()
    free, turn, i, calls = [0.0] * servers, 0.0, 0, 0
    while i < n:
        ready = max(free[0], turn, times[i])
        last = min(i + max_batch, n)
        j = bisect_right(times, ready, i + 1, last)
        close = times[i] + max_wait
        if j - i < max_batch and close > ready:
            full = i + max_batch - 1
            ready = min(close, times[full]) if full < n else close
            j = bisect_right(times, ready, i + 1, last)
        done = ready + service(j - i, calls)
        heapreplace(free, done)
        sojourn[i:j] = done - arrivals[i:j]
        turn, i, calls = ready, j, calls + 1
    return sojourn


def one_at_a_time(arrivals: np.ndarray, services: np.ndarray) -> np.ndarray:
    """Lindley's recursion, unrolled: the times in system of a single server without batching."""
    worked = np.cumsum(services)
    done = worked + np.maximum.accumulate(arrivals - (worked - services))
    return np.asarray(done - arrivals)


def simulated_load(
    service: Callable[[int, int], float], limit: float, max_batch: int = 1, max_wait: float = 0.0
) -> Callable[[float, float, int], LoadPoint]:
    """A function that answers what a load does to a simulated server (`capacity.RunLoad`)."""

    def run(rate: float, seconds: float, seed: int) -> LoadPoint:
        arrivals = poisson_arrivals(rate, seconds, seed)
        sojourn = simulate(arrivals, service, max_batch, max_wait)
        late = int(np.sum(sojourn > limit))
        p50, p99 = (float(v) * 1e3 for v in np.percentile(sojourn, [50, 99])) if len(sojourn) else (0.0, 0.0)
        return LoadPoint(rate, rate, len(arrivals), late, p50, p99, seed=seed)

    return run


def true_capacity(
    service: Callable[[int, int], float],
    limit: float,
    high: float,
    promise: float = 0.01,
    requests: int = 200_000,
    max_batch: int = 1,
    max_wait: float = 0.0,
) -> float:
    """The capacity of a simulated server by bisection on long runs with common random numbers."""
    low = 0.0
    for _ in range(14):
        rate = (low + high) / 2
        arrivals = poisson_arrivals(rate, requests / rate, seed=1)
        late = np.mean(simulate(arrivals, service, max_batch, max_wait) > limit)
        low, high = (rate, high) if late <= promise else (low, rate)
    return (low + high) / 2

"""What a load does to a server: the promise, one run at one load, and the calls that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.facts.serving import LoadPoint

PROMISE = 0.01
"""Share of requests that may be late: the limit is on the p99."""
SETTLING = 0.05
"""Share of a run that is not counted: the queue starts empty."""
HOPELESS = 20.0
"""A backlog this many limits long is never worked off; what waits in it is unanswered."""
KNEE_NEEDS = 4


@dataclass(frozen=True)
class ServerSettings:
    """The promise and the batching rule.

    Args:
        max_wait_ms: a batch starts when it is full or when its oldest request has waited so long.
        workers: how many take from the one queue.
        burstiness: coefficient of variation of the gaps between arrivals: 1 is Poisson, above come bursts.
    """

    limit_ms: float
    max_batch: int
    max_wait_ms: float
    workers: int = 1
    burstiness: float = 1.0


@dataclass(frozen=True)
class Calls:
    """The calls of one run, in the order in which they took their requests; times in seconds.

    Args:
        size: (calls,) requests answered together.
        first, last: (calls,) arrivals of the first and the last of them.
        issued, answered: (calls,) clock readings before and after the call.
        worker: (calls,) which of the workers made it.
        waited: seconds in which the worker that waited most could have run and others had its core.
    """

    size: np.ndarray
    first: np.ndarray
    last: np.ndarray
    issued: np.ndarray
    answered: np.ndarray
    worker: np.ndarray
    waited: float = 0.0

    def only(self, kept: np.ndarray) -> Calls:
        """Those calls for which `kept`, (calls,) bool, is true."""
        return Calls(
            self.size[kept], self.first[kept], self.last[kept], self.issued[kept], self.answered[kept],
            self.worker[kept], self.waited,
        )  # fmt: skip

    @staticmethod
    def of_requests(raw: Mapping[str, np.ndarray]) -> Calls:
        """From the clock readings of each request: `scheduled_ns`, `issued_ns`, `answered_ns` (0: never), and
        `worker` where there are several. Calls that failed are left out."""
        scheduled, issued, answered = (raw[f"{name}_ns"] for name in ("scheduled", "issued", "answered"))
        worker = raw.get("worker", np.zeros(len(scheduled), np.int16))
        new = np.ones(len(scheduled), bool)
        new[1:] = (np.diff(issued) != 0) | (np.diff(worker) != 0)
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(scheduled)) - 1
        done = answered[first] > 0
        first, last = first[done], last[done]
        start = scheduled[0] if len(scheduled) else 0
        came, last_came, taken, done_at = (
            (clock - start) / 1e9
            for clock in (scheduled[first], scheduled[last], issued[first], answered[first])
        )
        return Calls(last - first + 1, came, last_came, taken, done_at, worker[first])


@dataclass(frozen=True)
class Observed:
    """A run with all that the search learns from.

    Args:
        arrivals: (requests,) seconds from the start.
        late: (counted requests,) whether each was later than the limit, in the order of arrival.
    """

    point: LoadPoint
    arrivals: np.ndarray
    late: np.ndarray
    calls: Calls

    @staticmethod
    def of_requests(point: LoadPoint, raw: Mapping[str, np.ndarray], settings: ServerSettings) -> Observed:
        """From the clock readings of each request, as `Calls.of_requests` takes them, and which `counted`:
        late is also who failed or was never answered."""
        scheduled, answered = raw["scheduled_ns"], raw["answered_ns"]
        in_time = (answered > 0) & (answered - scheduled <= settings.limit_ms * 1e6)
        arrivals = (scheduled - scheduled[:1]) / 1e9
        took = max(float(answered.max()) - float(scheduled.min()), 0.0) / 1e9 if len(scheduled) else 0.0
        waited = point.noise.wait_share * took if point.noise else 0.0
        calls = replace(Calls.of_requests(raw), waited=waited)
        return Observed(point, arrivals, ~in_time[raw["counted"]], calls)


def counted_from(seconds: float) -> float:
    """From when on requests count, in seconds from the start of a run."""
    return SETTLING * seconds


def knee(points: Sequence[LoadPoint]) -> float | None:
    """The load with the highest power, throughput over response time (Kleinrock 1979); None if unclear."""
    usable = [p for p in points if p.valid and p.p50_ms and p.achieved >= 0.9 * p.offered]
    if len({p.offered for p in usable}) < KNEE_NEEDS:
        return None
    return max(usable, key=lambda p: p.achieved / (p.p50_ms or 1.0)).offered

"""Service times as they were seen under load: what the simulated queue is fed with.

Closed-loop times are faster than those of an open loop (warm caches, no wake-ups), so the times come from the
runs themselves, in their order: bursts, drift, slow moments of the machine and rare stalls stay in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.serving.load import SETTLING, Calls, ServerSettings
from harness.serving.queues import Services
from harness.serving.speeds import by_size, slowness

KNOWN = 20
"""Calls after a pause, and such without one beside them, whose difference is taken for a pause's price."""
STALL = 1.5
"""A call that takes so many times as long as usual, at the machine's speed around it, has met a stall of a
length of its own."""
BLOCKS = 8
"""Stretches of a run that are resampled as wholes: neighbouring calls are alike."""
LEAST_S = 1e-7
"""Seconds that a call takes at least, its pause apart."""
UNSEEN = 0.7
"""Length of a stall that chance has not shown yet, at least, as a share of the limit."""


@dataclass(frozen=True)
class Series:
    """The service times of several runs.

    Args:
        services: of all runs, one after the other. ends: where each run ends in it.
    """

    services: Services
    ends: tuple[int, ...]

    @property
    def slow_calls(self) -> int:
        """Calls that met a stall."""
        return int(np.sum(self.services.extra > 0))

    def settled(self) -> Series:
        """Without the first 5 % of each run, one call at least: their requests do not count either.

        After seconds without work a process's first call takes up to 30 times as long as its others, once,
        and no load is made of it. What sizes take is told by all calls: an overloaded run has small batches
        only there.
        """
        starts, calls = (0, *self.ends[:-1]), len(self.services.factor)
        kept = np.ones(calls, bool)
        for start, end in zip(starts, self.ends, strict=True):
            kept[start : min(start + math.ceil(SETTLING * (end - start)), end - 1)] = False
        s, before = self.services, np.append(0, np.cumsum(kept))
        services = Services(s.base, s.factor[kept], s.extra[kept], s.woken)
        return Series(services, tuple(int(before[end]) for end in self.ends))

    def without_stalls(self) -> Services:
        s = self.services
        return Services(s.base, s.factor, np.zeros_like(s.extra), s.woken)

    def resampled(self, limit_ms: float, random: np.random.Generator) -> Services:
        """Runs drawn with replacement, blocks of calls within each likewise, and stalls that chance did not
        show: none in so many calls leaves open Poisson(Gamma(1/2)) of them (Jeffreys' prior)."""
        starts = (0, *self.ends[:-1])
        picked: list[np.ndarray] = []
        for r in random.integers(len(self.ends), size=len(self.ends)):
            edges = np.linspace(starts[r], self.ends[r], BLOCKS + 1).astype(int)
            picked += [np.arange(edges[b], edges[b + 1]) for b in random.integers(BLOCKS, size=BLOCKS)]
        index = np.concatenate(picked)
        if not len(index):  # runs of fewer calls than blocks: blocks without any were drawn
            index = np.arange(len(self.services.factor))
        factor, extra = self.services.factor[index], self.services.extra[index]
        unseen = int(random.poisson(random.gamma(0.5)))
        if unseen and len(extra):
            longest = max(float(self.services.extra.max()), UNSEEN * limit_ms / 1e3)
            extra[random.integers(len(extra), size=unseen)] += longest
        return Services(self.services.base, factor, extra, self.services.woken)


def series_of(runs: Sequence[Calls], closed: np.ndarray, settings: ServerSettings) -> Series:
    """The service times of open-loop runs.

    Args:
        closed: (max_batch,) seconds by batch size in a closed loop; its shape stands in for sizes that came
            too seldom, and all of it where there is no run yet.
    """
    taken = [_durations(run, settings) for run in runs]
    if not sum(len(seconds) for seconds, _ in taken):
        fixed = Services.fixed(closed)
        return Series(Services(fixed.base, np.ones(BLOCKS), np.zeros(BLOCKS)), (BLOCKS,))
    seconds = np.concatenate([t for t, _ in taken])
    woken = np.concatenate([w for _, w in taken])
    size = np.concatenate([run.size for run in runs])
    lane = np.concatenate([k * settings.workers + run.worker.astype(int) for k, run in enumerate(runs)])
    pause = _pause(seconds, woken & (size == 1), ~woken & (size == 1), lane)
    worked = np.maximum(seconds - pause * woken, LEAST_S)
    base = np.concatenate([[0.0], by_size(size, worked, lane, closed)])
    most = STALL * base[size] * slowness(worked / base[size], lane)
    factor = np.minimum(worked, most) / base[size]
    ends = np.cumsum([len(t) for t, _ in taken])
    stalls = np.split(np.maximum(worked - most, 0.0), ends[:-1])
    own = [_own(extra, run.waited) for extra, run in zip(stalls, runs, strict=True)]
    services = Services(base, factor, np.concatenate(own), pause)
    return Series(services, tuple(int(e) for e in ends if e > 0))


def _own(extra: np.ndarray, waited: float) -> np.ndarray:
    """What is left of a run's stalls, (calls,) seconds, when those by others on its cores are taken off: the
    longest first, until they are as long as a worker waited.

    A run that may not go ahead of others waits for them, the longer the less it pauses: no lighter load meets
    the stalls of one that is overloaded on purpose.
    """
    order = np.argsort(-extra, kind="stable")
    longest = extra[order]
    before = np.cumsum(longest) - longest
    left = extra.copy()
    left[order] -= np.clip(waited - before, 0.0, longest)
    return left


def _pause(seconds: np.ndarray, after: np.ndarray, straight: np.ndarray, lane: np.ndarray) -> float:
    """Seconds that a call takes longer after a pause: the middle difference from straight calls beside it.

    Args:
        after, straight: (calls,) bool, of calls of one request.
    """
    order = np.argsort(lane, kind="stable")
    seconds, after, straight, lane = seconds[order], after[order], straight[order], lane[order]
    same = lane[1:] == lane[:-1]
    rises = np.flatnonzero(same & straight[:-1] & after[1:])
    falls = np.flatnonzero(same & after[:-1] & straight[1:])
    steps = np.diff(seconds)
    differences = np.concatenate([steps[rises], -steps[falls]])
    return float(np.median(differences)) if len(differences) >= KNOWN else 0.0


def _durations(calls: Calls, settings: ServerSettings) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each call, and whether it began after a pause.

    Where the same worker's next batch could have started at once, a call lasts until that one was issued: the
    loop's own overhead counts.
    """
    seconds = calls.answered - calls.issued
    woken = np.ones(len(seconds), bool)
    wait = settings.max_wait_ms / 1e3
    for worker in np.unique(calls.worker):
        mine = np.flatnonzero(calls.worker == worker)
        this, then = mine[:-1], mine[1:]
        full = (calls.size[then] == settings.max_batch) & (calls.last[then] <= calls.answered[this])
        at_once = full | (calls.first[then] + wait <= calls.answered[this])
        seconds[this[at_once]] = (calls.issued[then] - calls.issued[this])[at_once]
        woken[then[at_once]] = False
    return seconds, woken


def predicted_late(
    calls: Calls, arrivals: np.ndarray, counted: int, settings: ServerSettings, closed: np.ndarray
) -> int:
    """Late ones among the last `counted` requests of a run, from its own service times on its own arrivals.

    Where this is far from what was seen, time was lost between the calls: to neighbours.
    """
    from harness.serving.queues import sojourns

    own = series_of([replace(calls, waited=0.0)], closed, settings).services
    sojourn = sojourns(arrivals, own, settings)
    return int(np.sum(sojourn[len(arrivals) - counted :] > settings.limit_ms / 1e3))

"""Service times as they were seen under load: what the simulated queue is fed with.

Closed-loop times are faster than those of an open loop (warm caches, no wake-ups), so the times come from the
runs themselves, in their order: bursts, drift and rare stalls stay in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.serving.load import Calls, ServerSettings
from harness.serving.queues import Services

KNOWN = 20
"""Calls of a batch size whose median is taken for its service time."""
STALL = 1.5
"""A call that takes longer than so many times its usual time has met a stall of a length of its own."""
BLOCKS = 8
"""Stretches of a run that are resampled as wholes: neighbouring calls are alike."""
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
    base = _usual(size[~woken], seconds[~woken], size, seconds, closed)
    after_pause = seconds[woken & (size == 1)]
    straight = seconds[~woken & (size == 1)]
    known = len(after_pause) >= KNOWN and len(straight) >= KNOWN
    pause = float(np.median(after_pause) - np.median(straight)) if known else 0.0
    worked = np.maximum(seconds - pause * woken, 0.0)
    usual = base[size]
    factor = np.minimum(worked / usual, STALL)
    services = Services(base, factor, np.maximum(worked - STALL * usual, 0.0), pause)
    ends = np.cumsum([len(t) for t, _ in taken])
    return Series(services, tuple(int(e) for e in ends if e > 0))


def _usual(
    size: np.ndarray, seconds: np.ndarray, any_size: np.ndarray, any_seconds: np.ndarray, closed: np.ndarray
) -> np.ndarray:
    """(max_batch + 1,) median service time by size; where a size came too seldom, the closed loop's times the
    ratio at the nearest size that is known."""
    ratio = np.full(len(closed), np.nan)
    for sizes, times in ((size, seconds), (any_size, any_seconds)):
        for b in np.unique(sizes):
            mine = times[sizes == b]
            if len(mine) >= KNOWN:
                ratio[b - 1] = np.median(mine) / closed[b - 1]
        if not np.isnan(ratio).all():
            break
    known = np.flatnonzero(~np.isnan(ratio))
    if not len(known):
        filled = np.full(len(closed), float(np.median(any_seconds / closed[any_size - 1])))
    else:
        nearest = known[np.argmin(np.abs(np.arange(len(closed))[:, None] - known[None, :]), axis=1)]
        filled = ratio[nearest]
    return np.concatenate([[0.0], closed * filled])


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

    own = series_of([calls], closed, settings).services
    sojourn = sojourns(arrivals, own, settings)
    return int(np.sum(sojourn[len(arrivals) - counted :] > settings.limit_ms / 1e3))

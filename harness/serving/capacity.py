"""How much load a server takes: the search for the highest load that keeps its promise.

What limits such a search is the luck of the arrivals and of rare slow calls; the service times themselves
are known to a per cent after a second. So the queue is simulated with the service times that open-loop runs
showed (`series`), and that answer is combined with what the late requests of the runs themselves say. Pure:
what a load does is asked of a function, so the search is tested against queues with known theory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from harness.facts.serving import LoadPoint
from harness.serving.belief import Weighed, bound_of, known_of, requests_for
from harness.serving.load import PROMISE, Observed, ServerSettings
from harness.serving.queues import HIGHEST, LOWEST, highest_load, unit_arrivals
from harness.serving.series import predicted_late, series_of

RUNS = 8
STEPS = (0.0, -1.0, 0.5, -0.5, 0.0, 0.3)
"""Loads of the runs before the check, in standard deviations of what is known when they start."""
NARROW, WIDE = 0.05, 0.5
"""The standard deviation that the steps are multiples of is held between these."""
REPEATS = 4
"""Runs that may be made again because they were too noisy."""
FEW, MANY = 10, 50
"""Resampled series between the runs, and at the end."""
CHECK_BLOCKS = 20
"""Of the runs at the answer, of which the standard error of their late share is taken."""
ONE_SIDED = 1.64
Z = 2.36
"""Half-width of the 95 % interval in standard deviations: a t with as many degrees of freedom as runs."""
DECIDED_BY_STALLS = 0.05
"""Stalls are said to decide an answer that is so much higher without them."""
STOLEN = 0.002
"""Share of the time that a host takes from its virtual machine from which on it is told beside slow calls."""
LOST = 0.25
"""Time was lost between the calls where they leave more than this share of late requests unexplained."""

RunLoad = Callable[[float, float, int], Observed]
"""(requests per second, seconds, seed) → what happened."""


@dataclass(frozen=True)
class Capacity:
    """The highest load that keeps the promise.

    Args:
        value: requests per second, never above the closed-loop bound; None where the search could not tell,
            `note` says why.
        low, high: 95 % interval.
        confirmed: whether further runs at `value` kept the promise, None without one.
        points: every run, in the order of measuring.
        slow_calls: calls that met a stall, where these decide the answer; else 0.
    """

    value: float | None
    low: float | None
    high: float | None
    confirmed: bool | None
    points: tuple[LoadPoint, ...]
    note: str = ""
    slow_calls: int = 0


def per_s(load: float) -> str:
    """A load with three digits and no powers of ten: `6,090 per s`, `0.5 per s`."""
    return f"{float(f'{load:.3g}'):,.10g} per s"


def find_capacity(
    run: RunLoad,
    closed: np.ndarray,
    settings: ServerSettings,
    seconds: float,
    random: np.random.Generator,
    promise: float = PROMISE,
) -> Capacity:
    """Six runs around what is known so far, two at the answer as a check.

    Args:
        closed: (max_batch,) seconds by batch size in a closed loop; they give the first load and the bound.
        seconds: measuring time in all.
    """
    return _Search(run, closed, settings, promise, random).answer(seconds)


class _Search:
    def __init__(
        self,
        run: RunLoad,
        closed: np.ndarray,
        settings: ServerSettings,
        promise: float,
        random: np.random.Generator,
    ) -> None:
        self._run, self._closed, self._settings = run, closed, settings
        self._promise, self._random = promise, random
        self.bound = bound_of(closed, settings)
        self._runs: list[Observed] = []
        self._points: list[LoadPoint] = []
        self._repeats = REPEATS
        self._last: float | None = None

    def answer(self, seconds: float) -> Capacity:
        each = seconds / RUNS
        known = self._known(FEW)
        for step in STEPS:
            self._measure(np.exp(known.mean + step * np.clip(known.sd, NARROW, WIDE)), each, "search")
            known = self._known(FEW)
        for _ in range(RUNS - len(STEPS)):
            self._measure(known.within(0.0, self.bound), each, "confirm")
        if len(self._runs) < RUNS // 2:
            return self._too_noisy()
        return self._judged(self._known(MANY))

    def _measure(self, load: float, seconds: float, stage: str) -> None:
        """A run; noisy ones are made again, a few times in all. A too noisy one never counts."""
        load = float(np.clip(load, LOWEST * self.bound, HIGHEST * self.bound))
        while True:
            seen = self._run(load, seconds, int(self._random.integers(2**31)))
            counted = len(seen.late)
            expected = predicted_late(seen.calls, seen.arrivals, counted, self._settings, self._closed)
            seen = replace(seen, point=replace(seen.point, stage=stage, predicted=expected))
            self._points.append(seen.point)
            kept = seen.point.valid and len(seen.calls.size)
            if kept and not (seen.point.note and self._repeats):
                self._runs.append(seen)
                return
            if not self._repeats:
                return
            self._points[-1] = replace(seen.point, valid=False)
            self._repeats -= 1

    def _known(self, resamples: int) -> Weighed:
        """What service times and late counts say together."""
        known = known_of(
            self._runs, self._closed, self._settings, resamples, self._random, self._promise, self._last
        )
        self._last = known.traced
        return known

    def _judged(self, known: Weighed) -> Capacity:
        value = known.within(0.0, self.bound)
        low, high = (min(float(np.exp(known.mean + s * Z * known.sd)), self.bound) for s in (-1, 1))
        if known.trace_decides:  # few stalls more bring the answer far down, few stalls less hardly up
            low = min(low, known.lowest)
        if (lightest := self._nothing_keeps(value)) is not None:
            late = f"there {lightest.late_share:.1%} of requests are late already"
            note = f"below {per_s(lightest.offered)}: {late}"
            return Capacity(0.0, 0.0, lightest.offered, None, tuple(self._points), note)
        confirmed, share = self._check()
        notes = []
        if confirmed is False:
            notes.append(
                f"not confirmed: {share:.1%} were late in further runs at it; its lower end is {per_s(low)}"
            )
        slow, without = self._stalls(value)
        if slow:
            notes.append(f"{slow} slow calls decide this: {per_s(without)} without them{self._stolen()}")
        if lost := self._time_lost():
            notes.append(lost)
        if loud := [r.point for r in self._runs if r.point.note]:
            most = max(loud, key=lambda p: p.noise.wait_share if p.noise else 0.0)
            notes.append(
                f"noisy: {len(loud)} of {len(self._runs)} runs ({most.note}), alone it may carry more"
            )
        return Capacity(
            value, min(low, value), max(high, value), confirmed, tuple(self._points), "; ".join(notes), slow
        )

    def _nothing_keeps(self, value: float) -> LoadPoint | None:
        """The lightest run, if the answer is the lowest load there is and that run broke the promise too."""
        lightest = min((r.point for r in self._runs), key=lambda p: p.offered)
        if value > 1.5 * LOWEST * self.bound or lightest.late_share <= self._promise:
            return None
        return lightest

    def _check(self) -> tuple[bool | None, float]:
        """Whether the runs at the answer kept the promise, as far as their number can tell."""
        runs = [r for r in self._runs if r.point.stage == "confirm"]
        if not runs:
            return None, 0.0
        late = np.concatenate([r.late for r in runs])
        shares = [float(np.mean(block)) for block in np.array_split(late, CHECK_BLOCKS) if len(block)]
        error = float(np.std(shares, ddof=1)) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
        share = float(late.mean()) if len(late) else 0.0
        return share - ONE_SIDED * error <= self._promise, share

    def _stalls(self, value: float) -> tuple[int, float]:
        """How many slow calls decide the answer, and what it were without them; 0 where they do not."""
        series = series_of([r.calls for r in self._runs], self._closed, self._settings).settled()
        if not series.slow_calls:
            return 0, value
        gaps = unit_arrivals(requests_for(self._runs), self._random, self._settings.burstiness)
        both = [
            highest_load(gaps, services, self._settings, self._promise)
            for services in (series.services, series.without_stalls())
        ]
        if both[1] is None or (both[0] or 0.0) * (1 + DECIDED_BY_STALLS) >= both[1]:
            return 0, value
        return series.slow_calls, min(both[1], self.bound)

    def _stolen(self) -> str:
        """What share of the time the host of a virtual machine had the cores, where it matters."""
        noises = [r.point.noise for r in self._runs if r.point.noise]
        share = float(np.mean([n.stolen for n in noises])) if noises else 0.0
        return f", the host took {share:.1%} of the time" if share > STOLEN else ""

    def _time_lost(self) -> str:
        """Says so where more requests were late than the calls explain."""
        seen = sum(r.point.violations - r.point.errors for r in self._runs)
        explained = sum(r.point.predicted or 0 for r in self._runs)
        counted = sum(r.point.requests for r in self._runs)
        if seen - explained <= max(LOST * seen, self._promise * counted):
            return ""
        return f"time was lost between the calls: they explain {explained} of {seen} late requests"

    def _too_noisy(self) -> Capacity:
        invalid = [p for p in self._points if not p.valid]
        why = invalid[0].note if invalid else "no request was answered"
        note = f"too noisy ({len(invalid)} of {len(self._points)} runs: {why})"
        return Capacity(None, None, None, None, tuple(self._points), note)

"""How much load a server takes: the search for the highest load that keeps its promise.

Pure: what a load does is asked of a function, so the search is tested against queues with known
theory. Protocol: measurement items 10 and 11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

PROMISE = 0.01
"""Share of requests that may be late: the limit is on the p99."""
COARSE = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
"""Utilisations of the first pass, as shares of the closed-loop bound."""
LOWEST = (0.05, 0.1, 0.15)
"""Utilisations that are looked at again where the lowest load seemed too much already."""
FINE = (0.82, 0.91, 1.0, 1.09, 1.18)
"""Loads of the second pass, as multiples of the first pass's answer."""
RESAMPLES = 400
KNEE_NEEDS = 4


@dataclass(frozen=True)
class LoadPoint:
    """One open-loop run at one load.

    Args:
        offered, achieved: requests per second that were meant to come, and that were answered. came: that did
            come: Poisson arrivals are not exactly as many as meant.
        requests: how many counted. violations: how many of them were later than the limit, failed, or
            were not answered at all. errors, unanswered: the last two kinds; error: the first of the former.
        p50_ms, p99_ms: from the scheduled arrival; None where too few were answered.
        predicted: violations of a simulated queue, with the service times of the closed loop, on the very
            same arrivals; None without such a model.
        lateness_ms: p99 of how late an idle server saw an arrival: the generator's own error.
        batch: mean batch size. stage: `coarse`, `fine`, `confirm`.
        valid: False where lateness is a material share of the limit, or the window was too noisy;
            `note` says which.
    """

    offered: float
    achieved: float
    requests: int
    violations: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    errors: int = 0
    unanswered: int = 0
    error: str = ""
    predicted: int | None = None
    lateness_ms: float = 0.0
    batch: float = 1.0
    seed: int = 0
    stage: str = ""
    valid: bool = True
    came: float | None = None
    note: str = ""
    noise: dict[str, Any] | None = None

    @property
    def late_share(self) -> float:
        return self.violations / max(self.requests, 1)

    def as_json(self) -> dict[str, Any]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


Model = Callable[[float], float]
"""Requests per second → share of late requests in the long run, of a simulated queue."""

RunLoad = Callable[[float, float, int], LoadPoint]
"""(requests per second, seconds, seed) → what happened."""


@dataclass(frozen=True)
class Capacity:
    """The highest load that keeps the promise.

    Args:
        value: requests per second; None where the search could not tell, `note` says why.
        low, high: 95 % interval from resampled runs.
        confirmed: share of confirming runs at `value` that kept the promise, None without one.
        points: every run, in the order of measuring.
    """

    value: float | None
    low: float | None
    high: float | None
    confirmed: float | None
    points: tuple[LoadPoint, ...]
    note: str = ""


def find_capacity(
    run: RunLoad,
    bound: float,
    seconds: float,
    random: np.random.Generator,
    promise: float = PROMISE,
    model: Model | None = None,
) -> Capacity:
    """Search in three passes: a coarse grid, a fine one around the answer, a confirmation.

    Loads come in random order with a seed of their own each, so that the machine's drift is no trend.

    Args:
        bound: closed-loop capacity, requests per second: no open-loop load above it can be sustained.
        seconds: measuring time in all.
        model: a simulated queue, used as a control variate (see `adjusted`).
    """
    points: list[LoadPoint] = []

    def measure(loads: Sequence[float], share: float, stage: str) -> None:
        each = share * seconds / len(loads)
        again: list[float] = []
        for i in random.permutation(len(loads)):
            point = run(float(loads[i]), each, int(random.integers(2**31)))
            points.append(replace(point, stage=stage))
            again += [] if point.valid else [float(loads[i])]
        for load in again:  # once more, and no oftener: a loud machine stays loud
            points.append(replace(run(load, each, int(random.integers(2**31))), stage=stage))

    measure([bound * share for share in COARSE], 0.2, "coarse")
    first = crossing(points, promise, model)
    if first is None and points and min(points, key=lambda p: p.offered).late_share > promise:
        # One unlucky request in a short run at the lowest load is no verdict: look there for longer.
        measure([bound * share for share in LOWEST], 0.3, "coarse")
        first = crossing(points, promise, model)
    if first is None:
        return _without_crossing(points, bound, promise)
    measure([first * share for share in FINE for _ in range(2)], 0.35, "fine")
    second = crossing(points, promise, model) or first
    measure([second * share for share in (0.95, 1.0, 1.05) for _ in range(2)], 0.3, "fine")
    answer = crossing(points, promise, model) or second
    measure([answer] * 2, 0.15, "confirm")
    # The confirming runs are evidence too: a wrong answer is pulled back by them.
    final = crossing(points, promise, model) or answer
    confirming = [p for p in points if p.stage == "confirm" and p.valid]
    kept = float(np.mean([p.late_share <= 2 * promise for p in confirming])) if confirming else None
    low, high = interval(points, promise, random, model)
    low, high = min(low, final), max(high, final)
    return Capacity(final, low, high, kept, tuple(points))


def crossing(
    points: Sequence[LoadPoint], promise: float = PROMISE, model: Model | None = None
) -> float | None:
    """The load at which the share of late requests passes the promise; None if all or none keep it.

    A monotone (isotonic) fit finds the neighbourhood; within it the logarithm of the share is fitted
    by a line in the load, which uses all runs there and not two steps only.
    """
    valid = [p for p in points if p.valid and p.requests > 0]
    if len(valid) < 2:
        return None
    loads = np.array([p.offered for p in valid])
    order = np.argsort(loads, kind="stable")
    loads = loads[order]
    counts = np.array([p.requests for p in valid], dtype=float)[order]
    late = adjusted(valid, model)[order]
    shares = isotonic(late / counts, counts)
    above = np.flatnonzero(shares > promise)
    if len(above) == 0 or above[0] == 0:
        return None
    start = _between(loads, shares, int(above[0]), promise)
    near = (loads > 0.6 * start) & (loads < 1.5 * start) & (shares < 0.3)
    if near.sum() < 4 or len(np.unique(loads[near])) < 3:
        return start
    fitted = _log_line(loads[near] / start, late[near], counts[near], promise)
    return start if fitted is None else float(np.clip(fitted * start, 0.7 * start, 1.4 * start))


def adjusted(points: Sequence[LoadPoint], model: Model | None) -> np.ndarray:
    """Violations with the luck of the arrivals taken out (a control variate).

    Most of the scatter between runs is that of the Poisson arrivals. A simulated queue on the same
    arrivals says how unlucky they were: its violations minus its long-run expectation. That difference
    has mean zero whatever the model's faults, so subtracting it biases nothing.
    """
    late = np.array([p.violations for p in points], dtype=float)
    if model is None:
        return late
    luck = np.array(
        [0.0 if p.predicted is None else p.predicted - p.requests * model(p.offered) for p in points]
    )
    return np.asarray(late - luck)


def isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least-squares non-decreasing fit (pool adjacent violators).

    Args:
        values, weights: (n,), ordered by the load.
    Returns:
        (n,) fitted values.
    """
    blocks: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([float(value), float(weight), 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            right, left = blocks.pop(), blocks.pop()
            total = left[1] + right[1]
            blocks.append([(left[0] * left[1] + right[0] * right[1]) / total, total, left[2] + right[2]])
    return np.concatenate([np.full(int(length), value) for value, _, length in blocks])


def interval(
    points: Sequence[LoadPoint], promise: float, random: np.random.Generator, model: Model | None = None
) -> tuple[float, float]:
    """95 % interval of the crossing: runs are resampled, for requests within a run are correlated."""
    valid = [p for p in points if p.valid]
    found = []
    for _ in range(RESAMPLES):
        sample = [valid[i] for i in random.integers(len(valid), size=len(valid))]
        if (value := crossing(sample, promise, model)) is not None:
            found.append(value)
    if len(found) < RESAMPLES / 2:
        loads = [p.offered for p in valid]
        return min(loads), max(loads)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def knee(points: Sequence[LoadPoint]) -> float | None:
    """The load with the highest power, throughput over response time (Kleinrock 1979); None if unclear."""
    usable = [p for p in points if p.valid and p.p50_ms and p.achieved >= 0.9 * p.offered]
    if len({p.offered for p in usable}) < KNEE_NEEDS:
        return None
    return max(usable, key=lambda p: p.achieved / (p.p50_ms or 1.0)).offered


def _between(loads: np.ndarray, shares: np.ndarray, first: int, promise: float) -> float:
    """Interpolate the logarithm of the share between the runs on both sides of the promise."""
    below, above = loads[first - 1], loads[first]
    low, high = np.log(max(shares[first - 1], promise / 20)), np.log(shares[first])
    return float(below + (above - below) * np.clip((np.log(promise) - low) / (high - low), 0, 1))


def _log_line(x: np.ndarray, late: np.ndarray, counts: np.ndarray, promise: float) -> float | None:
    """Poisson regression log(share) = a + b·x by Newton's method; where it passes the promise."""
    design = np.stack([np.ones_like(x), x - 1], axis=1)
    beta = np.array([np.log(max(float(late.sum()), 0.5) / counts.sum()), 5.0])
    for _ in range(50):
        expected = counts * np.exp(np.clip(design @ beta, -30, 3))
        gradient = design.T @ (late - expected) - np.array([0.0, 0.02 * (beta[1] - 5.0)])
        curvature = design.T @ (design * expected[:, None]) + np.diag([1e-9, 0.02])
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    if beta[1] <= 0.5:
        return None
    return float(1 + (np.log(promise) - beta[0]) / beta[1])


def _without_crossing(points: Sequence[LoadPoint], bound: float, promise: float) -> Capacity:
    valid = [p for p in points if p.valid]
    lowest = min(valid, key=lambda p: p.offered) if valid else None
    # A load that was too noisy at the low end leaves open what the server would have done there.
    unknown_below = lowest is None or any(p.offered < lowest.offered for p in points)
    if lowest is None or len(valid) < 3 or (lowest.late_share > promise and unknown_below):
        invalid = [p for p in points if not p.valid]
        note = f"too noisy ({len(invalid)} of {len(points)} runs: {invalid[0].note if invalid else ''})"
        return Capacity(None, None, None, None, tuple(points), note)
    if lowest.late_share > promise:
        note = f"below {lowest.offered:.3g} per s: there {lowest.late_share:.1%} of requests are late already"
        return Capacity(0.0, 0.0, lowest.offered, None, tuple(points), note)
    highest = max(p.offered for p in valid)
    return Capacity(
        highest,
        highest,
        None,
        None,
        tuple(points),
        "at least: every load up to the closed-loop bound keeps it",
    )

"""What is known of the highest load that keeps a promise: what service times and late requests say of it.

Two pieces of evidence of the same runs: the queue simulated with the service times that they showed, and how
many of their requests were late. Each is a normal belief on the logarithm of the load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.serving.load import PROMISE, Observed, ServerSettings
from harness.serving.queues import HIGHEST, LOWEST, highest_load, unit_arrivals
from harness.serving.series import series_of

FEWEST_REQUESTS, MOST_REQUESTS = 20_000, 80_000
"""Simulated requests for one answer."""
ROUGH = 0.005
"""How exactly a resampled series is solved: its own luck moves it by more."""
SLOPES = tuple(3.0 * 2.0**k for k in range(6))
"""How steeply the late share may rise: log-odds per unit of log load."""
BLOCKS = 10
LEAST_TRACE_SD = 1e-3
LEAST_DISPERSION, LEAST_SD = 2.0, 0.05


@dataclass(frozen=True)
class Belief:
    """What is known of the logarithm of the capacity."""

    mean: float
    sd: float

    def within(self, low: float, high: float) -> float:
        """The load at the mean, held between two loads."""
        return float(np.clip(np.exp(self.mean), low, high))


@dataclass(frozen=True)
class Weighed(Belief):
    """Both pieces of evidence together.

    Args:
        traced: of the load, by the simulated queue alone. lowest: 2.5 % of that queue's answers are below it.
        trace_decides: whether the queue knows more than the late requests do.
    """

    traced: float = 0.0
    lowest: float = 0.0
    trace_decides: bool = True


def bound_of(closed: np.ndarray, settings: ServerSettings) -> float:
    """Requests per second where everything is there at once; `closed` is (max_batch,) seconds by size."""
    return settings.workers * float(np.max(np.arange(1, len(closed) + 1) / closed))


def known_of(
    runs: Sequence[Observed],
    closed: np.ndarray,
    settings: ServerSettings,
    resamples: int,
    random: np.random.Generator,
    promise: float = PROMISE,
    near: float | None = None,
) -> Weighed:
    """What service times and late counts of a launch's runs say together.

    Args:
        closed: (max_batch,) seconds by batch size in a closed loop. near: an estimate, tried first.
    """
    logs = traced(runs, closed, settings, resamples, random, promise, near)
    lowest, low, middle, high = (float(q) for q in np.quantile(logs, [0.025, 0.16, 0.5, 0.84]))
    trace = Belief(middle, max((high - low) / 2, LEAST_TRACE_SD))
    counts = late_counts(runs, promise, bound_of(closed, settings))
    both = trace if counts is None else together(trace, counts)
    decides = counts is None or trace.sd < counts.sd
    return Weighed(both.mean, both.sd, float(np.exp(middle)), float(np.exp(lowest)), decides)


def requests_for(runs: Sequence[Observed]) -> int:
    """How many requests are simulated for one answer: as many as were seen, within limits."""
    return int(np.clip(sum(len(r.arrivals) for r in runs), FEWEST_REQUESTS, MOST_REQUESTS))


def traced(
    runs: Sequence[Observed],
    closed: np.ndarray,
    settings: ServerSettings,
    resamples: int,
    random: np.random.Generator,
    promise: float,
    near: float | None,
) -> list[float]:
    """Logarithms of the simulated queue's answers, with resampled service times and fresh arrivals."""
    series = series_of([r.calls for r in runs], closed, settings).settled()
    requests = requests_for(runs)
    answers = []
    for _ in range(resamples):
        services = series.resampled(settings.limit_ms, random)
        first = int(random.integers(len(services.factor)))
        gaps = unit_arrivals(requests, random, settings.burstiness)
        found = highest_load(gaps, services, settings, promise, near, first, ROUGH)
        answers.append(float(np.log(found or LOWEST * bound_of(closed, settings))))
        near = near or found
    return answers


def late_counts(runs: Sequence[Observed], promise: float, bound: float) -> Belief | None:
    """What the late requests alone say: a posterior over where the promise is passed and how steeply.

    Log-odds of being late rise by a line in the logarithm of the load. Late requests come in bunches, and
    runs at one load differ as the machine's speed does, so counts are divided by their overdispersion: that
    within runs or that of the runs around the likeliest line, the larger.

    Returns:
        Posterior mean and twice its standard deviation (the line is a rough model); None without runs.
    """
    counted = [r for r in runs if len(r.late)]
    if not counted:
        return None
    loads = np.log([r.point.offered for r in counted])
    late = np.array([float(r.late.sum()) for r in counted])
    of = np.array([float(len(r.late)) for r in counted])
    x = np.linspace(np.log(LOWEST * bound), np.log(HIGHEST * bound), 240)
    slopes = np.array(SLOPES)[:, None, None]
    odds = np.log(promise / (1 - promise)) + slopes * (loads[None, None, :] - x[None, :, None])
    likelihood = -(np.logaddexp(0, -odds) @ late + np.logaddexp(0, odds) @ (of - late))
    spread = dispersion([r.late for r in counted])
    likeliest = odds.reshape(-1, len(loads))[np.argmax(likelihood)]
    spread = max(spread, around(late, of, 1 / (1 + np.exp(-likeliest))))
    weight = np.exp((likelihood - likelihood.max()) / spread)
    weight = weight.sum(axis=0) / weight.sum()
    mean = float(weight @ x)
    sd = float(np.sqrt(weight @ (x - mean) ** 2))
    return Belief(mean, max(2 * sd, LEAST_SD))


def around(late: np.ndarray, of: np.ndarray, share: np.ndarray) -> float:
    """Variance over its binomial value of late requests around expected shares, a line's; (runs,) all three.

    One request more or less than nobody is no surprise, so it is added to each variance.
    """
    surprise = (late - of * share) ** 2 / (of * share * (1 - share) + 1)
    return float(surprise.sum() / max(len(late) - 2, 1))


def dispersion(late: Sequence[np.ndarray]) -> float:
    """Variance over mean of late requests in ten blocks of a run; the middle one of all runs, at least 2."""
    ratios = []
    for run in late:
        counts = np.array([block.sum() for block in np.array_split(run, BLOCKS)], dtype=float)
        if counts.mean() > 0:
            ratios.append(counts.var(ddof=1) / counts.mean())
    return max(LEAST_DISPERSION, float(np.median(ratios)) if ratios else 0.0)


def together(trace: Belief, counts: Belief) -> Belief:
    """Both pieces of evidence by their precision; where they disagree, they know less than they say."""
    precision = 1 / trace.sd**2 + 1 / counts.sd**2
    mean = (trace.mean / trace.sd**2 + counts.mean / counts.sd**2) / precision
    apart = abs(trace.mean - counts.mean) / (trace.sd**2 + counts.sd**2) ** 0.5
    return Belief(mean, precision**-0.5 * max(apart, 1.0))

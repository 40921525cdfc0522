"""How much more one class of machine carries than another, by what both did of the same networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.served import load_within
from harness.analysis.stats import Array
from harness.costs.calibrations import Calibration
from harness.record import Variant
from harness.results import ServiceTimes
from harness.streams import generator
from harness.suite.expression import Constraint

FEWEST = 3
"""Networks that a factor needs: with fewer nobody knows how it differs between them."""
GRID = (0.005, 0.025, 0.16, 0.5, 0.84, 0.975, 0.995)
"""Quantiles of the factor at which the queue is simulated."""


@dataclass(frozen=True)
class Factor:
    """The ratio of requests per second for a network that neither machine was calibrated with.

    Args:
        log: mean of its logarithm over the networks. sd: of one further network. df: degrees of freedom.
    """

    log: float
    sd: float
    df: int

    def quantile(self, share: float) -> float:
        """A quantile of the ratio: t distributed on the log scale."""
        from scipy.stats import t

        return float(np.exp(self.log + self.sd * t.ppf(share, self.df)))

    def draws(self, count: int, candidate: str) -> Array:
        """(count,) of a candidate: the same for all its runtimes, another for every other one."""
        random = generator(0, "machine factor", candidate)
        return np.asarray(np.exp(self.log + self.sd * random.standard_t(self.df, count)))

    @property
    def words(self) -> str:
        low, middle, high = (self.quantile(share) for share in (0.025, 0.5, 0.975))
        return f"{middle:.3g} times ({low:.3g} to {high:.3g})"


def factor(
    here: Calibration, there: Calibration, runtime: str, workers_here: int, workers_there: int
) -> Factor | None:
    """The ratio of a runtime, so many workers against so many; None where too few networks say it.

    Of each network's rounds the fastest counts: neighbours make a round slower and none faster. A machine of
    two virtual cores held against itself differed by 4 % at most, a further network by 1 to 5 % (one standard
    deviation); by the rounds' mean at their own best batch sizes 12 %, and up to 18 %.
    """
    logs = []
    for name, by_workers in here.speeds.items():
        ours = by_workers.get(str(workers_here))
        theirs = there.speeds.get(name, {}).get(str(workers_there))
        if Variant.parse(name).runtime == runtime and ours and theirs:
            logs.append(float(np.log(max(theirs) / max(ours))))
    if len(logs) < FEWEST:
        return None
    n = len(logs)
    return Factor(float(np.mean(logs)), float(np.std(logs, ddof=1)) * (1 + 1 / n) ** 0.5, n - 1)


def carried(
    found: Factor,
    draws: Array,
    limits: Sequence[Constraint],
    burstiness: float,
    times: ServiceTimes | None,
    workers: int,
) -> Array:
    """What of the load that a variant carries within limits it carries there, as a ratio to here.

    Without a limit it is the factor; under one the queue is simulated with the service times that the factor
    makes of those here: a machine half as fast carries less than half within the same limit.

    Args:
        draws: (n,) of the factor. workers: how many serve there.
    Returns:
        (n,); NaN where no load keeps the limit.
    """
    if not limits or times is None:
        return draws

    def load(ratio: float) -> float:
        slower = workers / (times.workers * ratio)
        by_size = tuple((size, ms * slower) for size, ms in times.by_size)
        within = load_within(ServiceTimes(by_size, times.varies, workers), limits, burstiness)
        return 0.0 if within is None or within.load is None else within.load

    here = load_within(times, limits, burstiness)
    if here is None or not here.load:
        return np.full(len(draws), np.nan)
    grid = np.array([found.quantile(share) for share in GRID])
    loads = np.array([load(float(ratio)) for ratio in grid]) / here.load
    result = np.interp(np.log(draws), np.log(grid), loads)
    return np.where(result > 0, result, np.nan)

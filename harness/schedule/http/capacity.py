"""The highest load that a deployment keeps its promise at, from the late requests of runs alone.

What happens inside a deployment, where requests wait and are put together, is not seen from without. So no
queue is simulated with its service times, as for a variant in the process (`harness.serving.capacity`): runs
around what is known so far are all that counts, and intervals are wider for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.facts.serving import LoadPoint
from harness.serving.belief import Belief, late_counts
from harness.serving.capacity import ONE_SIDED, Capacity, RunLoad, Z, per_s
from harness.serving.load import PROMISE, Observed
from harness.serving.queues import HIGHEST, LOWEST

FIRST = 0.6
"""Share of the load that saturates it at which the search begins."""
STEPS = (0.0, 0.0, 0.5, -0.5, 0.0, 0.3)
"""Loads of the runs before the check, in standard deviations of what is known when they start."""
WIDE = 0.5
CHECKS, REPEATS, FEWEST = 2, 4, 4
"""Runs at the answer; runs that may be made again because they were too noisy; runs that an answer takes."""
BLOCKS = 10


@dataclass
class Known:
    """What the runs so far say.

    Args:
        bound: requests per second that saturate the deployment.
    """

    bound: float
    runs: list[Observed]

    @property
    def belief(self) -> Belief:
        """Of the logarithm of the load."""
        found = late_counts(self.runs, PROMISE, self.bound)
        return Belief(float(np.log(FIRST * self.bound)), WIDE) if found is None else found


def find_load(run: RunLoad, bound: float, seconds: float, random: np.random.Generator) -> Capacity:
    """Six runs around what is known so far, two at the answer as a check.

    Args:
        bound: requests per second where every connection asks as soon as it is answered.
        seconds: measuring time in all.
    """
    known, points, repeats = Known(bound, []), list[LoadPoint](), REPEATS
    each = seconds / (len(STEPS) + CHECKS)
    for stage, step in [("search", step) for step in STEPS] + [("confirm", 0.0)] * CHECKS:
        belief = known.belief
        wanted = np.exp(belief.mean + step * min(belief.sd, WIDE))
        load = float(np.clip(wanted, LOWEST * bound, bound if stage == "confirm" else HIGHEST * bound))
        while True:
            seen = run(load, each, int(random.integers(2**31)))
            points.append(replace(seen.point, stage=stage))
            if seen.point.valid:
                known.runs.append(replace(seen, point=points[-1]))
            if seen.point.valid or not repeats:
                break
            repeats -= 1
    if len(known.runs) < FEWEST:
        invalid = [p for p in points if not p.valid]
        note = f"too noisy ({len(invalid)} of {len(points)} runs: {invalid[0].note})"
        return Capacity(None, None, None, None, tuple(points), note)
    return _judged(known, points)


def _judged(known: Known, points: list[LoadPoint]) -> Capacity:
    belief, bound = known.belief, known.bound
    value = belief.within(0.0, bound)
    low, high = (min(float(np.exp(belief.mean + s * Z * belief.sd)), bound) for s in (-1, 1))
    lightest = min((r.point for r in known.runs), key=lambda p: p.offered)
    if value <= 1.5 * LOWEST * bound and lightest.late_share > PROMISE:
        late = f"there {lightest.late_share:.1%} of requests are late already"
        note = f"below {per_s(lightest.offered)}: {late}"
        return Capacity(0.0, 0.0, lightest.offered, None, tuple(points), note)
    confirmed, share = _check(known.runs)
    notes = []
    if confirmed is False:
        seen = f"{share:.1%} were late in further runs at it"
        notes.append(f"not confirmed: {seen}; its lower end is {per_s(low)}")
    if loud := [r.point for r in known.runs if r.point.note]:
        notes.append(
            f"noisy: {len(loud)} of {len(known.runs)} runs ({loud[0].note}), alone it may carry more"
        )
    note = "; ".join(notes)
    return Capacity(value, min(low, value), max(high, value), confirmed, tuple(points), note)


def _check(runs: list[Observed]) -> tuple[bool | None, float]:
    """Whether the runs at the answer kept the promise, as far as their number can tell."""
    checks = [r.late for r in runs if r.point.stage == "confirm"]
    late = np.concatenate(checks) if checks else np.zeros(0)
    if not len(late):
        return None, 0.0
    shares = [float(np.mean(block)) for block in np.array_split(late, 2 * BLOCKS) if len(block)]
    error = float(np.std(shares, ddof=1)) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
    share = float(late.mean())
    return share - ONE_SIDED * error <= PROMISE, share

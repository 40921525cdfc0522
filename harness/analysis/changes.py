"""What a metric changed by between two runs, and which changes are decided to be real.

A worsening counts when it is significant beyond the margin: one-sided at 0.05, Holm's correction over all
tests of a family.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np

from harness.analysis.stats import Array, Interval, holm, t_tail
from harness.codec import Json
from harness.figures import short

ERROR_RATE = 0.05

ROUNDING = 1e-9
"""What sums in floating point leave of nothing: 1.01 − 1 exceeds .01 by 9e-18, and scores that three seeds
repeat have another mean than the same that two repeat."""

Verdict = Literal["worse", "better", "same", "not separated", "not comparable"]


@dataclass(frozen=True)
class Change:
    """One metric of one variant, B against A.

    Args:
        worsening: positive is worse: a difference for fractions, else a share of A; None where not tested.
        low, high: its 95 % interval. p: one-sided, worse than the margin, Holm-adjusted.
        note: what the figure rests on, or why there is none. unit: the metric's.
    """

    variant: str
    metric: str
    a: float | None
    b: float | None
    worsening: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    verdict: Verdict = "not comparable"
    note: str = ""
    unit: str = ""

    @property
    def size(self) -> str:
        """How much worse: `+0.02` of a fraction, `+60 %` of all others; empty where nothing was tested."""
        return "" if self.worsening is None else self._told(self.worsening)

    @property
    def span(self) -> str:
        """Its interval: `+0.01 to +0.03`, `+55 to +65 %`."""
        return "" if self.low is None or self.high is None else self._told(self.low, self.high)

    def _told(self, *shares: float) -> str:
        unit, factor = ("", 1) if self.unit == "fraction" else (" %", 100)
        return " to ".join(short(float(f"{factor * x + 0.0:.3g}"), "+") for x in shares) + unit

    def __str__(self) -> str:
        figures = f"{_number(self.a)} → {_number(self.b)}"
        if self.worsening is None:
            return f"{self.variant} {self.metric}: {figures}, {self.verdict} ({self.note})"
        way = "worse" if self.worsening > 0 else "better"
        interval = f" (worsening {self.span})" if self.span else ""
        note = f"; {self.note}" if self.note else ""
        return (
            f"{self.variant} {self.metric}: {figures}, {self.size[1:]} {way}{interval}: {self.verdict}{note}"
        )


@dataclass(frozen=True)
class Comparison:
    """The gate's answer. `regressions` is what makes the exit code 1."""

    run_a: str
    run_b: str
    margin: float
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.verdict == "worse")

    @property
    def improvements(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.verdict == "better")

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "regressions": [asdict(c) for c in self.regressions]}

    def __str__(self) -> str:
        lines = [f"{self.run_b} against {self.run_a}, margin {self.margin:g}"]
        for title, group in (("Regressions", self.regressions), ("Improvements", self.improvements)):
            lines += [f"{title}:", *(f"  {c}" for c in group)] if group else []
        rest = [c for c in self.changes if c.verdict not in ("worse", "better")]
        lines += [] if self.regressions else ["No regression."]
        lines += ["Others:", *(f"  {c}" for c in rest)] if rest else []
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class Scale:
    """What a worsening was tested as, and where a margin lies there.

    Args:
        is_log: a log ratio; else the difference or share itself. grows: whether what worsens grows.
    """

    is_log: bool = False
    grows: bool = True

    def margin(self, share: float, better: bool = False) -> float:
        """Growth by a share s is log(1 + s), loss of it −log(1 − s); nothing loses more than all."""
        if not self.is_log:
            return share
        if self.grows != better:
            return math.log1p(share)
        return -math.log1p(-share) if share < 1 else math.inf

    def share(self, x: float) -> float:
        if not self.is_log:
            return x
        return math.expm1(x) if self.grows else -math.expm1(-x)


@dataclass
class Tests:
    """Changes to be decided together: a family of hypotheses."""

    found: list[tuple[Change, Interval, Scale]] = field(default_factory=list)

    def add(self, change: Change, worsening: Interval, scale: Scale = Scale()) -> None:
        self.found.append((change, worsening, scale))

    def decide(self, margin: float) -> list[Change]:
        tested = [k for k, (_, i, _) in enumerate(self.found) if np.isfinite(i.se) and i.df > 0]
        pairs = [self.found[k][1:] for k in tested]
        varies = np.array([i.se > ROUNDING for i, _ in pairs], dtype=bool)
        worse = _adjusted([_one_sided(i, s.margin(margin)) for i, s in pairs], varies)
        better = _adjusted(
            [_one_sided(_mirrored(i), s.margin(margin, better=True)) for i, s in pairs], varies
        )
        p = {k: (float(w), float(b)) for k, w, b in zip(tested, worse, better, strict=True)}
        result = []
        for k, (change, interval, scale) in enumerate(self.found):
            change = replace(change, worsening=scale.share(interval.value))
            if k in p:
                low, high = scale.share(interval.low), scale.share(interval.high)
                change = replace(change, low=low, high=high, p=p[k][0], verdict=_verdict(interval, *p[k]))
            else:
                change = replace(change, note="one launch, seed or group on a side: no interval, so no claim")
            result.append(change)
        return result


def _adjusted(p_values: Sequence[float], varies: Array) -> Array:
    """Holm's p values of those that vary. What is known is no hypothesis: beside 30 figures of the same
    trials the p of .005 of a new one was .16."""
    result = np.asarray(p_values, dtype=float)
    result[varies] = holm(result[varies])
    return result


def _one_sided(interval: Interval, margin: float) -> float:
    """p-value of `worsening ≤ margin`."""
    excess = interval.value - margin
    if interval.se <= ROUNDING:
        return 0.0 if excess > ROUNDING else 1.0
    half = t_tail(excess / interval.se, interval.df) / 2
    return half if excess > 0 else 1 - half


def _mirrored(interval: Interval) -> Interval:
    return Interval(-interval.value, -interval.high, -interval.low, interval.se, interval.df)


def _verdict(interval: Interval, worse: float, better: float) -> Verdict:
    if worse <= ERROR_RATE:
        return "worse"
    if better <= ERROR_RATE:
        return "better"
    return "same" if max(abs(interval.value), interval.se) <= ROUNDING else "not separated"


def _number(value: float | None) -> str:
    return "–" if value is None else short(value)

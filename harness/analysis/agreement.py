"""Whether a run's figures agree with figures that others have published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.results import Estimate, Row, Tradeoff
from harness.suite.schema import Expectation, Suite

Agrees = Literal["agrees", "differs", "explained", "not comparable"]
"""`explained`: it differs, and the suite says why; that fails no run."""


@dataclass(frozen=True)
class Agreement:
    """One published figure beside this run's.

    Args:
        variant: whose figure it is; empty where none has one. found: None where nothing was measured.
        reason: why the two cannot be compared; empty where they can.
    """

    candidate: str
    metric: str
    expected: Expectation
    verdict: Agrees
    variant: str = ""
    found: Estimate | None = None
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Found less published, in the metric's unit."""
        if self.found is None or self.found.value is None:
            return None
        return self.found.value - self.expected.value


def agreements(suite: Suite, table: Tradeoff) -> tuple[Agreement, ...]:
    """A verdict for every figure under the suite's `expect`, in its order.

    A candidate's figure is that of its first runtime in the table that has one: published figures are of a
    model in the framework that trained it.
    """
    return tuple(
        _judged(candidate, metric, expected, [r for r in table.rows if r.candidate == candidate])
        for candidate, figures in suite.expect.items()
        for metric, expected in figures.items()
    )


def _judged(candidate: str, metric: str, expected: Expectation, rows: Sequence[Row]) -> Agreement:
    found = [(row.variant, row.estimates.get(metric)) for row in rows]
    for variant, estimate in found:
        if estimate is not None and estimate.value is not None:
            near = is_within(estimate.value, expected)
            far: Agrees = "explained" if expected.explained else "differs"
            return Agreement(candidate, metric, expected, "agrees" if near else far, variant, estimate)
    failures = [failure for row in rows for failure in row.failures]
    notes = [estimate.note for _, estimate in found if estimate is not None and estimate.note]
    reason = next(iter([*failures, *notes]), "not measured")
    return Agreement(candidate, metric, expected, "not comparable", reason=reason)


def is_within(value: float, expected: Expectation) -> bool:
    """As the digits say it: .85 less .84 is .01 and, in floating point, 9e-18 more."""
    rounding = 1e-9 * max(abs(value), abs(expected.value))
    return abs(value - expected.value) <= expected.within + rounding

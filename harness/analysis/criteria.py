"""What the suite asks for: limits on metrics, and what to maximise or minimise.

latency_p99_ms <= 10              the limit holds, together with the others of its kind, with the confidence
latency_p99_ms <= 10 with 0.95    the limit holds with at least this probability
accuracy[class=3] >= 0.7          on a slice of the test examples
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.metrics import MetricTable, metrics_of
from harness.metrics.ends import contradict, out_of_reach, too_far
from harness.mistakes import noting, refuse
from harness.record import SuiteError
from harness.suite.expression import Constraint, take_slice
from harness.suite.expression import parse_constraint as parse_limit
from harness.suite.schema import Suite
from harness.suite.value import CheckedExpression, parse_expression

VALUE = "value"
"""The suite's value expression, in limits and objectives."""

HARNESS_METRICS = metrics_of(None)

NEEDED_CALLS = {"latency_p50_ms": 10, "latency_p90_ms": 64, "latency_p99_ms": 662}
"""Calls over all launches below which a percentile is not estimable (measured: notes of the protocol)."""

BELOW = {
    "latency_p99_ms": ("latency_p90_ms", "latency_p50_ms"),
    "latency_p90_ms": ("latency_p50_ms",),
}
"""Metric → those that are never above it: one above an upper limit on it breaks that, and is known from far
fewer calls."""


@dataclass(frozen=True)
class DecisionObjective:
    """What to maximise (`sign` = 1) or minimise (−1): a metric, or an expression over `metrics`."""

    text: str
    sign: int
    expression: CheckedExpression
    metrics: tuple[str, ...] = ()

    @property
    def is_metric(self) -> bool:
        """Whether it is one metric and nothing else."""
        return self.expression.names == (self.expression.text.strip(),)

    @property
    def subject(self) -> str:
        """`accuracy`, or `value` for an expression."""
        return self.expression.text.strip() if self.is_metric else "value"


def lower_is_better(name: str, known: MetricTable = HARNESS_METRICS) -> bool:
    return name != VALUE and known[name].better == "lower"


def parse_constraint(text: str, known: MetricTable | None = HARNESS_METRICS) -> Constraint:
    """Read a limit.

    Args:
        known: the metrics that it may be on; None: of a limit that was decided under, nothing is checked.

    Raises:
        SuiteError: not of the form `metric <= number [with probability]`, or an unknown metric.
    """
    limit, part = take_slice(text)
    try:
        parsed = parse_limit(limit)
    except ValueError as error:
        raise SuiteError(f"constraint {text!r}: {error}") from None
    if parsed.metric != VALUE and known is not None:
        known[parsed.metric]  # raises with the nearest names
    return replace(parsed, metric=parsed.metric + part)


def parse_objective(
    text: str, value: str | None = None, known: MetricTable = HARNESS_METRICS
) -> DecisionObjective:
    """Read `maximize accuracy`, `minimize cost_per_million_usd` or `maximize value`.

    Args:
        value: the expression behind the word `value`.
        known: the metrics that it may name.
    Raises:
        SuiteError: no such word, metric or expression.
    """
    words = text.strip().split(maxsplit=1)
    signs = {"maximize": 1, "maximise": 1, "minimize": -1, "minimise": -1}
    if len(words) != 2 or words[0].lower() not in signs:
        raise SuiteError(
            f"objective {text!r}: write `maximize METRIC`, `minimize METRIC` or `maximize value`"
        )
    what = words[1].strip()
    if what == "value":
        if not value:
            raise SuiteError(
                'objective: maximize value needs decision.value, as in "120*accuracy - cost_per_month_usd"'
            )
        what = value
    elif what.isidentifier():
        known[what]  # raises with the nearest names
    expression = parse_expression(what, known.units)
    metrics = tuple(name for name in expression.names if name in known)
    return DecisionObjective(text.strip(), signs[words[0].lower()], expression, metrics)


def merge_constraints(
    own: Sequence[str], further: Sequence[str], known: MetricTable | None = HARNESS_METRICS
) -> tuple[Constraint, ...]:
    """The suite's limits, with further ones on top: the same metric and direction replaces."""
    merged, mistakes = dict[tuple[str, bool], Constraint](), list[str]()
    for text in (*own, *further):
        with noting(mistakes):
            constraint = parse_constraint(text, known)
            merged[constraint.metric, constraint.is_upper] = constraint
    refuse(mistakes)
    return tuple(merged.values())


def limits_of(suite: Suite, further: Sequence[str] = ()) -> tuple[Constraint, ...]:
    """The limits of a suite, with further ones on top.

    Raises:
        SuiteError: one of them cannot be read.
    """
    return merge_constraints(suite.decision.constraints, further, metrics_of(suite))


def vain_terms(limits: Sequence[Constraint], suite: Suite, own: Suite) -> list[str]:
    """What is said of limits and a tolerance that a suite did not have itself, and that are none: nobody
    could keep them, or all would be within.

    Args:
        limits: those that are asked for. suite: with the tolerance that is asked for. own: as it was stored.
    """
    known, said, stored = metrics_of(own), list[str](), {str(c) for c in limits_of(own)}
    for limit in limits:
        entry = known.get(limit.metric)
        if str(limit) in stored:
            continue
        if entry is not None and (wrong := out_of_reach(limit, entry)):
            said.append(f"`{limit}`: {wrong}")
        others = [c for c in limits if c.metric == limit.metric and c.is_upper != limit.is_upper]
        if others and contradict(limit, others[0]):
            said.append(f"`{limit}` and `{others[0]}` contradict each other: set the other one too")
    tolerance, goal = suite.decision.tolerance, goal_of(suite)
    if tolerance is not None and tolerance != own.decision.tolerance and goal.is_metric:
        entry = known.get(goal.subject)
        if entry is not None and (wrong := too_far(tolerance, entry)):
            said.append(f"decision.tolerance: {wrong}")
    return said


def goal_of(suite: Suite, text: str | None = None) -> DecisionObjective:
    """The objective of a suite, or another over its metrics and its `value`.

    Raises:
        SuiteError: it cannot be read, or another one goes against its metric and would name the worst.
    """
    known = metrics_of(suite)
    goal = parse_objective(text or suite.decision.objective, suite.decision.value, known)
    name = goal.text.split(maxsplit=1)[1]
    if text and text != suite.decision.objective and name in known:
        verb = "maximize" if known[name].better == "higher" else "minimize"
        if goal.sign != (1 if verb == "maximize" else -1):
            raise SuiteError(
                f"`{text}` would name the worst, as {name} is better the {known[name].better}: write "
                f"`{verb} {name}`"
            )
    return goal


def worth_of(suite: Suite) -> DecisionObjective:
    """The expression of a suite's `value`, higher is better; the suite must have one."""
    return goal_of(suite, f"maximize {VALUE}")


def decides(suite: Suite, name: str) -> bool:
    """Whether the objective or a limit is of a metric itself (not of a slice of it), alone or in `value`."""
    limited = {limit.metric for limit in limits_of(suite)}
    worth = worth_of(suite).metrics if VALUE in limited and suite.decision.value else ()
    return name in {*goal_of(suite).metrics, *limited, *worth}

"""What a metric's figures lie between: limits that nobody could keep, and those that everybody does."""

from __future__ import annotations

from harness.figures import share_of
from harness.metrics import METRICS
from harness.protocols import Metric
from harness.suite.expression import Constraint


def beyond(value: float, entry: Metric) -> str:
    """Why no figure of a metric is `value`, with the cure; empty where one may be."""
    if entry.low <= value <= entry.high:
        return ""
    own = "" if entry.name in METRICS or "@" in entry.name else f", or its `unit` under metrics.{entry.name}"
    if (entry.low, entry.high) == (0.0, 1.0):
        return f"{entry.name} is a share between 0 and 1: {_share(value)}{own}"
    if value > entry.high:
        cure = _share(value) if entry.unit == "fraction" else "lower it"
        return f"{entry.name} is at most {entry.high:g}: {cure}"
    return f"{entry.name} is at least {entry.low:g}: raise it"


def out_of_reach(limit: Constraint, entry: Metric) -> str:
    """Why a limit on a metric is none, with the cure: nobody can keep it, or its figure is none that the
    metric can have; empty where it is one."""
    if said := beyond(limit.limit, entry):
        return said
    if limit.is_upper and limit.limit <= 0 and entry.is_latency:
        return f"{entry.name} is above 0: write how long an answer may take, `{entry.name} <= 10`"
    if limit.op == ">" and limit.limit == entry.high:
        return f"{entry.name} is at most {entry.high:g}: write `>=`, or a lower figure"
    if limit.op == "<" and limit.limit == entry.low:
        return f"{entry.name} is at least {entry.low:g}: write `<=`, or a higher figure"
    return ""


def kept_by_all(limit: Constraint, entry: Metric) -> str:
    """Why a limit on a metric rules nobody out; empty where it may."""
    if limit.is_upper and limit.op == "<=" and limit.limit == entry.high:
        return f"{entry.name} is at most {entry.high:g}"
    if not limit.is_upper and limit.limit == entry.low and (limit.op == ">=" or entry.is_latency):
        return f"{entry.name} is at least {entry.low:g}"
    return ""


def contradict(one: Constraint, other: Constraint) -> bool:
    """Whether no figure keeps both of two limits on one metric, from either side."""
    upper, lower = (one, other) if one.is_upper else (other, one)
    if upper.limit == lower.limit:
        return upper.op == "<" or lower.op == ">"
    return upper.limit < lower.limit


def too_far(distance: float, entry: Metric) -> str:
    """Why a tolerance in units of a metric is none, with the cure: its figures are never so far apart."""
    if entry.unit != "fraction" or distance < 1:
        return ""
    return f"{entry.name} is a share of 1, of which all are within {distance:g}: {_share(distance)}"


def no_margin(margin: float) -> str:
    """Why a margin is none, with the cure; empty where it is one."""
    if 0 <= margin < 1:
        return ""
    meant = f"{share_of(margin)} for {margin:g} %" if 1 <= margin < 100 else "for instance 0.01"
    return f"margin {margin:g}: write a share from 0 to below 1, {meant}"


def _share(value: float) -> str:
    """The cure for a figure or a distance that is none of a share: one that is written as a percentage."""
    return f"write {share_of(value)}" if 1 <= value <= 100 else "write for instance 0.1"

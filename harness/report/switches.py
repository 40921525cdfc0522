"""What would change the answer, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.sensitivity import NOBODY, OPEN
from harness.analysis.served import LATE
from harness.report import numbers as n

if TYPE_CHECKING:
    from harness.report.evidence import Evidence
    from harness.results import Flip
    from harness.suite.expression import Constraint

NEAR = 0.02
"""A limit that is tightened by less than this share is the suite's own: how surely that is kept is said."""

FAR = 10.0
"""A term that must be more than so many times another to change the answer is not said on page one: a limit
290 times tighter reverses nothing that anybody signs. A limit of zero has no such factor, and is said."""

_ENDS = {
    NOBODY: "no variant could be chosen",
    OPEN: "there would be no decision: a variant that was not measured to the end may be the better choice",
}


def switches(e: Evidence) -> list[Flip]:
    """What would change the answer; in a tie a switch to the named choice changes nothing."""
    return [item for item in e.recommendation.flips if item.get("then") != e.recommendation.choice]


def near_switches(e: Evidence) -> list[Flip]:
    """Those that a reader of page one must know of."""
    factors = [(item, item.get("factor") or 1.0) for item in switches(e)]
    return [item for item, factor in factors if 1 / FAR <= factor <= FAR or factor > 1e6]


def ending(then: str) -> str:
    """What becomes of the choice: `the choice would be vit/onnx`."""
    return _ENDS.get(then, f"the choice would be {then}")


def flip_sentence(e: Evidence, item: Flip) -> str:
    """A switch point {what, at, unit, then, factor} in words."""
    what, at, then = str(item.get("what", "")), item.get("at"), str(item.get("then", ""))
    number = float(at) if isinstance(at, int | float) else None
    end = ending(then)
    factor = float(item.get("factor") or 1.0)
    more = factor > 1
    times = _times(item.get("factor"))
    metric = what.removeprefix("limit on ")
    which = e.limit_on(metric) if metric != what else None
    if which is not None and number is not None:
        change = "relaxed" if (number > which.limit) == which.is_upper else "tightened"
        today, other = n.two_sides(metric, which.limit, number, e.known)
        kept = None if e.chosen is None else e.meets(e.chosen.variant, which)
        near = which.limit and abs(number / which.limit - 1) < NEAR
        if change == "tightened" and near and kept is not None and kept < 0.99:
            sure = f"{e.recommendation.choice} meets {today} with probability {n.percent(kept)} only"
            return f"With a limit on {n.label(metric)} of {other} instead of {today}, {end}: {sure}."
        why = _carries_less(e, which, number) if change == "tightened" else ""
        return f"If the limit on {n.label(metric)} were {change} from {today} to {other}, {end}{why}."
    if what == "traffic" and number is not None:
        at_last = n.as_written(number)
        return (
            f"{'Above' if more else 'Below'} {at_last} requests per second{_peak(e, factor)}{times}, {end}."
        )
    if what == "price" and number is not None:
        at_last = f"${n.as_written(number)}"
        return f"{'Above' if more else 'Below'} {at_last} per machine-hour{times}, {end}."
    if what == "prices" and number is not None:
        return f"Were all machines {n.as_written(number)} times as expensive, {end}."
    where = n.plain(number) if number is not None else str(at)
    guess = " (extrapolated)" if item.get("extrapolated") else ""
    return f"With {what} at {where} {item.get('unit') or ''}".rstrip() + f"{guess}, {end}."


def _carries_less(e: Evidence, limit: Constraint, other: float) -> str:
    """Why a limit matters that the choice would keep: by it a machine's load is found, and so the bill."""
    cell = None if e.chosen is None else e.chosen.estimates.get(limit.metric)
    keeps = cell is not None and cell.high is not None and cell.high < other
    return ", as a machine then carries fewer requests" if keeps and limit.metric in LATE else ""


def _peak(e: Evidence, factor: float) -> str:
    """What the peak is at so many times the traffic: who asks again must give both."""
    traffic = e.suite.decision.traffic
    if traffic.peak == traffic.mean:
        return ""
    return f" in the mean, {n.as_written(float(f'{traffic.peak * factor:.6g}'))} at the peak"


def _times(factor: object) -> str:
    if not isinstance(factor, int | float) or not 1e-6 < factor < 1e6:
        return ""
    change = 100 * (float(factor) - 1)
    if abs(change) < 50:
        said = f"{abs(change):.2g}" if abs(change) < 10 else f"{abs(change):.0f}"
        return f" ({said}\u202f% {'more' if change > 0 else 'less'} than is assumed)"
    return f" ({n.plain(float(factor), 2)} times what is assumed)"

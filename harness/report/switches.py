"""What would change the answer, in words."""

from __future__ import annotations

from harness.analysis.sensitivity import NOBODY, OPEN
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.results import Flip

NEAR = 0.02
"""A limit that is tightened by less than this share is the suite's own: how surely that is kept is said."""


_ENDS = {
    NOBODY: "no variant could be chosen",
    OPEN: "there would be no decision: a variant that was not measured to the end may be the better choice",
}


def switches(e: Evidence) -> list[Flip]:
    """What would change the answer; in a tie a switch to the named choice changes nothing."""
    return [item for item in e.recommendation.flips if item.get("then") != e.recommendation.choice]


def flip_sentence(e: Evidence, item: Flip) -> str:
    """A switch point {what, at, unit, then, factor} in words."""
    what, at, then = str(item.get("what", "")), item.get("at"), str(item.get("then", ""))
    number = float(at) if isinstance(at, int | float) else None
    end = _ENDS.get(then, f"the choice would be {then}")
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
        return f"If the limit on {n.label(metric)} were {change} from {today} to {other}, {end}."
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

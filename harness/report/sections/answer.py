"""The suite's question answered in the first sentence, where it asks more than which to ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.analysis.scaling import curves
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.report.sections.agreement import met
from harness.report.sections.catching_up import catching_up
from harness.report.sections.runtimes import reference
from harness.report.sections.scaling import LATENCY, WORDS, crossings
from harness.report.sections.shop import earned, unranked
from harness.results import Row
from harness.runtimes.offered import of_deployment
from harness.suite.asks import Asks, asked_by

SMALL = 0.0005
"""A loss of quality below half a thousandth is none."""

MOST = 4
"""Candidates of which it is said at most."""


def answers(e: Evidence) -> list[str]:
    """Sentences, the most telling first; none where the choice itself is the answer."""
    kinds = asked_by(e.suite.question)
    return next((found for kind in kinds if (found := _ANSWERS[kind](e))), None) or met(e)


def _sizes(e: Evidence) -> list[str]:
    """From which size one candidate costs more than another; crossings before those that never cross."""
    unit, _ = WORDS.get(e.suite.task, ("", ""))
    said = list(crossings(curves(e.records, LATENCY), unit))
    return sorted(said, key=lambda sentence: " from about " not in sentence)[:3]


def _int8(e: Evidence) -> list[str]:
    """What int8 costs in quality and buys in speed, the leading candidates first."""
    found = [(row, base) for row in e.rows if (base := _float(e, row))]
    said = [words for row, base in found if (words := _traded(e, row, base))]
    more = len(said) - MOST
    return [*said[:MOST], *([f"{more} more in the section What a runtime changes."] if more > 0 else [])]


def _float(e: Evidence, row: Row) -> Row | None:
    """The same model without int8, on the runtime that differs in nothing else, else where it was trained."""
    runtime = of_deployment(row.runtime)
    if runtime is None or runtime.precision != "int8":
        return None
    same = row.runtime.replace(runtime.name, runtime.full_precision, 1)
    own = (r for r in e.rows if r.candidate == row.candidate and r.runtime == same)
    return next(own, reference(e, row))


def _traded(e: Evidence, row: Row, base: Row) -> str:
    ours, theirs = (e.draws(e.quality_metric, r.variant) for r in (row, base))
    fast, slow = (e.draws("latency_p50_ms", r.variant) for r in (row, base))
    if ours is None or theirs is None or fast is None or slow is None:
        return ""
    low, loss, high = (float(x) for x in np.nanquantile(theirs - ours, [0.025, 0.5, 0.975]))
    times = float(np.nanmedian(slow / fast))
    what = n.label(e.quality_metric)
    if abs(loss) < SMALL:
        cost = f"costs {row.candidate} no {what} that shows"
    elif low <= 0 <= high:
        digits = n.decimals_for((high - low) / 2)
        between = f"{n.signed(-high, digits)} to {n.signed(-low, digits)}"
        cost = f"costs {row.candidate} no {what} that shows ({between})"
    elif loss > 0:
        cost = f"costs {row.candidate} {n.plain(loss, 2)} of {what}"
    else:
        cost = f"gains {row.candidate} {n.plain(-loss, 2)} of {what}"
    speed = (
        f"{n.plain(times, 2)} times as fast as" if times >= 1 else f"{n.plain(1 / times, 2)} times as slow as"
    )
    return f"int8 {cost} and makes it {speed} on {base.runtime}."


def _rankers(e: Evidence) -> list[str]:
    """What rankers earn over none, that of the choice first."""
    pairs = [(row, base) for row in e.rows if (base := unranked(e, row)) is not None and base is not row]
    return [words for row, base in pairs if (words := earned(e, row, base))][:3]


_ANSWERS: Mapping[Asks, Callable[[Evidence], list[str]]] = {
    Asks.EXAMPLES: catching_up,
    Asks.SIZE: _sizes,
    Asks.INT8: _int8,
    Asks.RANKERS: _rankers,
}

"""What speaks against a variant, by kind and in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from harness.analysis.uncompared import why_not_run
from harness.reasons import Reason, broken_by, is_unrun, reason_of
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.report.wording import broken
from harness.results import Row


class Against(Enum):
    """Why a variant cannot be the choice."""

    NOT_RUN = auto()
    FAILED = auto()
    FAILED_IN_PART = auto()
    RULED_OUT = auto()
    NO_FIGURE = auto()
    LIMIT = auto()


FAILURES = (Against.NOT_RUN, Against.FAILED, Against.FAILED_IN_PART)

WITHOUT = (Against.NOT_RUN, Against.FAILED, Against.NO_FIGURE)
"""Of variants that were compared with none."""

COUNTED = {
    Against.NOT_RUN: "not run",
    Against.FAILED: "that failed",
    Against.FAILED_IN_PART: "that failed in part",
}
"""What follows a number of variants; other causes are said by their own words."""


@dataclass(frozen=True)
class Cause:
    """One cause, as a cell of the table says it."""

    kind: Against
    words: str

    def of_several(self, count: int) -> str:
        """`6 with accuracy clearly below 0.87`, `1 not run`."""
        if self.kind in COUNTED:
            return f"{count} {COUNTED[self.kind]}"
        return f"{count} {self.words}" if self.kind is Against.NO_FIGURE else f"{count} with {self.words}"


def causes(e: Evidence, row: Row) -> list[Cause]:
    """What speaks against a variant, most decisive first."""
    if row.failures and not any(_has_number(row, name) for name in _deciding(e)):
        return [_failure(row, Against.FAILED)]
    noted = (x.note for x in row.estimates.values())
    if said := next((note for note in noted if reason_of(note) is Reason.RULED_OUT), ""):
        return [Cause(Against.RULED_OUT, _ruled_out(e, said))]
    if why := why_not_run(row, _deciding(e)):
        return [Cause(Against.NOT_RUN, why)]
    found = []
    for which in e.limits:
        probability = e.meets(row.variant, which)
        name = n.label(which.metric)
        cell = row.estimates.get(which.metric)
        if probability is None and cell is not None and cell.floor:
            found.append(Cause(Against.LIMIT, f"{name} known as a floor alone, which meets no limit"))
        elif probability is None:
            found.append(Cause(Against.NO_FIGURE, f"without a figure for {name}"))
        elif probability < e.asked(which):
            side = "above" if which.is_upper else "below"
            limit = n.quantity(which.metric, which.limit, e.known)
            found.append(Cause(Against.LIMIT, f"{name} {broken(probability)} {side} {limit}"))
    if not found and row.failures and any(x.value is None for x in row.estimates.values()):
        return [_failure(row, Against.FAILED_IN_PART)]
    return found


def _ruled_out(e: Evidence, note: str) -> str:
    """The limit that took a row out as others' are said, with its unit, and its figures in brackets."""
    known = broken_by(note)
    if known is None:
        return n.prose(note.partition(": ")[2] or note)
    side = "above" if known.is_upper else "below"
    limit = n.quantity(known.metric, known.limit, e.known)
    return f"{n.label(known.metric)} clearly {side} {limit} {known.figures}".rstrip()


def others_out(e: Evidence) -> str:
    """Why the others are not the choice, counted by the first cause of each; empty where none is out."""
    eligible = {e.recommendation.choice, *e.recommendation.tied_with}
    first = [found[0] for row in e.rows if row.variant not in eligible and (found := causes(e, row))]
    if not first:
        return ""
    return f"Not eligible: {n.listed(_counted(first))}."


def _counted(found: Iterable[Cause]) -> list[str]:
    # Who was ruled out for a limit and who was measured beyond it are out for one cause.
    alike = Counter((Against.LIMIT if c.kind is Against.RULED_OUT else c.kind, _sort(c)) for c in found)
    return [Cause(*which).of_several(count) for which, count in alike.most_common()]


def _sort(cause: Cause) -> str:
    """What causes of one sort have in common: failures differ in their words, who was ruled out in the figure
    that stands in brackets."""
    if cause.kind in COUNTED:
        return ""
    return cause.words.partition(" (")[0] if cause.kind is Against.RULED_OUT else cause.words


def _deciding(e: Evidence) -> list[str]:
    return [e.objective_metric, *(item.metric for item in e.limits)]


def _has_number(row: Row, name: str) -> bool:
    return name in row.estimates and row.estimates[name].value is not None


def _failure(row: Row, kind: Against) -> Cause:
    """A failure in words: `failed: out of memory`; `not run: budget of 1.4 min spent`."""
    why = row.failures[0].partition(": ")[2] or row.failures[0]
    if all(map(is_unrun, row.failures)):
        return Cause(Against.NOT_RUN if kind is Against.FAILED else kind, why)
    return Cause(kind, f"{'failed' if kind is Against.FAILED else 'failed in part'}: {why}")

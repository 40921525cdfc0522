"""Why a figure is no number, or not the number alone.

Records, caches and tables keep a reason as the words of a note, `not estimable (120 of 662 calls)`: what
reads a note asks here for its reasons, and nothing else looks for words in it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """A reason; its value is the sign that notes carry it by. Of two signs of which one holds the other, the
    longer stands first."""

    FAILED = "failed"
    NOT_RUN = "not run"
    RULED_OUT = "ruled out"
    NOT_MEASURED = "not measured"
    NOT_ESTIMABLE = "not estimable"
    UNSTEADY = "unsteady"
    TOO_NOISY = "too noisy"
    NOT_CONFIRMED = "not confirmed"
    NOISY = "noisy"
    DRIFTED = "drifted"
    AT_LEAST = "at least"
    BELOW = "below"
    ALONE = "a request alone"
    ONE_LAUNCH = "one launch"
    FLOOR = "floor"
    CEILING = "ceiling"
    INHERITED = "inherited"


SAID_ONCE = (Reason.FAILED, Reason.NOT_RUN, Reason.RULED_OUT)
"""Why nothing was measured any further: a row's first figure says it whole, the others in two words."""

_ALL = tuple(Reason)


def reason_of(note: str) -> Reason | None:
    """The reason that a note begins with; None where it begins with none."""
    # Most notes are empty: a decision asks this 10,000 times at 800 variants.
    return next((reason for reason in _ALL if note.startswith(reason)), None) if note else None


def reasons_in(note: str) -> tuple[Reason, ...]:
    """All reasons that a note holds, as a sum of several launches' notes does.

    What follows a failure is its own words: `ruled out: accuracy clearly below 0.87` names no load.
    """
    first = reason_of(note)
    if first is not None and first in SAID_ONCE:
        return (first,)
    found = []
    for reason in _ALL if note else ():
        if reason in note:
            found.append(reason)
            note = note.replace(reason, "")
    return tuple(found)


def of_failure(reason: str) -> str:
    """The note of a figure that a trial did not give; one that was not run is no failure."""
    return reason if reason_of(reason) is Reason.NOT_RUN else f"{Reason.FAILED}: {reason}"


def is_unrun(failure: str) -> bool:
    """Whether a trial's failure, `serve cnn/onnx: not run: budget of 3 min spent`, is that it never started.

    What a library says (`Could not run 'aten::empty'`) holds the same words.
    """
    return reason_of(failure.partition(": ")[2]) is Reason.NOT_RUN


@dataclass(frozen=True)
class Broken:
    """All limits on one side of a metric that a variant surely breaks: upper ones up to `at`, lower ones down
    to it.

    Args:
        limit: the one that it was ruled out under. figures: its own, in words.
    """

    metric: str
    is_upper: bool
    at: float
    limit: float = field(default=math.nan, compare=False)
    figures: str = field(default="", compare=False)


def number_in(text: str) -> float:
    """A number of a note: `1,200`, `−0.5`."""
    return float(text.replace(",", "").replace("−", "-"))


def clearly_beyond(metric: str, is_upper: bool, limit: str, figure: str, at: str) -> str:
    """Why a variant was ruled out: `latency_p99_ms clearly above 5 (60, at least 41.3)`.

    Args:
        at: what its figure surely is beyond, which tells what a wider limit would make of it.
    """
    side, end = ("above", "at least") if is_upper else ("below", "at most")
    return f"{metric} clearly {side} {limit} ({figure}, {end} {at})"


def broken_by(note: str) -> Broken | None:
    """What `clearly_beyond` said in a note: up to the limit itself in older ones, which name no end or one
    that was rounded past it."""
    said = _BEYOND.search(note) if note.startswith(Reason.RULED_OUT) else None
    if said is None:
        return None
    metric, side, limit, at = (
        said["metric"],
        said["side"],
        number_in(said["limit"]),
        number_in(said["at"] or said["limit"]),
    )
    is_upper = side == "above"
    return Broken(
        metric, is_upper, (max if is_upper else min)(at, limit), limit, note[said.end("limit") :].strip()
    )


_BEYOND = re.compile(
    r": (?P<metric>.+?) clearly (?P<side>above|below) (?P<limit>\S+)"
    r"(?: \(.*, at (?:least|most) (?P<at>\S+)\)$)?"
)


class Noted:
    """What has a note, and so reasons."""

    note: str

    @property
    def reason(self) -> Reason | None:
        """What its note begins with: why it is no number, or not the number alone."""
        return reason_of(self.note)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All that its note holds."""
        return reasons_in(self.note)

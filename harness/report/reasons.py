"""Reasons in words, for every page and terminal: the mark beside an interval, and what it means."""

from __future__ import annotations

from collections.abc import Mapping

from harness.reasons import Reason, reasons_in

MARKS: Mapping[Reason, str] = {
    Reason.NOT_CONFIRMED: "not confirmed",
    Reason.NOISY: "noisy",
    Reason.DRIFTED: "drifted",
    Reason.AT_LEAST: "at least",
    Reason.BELOW: "or less",
    Reason.INHERITED: "inherited",
}
"""The word beside a figure; its note stands in a sentence of its own."""

MEANINGS: Mapping[Reason, str] = {
    Reason.NOT_ESTIMABLE: "Too few calls were made to know it: ask for more"
    " (serving.scenarios.single_stream.min_calls; a p99 needs 662 over all rounds), or for more rounds.",
    Reason.UNSTEADY: "Its speed never settled, neither in the warm-up nor later, so no figure is given.",
    Reason.TOO_NOISY: "The machine was never quiet long enough; measure again on a quieter one.",
    Reason.NOT_CONFIRMED: "The answer did not hold when it was tried again; more seconds would settle it.",
    Reason.NOISY: "Few windows were quiet, so the less loud ones count too: read the figure as an upper end.",
    Reason.DRIFTED: "Its speed moved while it was measured: the interval over rounds tells more than one.",
    Reason.AT_LEAST: "No load up to what it can answer at all was too much: the figure is a lower end.",
    Reason.BELOW: "The lowest load that was tried was too much already.",
    Reason.ALONE: "No load can keep the limit.",
}
"""What a reason means for the reader."""


def mark(note: str) -> str:
    """The first mark of a note; empty where it has none."""
    return _first(note, MARKS)


def meaning(note: str) -> str:
    """What the first reason of a note means; empty where nothing needs to be said."""
    return _first(note, MEANINGS)


def _first(note: str, words: Mapping[Reason, str]) -> str:
    return next((words[reason] for reason in reasons_in(note) if reason in words), "")

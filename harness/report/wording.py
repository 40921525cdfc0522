"""How sure a sentence may sound: one table from probabilities to words, the one of docs/statistics.md."""

from __future__ import annotations

SURENESS = (
    (0.95, "this is a clear call"),
    (0.80, "this is likely but not certain"),
    (0.60, "this leans one way, no more"),
    (0.00, "this is a narrow call"),
)
"""P(best) of the choice, from this on → what is said of it."""

BROKEN = (
    (0.05, "surely"),
    (0.50, "probably"),
    (1.01, "possibly"),
)
"""Probability that a limit is kept, below this → how surely it is broken."""

MET, UNCERTAIN = 0.9, 0.5
"""A limit is shown as met from the first, as uncertain from the second on."""


def sureness(probability: float | None) -> str:
    """What is said of a choice that is the best with this probability; empty where it is not known."""
    if probability is None:
        return ""
    return next(words for least, words in SURENESS if probability >= least)


def broken(kept: float) -> str:
    """How surely a limit is broken that is kept with this probability."""
    return next(word for most, word in BROKEN if kept < most)

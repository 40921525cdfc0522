"""What the facts of all trials have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrialFacts:
    """Of a trial that found nothing but its measurements."""

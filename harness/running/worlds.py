"""Where a run that decides how much to measure has its trials run: on this machine, or in a replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.record import Trial
from harness.schedule import Wanted
from harness.store.runs import RunFolder

Execute = Callable[[Sequence[Trial], Wanted], None]
Wall = Callable[[Sequence[Trial]], float]
"""Seconds that trials are expected to take together."""


@dataclass(frozen=True)
class Worlds:
    """How trials are run, and where.

    Args:
        run, execute: ordinary trials: afterwards each that was still wanted has a record.
        untrained, execute_untrained: those of untrained networks, apart; None serves none.
        wall_s: expected seconds of trials; by default as `plan` expects.
        is_known: whether a trial of an id was finished elsewhere, so that running it takes nothing.
        say: told which question is being settled.
    """

    run: RunFolder
    execute: Execute
    untrained: RunFolder | None = None
    execute_untrained: Execute | None = None
    wall_s: Wall | None = None
    is_known: Callable[[str], bool] = lambda trial_id: False
    say: Callable[[str], None] = lambda text: None

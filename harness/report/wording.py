"""How sure a sentence may sound: one table from probabilities to words, the one of docs/statistics.md."""

from __future__ import annotations

from collections.abc import Sequence

from harness.record import Record
from harness.report import numbers as n
from harness.suite.schema import Data

SURENESS = (
    (0.95, "this is a clear call"),
    (0.80, "this is likely but not certain"),
    (0.60, "this leans one way, no more"),
    (0.00, "this is a narrow call"),
)
"""P(best) of the choice, from this on → what is said of it."""

BROKEN = (
    (0.05, "clearly"),
    (0.50, "probably"),
    (1.01, "possibly"),
)
"""Probability that a limit is kept, below this → how surely it is broken."""

MET, UNCERTAIN = 0.9, 0.5
"""A limit is shown as met from the first, as uncertain from the second on."""


AGAIN = "run … --again"
"""The command that serves all variants once more: another hour of the same machine."""


def sureness(probability: float | None) -> str:
    """What is said of a choice that is the best with this probability; empty where it is not known."""
    if probability is None:
        return ""
    return next(words for least, words in SURENESS if probability >= least)


def in_vain(failed: Sequence[Record]) -> str:
    """`1 trial failed and 8 were not run (budget of 10 min spent)`; without records `no trial failed`."""
    unrun = [r for r in failed if r.is_unrun]
    told = [f"{n.counted(len(failed) - len(unrun), 'trial')} failed"] if len(failed) > len(unrun) else []
    if unrun:
        reasons = {r.failure.reason.partition(": ")[2] for r in unrun if r.failure}
        why = f" ({reasons.pop()})" if len(reasons) == 1 else ""
        count = f"{len(unrun):,}" if told else n.counted(len(unrun), "trial")
        told.append(f"{count} {'was' if len(unrun) == 1 else 'were'} not run{why}")
    return n.listed(told) or "no trial failed"


def where_speeds_hold(sessions: Sequence[str]) -> str:
    """Of which hours the intervals of speed and cost speak; rounds are repeated within one of them."""
    if len(sessions) > 1:
        return (
            f"Speeds were measured in {len(sessions)} sessions ({'; '.join(sessions)}): intervals of speed "
            "and cost are over such sessions on this machine."
        )
    when = f" ({sessions[0]})" if sessions else ""
    return (
        f"Speeds were measured in one session{when}: intervals of speed and cost hold within it on this "
        f"machine, another hour's figures may lie outside ({AGAIN} measures one more)."
    )


def broken(kept: float) -> str:
    """How surely a limit is broken that is kept with this probability."""
    return next(word for most, word in BROKEN if kept < most)


def ways_of_cutting(data: Data) -> str:
    """`5 folds, 2 times`; `10 hold-out parts of 20 %`; `tested on the latest 20% by day`."""
    split = data.split
    if split is not None and split.parts == 1 and split.by == "time":
        return f"tested on the latest {split.test:.0%} by {split.column}"
    if split is None or split.parts == 1:
        return "one test part"
    by = {"group": " by group", "time": " by time", "predefined": f" by {split.column}"}.get(split.by, "")
    if split.folds:
        return f"{split.folds} folds{by}" + (f", {split.repeats} times" if split.repeats > 1 else "")
    return f"{split.repeats} hold-out parts of {split.test:.0%}{by}"

"""What duels said: which of two variants is faster, where their quiet windows overlapped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Protocol

from harness import facts
from harness.analysis.stamps import DUELS
from harness.record import Record


@dataclass(frozen=True)
class Verdict:
    """A duel that was fought.

    Args:
        ratio: time of `second` over that of `first`, with its 95 % interval; floor: of identical copies.
        clock: `cpu` or `wall`, the time that decided.
        faster: a variant, None where they are not separated.
    """

    first: str
    second: str
    ratio: float
    low: float
    high: float
    floor: float
    faster: str | None
    calls: int
    clock: str = "cpu"


def verdicts(records: Iterable[Record]) -> list[Verdict]:
    """What the duels of a run said."""
    found = []
    for record in records:
        if record.status != "finished" or record.trial.scenario != "duel":
            continue
        said = record.facts_as(facts.DuelFacts).duel
        if said is None:
            continue
        faster = {"first": said.first, "second": said.second}.get(said.verdict)
        ratio = said.wall if said.decided_by == "wall" else said.cpu
        found.append(
            Verdict(
                said.first,
                said.second,
                ratio.value,
                ratio.low,
                ratio.high,
                ratio.floor,
                faster,
                said.calls_each,
                said.decided_by,
            )
        )
    return sorted(found, key=lambda v: (v.first, v.second))


class Folder(Protocol):
    """What of a run folder is needed here."""

    def read_text(self, name: str) -> str: ...
    def write_text(self, name: str, text: str) -> None: ...


def keep_verdicts(run: Folder, records: Iterable[Record]) -> list[Verdict]:
    """The verdicts among a run's records, written beside them where there are any."""
    found = verdicts(records)
    if found:
        run.write_text(DUELS, json.dumps([asdict(v) for v in found], indent=1))
    return found


def stored_verdicts(run: Folder) -> list[Verdict]:
    """What `keep_verdicts` wrote; none where it had nothing to write."""
    try:
        return [Verdict(**entry) for entry in json.loads(run.read_text(DUELS))]
    except FileNotFoundError:
        return []

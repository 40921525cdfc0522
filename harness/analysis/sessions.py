"""Sessions: the stretches of time in which a run's speeds were measured.

Rounds of one hour share what the machine was like in that hour. Where sessions differ three times as much as
rounds, an interval over the three rounds of one session covers 36–46 % of what many sessions would give, one
that takes the six rounds of two sessions for independent 61–64 %, one over the two sessions' means 92–97 %
(simulated through `launch_draws`). So from two sessions on the session is the unit, not the round.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from harness.record import Record, Variant

APART_S = 600.0
"""Seconds in which nothing was served, after which another session begins."""


@dataclass(frozen=True)
class ServingSession:
    """A stretch of serving: the rounds that it holds, and from when to when (seconds since the epoch)."""

    rounds: tuple[int, ...]
    began: float
    ended: float

    @property
    def said(self) -> str:
        """`28 Nov 20:28–20:41 UTC`."""
        began, ended = (datetime.fromtimestamp(t, UTC) for t in (self.began, self.ended))
        end = f"{ended:%H:%M}" if began.date() == ended.date() else f"{ended:%-d %b %H:%M}"
        return f"{began:%-d %b %H:%M}–{end} UTC"


def sessions_of(serve: Mapping[Variant, Sequence[Record]]) -> tuple[ServingSession, ...]:
    """The sessions in which variants were served, oldest first; a round belongs to where most of it was.

    Args:
        serve: variant → its records, of which the finished ones count.
    Returns:
        Empty where no record tells its time. One session too where most variants were served in a single one:
        a trial that was tried again the next day is no session.
    """
    served = [r for records in serve.values() for r in records if r.status == "finished"]
    spans = sorted(
        (began, began + r.seconds, r.trial.round or 0, str(r.trial.variant))
        for r in served
        if (began := _epoch(r.started)) is not None
    )
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    number, latest = 0, math.inf
    for began, ended, in_round, _ in spans:
        number += began - latest > APART_S
        latest = ended if latest == math.inf else max(latest, ended)
        votes[in_round][number] += 1
    place = {r: counts.most_common(1)[0][0] for r, counts in votes.items()}
    held: dict[str, set[int]] = defaultdict(set)
    for _, _, in_round, variant in spans:
        held[variant].add(place[in_round])
    if sum(len(found) > 1 for found in held.values()) * 2 < len(held):
        place = dict.fromkeys(place, 0)
    return tuple(_session(place, number, spans) for number in sorted(set(place.values())))


def _session(
    place: Mapping[int, int], number: int, spans: Iterable[tuple[float, float, int, str]]
) -> ServingSession:
    rounds = tuple(sorted(r for r, at in place.items() if at == number))
    inside = [(began, ended) for began, ended, in_round, _ in spans if in_round in rounds]
    return ServingSession(rounds, min(began for began, _ in inside), max(ended for _, ended in inside))


def by_session(values: Mapping[int, float], sessions: Iterable[ServingSession]) -> dict[int, float]:
    """Round → value made session → mean over its rounds (geometric where all are positive); with a single
    session the rounds themselves."""
    found = tuple(sessions)
    if len(found) < 2:
        return dict(values)
    means = {}
    for number, session in enumerate(found):
        inside = np.array([values[r] for r in session.rounds if r in values])
        if len(inside):
            means[number] = float(np.exp(np.log(inside).mean()) if inside.min() > 0 else inside.mean())
    return means


def _epoch(started: str) -> float | None:
    try:
        return datetime.fromisoformat(started).timestamp()
    except ValueError:
        return None

"""What is asked for further of who may be named: seeds and rounds that the suite has, a score of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.measure_next import served_metrics
from harness.analysis.rule import POSSIBLE
from harness.analysis.sensitivity import Question
from harness.metrics import metrics_of
from harness.record import Trial
from harness.results import Row
from harness.running.asked import Asked

FIRST = 2
"""Seeds and rounds that who is named, and who may yet be, has at least, where the suite names as many."""

FEWEST = 3
"""So many variants have a second round, if only to tell how launches vary: of one alone tails have no end."""


@dataclass(frozen=True)
class Contenders:
    """Who is named or may yet be, by what is known now.

    Args:
        wall_s: expected seconds of trials together.
    """

    asked: Asked
    question: Question
    wall_s: Callable[[Sequence[Trial]], float]

    def rest(self) -> str:
        """Nobody can be named, and nothing is worth its price: the suite's own seeds and rounds of who may
        yet be, before that is said; empty where they are spent."""
        rows = self.likeliest()
        given = [row.variant for row in rows if self.asked.raise_to(row, sys.maxsize)]
        return f"all seeds and rounds of {' and '.join(given)}, since nobody can be named" if given else ""

    def rest_of_rounds(self) -> str:
        """The suite's other rounds of who may be named, before they are called indistinguishable: they take
        seconds, and from two launches to three an interval narrows threefold, which no square root foretells.
        Empty where they are spent or nothing that is served decides."""
        if not served_metrics(self.question):
            return ""
        rows = self.likeliest()
        given = [r.variant for r in rows if self.asked.raise_to(r, sys.maxsize, with_seeds=False)]
        return f"all rounds of {' and '.join(given)}" if given else ""

    def rest_of_seeds(self, left_s: float) -> str:
        """The suite's other seeds of who may be named, the likeliest first and as many as there is time for,
        before a tie is one: one by one they are worth nothing and hardly tell them apart, but who is named of
        it loses less by all of them. Empty where they are spent."""
        given = list[str]()
        for name in dict.fromkeys(row.candidate for row in self.likeliest()):
            before = dict(self.asked.seeds)
            if self.asked.all_seeds(name) and self.wall_s(self.asked.trials()) <= left_s:
                given.append(name)
            else:
                self.asked.seeds = before
        return f"all seeds of {' and '.join(given)}" if given else ""

    def in_full(self) -> list[str]:
        """Ask that each is scored itself, a spent budget or not: no variant is named by another's figures.
        Empty where they are."""
        given = [row.variant for row in self.likeliest() if row.is_inherited]
        self.asked.in_full |= {self.asked.grid[v][1] for v in given}
        return given

    def likeliest(self) -> list[Row]:
        choice, rows = self.question.choice, self.question.table.rows
        may = [k for k in choice.contenders.tolist() if choice.likely[k] >= POSSIBLE or k == choice.named]
        likeliest = sorted(may, key=lambda k: -float(choice.likely[k]))
        return [rows[k] for k in likeliest if rows[k].variant in self.asked.alive]

    def seconds(self, is_blurred: bool = False) -> str:
        """Ask for the second seed and round of who is named or may yet be; empty where they have them.

        Args:
            is_blurred: others need a second round as well, if only to tell how launches vary.
        """
        rows = {row.variant: row for row in self.question.table.rows if row.variant in self.asked.alive}
        given = [r.variant for r in self.likeliest() if self.asked.raise_to(r, FIRST)]
        served = [v for v, row in rows.items() if self._is_served(row)]
        more = self._enough_rounds(served) if given or is_blurred else []
        said = [f"{FIRST} seeds and rounds of {' and '.join(given)}"] if given else []
        said += [f"a second round of {' and '.join(more)}"] if more else []
        return " and ".join(said)

    def _is_served(self, row: Row) -> bool:
        known = metrics_of(self.asked.suite)
        return any(
            c.value is not None and n in known and known[n].is_served for n, c in row.estimates.items()
        )

    def _enough_rounds(self, served: Sequence[str]) -> list[str]:
        """Ask for a second round of further variants where few have one, the best ones first; which."""
        names = (row.variant for row in self.question.table.rows)
        expected = dict(zip(names, self.question.choice.expected, strict=True))
        once = sorted(
            (v for v in served if self.asked.rounds_of(v) < FIRST), key=lambda v: -float(expected[v])
        )
        missing = max(FEWEST - (len(served) - len(once)), 0)
        more = once[:missing] if self.asked.suite.serving.rounds >= FIRST else []
        self.asked.rounds |= dict.fromkeys(more, FIRST)
        return more

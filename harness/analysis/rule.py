"""The rule by which one variant is chosen: a pure function over joint draws, the only one there is.

Verdict, costs, flips, map, page and trackers ask it; `docs/statistics.md` says it in words, and the report's
page has it in JavaScript. Rows are one of three kinds:

- *able*: it keeps the limits surely enough, also as the pick of several rows in doubt, and has a number for
  all that decides;
- *open*: it does not, but might (with 5 % at least): it cannot be named, and may yet prove to be the best;
- *out*: a limit is surely broken, or there is no number. Such rows change nothing of what is said here.

Among the able rows the highest expected worth leads. Which of a tie is named is part of the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.analysis.selection import Slack, share, standings, surely_kept
from harness.analysis.stats import Array, row_quantiles
from harness.analysis.winners import best_probability
from harness.analysis.worths import Worths

POSSIBLE = 0.05
"""Probability below which something is taken as not so: who keeps the limits with less is out, who is the
best with less, its twins counted in, is in no tie."""

SHARED = 0.25
"""Where many share the odds, a quarter of the leader's P(best) is enough to be in a tie, of both with their
twins."""

COMPARABLE = 0.5
"""Without a tolerance of the user's own, who is the best with less than this share of the leader's P(best) is
not named in its place: a tenth of a wide interval is a loss that matters. Twins of either are counted in."""

USUAL = 0.8
"""What holds in so many of the draws is what one would see."""

MORE_LIKELY = 0.5
"""How surely a limit is kept where breaking it has a price: more likely than not."""

TENTH = 0.1
"""The default tolerance: this part of the leader's 95 % interval."""

SAME = 0.05
"""Figures that settle a tie count as the same within this share of each other."""


@dataclass(frozen=True)
class Terms:
    """On what terms is chosen: `decision.confidence`, `decision.broken_limit`, `decision.tolerance`.

    Args:
        confidence: with what probability the limits without one of their own hold together.
        broken_limit: what a broken limit costs, in units of the objective; then limits need to hold more
            likely than not, and the risk that is left is priced.
        tolerance: a loss that does not matter, in units of the objective; None is a tenth of the leader's
            interval.
    """

    confidence: float = 0.9
    broken_limit: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class TieBreaker:
    """What may settle a tie, the first that differs: a row's figure, lower is better, NaN unknown.

    Args:
        least: a difference below this settles nothing. look_at: told the rows that will be asked for.
    """

    name: str
    of: Callable[[int], float]
    least: float = 0.0
    look_at: Callable[[Sequence[int]], None] = lambda rows: None


@dataclass(frozen=True)
class Settled:
    """A comparison among those that were left of a tie: who fell out, who stayed."""

    by: str
    out: tuple[int, ...]
    left: tuple[int, ...]


@dataclass(frozen=True)
class Lead:
    """The lead of one row over all rows: mean, median and 95 % interval, (rows,) each; NaN over rows without
    a number. ahead: (rows,) share of draws in which it leads at all."""

    mean: Array
    median: Array
    low: Array
    high: Array
    ahead: Array

    def is_lopsided(self, k: int) -> bool:
        """Whether its mean hides what is usual: a few draws, of a machine more, take most of a lead away; or
        so many machines of a rival that was served once that the mean lies above all that is usual."""
        hides = self.median[k] > 2 * self.mean[k] >= 0 or self.mean[k] > self.high[k]
        return bool(self.ahead[k] >= USUAL and hides)


class Choice:
    """What the rule says of some draws.

    Args:
        utility: (draws, rows) of the objective, higher is better; NaN where undefined, which counts as a
            broken limit; or these, as decisions under other limits share them.
        holds: (limits, draws, rows) bool, False where a limited metric has no number.
        asked: (limits,) the probability that each limit asks for, NaN where it asks for none of its own.
        figures: what settles a tie. faster: (winner, loser) of duels, which settle it where speed is asked.
        weighs_lightness: the objective weighs cost, speed or size itself: then figures settle only between
            all but equals.
        slack: how far inside each limit the draws lie; without it nothing is known of how rows err together,
            and the choice among rows in doubt is not corrected for. standing: `standings` of it, where the
            caller keeps them.

    Attributes:
        able, open: (rows,) bool.
        limits_hold: (rows,) P(all limits hold). kept: (rows,) the same, where the objective is defined too.
        sure: (rows,) P(the limits that share the confidence hold) as it counts: less than its own where it is
            picked among several rows in doubt (`after_selection`).
        only_alone: (rows,) bool, surely enough on its own and not as that pick.
        expected: (rows,) expected worth, −inf where there is no number.
        leader: the able row of the highest expected worth, None without an able row.
    """

    def __init__(
        self,
        utility: Array | Worths,
        holds: Array,
        asked: Array,
        terms: Terms = Terms(),
        figures: Sequence[TieBreaker] = (),
        faster: Sequence[tuple[int, int]] = (),
        weighs_lightness: bool = False,
        slack: Slack | None = None,
        standing: Slack | None = None,
    ) -> None:
        self.terms, self._figures, self._faster = terms, figures, faster
        self._weighs_lightness = weighs_lightness
        self._worths = worths = utility if isinstance(utility, Worths) else Worths(utility)
        self.means, self.utility, known = worths.means, worths.utility, worths.known
        self.keeps: Array = np.asarray(holds.all(0))
        self.limits_hold = self.kept = share(self.keeps)
        if not worths.all_defined:
            self.keeps = self.keeps & worths.defined
            self.kept = share(self.keeps)
        shared = np.isnan(asked)
        alive = known & (self.kept >= POSSIBLE)
        if slack is not None and standing is None:
            standing = lambda number, rows: standings(slack(number, rows))  # noqa: E731
        # A risk that has a price is weighed as it is.
        level = terms.confidence if terms.broken_limit is None else None
        together = self.kept if shared.all() else share(np.asarray(holds[shared].all(0) & worths.defined))
        self.sure, alone, surely = surely_kept(
            holds, asked, together, MORE_LIKELY if level is None else level, level is None, alive, standing
        )
        self.able = known & surely
        self.only_alone = known & alone & ~surely
        self.open = alive & ~self.able
        self.expected = np.where(known, self.means, -np.inf)
        if terms.broken_limit is not None:
            self.expected = self.expected - terms.broken_limit * (1 - self.kept)
        self.leader = _first_best(self.expected, self.able)

    # ------------------------------------------------------------------------------------ how sure

    @cached_property
    def contenders(self) -> Array:
        """Rows that are, or may prove to be, what should be chosen."""
        return np.flatnonzero(self.able | self.open)

    @property
    def near_rivals(self) -> Array:
        """The contenders whose draws are pulled together in `shrunk`."""
        return self._worths.shrinking.near_rivals(self.contenders)

    @cached_property
    def shrunk(self) -> Array:
        """(draws, contenders) utility without what selecting the best adds (`Worths.shrunk`)."""
        return self._worths.shrunk(self.contenders)

    @cached_property
    def _keeps_of_contenders(self) -> Array:
        """(draws, contenders) bool, side by side in memory as their shrunk draws are."""
        return np.asarray(self.keeps.T[self.contenders].T)

    @cached_property
    def best(self) -> Array:
        """(rows,) P(best): the highest utility among those that keep the limits; 0 for rows that are out."""
        ranking = self._worths.ranking(self.contenders)
        if ranking is not None:
            keeps = np.zeros(self.keeps.T.shape, dtype=bool)
            keeps[self.contenders] = self.keeps.T[self.contenders]
            return ranking.best_probability(keeps)
        result = np.zeros(len(self.kept))
        result[self.contenders] = best_probability(self.shrunk, self._keeps_of_contenders)
        return result

    @cached_property
    def likely(self) -> Array:
        """(rows,) P(best) of a row and its twins (`Worths.twins`), as far as they differ by no more than the
        tolerance: a model does not become less likely to be the best by being served by one more runtime,
        which takes half of its draws."""
        result, most = np.zeros(len(self.kept)), self.tolerance + self._same
        for k in np.flatnonzero(self.best > 0).tolist():
            twins = self._worths.twins(k)
            result[twins[np.abs(self.means[twins] - self.means[k]) <= most]] += self.best[k]
        result[~(self.able | self.open)] = 0.0
        return result

    @cached_property
    def tolerance(self) -> float:
        """A loss that does not matter, in units of the objective."""
        if self.terms.tolerance is not None or self.leader is None:
            return self.terms.tolerance or 0.0
        low, high = self._worths.interval(self.leader)
        return TENTH * (high - low)

    def worth(self, row: int) -> Array:
        """(draws,) utility of a row, less the price of a broken limit where there is one."""
        price = self.terms.broken_limit or 0.0
        return np.asarray(self.utility[:, row] - price * ~self.keeps[:, row])

    def lead_of(self, row: int) -> Lead:
        """Paired, from the same joint draws, around the measured means."""
        price = self.terms.broken_limit or 0.0
        lead = self.worth(row)[:, None] - (self.utility - price * ~self.keeps)
        low, median, high = row_quantiles(lead.T, [0.025, 0.5, 0.975])
        return Lead(lead.mean(0), median, low, high, share(lead > 0))

    @cached_property
    def tied(self) -> tuple[int, ...]:
        """The leader, and every able row that may be the best and is not shown to lose more than the
        tolerance."""
        return self._tied_among(np.flatnonzero(self.able).tolist())

    def _tied_among(self, rows: Sequence[int]) -> tuple[int, ...]:
        """The leader, and those of some able rows that are tied with it."""
        if self.leader is None:
            return ()
        others = [k for k in rows if k != self.leader]
        if not others:
            return (self.leader,)
        least = min(POSSIBLE, SHARED * float(self.likely[self.leader]))
        may = [k for k in others if self.likely[k] >= least]
        if not may:
            return (self.leader,)
        worth = self.worth(self.leader)
        low = row_quantiles(np.array([worth - self.worth(k) for k in may]), [0.025])[0]
        return (self.leader, *(k for k, x in zip(may, low, strict=True) if x <= self.tolerance + self._same))

    # ------------------------------------------------------------------------------------ which is named

    @cached_property
    def steps(self) -> tuple[Settled, ...]:
        """How one of the tied came to be named: the last step has it alone.

        Only those that are expected to lose no more than the tolerance, and are the best about as likely, are
        compared by anything else than their worth, and only those that keep the limits about as surely as the
        leader does.
        """
        if self.leader is None:
            return ()
        near = self._near
        # Who is the only one that near needs no tie to be named.
        left = [k for k in self._tied_among(near) if k in near] if len(near) > 1 else [self.leader]
        if len(left) > 1 and self.terms.tolerance is None:
            left = [k for k in left if self.likely[k] >= COMPARABLE * self.likely[self.leader]]
        steps: list[Settled] = []

        def keep(by: str, kept: Sequence[int]) -> None:
            steps.append(Settled(by, tuple(k for k in left if k not in kept), tuple(kept)))
            left[:] = kept

        if len(left) > 1:
            keep("limits", self._as_sure(left))
            for figure in self._figures:
                keep(figure.name, _lowest(figure, left))
        best = max(self.expected[k] for k in left)
        keep("objective", [k for k in left if self.expected[k] >= best - self._same])
        row = self._undefeated(left[0])
        return (*steps, Settled("duel" if row != left[0] else "", (), (row,)))

    @cached_property
    def named(self) -> int | None:
        """The row to choose; None without an able row."""
        if self.leader is None or self._is_unrivalled:
            return self.leader
        return self.steps[-1].left[0]

    @property
    def _near(self) -> list[int]:
        """Who is expected to lose no more than the tolerance, the leader among them; a tenth of it where the
        objective weighs lightness itself: then cents still must not decide between a runtime and its slower
        twin."""
        assert self.leader is not None
        loss = self.tolerance * (TENTH if self._weighs_lightness else 1.0)
        least = self.expected[self.leader] - loss - self._same
        return np.flatnonzero(self.able & (self.expected >= least)).tolist()

    def _as_sure(self, rows: Sequence[int]) -> list[int]:
        """Those that keep the limits about as surely as the leader does."""
        assert self.leader is not None
        sure = min(0.95, self.kept[self.leader] - 0.02)
        return [k for k in rows if self.kept[k] >= sure]

    @property
    def _is_unrivalled(self) -> bool:
        """Whether the leader is named whoever of those near it is tied with it: none is lighter by any figure
        or better on average, no duel is lost. Then nobody need be shrunk, which is most of a decision."""
        assert self.leader is not None
        if any(loser == self.leader for _, loser in self._faster):
            return False
        near = self._near
        if len(near) > 1:
            near = self._as_sure(near)
            best = max(self.expected[k] for k in near)
            return bool(self.expected[self.leader] >= best - self._same) and all(
                self.leader in _lowest(figure, near) for figure in self._figures
            )
        return True

    def _undefeated(self, row: int) -> int:
        """Of the tied, who no duel says is slower than the named one."""
        passed = {row}
        while better := [
            w for w, loser in self._faster if loser == row and w in self.tied and w not in passed
        ]:
            row = better[0]
            passed.add(row)
        return row

    @property
    def _same(self) -> float:
        """Equal rows differ by rounding (a matrix product, storage as float32)."""
        return 0.0 if self.leader is None else 1e-6 * abs(float(self.means[self.leader]))

    # ------------------------------------------------------------------------------------ what it may cost

    @cached_property
    def regret(self) -> float:
        """What naming it is expected to lose to the best of the rows that may be chosen; 0 without one."""
        return self._regret(self.shrunk)

    @cached_property
    def raw_regret(self) -> float:
        """The same around the measured means: too high by what selecting adds, so that 0 of it is none."""
        return self._regret(self.utility[:, self.contenders])

    def _regret(self, utility: Array) -> float:
        if self.named is None:
            return 0.0
        price = self.terms.broken_limit or 0.0
        able = self.able[self.contenders]
        worth = (utility - price * ~self._keeps_of_contenders)[:, able]
        named = worth[:, np.flatnonzero(self.able).tolist().index(self.named)]
        return max(float((worth.max(1) - named).mean()), 0.0)

    def centre(self, row: int) -> float:
        """The expected utility of a contender without what selecting the best adds."""
        return float(self.shrunk[:, self.contenders.tolist().index(row)].mean())


def _first_best(expected: Array, able: Array) -> int | None:
    """The able row of the highest expected worth; of equals the first."""
    rows = np.flatnonzero(able)
    if not len(rows):
        return None
    best = float(expected[rows].max())
    return int(rows[expected[rows] >= best - 1e-6 * abs(best)][0])


def _lowest(figure: TieBreaker, rows: Sequence[int]) -> list[int]:
    """Those whose figure is the lowest, or as good as that; all where none has one."""
    figure.look_at(rows)
    known = {k: x for k in rows if np.isfinite(x := figure.of(k))}
    if not known:
        return list(rows)
    least = min(known.values())
    most = least + max(SAME * abs(least), figure.least)
    return [k for k, x in known.items() if x <= most]

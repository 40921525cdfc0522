"""The best of several noisy figures looks better than it is: draws pulled together as far as their spread is
noise.

True worths of the rows that may be the best are taken as normal around a common centre. Their spread τ is
integrated over a grid, with a half-Cauchy prior whose scale is `PRIOR` times the rows' noise; so two
candidates are pulled together about half-way where they differ by no more than their noise, and rows that
differ by many times their noise stay where they are. Rows far below the leader neither pull nor are pulled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from harness.analysis.order import distinct
from harness.analysis.stats import Array, row_quantiles

PRIOR = 3.0
"""Scale of the prior on the spread of true worths, in units of the noise."""

MIDDLE = 0.16, 0.84
"""Quantiles between which the noise of a row is judged: two standard errors of a normal one. With two seeds
draws have tails so heavy that their mean square is up to twice as much."""

TAIL = 0.025
"""The share of draws at each end that tells nothing of a row's noise: of accuracy a millisecond over two
launches they are ten times as far off as the rest."""

ENDS = 2.5
"""Standard errors within which the noise of a shrunk row stays: a normal prior leaves no heavy tails."""

KIN = 0.5
"""Two runtimes of a model are of one opinion where their difference varies by no more than this share of what
either does: they answer the same examples, and differ in few of them."""

FAR = 4.0
"""Standard errors below the leader from which a row is no near rival."""

SPREADS = np.concatenate([[0.0], np.geomspace(0.05, 50.0, 31)])
"""The grid of spreads, in units of the noise."""


def shrink_draws(draws: Array) -> Array:
    """Draws of true worths, with what selecting the best of them would add taken off.

    Args:
        draws: (num_draws, rows), finite, around the measured means.
    Returns:
        (num_draws, rows); rows that are alike stay alike, and a single near rival leaves all as they are.
    """
    return Shrinking(draws).of(np.arange(draws.shape[1])).T


class Shrinking:
    """`shrink_draws` of one set of rows after another: what it needs of a row alone is found once.

    Other limits leave other rows to choose from, out of the same draws: of 43 such decisions over 800 rows
    each took 40 ms where all began anew.

    Args:
        draws: (num_draws, rows); of the rows that are asked for finite.
        models: (rows,) of what model each is a runtime; without it only rows that are the same are of one.
    """

    def __init__(self, draws: Array, models: Sequence[str] | Array = ()) -> None:
        self.draws = np.ascontiguousarray(draws.T)  # (rows, num_draws), as all below
        self._models, self._kin = np.asarray(models), dict[tuple[int, int], bool]()
        self.means = self.draws.mean(1)
        self._behind: dict[int, Array] = {}
        self._together: tuple[bytes, Array] = (b"", np.empty((0, 0)))

    def of(self, rows: Array) -> Array:
        """(len(rows), num_draws) of some rows, ascending, as if there were no others."""
        near = self.near_rivals(rows)
        result = self.draws[rows]
        if len(near) > 1:
            result[np.searchsorted(rows, near)] = self.together(near)
            for k, twin in self.twins_of(near, rows):
                apart = self.draws[k] - self.draws[twin]
                result[np.searchsorted(rows, k)] = result[np.searchsorted(rows, twin)] + apart
        return np.asarray(result)

    def together(self, rows: Array) -> Array:
        """(len(rows), num_draws) of rows that are all near rivals.

        What was asked for last is kept: hardly any other limit changes who is near the leader.
        """
        asked = rows.tobytes()
        if not self._together[1].size or self._together[0] != asked:
            self._together = asked, self._pulled_together(rows)
        return self._together[1]

    def _pulled_together(self, rows: Array) -> Array:
        heads, places = self._opinions(rows)
        shrunk = self._shrunk(rows[heads]) if len(heads) > 1 else None
        if shrunk is None:
            return np.asarray(self.draws[rows])
        result = shrunk[places]
        # What a model's runtimes differ by is known far better than the models are: it stays.
        others = np.flatnonzero(heads[places] != np.arange(len(rows)))
        result[others] += self.draws[rows[others]] - self.draws[rows[heads[places[others]]]]
        return np.asarray(result)

    def _opinions(self, rows: Array) -> tuple[Array, Array]:
        """The places of those that stand for their opinions, the first of each, and of each row the number of
        its opinion.

        One model that several runtimes serve is one opinion, not several that agree: counted each it would
        say that candidates hardly differ, and pull the others towards itself.
        """
        firsts, numbers = distinct(self.same[rows])
        if not len(self._models):
            return firsts, numbers
        heads, head_of = list[int](), np.empty(len(firsts), dtype=np.intp)
        of_model = defaultdict[str, list[int]](list)  # of 500 models all pairs take a second
        for number in np.argsort(firsts).tolist():
            place = int(firsts[number])
            own = of_model[str(self._models[rows[place]])]
            kin = (h for h in own if self._are_kin(int(rows[h]), int(rows[place])))
            head_of[number] = head = next(kin, place)
            if head == place:
                heads.append(place)
                own.append(place)
        return np.array(heads), np.searchsorted(heads, head_of[numbers])

    def _are_kin(self, one: int, other: int) -> bool:
        """Of two runtimes of a model."""
        if (one, other) not in self._kin:
            apart = float((self.draws[one] - self.draws[other]).std())
            least = float(min(self._variance[one], self._variance[other])) ** 0.5
            self._kin[one, other] = apart <= KIN * least
        return self._kin[one, other]

    def near_rivals(self, rows: Array) -> Array:
        """Those of the rows that are not far below the leader, the leader among them."""
        if len(rows) < 2:
            return rows
        leader = int(rows[self.means[rows].argmax()])
        if leader not in self._behind:
            self._behind[leader] = (self.draws[leader] - self.draws).std(1)
        behind = self.means[leader] - self.means[rows]
        most = FAR * self._behind[leader][rows] + 1e-9 * abs(self.means[leader])
        return np.asarray(rows[behind <= most])

    def twins_of(self, near: Array, rows: Array) -> list[tuple[int, int]]:
        """Rows that are far below, each with the near rival that it is another runtime of, of one opinion
        with it: what becomes of the one becomes of the other."""
        if not len(self._models):
            return []
        by_model = defaultdict[str, list[int]](list)
        for k in near.tolist():
            by_model[str(self._models[k])].append(k)
        found = []
        for k in sorted(set(rows.tolist()) - set(near.tolist())):
            twin = next((j for j in by_model.get(str(self._models[k]), []) if self._are_kin(j, k)), None)
            found += [] if twin is None else [(k, twin)]
        return found

    @cached_property
    def same(self) -> Array:
        """(rows,) the first of the rows that are the same as this one.

        One model that two runtimes serve alike is one opinion, not two that agree: counted twice it would say
        that candidates hardly differ.
        """
        result, first = np.arange(len(self.draws)), self.draws[:, 0]
        order = np.argsort(first, kind="stable")
        with np.errstate(invalid="ignore"):
            near = np.diff(first[order]) <= 2 * _rounding(first[order][1:])
        # The first draw tells most rows apart: of hundreds hardly any is compared whole.
        doubtful = np.zeros(len(first), dtype=bool)
        doubtful[order[1:][near]] = doubtful[order[:-1][near]] = True
        heads: list[int] = []
        few = self.draws[:, :8]  # of those that are alike in the first draw, these tell most apart
        for row in np.flatnonzero(doubtful).tolist():
            alike = (np.abs(few[heads] - few[row]) <= _rounding(first[heads])[:, None]).all(1)
            known = (h for h, is_alike in zip(heads, alike, strict=True) if is_alike)
            head = next((h for h in known if _is_same(self.draws[h], self.draws[row])), row)
            result[row] = head
            heads += [row] if head == row else []
        return result

    @cached_property
    def _noise(self) -> Array:
        return np.asarray(self.draws - self.means[:, None])

    @cached_property
    def _variance(self) -> Array:
        return np.asarray(np.square(self._noise).mean(1))

    def _shrunk(self, rows: Array) -> Array | None:
        """(rows, num_draws) of rows that differ and are near each other; None where what they differ by is
        known."""
        means, variance = self.means[rows], self._variance[rows]
        rounding = 1e-14 * float(np.square(means).max())
        if variance.max() <= rounding:
            return None
        common, own, variance = _split(self._noise[rows], variance)
        if variance.max() <= rounding:
            return None  # the same models twice
        scale = float(np.median(variance)) ** 0.5 or float(variance.max()) ** 0.5
        spreads = _grid(float(np.ptp(means)) / scale)
        place = _spread_of_each_draw(means, variance, scale, spreads, own.shape[1])
        result = np.empty(own.shape)
        for number in place[distinct(place)[0]].tolist():
            # Spreads rise from the first draw to the last: each counts for one stretch of them.
            stretch = slice(*np.searchsorted(place, [number, number + 1]).tolist())
            kept, centre = _pulled(means, variance, float(spreads[number]) * scale, scale)
            towards = centre + kept * (means - centre)
            result[:, stretch] = towards[:, None] + common[stretch] + np.sqrt(kept)[:, None] * own[:, stretch]
        return result


def _is_same(one: Array, other: Array) -> bool:
    return bool(np.abs(one - other).max() <= _rounding(one[0]))


def _rounding(head: Array) -> Array:
    """By how much draws of the same row differ, from the first draw of one."""
    return np.asarray(1e-6 * np.abs(head) + 1e-12)


def _split(noise: Array, variance: Array) -> tuple[Array, Array, Array]:
    """What all rows have in common (the test examples, the machine's drift), each row's own noise, and its
    variance.

    The common part is the mean weighted by precision, so that one noisy row does not blur the others. Own
    noise is as wide as its middle, and ends where a normal one nearly does.

    Args:
        noise: (rows, num_draws), written over.
    """
    precision = 1 / np.maximum(variance, 1e-6 * variance.max())
    weight = precision / precision.sum()
    common = weight @ noise
    own = np.subtract(noise, common, out=noise)
    lowest, low, high, highest = row_quantiles(own, (TAIL, *MIDDLE, 1 - TAIL))
    square = np.square(own).mean(1)
    # Of costs, that take few values, the middle may be a single one; a ratio's tails are no width of it.
    least = np.square(np.clip(own, lowest[:, None], highest[:, None])).mean(1) / 4
    width = np.sqrt(np.clip(((high - low) / 2) ** 2, least, square))
    ends = ENDS * width[:, None]
    return common, np.clip(own, -ends, ends, out=own), np.asarray(width**2 / (1 - weight))


def _pulled(means: Array, variance: Array, spread: float, scale: float) -> tuple[Array, float]:
    """How much of its distance from the centre each row keeps where truths spread by so much, and the
    centre."""
    with np.errstate(invalid="ignore"):
        # A row without noise is known: nothing pulls it.
        kept = np.where(variance > 0, spread**2 / (spread**2 + variance), 1.0)
    weight = 1 / (spread**2 + np.maximum(variance, 1e-12 * scale**2))
    return kept, float((weight * means).sum() / weight.sum())


def _grid(widest: float) -> Array:
    """`SPREADS`, carried on in the same steps up to twice the distance between means, in units of the noise.

    Of ratios and other worths whose noise grows with them the leader's noise is hundreds of times the
    others', and so may be what rows differ by: a grid that ends before would pull it down to them.
    """
    step = float(SPREADS[-1] / SPREADS[-2])
    more = int(np.ceil(np.log(2 * widest / SPREADS[-1]) / np.log(step))) if widest > SPREADS[-1] else 0
    return np.concatenate([SPREADS, SPREADS[-1] * step ** np.arange(1, more + 1)])


def _spread_of_each_draw(
    means: Array, variance: Array, scale: float, spreads: Array, num_draws: int
) -> Array:
    """(num_draws,) rising places in `spreads`, which are in units of `scale`, with the frequencies of their
    posterior; the centre is integrated out."""
    total = (spreads[:, None] * scale) ** 2 + np.maximum(variance, 1e-12 * scale**2)
    weight = 1 / total
    centre = (weight * means).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
    log_posterior = (
        0.5 * np.log(weight).sum(1)
        - 0.5 * np.log(weight.sum(1))
        - 0.5 * (weight * (means - centre) ** 2).sum(1)
        + np.log(np.gradient(spreads) / (1 + (spreads / PRIOR) ** 2))
    )
    share = np.exp(log_posterior - log_posterior.max())
    until = np.cumsum(share / share.sum())
    place = np.searchsorted(until, (np.arange(num_draws) + 0.5) / num_draws)
    return np.minimum(place, len(spreads) - 1)

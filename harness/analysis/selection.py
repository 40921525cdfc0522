"""How surely a limit is kept by a variant that was picked among several of which none is sure.

Of several variants whose truth lies at a limit each looks as if it kept it with 90 % in one of ten
measurements; that one of them does is likelier. So a probability is held against the luckiest of all that are
in doubt, not against one row's luck alone: a step-down test of the maximum (Westfall and Young 1993) on the
joint draws, which know how far rows err together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.analysis.order import distinct, runs
from harness.analysis.stats import Array

Slack = Callable[[int, Array], Array]
"""Limit, rows → (draws, rows): the limited metric, turned so that higher is farther inside the limit."""


def standings(slack: Array) -> Array:
    """Where each draw stands among its row's own, from 0 to 1: the probability of keeping a limit that would
    be stated if the truth lay exactly at it and the measurement erred by as much as this draw does.

    Args:
        slack: (draws, rows), higher is farther inside the limit; NaN counts as lowest.
    """
    return doubled_places(slack) / (2 * len(slack))


def doubled_places(slack: Array) -> Array:
    """`standings` times twice the number of draws: small whole numbers, which take a quarter of the time."""
    columns = np.ascontiguousarray(np.where(np.isnan(slack), -np.inf, slack).T)
    order, places = np.argsort(columns, axis=1), np.arange(columns.shape[1])
    ordered = np.take_along_axis(columns, order, axis=1)
    result = np.empty(columns.shape, dtype=np.uint16 if 2 * len(places) < 2**16 else np.int64)
    np.put_along_axis(result, order, (places + (places + 1))[None].astype(result.dtype), axis=1)
    equal = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1))
    if len(equal):  # they share the middle place
        first, last = runs(ordered[equal])
        shared = np.empty((len(equal), len(places)), dtype=result.dtype)
        np.put_along_axis(shared, order[equal], (first + last + 1).astype(result.dtype), axis=1)
        result[equal] = shared
    return result.T


class Standings:
    """`doubled_places` of one set of rows after another: a row's own draws alone say where each stands.

    Args:
        slack: (draws, rows).
    """

    def __init__(self, slack: Array) -> None:
        self._slack = slack
        self._found = np.empty((slack.shape[1], len(slack)), dtype=doubled_places(slack[:, :0]).dtype)
        self._known = np.zeros(slack.shape[1], dtype=bool)

    def of(self, rows: Array) -> Array:
        """(draws, len(rows)), each row's draws side by side in memory."""
        new = rows[~self._known[rows]]
        if len(new):
            self._found[new] = doubled_places(self._slack[:, new]).T
            self._known[new] = True
        return np.asarray(self._found[rows].T)


def after_selection(kept: Array, standing: Array, level: float = 0.0) -> Array:
    """The probabilities, corrected for the choice among those in doubt.

    Args:
        kept: (rows,) the probability of each row on its own, a share of the draws.
        standing: (draws, rows) as of `standings`, or of `doubled_places`.
        level: what is asked for: rows below it keep their own, as they are not sure enough anyway.
    Returns:
        (rows,), none higher than `kept`; a single row keeps its own, and so do rows that always err together.
    """
    order = np.argsort(-kept, kind="stable")
    asked = int(np.count_nonzero(kept >= level))
    high, low = order[:asked], order[asked:]
    # Each is held against the luckiest of itself and those that are less sure.
    luckiest = standing.T[high[::-1]]
    if len(low) and len(high):
        np.maximum(luckiest[0], standing.T[low].max(0), out=luckiest[0])
    luckiest = _highest_so_far(luckiest)[::-1]
    most = kept[high, None] + 1e-12
    if luckiest.dtype.kind != "f":
        most = np.floor(2 * len(standing) * most + 1e-6).astype(luckiest.dtype)
    corrected = share((luckiest <= most).T)
    result = kept.copy()
    result[high] = np.minimum(np.minimum.accumulate(corrected), kept[high])
    return result


def _highest_so_far(rows: Array) -> Array:
    """`np.maximum.accumulate(rows, axis=0)` in less than half of its time, and over what is given."""
    step = 1
    while step < len(rows):
        rows[step:] = np.maximum(rows[step:], rows[:-step])
        step *= 2
    return rows


def share(held: Array) -> Array:
    """(rows,) in how many of the draws; held: (draws, rows) bool."""
    ones, counts = held.view(np.uint8), np.zeros(held.shape[1], dtype=np.int64)
    # Bytes are added in an eighth of the time of wider numbers, as long as no sum can pass 255.
    for start in range(0, len(held), 255):
        counts += ones[start : start + 255].sum(0, dtype=np.uint8)
    return np.asarray(counts / len(held))


def surely_kept(
    holds: Array,
    asked: Array,
    together: Array,
    level: float,
    priced: bool,
    alive: Array,
    standing: Slack | None,
) -> tuple[Array, Array, Array]:
    """(rows,) how surely the limits of the shared confidence hold together; and (rows,) bool, whether they
    and each limit with a probability of its own hold as surely as is asked, taken alone, and corrected for
    the choice among the rows that are alive where the standing is known.

    Args:
        together: (rows,) the probability that those of the shared confidence hold. level: this confidence.
        priced: whether breaking them has a price: then that probability is not corrected.
    """
    own = np.flatnonzero(~np.isnan(asked)).tolist()
    shared = np.flatnonzero(np.isnan(asked)).tolist()
    apart = {number: share(holds[number]) for number in own}
    alone = together >= level
    for number in own:
        alone &= apart[number] >= asked[number]
    if standing is None:
        return together, alone, alone
    each = np.array([share(holds[n]) for n in shared]) if len(shared) > 1 else together[None]
    sure = together if priced else _corrected(together, each, shared, level, alive, standing)
    surely = sure >= level
    for number in own:
        kept = apart[number]
        surely &= _corrected(kept, kept[None], [number], asked[number], alive, standing) >= asked[number]
    return sure, alone, surely


def _corrected(
    together: Array, each: Array, numbers: Sequence[int], level: float, alive: Array, standing: Slack
) -> Array:
    """Probabilities of keeping the limits of these numbers, corrected for the choice among rows in doubt;
    those below the level stay as they are.

    Args:
        together: (rows,) of all these limits. each: (limits, rows) of each.
    """
    doubt = np.flatnonzero(alive & (together < 1))
    if len(doubt) < 2 or not (together[doubt] >= level).any():
        return together
    worst = each[:, doubt].argmin(0)
    found = np.empty((0, 0))
    for place in worst[distinct(worst)[0]]:
        rows = np.flatnonzero(worst == place)
        stand = standing(numbers[place], doubt[rows])
        if len(rows) == len(doubt):
            found = stand
            break
        found = found if found.size else np.empty((len(doubt), len(stand)), dtype=stand.dtype).T
        found.T[rows] = stand.T
    result = together.copy()
    result[doubt] = after_selection(together[doubt], found, level)
    return result

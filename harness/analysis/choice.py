"""The choice: argmax E[U] over joint draws.

U is the objective where the limits hold, the fallback where they do not. By default the fallback lies as
far below the worst candidate's mean as the best lies above it (as zero lies from it where all are equal),
so a broken limit costs more than any difference on the table; `decision.fallback` sets it. A candidate
that breaks a limit with more than the accepted probability (0.5, or 1 − p of `with p`) is not eligible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.criteria import Constraint, Objective
from harness.analysis.stats import Array, best_probability, expected_utility
from harness.analysis.tradeoff import feasibility, utility_draws
from harness.protocols import Tradeoff
from harness.suite.schema import Suite

FEW = 16
"""Rows that `pick` looks at first."""


@dataclass(frozen=True)
class Standing:
    """The candidates under one objective and one set of limits.

    Args:
        utility, feasible: (draws, rows); a row without a number has utility −inf and is never feasible.
            Where the objective is undefined in a draw (the logarithm of what may be negative), it is the
            fallback.
        eligible: rows that meet the limits surely enough. expected: (rows,) E[U], −inf if not eligible.
        best: (rows,) P(best), as in the table: who barely misses a limit may still be the best.
        choice: None where nobody is eligible. regrets: (rows,) expected, of naming each of them.
        fallback: utility of a broken limit.
    """

    utility: Array
    feasible: Array
    eligible: tuple[int, ...]
    expected: Array
    best: Array
    choice: int | None
    regrets: Array
    fallback: float

    @property
    def regret(self) -> float | None:
        """What the choice is expected to lose to the best there is."""
        return None if self.choice is None else float(self.regrets[self.choice])


def assess(
    table: Tradeoff, constraints: Sequence[Constraint], objective: Objective, suite: Suite
) -> Standing:
    """Utilities, feasibility and the choice for a complete table with its draws."""
    utility = utility_draws(table, objective, suite)
    defined, means = ~np.isnan(utility), _means(utility)
    comparable = ~np.isnan(means)
    limits = feasibility(table, constraints)
    feasible = limits.holds & defined
    expected, best, regrets = (np.full(len(table.rows), x) for x in (-np.inf, 0.0, np.inf))
    fallback = fallback_utility(means[comparable], suite)
    utility = np.where(defined, utility, np.where(comparable, fallback, -np.inf))
    known, own = np.flatnonzero(comparable), np.flatnonzero(comparable & limits.eligible)
    choice = None
    if len(known):
        best[known] = best_probability(utility[:, known], feasible[:, known])
    if len(own):
        able = np.searchsorted(known, own).tolist()
        found = expected_utility(utility[:, known], feasible[:, known], fallback, able)
        expected[own], regrets[known] = found.expected[able], found.regrets
        choice = int(known[found.index])
    return Standing(utility, feasible, tuple(own.tolist()), expected, best, choice, regrets, fallback)


def pick(
    table: Tradeoff,
    constraints: Sequence[Constraint],
    objective: Objective,
    suite: Suite,
    preferred: str | None = None,
    utility: Array | None = None,
) -> int | None:
    """The choice alone, as `assess` makes it, for those who ask many times.

    Args:
        preferred: a variant that stays the choice where it is as good as any other, as in a tie.
        utility: `utility_draws`, where the caller has them: other limits leave them as they are.
    """
    if utility is None:
        utility = utility_draws(table, objective, suite)
    means = _means(utility)
    limits = feasibility(table, constraints)
    own = np.flatnonzero(~np.isnan(means) & limits.eligible)
    if not len(own):
        return None
    fallback = fallback_utility(means[~np.isnan(means)], suite)
    # E[U] is at most the mean utility: whose mean is below the best of a few is not looked at.
    own = own[np.argsort(-means[own], kind="stable")]
    best = _expected(utility, limits.holds, own[:FEW], fallback).max()
    own = np.sort(own[means[own] >= best - 1e-6 * abs(best)])
    expected = _expected(utility, limits.holds, own, fallback)
    first = int(expected.argmax())
    for k in np.flatnonzero(expected >= expected[first] - 1e-6 * abs(expected[first])).tolist():
        if table.rows[own[k]].variant == preferred:
            first = k
    return int(own[first])


def _expected(utility: Array, holds: Array, rows: Array, fallback: float) -> Array:
    """E[U] of some rows."""
    own = utility[:, rows]
    return np.asarray(np.where(holds[:, rows] & ~np.isnan(own), own, np.fmin(fallback, own)).mean(0))


def _means(utility: Array) -> Array:
    """(rows,) mean over the draws in which it is defined, NaN where it is in none."""
    means = np.array(utility.mean(0))
    for k in np.flatnonzero(np.isnan(means)):
        known = utility[~np.isnan(utility[:, k]), k]
        means[k] = known.mean() if len(known) else np.nan
    return means


def fallback_utility(means: Array, suite: Suite) -> float:
    """What a broken limit is worth; `means`: (rows,) mean utilities without NaN."""
    if suite.decision.fallback is not None:
        return suite.decision.fallback
    if not len(means):
        return 0.0
    best, worst = float(means.max()), float(means.min())
    # Equals differ by rounding; were their fallback what they are worth, a broken limit would cost nothing.
    spread = best - worst if best - worst > 1e-6 * abs(best) else abs(best) or 1.0
    return worst - spread

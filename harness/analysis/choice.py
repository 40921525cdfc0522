"""The choice: argmax E[U] over joint draws.

U is the objective where the limits hold, the fallback where they do not. By default the fallback lies as
far below the worst candidate's mean as the best lies above it, so a broken limit costs more than any
difference on the table; `decision.fallback` sets it. A candidate that breaks a limit with more than the
accepted probability (0.5, or 1 − p of `with p`) is not eligible.
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


@dataclass(frozen=True)
class Standing:
    """The candidates under one objective and one set of limits.

    Args:
        utility, feasible: (draws, rows); a row without a number has utility −inf and is never feasible.
        eligible: rows that meet the limits surely enough. expected: (rows,) E[U], −inf if not eligible.
        best: (rows,) P(best). choice: None where nobody is eligible. regret: expected, of the choice.
        fallback: utility of a broken limit.
    """

    utility: Array
    feasible: Array
    eligible: tuple[int, ...]
    expected: Array
    best: Array
    choice: int | None
    regret: float | None
    fallback: float


def assess(
    table: Tradeoff, constraints: Sequence[Constraint], objective: Objective, suite: Suite
) -> Standing:
    """Utilities, feasibility and the choice for a complete table with its draws."""
    utility = utility_draws(table, objective, suite)
    comparable = ~np.isnan(utility).any(0)
    limits = feasibility(table, constraints)
    feasible = limits.holds & comparable
    own = np.flatnonzero(comparable & limits.eligible).tolist()
    expected, best = np.full(len(table.rows), -np.inf), np.zeros(len(table.rows))
    fallback = fallback_utility(utility[:, comparable], suite)
    utility = np.where(comparable, utility, -np.inf)
    if not own:
        return Standing(utility, feasible, (), expected, best, None, None, fallback)
    result = expected_utility(utility[:, own], feasible[:, own], fallback)
    expected[own] = result.expected
    best[own] = best_probability(utility[:, own], feasible[:, own])
    return Standing(utility, feasible, tuple(own), expected, best, own[result.index], result.regret, fallback)


def pick(
    table: Tradeoff,
    constraints: Sequence[Constraint],
    objective: Objective,
    suite: Suite,
    preferred: str | None = None,
) -> int | None:
    """The choice alone, as `assess` makes it, for those who ask many times.

    Args:
        preferred: a variant that stays the choice where it is as good as any other, as in a tie.
    """
    utility = utility_draws(table, objective, suite)
    comparable = ~np.isnan(utility).any(0)
    limits = feasibility(table, constraints)
    own = np.flatnonzero(comparable & limits.eligible)
    if not len(own):
        return None
    fallback = fallback_utility(utility[:, comparable], suite)
    own_utility = utility[:, own]
    expected = np.where(limits.holds[:, own], own_utility, np.minimum(fallback, own_utility)).mean(0)
    best = int(expected.argmax())
    for k in np.flatnonzero(expected >= expected[best] - 1e-6 * abs(expected[best])).tolist():
        if table.rows[own[k]].variant == preferred:
            best = k
    return int(own[best])


def fallback_utility(utility: Array, suite: Suite) -> float:
    """What a broken limit is worth; (draws, rows) without NaN."""
    if suite.decision.fallback is not None:
        return suite.decision.fallback
    if utility.shape[1] == 0:
        return 0.0
    means = utility.mean(0)
    return float(2 * means.min() - means.max())

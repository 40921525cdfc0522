"""Money columns whose figures are made when one asks, a row at a time: for decisions that no cost decides.

Under another limit on latency the load of every variant is that of another simulated queue. Of 833 variants
that took 8 s, where an answer shows the costs of twelve and settles a tie of ten by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from harness.analysis import cost
from harness.analysis.draws import RowByRow, overlaid
from harness.analysis.instances import too_large
from harness.analysis.money import COST_METRICS, LOADS, TrainingSeconds, with_costs
from harness.analysis.stats import Array
from harness.results import Estimate, Row, Tradeoff
from harness.suite.schema import Suite


def can_wait(suite: Suite) -> bool:
    """Whether the costs of a row follow from the row and are all that a price tells of it."""
    several = suite.machines or suite.decision.value or suite.decision.costs
    return not several and cost.price_of(suite.machine) is not None


def with_costs_later(table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> Tradeoff:
    """`with_costs` for a suite of which `can_wait` holds."""
    money = _Money(table, suite, seconds)
    rows = tuple(
        replace(row, estimates=_Estimates(row.estimates, money, k)) for k, row in enumerate(table.rows)
    )
    metrics = tuple(n for n in table.metrics if n not in COST_METRICS) + COST_METRICS
    draws = {name: _Draws(money, name) for name in COST_METRICS}
    said = tuple(dict.fromkeys((*table.warnings, *too_large(table.rows, suite))))
    return replace(table, rows=rows, metrics=metrics, draws=overlaid(draws, table.draws), warnings=said)


class _Money:
    """What each row costs."""

    def __init__(self, table: Tradeoff, suite: Suite, seconds: TrainingSeconds) -> None:
        self._table, self._suite, self._seconds = table, suite, seconds
        self._found: dict[int, tuple[Tradeoff, int]] = {}

    def row(self, k: int) -> Row:
        table, place = self._of(k)
        return table.rows[place]

    def column(self, k: int, name: str) -> Array:
        table, place = self._of(k)
        return np.asarray(table.draws[name][:, place])

    def look_at(self, rows: Iterable[int]) -> None:
        """Find what these rows cost together, as each alone takes most of a millisecond."""
        new = [k for k in rows if k not in self._found]
        if new and not self._is_worth_all:
            draws = self._table.draws
            names = [n for n in (*LOADS, "train_seconds") if n in draws] or list(draws)[:1]
            these = replace(
                self._table,
                rows=tuple(self._table.rows[k] for k in new),
                draws={n: draws[n][:, new] for n in names},
            )
            found = with_costs(these, self._suite, self._seconds)
            self._found |= {k: (found, place) for place, k in enumerate(new)}

    def _of(self, k: int) -> tuple[Tradeoff, int]:
        """The table that has the row's costs, and its place in it."""
        if self._is_worth_all:
            return self.whole, k
        self.look_at([k])
        return self._found[k]

    @cached_property
    def whole(self) -> Tradeoff:
        return with_costs(self._table, self._suite, self._seconds)

    @property
    def _is_worth_all(self) -> bool:
        """Whether so many rows were asked for that all of them at once cost no more."""
        return "whole" in self.__dict__ or len(self._found) >= max(20, len(self._table.rows) // 4)


class _Estimates(Mapping[str, Estimate]):
    """A row's estimates with those of money."""

    def __init__(self, measured: Mapping[str, Estimate], money: _Money, k: int) -> None:
        self._measured, self._money, self._k = measured, money, k

    def __getitem__(self, name: str) -> Estimate:
        if name in COST_METRICS:
            return self._money.row(self._k).estimates[name]
        return self._measured[name]

    def __contains__(self, name: object) -> bool:
        return name in self._measured or name in COST_METRICS

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._measured, *COST_METRICS)))

    def __len__(self) -> int:
        return len({*self._measured, *COST_METRICS})


class _Draws(RowByRow):
    """(draws, rows) of a cost."""

    def __init__(self, money: _Money, name: str) -> None:
        self._money, self._name = money, name

    def whole(self) -> Array:
        return self._money.whole.draws[self._name]

    def row(self, k: int) -> Array:
        return self._money.column(k, self._name)

    def look_at(self, rows: Iterable[int]) -> None:
        self._money.look_at(rows)

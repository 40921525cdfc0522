"""What recommenders are held against: the most popular items, shown to everybody.

Ranking by counts takes no model and is hard to beat on short logs: who does worse with certainty is not
shipped, and where nobody is surely better a reader is told. Also what a log leaves little to compare by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness import facts
from harness.analysis.criteria import DecisionObjective
from harness.figures import short
from harness.results import Row, Tradeoff

if TYPE_CHECKING:
    from harness.analysis.index import RecordIndex  # with all that reads records

MANY = 0.2
"""Of the test part's choices a share that is left out, or that nobody can answer, which is worth a word."""
ALIKE = 1e-3
"""The most popular items themselves differ by no more: seeds break ties otherwise."""
STRANGERS = 0.5
"""Of the users asked about."""


def most_popular(index: RecordIndex) -> dict[str, float]:
    """Metric → what the most popular items reach, a mean over seeds; empty where nobody measured it."""
    found = [told.popular for told in _evaluations(index) if told.popular]
    if not found:
        return {}
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def worse_than_popular(table: Tradeoff, k: int, deciding: Sequence[str]) -> str:
    """Why a row must not be chosen that is surely worse in some quality that decides and better in none.

    Where a candidate is the most popular items the two are compared user by user, as the same users were
    asked: of rows as good as they are that takes out .01 to .03 (nominal .025, 300 simulated logs). Else its
    own interval is held against their figure, which takes out .003 of them where both please the same users
    and .087 where they please different ones. Who is as good to a thousandth is them, on another runtime.
    """
    popular, row = table.baseline.popular, table.rows[k]
    if not popular or any(name not in popular for name in deciding):
        return ""
    cells = {name: row.estimates[name] for name in deciding if name in row.estimates}
    if any(cell.value is not None and cell.value > popular[name] for name, cell in cells.items()):
        return ""
    for name, cell in cells.items():
        if cell.value is None or cell.high is None or _is_popular(table, row, name):
            continue
        lead, least = _lead_of_popular(table, name, k), short(popular[name])
        if cell.high < popular[name] if lead is None else lead > 0:
            return f"{name} {short(cell.value)} is worse than the {least} of the most popular items"
    return ""


def _lead_of_popular(table: Tradeoff, name: str, k: int) -> float | None:
    """The lower end of how far the candidate that is the most popular items is ahead of a row, from their
    joint draws; None where none is them."""
    them = next((j for j, row in enumerate(table.rows) if _is_popular(table, row, name)), None)
    if them is None or name not in table.draws:
        return None
    return float(np.quantile(table.draws[name][:, them] - table.draws[name][:, k], 0.025))


def _is_popular(table: Tradeoff, row: Row, name: str) -> bool:
    cell, least = row.estimates.get(name), table.baseline.popular[name]
    return cell is not None and cell.value is not None and abs(cell.value - least) <= ALIKE * least


def not_surely_better(table: Tradeoff, named: int, goal: DecisionObjective) -> tuple[str, ...]:
    """A note where who is named is not shown to be better than the most popular items.

    Nothing where a candidate is them: the table says how they compare, user by user.
    """
    said, row = [], table.rows[named]
    for name in goal.metrics:
        cell, least = row.estimates.get(name), table.baseline.popular.get(name)
        if least is None or cell is None or cell.value is None or cell.low is None or cell.low > least:
            continue
        if any(_is_popular(table, r, name) for r in table.rows):
            continue
        between = f"{short(cell.value)}, {short(cell.low)} to {short(cell.high or cell.value)}"
        said.append(
            f"the most popular items, shown to everybody, reach {name} {short(least)}: {row.variant} is not "
            f"shown to be better ({between}); "
            "the candidate `popularity: {retrieval: {model: popularity}}` says by how much, user by user"
        )
    return tuple(said)


def doubts_of_log(index: RecordIndex) -> Iterator[str]:
    """What a reader is warned of where a log leaves little of what its users did to compare by."""
    told = next(_evaluations(index), None)
    if told is None:
        return
    repeats, new, who = told.test_events_seen_before, told.asked_events_of_new_items, told.warm_and_cold
    if repeats is not None and repeats >= MANY:
        yield (
            f"{repeats:.0%} of the test part's choices are of items that their user had chosen before, and "
            "are left out: where people choose the same again write `mask_seen: false` in data.args"
        )
    if who is not None and told.users and (strangers := who.cold.users / told.users) >= STRANGERS:
        yield (
            f"{strangers:.0%} of the {told.users:,} users asked about have no past, so that little is "
            "compared but what candidates show to strangers: where each user is one visit write "
            "`split: leave_one_out` in data.args"
        )
    if new is not None and new >= MANY:
        yield (
            f"{new:.0%} of the choices asked for are of items that nobody had chosen before: who learns from "
            "choices alone cannot find them; a table of items (`items_path`) or newer data can"
        )


def _evaluations(index: RecordIndex) -> Iterator[facts.EvaluationFacts]:
    for group in index.score.values():
        for record in group:
            if told := record.facts_as(facts.RecommendationFacts).evaluation:
                yield told

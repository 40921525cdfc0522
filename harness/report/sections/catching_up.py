"""From how many training examples on one candidate keeps up with another, where the question asks that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.analysis.measured import measured_table
from harness.analysis.predictions import predictions_of
from harness.metrics import stem
from harness.record import Variant
from harness.report import numbers as n
from harness.report.evidence import Evidence
from harness.results import Tradeoff
from harness.runtimes.offered import reference_of

MOST = 3
"""Sentences, one for a pair of candidates."""

Lead = tuple[float, float, float]
"""By how much one candidate is better than another: the mean, and the ends of its 95 % interval."""


@dataclass(frozen=True)
class Race:
    """Two candidates over the sizes that both were trained at, the one that leads at the smallest first.

    Args:
        leads: training-set size → how much better `ahead` is there, in ascending order.
    """

    ahead: str
    behind: str
    leads: Mapping[int, Lead]

    @property
    def caught(self) -> int | None:
        """The smallest size from which on `behind` is nowhere surely worse; None where the largest is not."""
        found = None
        for size, (_, low, _) in reversed(tuple(self.leads.items())):
            if low > 0:
                break
            found = size
        return found


def races(e: Evidence) -> list[Race]:
    """All pairs of candidates by the metric of quality, on the runtime that is each one's reference; nothing
    where fewer than two sizes were trained."""
    scored = (r.trial.train_size for r in e.of("score") if r.status == "finished")
    sizes = sorted({size for size in scored if size is not None})
    if len(sizes) < 2:
        return []
    drawn = {size: _drawn(e, size) for size in sizes}
    found = []
    for a, b in combinations(e.leading, 2):
        leads = {
            size: _lead(e, of[a], of[b]) for size, of in drawn.items() if a in of and b in of
        }  # fmt: skip
        if len(leads) < 2:
            continue
        if next(iter(leads.values()))[0] < 0:
            a, b, leads = b, a, {size: (-m, -high, -low) for size, (m, low, high) in leads.items()}
        found.append(Race(a, b, leads))
    return found


def _drawn(e: Evidence, size: int) -> dict[str, np.ndarray]:
    """Candidate → (num_draws,) of what its quality may truly be when trained at a size."""
    records = [r for r in e.records if r.trial.kind != "serve" and r.trial.train_size == size]
    table: Tradeoff = measured_table(records, e.suite, predictions_of(e.run))
    columns = {row.variant: k for k, row in enumerate(table.rows)}
    found = {}
    for candidate in e.candidates:
        runtime = reference_of([row.runtime for row in table.rows if row.candidate == candidate])
        k = columns.get(Variant(candidate, runtime).name) if runtime else None
        drawn = table.draws.get(stem(e.quality_metric))
        if k is not None and drawn is not None and np.isfinite(drawn[:, k]).all():
            found[candidate] = drawn[:, k]
    return found


def _lead(e: Evidence, ours: np.ndarray, theirs: np.ndarray) -> Lead:
    gap = ours - theirs if n.better(stem(e.quality_metric), e.known) != "lower" else theirs - ours
    low, high = np.quantile(gap, [0.025, 0.975])
    return float(gap.mean()), float(low), float(high)


def catching_up(e: Evidence) -> list[str]:
    """One sentence for each pair: whom the question names first, then those that part and meet again."""
    asked = e.suite.question.lower().replace(" ", "_")

    def order(race: Race) -> tuple[int, bool, bool]:
        named = sum(name.lower() in asked for name in (race.ahead, race.behind))
        return -named, _never_apart(race), race.caught is None

    return [_said(e, race) for race in sorted(races(e), key=order)[:MOST]]


def _never_apart(race: Race) -> bool:
    return all(low <= 0 <= high for _, low, high in race.leads.values())


def _said(e: Evidence, race: Race) -> str:
    """What is shown at each size: who is not surely behind has not been shown to be as good."""
    first, last, what = min(race.leads), max(race.leads), n.label(stem(e.quality_metric))
    ends = f"{first:,} to {last:,} training examples"
    if _never_apart(race):
        return f"{race.behind} and {race.ahead} are not told apart in {what} from {ends}."
    behind = [size for size, (_, low, _) in race.leads.items() if low > 0]
    leads = [size for size, (_, _, high) in race.leads.items() if high < 0]
    gaps = n.listed([f"{_gap(lead)} at {size:,}" for size, lead in race.leads.items()])
    if len(behind) == len(race.leads):
        return f"{race.behind} stays behind {race.ahead} in {what} from {ends}: by {gaps}."
    at = {"behind": behind, "ahead of": leads}
    shown = [f"{word} {race.ahead} at {n.listed([f'{s:,}' for s in of])}" for word, of in at.items() if of]
    if last in behind or leads:
        open_ = [f"{size:,}" for size in race.leads if size not in (*behind, *leads)]
        rest = f"; at {n.listed(open_)} they are not told apart" if open_ else ""
        return f"{race.behind} is {' and '.join(shown)} training examples in {what}{rest}: its lag is {gaps}."
    when = f"from {race.caught:,} training examples on"
    return f"{race.behind} is no longer shown to be behind {race.ahead} in {what} {when}: its lag is {gaps}."


def _gap(lead: Lead) -> str:
    return "{} ({})".format(*n.interval(*lead))

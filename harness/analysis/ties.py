"""Which of several variants that measurements do not separate is named, and what settled it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.choice import Standing
from harness.analysis.criteria import Objective
from harness.analysis.duels import SPEED_METRICS, Verdict, winner_of
from harness.protocols import Estimate, Tradeoff

CHEAPNESS = (
    "cost_per_month_usd",
    "cost_per_million_usd",
    "latency_p50_ms",
    "model_size_mb",
    "parameters",
)
"""What settles a tie: the first of these on which the tied differ."""

SAME = 0.05
"""Figures within this share of each other count as the same."""


@dataclass(frozen=True)
class Named:
    """One of the tied.

    Args:
        by: what left out the first of the others: a metric of `CHEAPNESS`, `limits`, `duel`, `objective`, or
            nothing at all. why: completes "is named because".
    """

    row: int
    by: str = ""
    why: str = "nothing that was measured tells them apart"


@dataclass(frozen=True)
class _Step:
    """A comparison among those that were left: who fell out, who stayed."""

    by: str
    out: tuple[int, ...]
    left: tuple[int, ...]


def name_one(
    table: Tradeoff, standing: Standing, goal: Objective, tied: Sequence[int], duels: Sequence[Verdict] = ()
) -> Named:
    """The cheapest of the tied that keeps the limits about as surely as the choice does, unless speed is
    what is asked for and a duel says that another is faster."""
    steps = _narrowed(table, standing, tied)
    row = steps[-1].left[0]
    told = [_said(table, standing, row, step) for step in steps if step.out]
    by = next((step.by for step in steps if step.out), "")
    why = "; of the rest, ".join(told) if told else Named.why
    if by and by != "limits" and not by.startswith("cost") and any(s.by.startswith("cost") for s in steps):
        why = f"they cost the same within {SAME:.0%} and {why}".replace("%", " %")
    return _faster(table, goal, tied, row, duels) or Named(row, by, why)


def _narrowed(table: Tradeoff, standing: Standing, tied: Sequence[int]) -> list[_Step]:
    """Step by step down to one."""
    assert standing.choice is not None
    sure, steps = standing.feasible.mean(0), list[_Step]()
    left = list(tied)

    def keep(by: str, kept: Sequence[int]) -> None:
        steps.append(_Step(by, tuple(k for k in left if k not in kept), tuple(kept)))
        left[:] = kept

    keep("limits", [k for k in left if sure[k] >= min(0.95, sure[standing.choice] - 0.02)])
    for name in CHEAPNESS:
        prices = {k: v for k in left if (v := _figure(table, k, name)) is not None}
        if prices:
            keep(name, [k for k in prices if prices[k] <= min(prices.values()) * (1 + SAME)])
    best = max(left, key=lambda k: standing.expected[k])
    if all(standing.expected[k] < standing.expected[best] for k in left if k != best):
        keep("objective", [best])
    return [*steps, _Step("", (), (best,))]


def _said(table: Tradeoff, standing: Standing, row: int, step: _Step) -> str:
    """What a step had against those that fell out, with its figures."""
    if step.by == "objective":
        return "it has the highest expected worth"
    if step.by == "limits":
        sure = standing.feasible.mean(0)
        others, most = few([table.rows[k].variant for k in step.out]), percent(max(sure[list(step.out)]))
        return f"it keeps the limits with probability {percent(sure[row])}, {others} with {most} at most"
    figures = [v for k in step.out if (v := _figure(table, k, step.by)) is not None]
    if not figures:
        return f"the others have no {step.by}"
    costs, alone = step.by.startswith("cost"), len(step.left) == 1
    lead = ("costs least" if costs else "is the lightest") if alone else "is among the cheapest"
    lead = "is among the lightest" if not (costs or alone) else lead
    more = " or more" if len(figures) > 1 else ""
    return f"it {lead}: {step.by} {_figure(table, row, step.by):.4g}, against {min(figures):.4g}{more}"


def _faster(
    table: Tradeoff, goal: Objective, tied: Sequence[int], row: int, duels: Sequence[Verdict]
) -> Named | None:
    """The tied variant that duels say is faster than the named one, where speed is what is asked for."""
    if not goal.subject.startswith(SPEED_METRICS):
        return None
    names = {table.rows[k].variant: k for k in tied}
    name = winner_of(list(names), table.rows[row].variant, duels)
    against = [v for v in duels if v.faster == name and {v.first, v.second} <= set(names)]
    if not against:
        return None
    losers = few([v.second if v.first == name else v.first for v in against])
    return Named(names[name], "duel", f"loaded together and called in turn it is faster than {losers}")


def _figure(table: Tradeoff, k: int, name: str) -> float | None:
    return table.rows[k].estimates.get(name, Estimate(None)).value


def percent(probability: float) -> str:
    """`93 %`; never 0 or 100, which no finite number of draws can show."""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def few(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence; of many the first, and how many more."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

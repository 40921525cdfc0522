"""Why one of several variants that measurements do not separate is named, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.choice import settling_figures
from harness.analysis.criteria import HARNESS_METRICS
from harness.analysis.duels import Verdict
from harness.analysis.rule import SAME, Choice, Settled
from harness.analysis.tradeoff import percent
from harness.figures import short
from harness.results import Tradeoff


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


def why_named(table: Tradeoff, choice: Choice, duels: Sequence[Verdict] = ()) -> Named:
    """How the rule came to name one of a tie."""
    row = choice.named
    assert row is not None
    last = choice.steps[-1]
    if last.by == "duel":
        return Named(
            row,
            "duel",
            f"loaded together and called in turn it is faster than {_losers(table, row, choice, duels)}",
        )
    told = [_said(table, choice, row, step) for step in choice.steps if step.out]
    by = next((step.by for step in choice.steps if step.out), "")
    if not by and any(choice.expected[k] < choice.expected[row] for k in choice.tied):
        # Nobody was within the tolerance of the leader.
        return Named(row, "objective", "it is the best on average")
    why = "; of the rest, ".join(told) if told else Named.why
    costs = any(_is_money(s.by) and _known(table, s.by, choice.tied) for s in choice.steps)
    lighter = by not in ("", "limits", "objective") and not _is_money(by) and costs
    equal = f"cost the same within {SAME:.0%}".replace("%", " %")
    compared = {k for step in choice.steps for k in (*step.out, *step.left)}
    if by and by != "objective" and not compared.issuperset(choice.tied):
        # Lighter or cheaper ones may stand in the tie: they were too far behind to be compared by that.
        best = few(["it", *(table.rows[k].variant for k in sorted(compared - {row}))], 6)
        return Named(row, "objective", f"{best} are best on average{f', {equal},' * lighter} and {why}")
    if lighter:
        why = f"{'both' if len(choice.tied) == 2 else 'all of them'} {equal} and {why}"
    return Named(row, by, why)


def _said(table: Tradeoff, choice: Choice, row: int, step: Settled) -> str:
    """What a step had against those that fell out, with its figures."""
    if step.by == "objective":
        return "it is the best on average"
    if step.by == "limits":
        others, most = (
            few([table.rows[k].variant for k in step.out]),
            percent(max(choice.kept[list(step.out)])),
        )
        return (
            f"it keeps the limits with probability {percent(choice.kept[row])}, {others} with {most} at most"
        )
    figures = [v for k in step.out if np.isfinite(v := _figure(table, step.by, k))]
    if not figures:
        return f"the others have no {step.by}"
    costs, alone = _is_money(step.by), len(step.left) == 1
    two = alone and len(step.out) == 1
    lead = ("costs less" if two else "costs least") if costs else f"is the light{'er' if two else 'est'}"
    lead = lead if alone else "is among the cheapest"
    lead = "is among the lightest" if not (costs or alone) else lead
    more = " or more" if len(figures) > 1 else ""
    ours, theirs = (
        short(v) if costs else short(float(f"{v:.3g}")) for v in (_figure(table, step.by, row), min(figures))
    )
    return f"it {lead}: {step.by} {ours}, against {theirs}{more}"


def _is_money(by: str) -> bool:
    """Whether what settled a tie is a cost; it may be no metric at all."""
    return by in HARNESS_METRICS and HARNESS_METRICS[by].is_money


def _figure(table: Tradeoff, name: str, k: int) -> float:
    return next(figure.of(k) for figure in settling_figures(table) if figure.name == name)


def _known(table: Tradeoff, name: str, rows: Sequence[int]) -> bool:
    return any(np.isfinite(_figure(table, name, k)) for k in rows)


def _losers(table: Tradeoff, row: int, choice: Choice, duels: Sequence[Verdict]) -> str:
    name, tied = table.rows[row].variant, {table.rows[k].variant for k in choice.tied}
    against = [v for v in duels if v.faster == name and {v.first, v.second} <= tied]
    return few([v.second if v.first == name else v.first for v in against])


def few(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence, `a, b and c`; of many the first, and how many more."""
    listed = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))

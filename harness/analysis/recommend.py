"""What to ship, how sure that is, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.analysis.choice import Standing, assess
from harness.analysis.criteria import Constraint, Objective, merge_constraints, parse_objective
from harness.analysis.duels import SPEED_METRICS, Verdict, keep_verdicts, stored_verdicts, winner_of
from harness.analysis.outputs import (
    Run,
    stored_evidence,
    stored_suite,
    write_recommendation,
    write_records,
    write_tradeoffs,
)
from harness.analysis.sensitivity import Question, find_flips
from harness.analysis.stats import Array
from harness.analysis.tradeoff import (
    complete,
    interval_text,
    metric_draws,
    priced,
    rejections,
    slices_of,
)
from harness.protocols import Estimate, Recommendation, Row, Tradeoff
from harness.suite.schema import Suite

CHEAPNESS = (
    "cost_per_month_usd",
    "cost_per_million_usd",
    "latency_p50_ms",
    "model_size_mb",
    "parameters",
)
"""What settles a tie: the first of these on which the tied differ."""

SAME = 0.05
"""Costs within this share of each other count as the same."""

CLEAR = 0.95
"""P(best) from which a choice is recommended even if some interval still touches zero."""


def recommend(
    table: Tradeoff,
    suite: Suite,
    constraints: Sequence[str] | None = None,
    objective: str | None = None,
    flips: bool = True,
    duels: Sequence[Verdict] = (),
) -> Recommendation:
    """Decide what to ship.

    Args:
        table: complete (`tradeoff`), with its draws.
        constraints, objective: instead of the suite's; None keeps them.
        flips: whether to look for what would change the answer (takes a tenth of a second).
        duels: where speed or its cost is the objective, they settle a tie.
    Returns:
        `recommend`: the choice is separated from every other eligible variant, or best with probability
        0.95. `tie`: it is not; the cheapest of those it is not separated from is named. `none_feasible`: no
        variant meets the limits; the nearest miss is in the reasons. `not_enough_evidence`: the objective
        or a limit has no number for any variant.
    Raises:
        SuiteError: a limit or the objective cannot be read.
    """
    limits = merge_constraints(suite.decision.constraints if constraints is None else constraints, ())
    goal = parse_objective(objective or suite.decision.objective, suite.decision.value)
    common: dict[str, Any] = {
        "objective": goal.text if goal.is_metric else f"{goal.text} ({goal.expression.text})",
        "constraints": tuple(str(c) for c in limits),
        "warnings": table.warnings,
    }
    absent = _absent(table, limits, goal)
    if absent:
        return Recommendation("not_enough_evidence", None, None, reasons=absent, **common)
    standing = assess(table, limits, goal, suite)
    question = Question(table, suite, limits, goal)
    if standing.choice is None:
        found = find_flips(question, None) if flips else ()
        return Recommendation(
            "none_feasible", None, None, reasons=_none_feasible(table, limits, goal), flips=found, **common
        )
    tied = _tied(standing, suite.decision.tolerance)
    choice = _cheapest(table, standing, tied) if len(tied) > 1 else standing.choice
    settled = _settled(table, goal, tied, choice, duels)
    choice, why = settled if settled else (choice, ())
    found = find_flips(question, table.rows[choice].variant) if flips else ()
    others = [k for k in np.argsort(-standing.expected, kind="stable").tolist() if k != choice]
    lead = lead_of(standing, choice)
    said = _reasons(table, standing, limits, goal, choice, tied, lead)
    return Recommendation(
        "tie" if len(tied) > 1 else "recommend",
        table.rows[choice].variant,
        float(standing.best[choice]),
        expected_regret=float(standing.regrets[choice]),
        tied_with=tuple(table.rows[k].variant for k in tied if k != choice),
        runners_up=tuple(_runner_up(table, standing, limits, goal, choice, k, tied, lead) for k in others),
        reasons=(*said, *why),
        flips=found,
        **common,
    )


def decide(run: Run, constraints: Sequence[str] = (), objective: str | None = None) -> Recommendation:
    """Decide again from a run's stored records alone, under further limits or another objective.

    Args:
        constraints: on top of the suite's; one on the same metric and side replaces the suite's.
        objective: `maximize accuracy`, `minimize cost_per_million_usd`, `maximize 120*accuracy - …`.
    Raises:
        SuiteError: a limit or the objective cannot be read.
        RecordError: the run's suite cannot be read.
    """
    suite = stored_suite(run)
    merged = tuple(str(c) for c in merge_constraints(suite.decision.constraints, constraints))
    update = {"constraints": merged, "objective": objective or suite.decision.objective}
    suite = suite.model_copy(update={"decision": suite.decision.model_copy(update=update)})
    parse_objective(suite.decision.objective, suite.decision.value)
    stored = stored_evidence(run, suite, slices_of(suite))
    return recommend(priced(stored.table, suite, stored.seconds), suite, duels=stored_verdicts(run))


def analyse(run: Run, suite: Suite) -> tuple[Tradeoff, Recommendation]:
    """Table and recommendation of a run from its records, and their files: `records.parquet`,
    `tradeoffs.csv`, `tradeoffs.json`, `recommendation.json`.

    Raises:
        SuiteError: the suite's price, limits or objective cannot be read.
    """
    records = run.records()
    write_records(run, records)
    stored = stored_evidence(run, suite, slices_of(suite))
    table = complete(stored.table, suite, stored.seconds)
    recommendation = recommend(table, suite, duels=keep_verdicts(run, records))
    write_tradeoffs(run, table)
    write_recommendation(run, recommendation)
    return table, recommendation


# ------------------------------------------------------------------------------------ verdicts


def _absent(table: Tradeoff, limits: Sequence[Constraint], goal: Objective) -> tuple[str, ...]:
    """Why nothing can be said: no variant has a number for all that decides."""
    names = list(dict.fromkeys((*goal.metrics, *(c.metric for c in limits))))

    def has(row: Row, name: str) -> bool:
        return row.estimates.get(name, Estimate(None)).value is not None

    if any(all(has(row, name) for name in names) for row in table.rows):
        return ()
    reasons = []
    for name in names:
        if any(has(row, name) for row in table.rows):
            continue
        notes = [row.estimates[name].note for row in table.rows if name in row.estimates]
        said = "; ".join(dict.fromkeys(n for n in notes if n)) or "not measured"
        reasons.append(f"No variant has a number for {name} ({said}), so nothing can be decided by it.")
    failed = [f"{row.variant} ({row.failures[0]})" for row in table.rows if row.failures]
    if failed:
        reasons.append(f"Failed: {', '.join(failed[:5])}.")
    return tuple(reasons) or ("No variant has a number for every metric that decides.",)


def _none_feasible(table: Tradeoff, limits: Sequence[Constraint], goal: Objective) -> tuple[str, ...]:
    miss = nearest_miss(table, limits)
    reasons = ["No variant meets all limits."]
    if miss is not None:
        row = table.rows[miss]
        reasons.append(f"Nearest miss: {row.variant}. {'. '.join(rejections(table, limits, miss))}.")
        figures = [f"{n} {interval_text(row.estimates[n])}" for n in goal.metrics if n in row.estimates]
        reasons.append(f"It would give {', '.join(figures)}.")
    for constraint in limits:
        held = [not rejections(table, [constraint], k) for k in range(len(table.rows))]
        if not any(held):
            reasons.append(f"No variant meets {constraint} on its own.")
    return tuple(reasons)


def nearest_miss(table: Tradeoff, limits: Sequence[Constraint]) -> int | None:
    """The row whose worst violation, relative to the limit, is smallest; None without numbers."""
    best: tuple[float, int] | None = None
    for k, row in enumerate(table.rows):
        cells = [row.estimates.get(c.metric, Estimate(None)).value for c in limits]
        if any(v is None for v in cells):
            continue
        worst = max(
            (
                (v - c.limit if c.is_upper else c.limit - v) / (abs(c.limit) or 1.0)
                for c, v in zip(limits, cells, strict=True)
                if v is not None
            ),
            default=0.0,
        )
        if best is None or worst < best[0]:
            best = (worst, k)
    return best[1] if best else None


def _tied(standing: Standing, tolerance: float) -> list[int]:
    """The choice and every eligible row it is not separated from by more than the tolerance."""
    choice = standing.choice
    assert choice is not None
    if standing.best[choice] >= CLEAR and tolerance == 0:
        return [choice]
    lead = lead_of(standing, choice)
    return [choice, *(k for k in standing.eligible if k != choice and lead.low[k] <= tolerance)]


@dataclass(frozen=True)
class Lead:
    """The lead of one row over all rows in the objective: mean and 95 % interval, (rows,) each."""

    mean: Array
    low: Array
    high: Array


def lead_of(standing: Standing, choice: int) -> Lead:
    """Paired: from the same joint draws. NaN over rows without a number."""
    utility = np.where(np.isfinite(standing.utility), standing.utility, np.nan)
    lead = utility[:, [choice]] - utility
    low, high = np.quantile(lead, [0.025, 0.975], axis=0)
    return Lead(lead.mean(0), low, high)


def _cheapest(table: Tradeoff, standing: Standing, tied: Sequence[int]) -> int:
    """The cheapest of the tied that keeps the limits about as surely as the choice does."""
    assert standing.choice is not None
    sure = standing.feasible.mean(0)
    able = [k for k in tied if sure[k] >= min(0.95, sure[standing.choice] - 0.02)]
    for name in CHEAPNESS:
        prices = {k: v for k in able if (v := _figure(table, k, name)) is not None}
        if prices:
            able = [k for k in prices if prices[k] <= min(prices.values()) * (1 + SAME)]
    return max(able, key=lambda k: standing.expected[k])


def _settled(
    table: Tradeoff, goal: Objective, tied: Sequence[int], choice: int, duels: Sequence[Verdict]
) -> tuple[int, tuple[str, ...]] | None:
    """The tied variant that duels say is faster than the chosen one, where speed is what is asked for."""
    if len(tied) < 2 or not goal.subject.startswith(SPEED_METRICS):
        return None
    names = {table.rows[k].variant: k for k in tied}
    name = winner_of(list(names), table.rows[choice].variant, duels)
    against = [v for v in duels if v.faster == name and {v.first, v.second} <= set(names)]
    if not against:
        return None
    losers = ", ".join(v.second if v.first == name else v.first for v in against)
    return names[name], (f"Loaded together and called in turn, {name} is faster than {losers}.",)


def _figure(table: Tradeoff, k: int, name: str) -> float | None:
    return table.rows[k].estimates.get(name, Estimate(None)).value


# ------------------------------------------------------------------------------------ reasons


def _reasons(
    table: Tradeoff,
    standing: Standing,
    limits: Sequence[Constraint],
    goal: Objective,
    choice: int,
    tied: Sequence[int],
    lead: Lead,
) -> list[str]:
    row, reasons = table.rows[choice], []
    figures = _goal_figures(row, goal)
    if len(tied) > 1:
        reasons.append(_tie_sentence(table, standing, choice, tied, goal.subject, lead))
        reasons.append(f"{row.variant} has {figures}.")
    else:
        reasons.append(
            f"{row.variant} has {figures} and is the best choice with probability"
            f" {percent(standing.best[choice])}."
        )
    for constraint in limits:
        held = float(constraint.holds(metric_draws(table, constraint.metric)[:, choice]).mean())
        cell = row.estimates[constraint.metric]
        reasons.append(
            f"It meets {constraint.metric} {constraint.op} {constraint.limit:g}:"
            f" {interval_text(cell)}, probability {percent(held)}."
        )
    rivals = [k for k in np.argsort(-standing.expected, kind="stable") if k != choice and k not in tied]
    rivals = [k for k in rivals if k in standing.eligible]
    if rivals:
        k = rivals[0]
        reasons.append(
            f"It leads {table.rows[k].variant} by {lead.mean[k]:.4g} ({lead.low[k]:.4g} to"
            f" {lead.high[k]:.4g}) in {goal.subject}."
        )
    out = [k for k in range(len(table.rows)) if k not in standing.eligible]
    if out:
        said = [f"{table.rows[k].variant} ({_why_out(table, limits, k)})" for k in out[:6]]
        more = f" and {len(out) - 6} more" if len(out) > 6 else ""
        reasons.append(f"Out of the question: {'; '.join(said)}{more}.")
    return reasons


def percent(probability: float) -> str:
    """`93 %`; never 0 or 100, which no finite number of draws can show."""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def few(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence; of many the first, and how many more."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _goal_figures(row: Row, goal: Objective) -> str:
    names = [*goal.metrics] if goal.is_metric else ["value", *goal.metrics]
    return ", ".join(f"{n} {interval_text(row.estimates[n])}" for n in names if n in row.estimates)


def _tie_sentence(
    table: Tradeoff, standing: Standing, choice: int, tied: Sequence[int], subject: str, lead: Lead
) -> str:
    others = [k for k in tied if k != choice]
    together = percent(float(standing.best[list(tied)].sum()))
    named, rivals = table.rows[choice].variant, few([table.rows[k].variant for k in others])
    equal = bool((np.abs(lead.low[others]) + np.abs(lead.high[others]) < 1e-9).all())
    how = (
        f"equals {rivals} in {subject}" if equal else f"is not separated from {rivals} by these measurements"
    )
    return (
        f"{named} {how}; one of these {len(tied)} is the best choice with probability {together}."
        f" {named} is named because {_cheaper_by(table, choice, others)}."
    )


def _cheaper_by(table: Tradeoff, choice: int, others: Sequence[int]) -> str:
    """On what a tie was settled, as in `_cheapest`."""
    for name in CHEAPNESS:
        own = _figure(table, choice, name)
        rest = [v for k in others if (v := _figure(table, k, name)) is not None]
        if own is not None and rest and own * (1 + SAME) < max(rest):
            if own * (1 + SAME) < min(rest):
                lead = "it costs least" if "cost" in name else "they cost the same and it is the lightest"
                return f"{lead}: {name} {own:.4g}, against {min(rest):.4g} or more"
            lead = "none of them costs less" if "cost" in name else "they cost the same and none is lighter"
            return f"{lead}: {name} {own:.4g}, up to {max(rest):.4g} for the others"
    return "it has the highest expected worth, and they cost the same within 5 %"


def _why_out(table: Tradeoff, limits: Sequence[Constraint], k: int) -> str:
    row = table.rows[k]
    reasons = rejections(table, limits, k)
    if reasons:
        return reasons[0]
    missing = [f"{n} {e.note}" for n, e in row.estimates.items() if e.value is None]
    return missing[0] if missing else "not measured"


def _runner_up(
    table: Tradeoff,
    standing: Standing,
    limits: Sequence[Constraint],
    goal: Objective,
    choice: int,
    k: int,
    tied: Sequence[int],
    lead: Lead,
) -> Mapping[str, Any]:
    """A row that was not chosen; `difference` is the choice's lead in the objective, higher is better."""
    entry: dict[str, Any] = {
        "variant": table.rows[k].variant,
        "probability_best": float(standing.best[k]),
        "metric": goal.subject,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
    }
    if np.isfinite(lead.mean[k]):
        entry["difference"] = float(lead.mean[k])
        entry["difference_low"], entry["difference_high"] = float(lead.low[k]), float(lead.high[k])
    if k not in standing.eligible:
        entry["why"] = _why_out(table, limits, k)
    elif k in tied:
        entry["why"] = (
            f"not separated; {table.rows[choice].variant} is named because {_cheaper_by(table, choice, [k])}"
        )
    else:
        entry["why"] = f"{goal.subject} is worse by {entry['difference']:.4g}"
    return entry

"""What to ship, how sure that is, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.analysis.choice import Standing, assess
from harness.analysis.criteria import (
    DEFAULT_PROBABILITY,
    Constraint,
    Objective,
    merge_constraints,
    parse_objective,
)
from harness.analysis.duels import Verdict, keep_verdicts, stored_verdicts
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
from harness.analysis.ties import Named, few, name_one, percent
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
    named = name_one(table, standing, goal, tied, duels) if len(tied) > 1 else Named(standing.choice)
    choice = named.row
    found = find_flips(question, table.rows[choice].variant) if flips else ()
    others = [k for k in np.argsort(-standing.expected, kind="stable").tolist() if k != choice]
    lead = lead_of(standing, choice)
    return Recommendation(
        "tie" if len(tied) > 1 else "recommend",
        table.rows[choice].variant,
        float(standing.best[choice]),
        expected_regret=float(standing.regrets[choice]),
        tied_with=tuple(table.rows[k].variant for k in tied if k != choice),
        settled_by=named.by,
        runners_up=tuple(_runner_up(table, standing, limits, goal, named, k, tied, lead) for k in others),
        reasons=tuple(_reasons(table, standing, limits, goal, named, tied, lead)),
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


# ------------------------------------------------------------------------------------ reasons


def _reasons(
    table: Tradeoff,
    standing: Standing,
    limits: Sequence[Constraint],
    goal: Objective,
    named: Named,
    tied: Sequence[int],
    lead: Lead,
) -> list[str]:
    choice, reasons = named.row, []
    row = table.rows[choice]
    figures = _goal_figures(row, goal)
    if len(tied) > 1:
        reasons.append(_tie_sentence(table, standing, named, tied, goal.subject, lead))
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
            f"It meets {replace(constraint, probability=DEFAULT_PROBABILITY)}: {interval_text(cell)},"
            f" probability {percent(held)}."
        )
    rivals = [k for k in np.argsort(-standing.expected, kind="stable") if k != choice and k not in tied]
    rivals = [k for k in rivals if k in standing.eligible]
    if rivals:
        k = rivals[0]
        reasons.append(_lead_sentence(lead, k, table.rows[k].variant, goal.subject))
    out = [k for k in range(len(table.rows)) if k not in standing.eligible]
    if out:
        said = [f"{table.rows[k].variant} ({_why_out(table, limits, k)})" for k in out[:6]]
        more = f" and {len(out) - 6} more" if len(out) > 6 else ""
        reasons.append(f"Out of the question: {'; '.join(said)}{more}.")
    return reasons


def _lead_sentence(lead: Lead, k: int, rival: str, subject: str) -> str:
    """The named one of a tie may trail a variant that the best of the tie leads."""
    mean, low, high = float(lead.mean[k]), float(lead.low[k]), float(lead.high[k])
    way = "leads" if mean >= 0 else "is behind"
    mean, low, high = (mean, low, high) if mean >= 0 else (-mean, -high, -low)
    return f"It {way} {rival} by {mean:.4g} ({low:.4g} to {high:.4g}) in {subject}."


def _goal_figures(row: Row, goal: Objective) -> str:
    names = [*goal.metrics] if goal.is_metric else ["value", *goal.metrics]
    return ", ".join(f"{n} {interval_text(row.estimates[n])}" for n in names if n in row.estimates)


def _tie_sentence(
    table: Tradeoff, standing: Standing, named: Named, tied: Sequence[int], subject: str, lead: Lead
) -> str:
    others = [k for k in tied if k != named.row]
    together = percent(float(standing.best[list(tied)].sum()))
    name, rivals = table.rows[named.row].variant, few([table.rows[k].variant for k in others])
    equal = bool((np.abs(lead.low[others]) + np.abs(lead.high[others]) < 1e-9).all())
    how = (
        f"equals {rivals} in {subject}" if equal else f"is not separated from {rivals} by these measurements"
    )
    return (
        f"{name} {how}; one of these {len(tied)} is the best choice with probability {together}."
        f" {name} is named because {named.why}."
    )


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
    named: Named,
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
        entry["why"] = f"not separated; {table.rows[named.row].variant} is named because {named.why}"
    else:
        # Out is who the best of a tie leads, which need not be the one that is named.
        best = standing.choice if standing.choice is not None and lead.mean[k] <= 0 else named.row
        behind = float((standing.utility[:, best] - standing.utility[:, k]).mean())
        than = "" if best == named.row else f" than that of {table.rows[best].variant}"
        entry["why"] = f"{goal.subject} is worse by {behind:.4g}{than}"
    return entry

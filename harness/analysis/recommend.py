"""What to ship, how confident that choice is, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.analysis.choice import terms_of
from harness.analysis.criteria import Constraint, Objective, goal_of, limits_of, merge_constraints
from harness.analysis.duels import Verdict, keep_verdicts, stored_verdicts
from harness.analysis.outputs import (
    Run,
    stored_evidence,
    stored_suite,
    write_recommendation,
    write_records,
    write_tradeoffs,
)
from harness.analysis.rule import POSSIBLE, Choice, Lead, Terms
from harness.analysis.sanity import nonsense, senseless
from harness.analysis.sensitivity import Question, find_flips
from harness.analysis.ties import Named, few, why_named
from harness.analysis.tradeoff import (
    interval_text,
    judge,
    percent,
    picked,
    priced,
    rejections,
    short,
    slices_of,
)
from harness.analysis.values import where_held
from harness.metrics import metrics_of
from harness.results import Estimate, Recommendation, Row, Tradeoff
from harness.results import Verdict as Outcome
from harness.suite.schema import Suite
from harness.suite.settings import with_settings

MOST_OPEN = 5
"""Variants that might keep the limits, as far as they are listed."""


def recommend(
    table: Tradeoff,
    suite: Suite,
    constraints: Sequence[str] | None = None,
    objective: str | None = None,
    flips: bool = True,
    duels: Sequence[Verdict] = (),
) -> Recommendation:
    """Decide what to ship, by the rule of `harness.analysis.rule`.

    Args:
        table: priced or complete (`tradeoff`), with its draws.
        constraints, objective: instead of the suite's; None keeps them.
        flips: whether to look for what would change the answer (takes a tenth of a second).
        duels: where speed or its cost is the objective, they settle a tie.
    Returns:
        `recommend`: no other variant that keeps the limits surely enough could reasonably be the choice.
        `tie`: others could; one of them is named. `none_feasible`: every variant surely breaks a limit; the
        nearest miss is named. `not_enough_evidence`: the objective or a limit has no number for any variant,
        some may keep the limits but none surely enough, or the figures make no sense (`sanity`).
    Raises:
        SuiteError: a limit or the objective cannot be read.
    """
    return answer(question_of(table, suite, constraints, objective, duels), flips)


def question_of(
    table: Tradeoff,
    suite: Suite,
    constraints: Sequence[str] | None = None,
    objective: str | None = None,
    duels: Sequence[Verdict] = (),
) -> Question:
    """What is asked of a table.

    Raises:
        SuiteError: a limit or the objective cannot be read.
    """
    known = metrics_of(suite)
    limits = limits_of(suite) if constraints is None else merge_constraints(constraints, (), known)
    return Question(table, suite, limits, goal_of(suite, objective), tuple(duels))


def answer(question: Question, flips: bool = True) -> Recommendation:
    """What the rule says, in words."""
    table, limits, goal, choice = question.table, question.limits, question.goal, question.choice
    common: dict[str, Any] = {
        "objective": goal.text if goal.is_metric else f"{goal.text} ({goal.expression.text})",
        "constraints": tuple(str(c) for c in limits),
        "warnings": table.warnings,
        "confidence": choice.terms.confidence,
        "broken_limit": choice.terms.broken_limit,
    }
    if absent := _absent(table, limits, goal):
        return Recommendation("not_enough_evidence", None, None, reasons=absent, **common)
    common["nearest"] = _nearest(table, choice, limits) if limits else None
    common["may_keep_limits"] = _open(table, choice)
    if wrong := nonsense(table, goal):
        return Recommendation("not_enough_evidence", None, None, reasons=wrong, **common)
    if choice.named is None:
        found = find_flips(question) if flips else ()
        may = bool(choice.open.any())
        reasons = _none_sure if may else _none_feasible
        said = reasons(table, limits, goal, choice)
        verdict: Outcome = "not_enough_evidence" if may else "none_feasible"
        return Recommendation(verdict, None, None, reasons=said, flips=found, **common)
    k, tied = choice.named, choice.tied
    named = why_named(table, choice, question.duels) if len(tied) > 1 else Named(k)
    lead = choice.lead_of(k)
    return Recommendation(
        "tie" if len(tied) > 1 else "recommend",
        table.rows[k].variant,
        float(choice.best[k]),
        machine=table.rows[k].machine,
        expected_regret=choice.regret,
        limit_risk=float(1 - choice.limits_hold[k]),
        tolerance=choice.tolerance,
        expected=_expected(table, choice, goal),
        why_not_likeliest=_why_not_likeliest(table, choice, named),
        tied_with=tuple(table.rows[j].variant for j in tied if j != k),
        settled_by=named.by,
        named_because=_named_because(table, named) if len(tied) > 1 else "",
        runners_up=tuple(_runner_up(question, named, j, lead) for j in _in_order(choice) if j != k),
        reasons=tuple(_reasons(question, named, lead)),
        flips=find_flips(question) if flips else (),
        **common,
    )


def decide(
    run: Run,
    constraints: Sequence[str] = (),
    objective: str | None = None,
    settings: Sequence[str] = (),
) -> Recommendation:
    """Decide again from a run's stored records alone, under further limits or another objective.

    Args:
        constraints: on top of the suite's; one on the same metric and side replaces the suite's.
        objective: `maximize accuracy`, `minimize cost_per_million_usd`, `maximize 120*accuracy - …`.
        settings: as for `decide_again`.
    Raises:
        SuiteError: a limit or the objective cannot be read.
        RecordError: the run's suite cannot be read.
    """
    return decide_again(run, constraints, objective, settings=settings)[1]


def decide_again(
    run: Run,
    constraints: Sequence[str] = (),
    objective: str | None = None,
    judged: bool = False,
    settings: Sequence[str] = (),
) -> tuple[Tradeoff, Recommendation]:
    """As `decide`, with the table: `judged` fills its flags and probabilities, for those who print it.

    Args:
        settings: `decision.traffic.qps=400`, `machine.usd_per_hour=0.1`: other terms than the suite's.
    """
    own = stored_suite(run)
    suite = with_settings(own, settings)
    merged = tuple(str(c) for c in limits_of(suite, constraints))
    update = {"constraints": merged, "objective": objective or suite.decision.objective}
    suite = suite.model_copy(update={"decision": suite.decision.model_copy(update=update)})
    goal_of(suite)
    # The beliefs are those of the run; only what is asked of them changes.
    stored = stored_evidence(run, own, slices_of(suite))
    return decided(priced(stored.table, suite, stored.seconds), suite, stored_verdicts(run), judged)


def decided(
    table: Tradeoff, suite: Suite, duels: Sequence[Verdict] = (), judged: bool = True
) -> tuple[Tradeoff, Recommendation]:
    """Table and recommendation of a priced table, from one application of the rule.

    Raises:
        SuiteError: a limit or the objective cannot be read.
    """
    question = question_of(table, suite, duels=duels)
    found = answer(question)
    if not judged:
        return table, found
    return judge(table, question.limits, question.goal, suite, question.choice), found


def analyse(run: Run, suite: Suite) -> tuple[Tradeoff, Recommendation]:
    """Table and recommendation of a run from its records, and their files: `records.parquet`,
    `tradeoffs.csv`, `tradeoffs.json`, `recommendation.json`.

    Raises:
        SuiteError: the suite's price, limits or objective cannot be read.
    """
    records = run.records()
    write_records(run, records)
    stored = stored_evidence(run, suite, slices_of(suite))
    table, recommendation = decided(
        priced(stored.table, suite, stored.seconds), suite, keep_verdicts(run, records)
    )
    write_tradeoffs(run, table)
    write_recommendation(run, recommendation)
    return table, recommendation


# ------------------------------------------------------------------------------------ nobody is named


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


def _none_feasible(
    table: Tradeoff, limits: Sequence[Constraint], goal: Objective, choice: Choice
) -> tuple[str, ...]:
    barred = senseless(table, limits, goal)
    if barred and all(k in barred or choice.limits_hold[k] < POSSIBLE for k in range(len(table.rows))):
        said = [f"{table.rows[k].variant}: {why}." for k, why in barred.items()]
        return ("No variant does better than the constant answer and keeps the limits.", *said)
    reasons = ["No variant meets all limits.", *_miss(table, limits, goal, choice)]
    for limit in limits:
        if all(rejections(table, [limit], k, choice.terms) for k in range(len(table.rows))):
            reasons.append(f"No variant meets {limit} on its own.")
    return tuple(reasons)


def _none_sure(
    table: Tradeoff, limits: Sequence[Constraint], goal: Objective, choice: Choice
) -> tuple[str, ...]:
    may = [table.rows[k].variant for k in np.flatnonzero(choice.open)]
    verb = "keeps" if len(may) == 1 else "keep"
    needed = _level(choice.terms)
    return (
        "No variant keeps all limits surely enough.",
        *_miss(table, limits, goal, choice),
        f"More measurements may show that {few(may)} {verb} them; {needed}.",
    )


def _level(terms: Terms) -> str:
    if terms.broken_limit is not None:
        return "they must hold more likely than not"
    return f"they must hold with probability {percent(terms.confidence)}"


def _miss(table: Tradeoff, limits: Sequence[Constraint], goal: Objective, choice: Choice) -> list[str]:
    k = nearest_miss(table, limits)
    if k is None:
        return []
    row = table.rows[k]
    figures = [f"{n} {interval_text(row.estimates[n])}" for n in goal.metrics if n in row.estimates]
    gives = f"It would give {', '.join(figures)}."
    said = rejections(table, limits, k, choice.terms)
    if not said and (alone := picked(choice, k)):
        return [f"Nearest miss: {row.variant}, which {alone[0]}.", gives]
    against = "; ".join(said) or "the objective is undefined too often"
    kept = percent(float(choice.limits_hold[k]))
    return [
        f"Nearest miss: {row.variant}, which keeps all limits with probability {kept} ({against}).",
        gives,
    ]


def nearest_miss(table: Tradeoff, limits: Sequence[Constraint]) -> int | None:
    """The row that most likely keeps all limits; where all surely break one, the row whose worst violation,
    relative to the limit, is smallest. None without numbers."""
    best: tuple[float, float, int] | None = None
    for k, row in enumerate(table.rows):
        cells = [row.estimates.get(c.metric, Estimate(None)).value for c in limits]
        if any(v is None for v in cells):
            continue
        held = np.all([where_held(table, c)[:, k] for c in limits], axis=0)
        likely = float(np.mean(held)) if np.mean(held) >= POSSIBLE else 0.0
        worst = max(
            (
                (v - c.limit if c.is_upper else c.limit - v) / (abs(c.limit) or 1.0)
                for c, v in zip(limits, cells, strict=True)
                if v is not None
            ),
            default=0.0,
        )
        if best is None or (-likely, worst) < best[:2]:
            best = (-likely, worst, k)
    return best[2] if best else None


def _nearest(table: Tradeoff, choice: Choice, limits: Sequence[Constraint]) -> Mapping[str, Any] | None:
    """Where nobody may be chosen: who comes nearest, and what it is likely to keep."""
    k = nearest_miss(table, limits) if choice.named is None else None
    if k is None:
        return None
    held = {str(c): float(where_held(table, c)[:, k].mean()) for c in limits}
    return {"variant": table.rows[k].variant, "keeps_all": float(choice.limits_hold[k]), "keeps": held}


def _open(table: Tradeoff, choice: Choice) -> tuple[Mapping[str, Any], ...]:
    """Who cannot be chosen now and may yet prove to be the best, likeliest first."""
    rows = sorted(np.flatnonzero(choice.open).tolist(), key=lambda k: -choice.best[k])
    return tuple(
        {
            "variant": table.rows[k].variant,
            "keeps_all": float(choice.limits_hold[k]),
            "probability_best": float(choice.best[k]),
        }
        for k in rows[:MOST_OPEN]
    )


# ------------------------------------------------------------------------------------ somebody is


def _in_order(choice: Choice) -> list[int]:
    """Who may be chosen by expected worth, then the others alike."""
    return sorted(range(len(choice.expected)), key=lambda k: (not choice.able[k], -choice.expected[k]))


def _expected(table: Tradeoff, choice: Choice, goal: Objective) -> Mapping[str, Any]:
    """The objective's figure of the choice without what selecting the best of many adds, with its measured
    width."""
    k = choice.named
    assert k is not None
    low, high = np.quantile(choice.utility[:, k], [0.025, 0.975])
    measured, shift = float(choice.means[k]), choice.centre(k) - float(choice.means[k])
    ends = sorted(goal.sign * (float(x) + shift) for x in (low, high))
    return {
        "metric": goal.subject,
        "value": goal.sign * (measured + shift),
        "low": ends[0],
        "high": ends[1],
        "measured": goal.sign * measured,
    }


def _why_not_likeliest(table: Tradeoff, choice: Choice, named: Named) -> str:
    """One sentence, where another than the named one is more likely the best; empty where none is."""
    k = named.row
    likeliest = int(choice.best.argmax())
    if choice.best[likeliest] <= choice.best[k] + 0.005:
        return ""
    rival, sure = table.rows[likeliest].variant, percent(float(choice.best[likeliest]))
    ours = f"{table.rows[k].variant} with {percent(float(choice.best[k]))}"
    start = f"{rival} is the best with probability {sure}, {ours}"
    if choice.open[likeliest]:
        kept = percent(float(choice.limits_hold[likeliest]))
        return f"{start}: but it keeps the limits with probability {kept} only, and {_level(choice.terms)}."
    if likeliest in choice.tied:
        # Why one of a tie is named is a sentence of its own.
        return f"{start}: these measurements do not separate them."
    return f"{start}: but {table.rows[k].variant} is better on average."


def _reasons(question: Question, named: Named, lead: Lead) -> list[str]:
    table, choice, goal = question.table, question.choice, question.goal
    k, tied, reasons = named.row, choice.tied, []
    row = table.rows[k]
    figures = _goal_figures(row, goal)
    if len(tied) > 1:
        reasons.append(_tie_sentence(table, choice, named, goal.subject, lead))
        reasons.append(f"{row.variant} has {figures}.")
    elif len(table.rows) > 1 and np.isfinite(choice.expected).sum() == 1:
        reasons.append(f"{row.variant} has {figures}; no other variant has a figure to compare it with.")
    else:
        sure = percent(float(choice.best[k]))
        reasons.append(f"{row.variant} has {figures} and is the best choice with probability {sure}.")
    if why := _why_not_likeliest(table, choice, named):
        reasons.append(why)
    for limit in question.limits:
        held = float(where_held(table, limit)[:, k].mean())
        cell = row.estimates[limit.metric]
        reasons.append(f"It meets {limit.bound}: {interval_text(cell)}, probability {percent(held)}.")
    rivals = [j for j in _in_order(choice) if choice.able[j] and j != k and j not in tied]
    if rivals:
        reasons.append(_lead_sentence(lead, rivals[0], table.rows[rivals[0]].variant, goal.subject))
    out = [j for j in range(len(table.rows)) if not choice.able[j]]
    if out:
        said = [f"{table.rows[j].variant} ({_why_out(question, j)})" for j in out[:6]]
        more = f" and {len(out) - 6} more" if len(out) > 6 else ""
        reasons.append(f"Not eligible: {'; '.join(said)}{more}.")
    return reasons


def _lead_sentence(lead: Lead, k: int, rival: str, subject: str) -> str:
    """The named one of a tie may trail a variant that the best of the tie leads."""
    mean, low, high = float(lead.mean[k]), float(lead.low[k]), float(lead.high[k])
    way = "leads" if mean >= 0 else "is behind"
    mean, low, high = (mean, low, high) if mean >= 0 else (-mean, -high, -low)
    return f"It {way} {rival} by {short(mean)} ({short(low)} to {short(high)}) in {subject}."


def _goal_figures(row: Row, goal: Objective) -> str:
    names = [*goal.metrics] if goal.is_metric else ["value", *goal.metrics]
    return ", ".join(f"{n} {interval_text(row.estimates[n])}" for n in names if n in row.estimates)


def _tie_sentence(table: Tradeoff, choice: Choice, named: Named, subject: str, lead: Lead) -> str:
    others = [k for k in choice.tied if k != named.row]
    together = percent(float(choice.best[list(choice.tied)].sum()))
    name, rivals = table.rows[named.row].variant, few([table.rows[k].variant for k in others])
    equal = bool((np.abs(lead.low[others]) + np.abs(lead.high[others]) < 1e-9).all())
    how = (
        f"equals {rivals} in {subject}" if equal else f"is not separated from {rivals} by these measurements"
    )
    return (
        f"{name} {how}; one of these {len(choice.tied)} is the best choice with probability {together}."
        f" {_named_because(table, named)}"
    )


def _named_because(table: Tradeoff, named: Named) -> str:
    return f"{table.rows[named.row].variant} is named because {named.why}."


def _why_out(question: Question, k: int) -> str:
    row = question.table.rows[k]
    if why := senseless(question.table, question.limits, question.goal).get(k):
        return why
    reasons = rejections(question.table, question.limits, k, terms_of(question.suite.decision))
    if reasons := reasons or picked(question.choice, k):
        return reasons[0]
    deciding = dict.fromkeys((*question.goal.metrics, *row.estimates))
    cells = ((n, row.estimates[n]) for n in deciding if n in row.estimates)
    return next((f"{name} {cell.note}" for name, cell in cells if cell.value is None), "not measured")


def _runner_up(question: Question, named: Named, k: int, lead: Lead) -> Mapping[str, Any]:
    """A row that was not chosen; `difference` is the choice's lead in the objective, higher is better."""
    table, choice = question.table, question.choice
    entry: dict[str, Any] = {
        "variant": table.rows[k].variant,
        "probability_best": float(choice.best[k]),
        "metric": question.goal.subject,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
    }
    if np.isfinite(lead.mean[k]):
        entry["difference"] = float(lead.mean[k])
        entry["difference_low"], entry["difference_high"] = float(lead.low[k]), float(lead.high[k])
    if not choice.able[k]:
        entry["why"] = _why_out(question, k)
    elif k in choice.tied:
        entry["why"] = f"not separated; {table.rows[named.row].variant} is named because {named.why}"
    else:
        # Out is who the leader of a tie leads, which need not be the one that is named.
        best = choice.leader if choice.leader is not None and lead.mean[k] <= 0 else named.row
        behind = float(choice.expected[best] - choice.expected[k])
        than = "" if best == named.row else f" than that of {table.rows[best].variant}"
        entry["why"] = f"{question.goal.subject} is worse by {short(behind)}{than}"
    return entry

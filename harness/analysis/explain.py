"""Why this variant, why not another, why none: what the rule says, in words and typed entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.again import settings_between, with_these_limits
from harness.analysis.choice import terms_of
from harness.analysis.criteria import DecisionObjective
from harness.analysis.rule import POSSIBLE, Choice, Lead, Terms
from harness.analysis.sanity import senseless
from harness.analysis.sensitivity import Question
from harness.analysis.stats import row_quantiles
from harness.analysis.ties import Named, few
from harness.analysis.tradeoff import interval_text, objections, percent, picked, words_of
from harness.analysis.uncompared import were_ruled_out
from harness.analysis.values import where_held
from harness.figures import short
from harness.reasons import is_unrun
from harness.results import (
    Estimate,
    Expected,
    NearestMiss,
    NotCompared,
    Row,
    RunnerUp,
    SoFar,
    StillOpen,
    Tradeoff,
)
from harness.suite.expression import Constraint

NONE_MEETS_ALL = "No variant meets all limits."
"""The first reason where nobody can be named; a page has it as its headline."""

MOST_OPEN = 5
"""Variants that might keep the limits, as far as they are listed."""


# ------------------------------------------------------------------------------------ nobody is named


def undecidable(table: Tradeoff, limits: Sequence[Constraint], goal: DecisionObjective) -> tuple[str, ...]:
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
        # Where nobody was served no cell says why.
        notes = notes or [f.partition(": ")[2] for row in table.rows for f in row.failures if is_unrun(f)]
        said = "; ".join(dict.fromkeys(n for n in notes if n)) or "not measured"
        reasons.append(f"No variant has a number for {name} ({said}), so nothing can be decided by it.")
    failed = [f"{row.variant} ({row.failures[0]})" for row in table.rows if row.failures]
    if failed:
        reasons.append(f"Failed: {', '.join(failed[:5])}.")
    return tuple(reasons) or ("No variant has a number for every metric that decides.",)


def none_feasible(
    table: Tradeoff, limits: Sequence[Constraint], goal: DecisionObjective, choice: Choice
) -> tuple[str, ...]:
    """Reasons for `none_feasible`: the nearest miss, and each limit that nobody meets alone."""
    barred = senseless(table, limits, goal)
    if barred and all(k in barred or choice.limits_hold[k] < POSSIBLE for k in range(len(table.rows))):
        said = [f"{table.rows[k].variant}: {why}." for k, why in barred.items()]
        least = "most popular items" if table.baseline.popular else "constant answer"
        return (f"No variant does better than the {least} and keeps the limits.", *said)
    reasons = [NONE_MEETS_ALL, *_miss(table, limits, goal, choice)]
    for limit in limits:
        if all(objections(table, [limit], k, choice.terms) for k in range(len(table.rows))):
            reasons.append(f"No variant meets {limit} on its own.")
    return tuple(reasons)


def none_sure(
    table: Tradeoff, limits: Sequence[Constraint], goal: DecisionObjective, choice: Choice
) -> tuple[str, ...]:
    """Reasons where some may keep all limits and none surely enough."""
    may = [table.rows[k].variant for k in np.flatnonzero(choice.open)]
    verb = "keeps" if len(may) == 1 else "keep"
    return (
        "No variant keeps all limits with enough confidence.",
        *_miss(table, limits, goal, choice),
        f"More measurements may show that {few(may)} {verb} them: limits {_level(choice.terms)}.",
    )


def _level(terms: Terms) -> str:
    if terms.broken_limit is not None:
        return "must hold more likely than not"
    return f"must hold with probability {percent(terms.confidence)}"


def _miss(
    table: Tradeoff, limits: Sequence[Constraint], goal: DecisionObjective, choice: Choice
) -> list[str]:
    k = nearest_miss(table, limits, choice)
    if k is None:
        return []
    row = table.rows[k]
    figures = [f"{n} {interval_text(row.estimates[n])}" for n in goal.metrics if n in row.estimates]
    gives = f"It would give {', '.join(figures)}."
    found = objections(table, limits, k, choice.terms)
    if not found and (alone := picked(choice, k)):
        return [f"Nearest miss: {row.variant}, which {alone[0]}.", gives]
    against = "; ".join(words_of(found)) or "the objective is undefined too often"
    kept = percent(float(choice.limits_hold[k]))
    # That it is all of them together stands before the brackets.
    why = "" if any(o.limit is None for o in found) else f" ({against})"
    return [f"Nearest miss: {row.variant}, which keeps all limits with probability {kept}{why}.", gives]


def nearest_miss(table: Tradeoff, limits: Sequence[Constraint], choice: Choice) -> int | None:
    """The row that most likely keeps all limits; where all surely break one, the row whose worst violation,
    relative to the limit, is smallest; of equals the one worth most. None without numbers."""
    found: list[tuple[float, float, float, int]] = []
    kept = [where_held(table, c) for c in limits]
    for k, row in enumerate(table.rows):
        cells = [row.estimates.get(c.metric, Estimate(None)).value for c in limits]
        if any(v is None for v in cells):
            continue
        held = float(np.mean(np.all([held[:, k] for held in kept], axis=0)))
        likely = held if held >= POSSIBLE else 0.0
        worst = max(
            (
                (v - c.limit if c.is_upper else c.limit - v) / (abs(c.limit) or 1.0)
                for c, v in zip(limits, cells, strict=True)
                if v is not None
            ),
            default=0.0,
        )
        worth = float(np.nan_to_num(choice.expected[k], nan=-np.inf))
        found.append((-likely, worst, -worth, k))
    return min(found)[3] if found else None


def nearest_entry(table: Tradeoff, choice: Choice, limits: Sequence[Constraint]) -> NearestMiss | None:
    """Where nobody may be chosen: who comes nearest, and what it is likely to keep."""
    k = nearest_miss(table, limits, choice) if choice.named is None else None
    if k is None:
        return None
    held = {str(c): float(where_held(table, c)[:, k].mean()) for c in limits}
    return {"variant": table.rows[k].variant, "keeps_all": float(choice.limits_hold[k]), "keeps": held}


def still_open(table: Tradeoff, choice: Choice) -> tuple[StillOpen, ...]:
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


# ------------------------------------------------------------------------------------ not all were run

GOES_ON = "The same `python -m harness run …` goes on with what is missing; what is finished is kept."


MOST_WAITED = 3
"""Variants that were not run of which more is said than their names."""


def waits_for(rows: Sequence[NotCompared]) -> str:
    """`small_cnn/onnx was not served`; empty without any."""
    stages = dict.fromkeys(one["stage"] for one in rows)
    names = {stage: [one["variant"] for one in rows if one["stage"] == stage] for stage in stages}
    said = (f"{few(of)} {'was' if len(of) == 1 else 'were'} not {stage}" for stage, of in names.items())
    return ", ".join(said)


def so_far_sentence(found: SoFar, total: int) -> str:
    """Who is ahead of those that were compared, and that it is no answer."""
    sure, count = percent(found["probability_best"]), found["compared"]
    if count == 1:
        return f"{found['variant']} is the only one of {total} variants that can be compared so far."
    tied = f", not told apart from {few(found['tied_with'])}" if found["tied_with"] else ""
    return (
        f"Of the {count} variants that were measured {found['variant']} is the best with probability {sure}"
        f"{tied}; which is the best of all {total} is not known."
    )


def waiting_reasons(question: Question, found: SoFar | None) -> tuple[str, ...]:
    """What is known of those that were not run, and how to go on."""
    rows, ahead = question.uncompared.rows, found["variant"] if found else ""
    said = [_waits(one, question.limits, question.goal.subject, ahead) for one in rows[:MOST_WAITED]]
    more = len(rows) - MOST_WAITED
    return (
        *said,
        *([f"{more} more may be better."] if more > 0 else []),
        *how_to_go_on(question),
    )


def how_to_go_on(question: Question) -> tuple[str, ...]:
    """What measures those that were not run, and those that were ruled out under other terms."""
    out = [were_ruled_out([one]) for one in question.uncompared.rows]
    own = question.own or question.suite
    settings = settings_between(own, question.suite, question.limits, question.goal) if any(out) else ()
    command = with_these_limits(question.limits, settings)
    then = f"`{command}` measures who was ruled out; what is finished is kept."
    return (*([] if all(out) else [GOES_ON]), *([then] if any(out) else []))


def _waits(one: NotCompared, limits: Sequence[Constraint], subject: str, ahead: str) -> str:
    start = f"{one['variant']} was not {one['stage']}{' (' + one['why'] + ')' if one['why'] else ''}"
    lead, low, high, better = one["lead"], one["lead_low"], one["lead_high"], one["probability_better"]
    if lead is None or low is None or high is None or better is None:
        verb = "is" if len(one["lacks"]) == 1 else "are"
        unknown = f", and its {few(one['lacks'])} {verb} not known" if one["lacks"] else ""
        return f"{start}{unknown}: it may be the better choice."
    lacks = [str(c) for c in limits if c.metric in one["lacks"]]
    way = "ahead of" if lead > 0 else "behind"
    by = f"{way} {ahead} by {short(abs(lead))} ({short(low, '+')} to {short(high, '+')}) in {subject}"
    kept = f" if it keeps {few(lacks)}" if lacks else ""
    return f"{start}: {by}, it is the better choice with probability {percent(better)}{kept}."


# ------------------------------------------------------------------------------------ somebody is


def in_order(choice: Choice) -> list[int]:
    """Who may be chosen by expected worth, then the others alike."""
    return sorted(range(len(choice.expected)), key=lambda k: (not choice.able[k], -choice.expected[k]))


def expected_figure(table: Tradeoff, choice: Choice, goal: DecisionObjective) -> Expected:
    """The objective's figure of the choice without what selecting the best of many adds, with its measured
    width."""
    k = choice.named
    assert k is not None
    low, high = row_quantiles(choice.utility[None, :, k], [0.025, 0.975])[:, 0]
    measured, shift = float(choice.means[k]), choice.centre(k) - float(choice.means[k])
    ends = sorted(goal.sign * (float(x) + shift) for x in (low, high))
    return {
        "metric": goal.subject,
        "value": goal.sign * (measured + shift),
        "low": ends[0],
        "high": ends[1],
        "measured": goal.sign * measured,
    }


def why_not_likeliest(question: Question, named: Named) -> str:
    """One sentence, where another than the named one is more likely the best; empty where none is."""
    table, choice, k = question.table, question.choice, named.row
    likeliest = int(choice.best.argmax())
    if choice.best[likeliest] <= choice.best[k] + 0.005:
        return ""
    rival, sure = table.rows[likeliest].variant, percent(_best(question, likeliest))
    ours = f"{table.rows[k].variant} with {percent(_best(question, k))}"
    start = f"{rival} is the best with probability {sure}, {ours}"
    if choice.open[likeliest]:
        if alone := picked(choice, likeliest):
            return f"{start}; {rival} {alone[0]}, and they {_level(choice.terms)}."
        kept = float(choice.limits_hold[likeliest])
        found = objections(table, question.limits, likeliest, choice.terms)
        if kept >= choice.terms.confidence and found:
            return f"{start}; but {rival} is not sure enough of a limit: {found[0].words}."
        only, asked = f"with probability {percent(kept)} only", _level(choice.terms)
        return f"{start}; but {rival} keeps the limits {only}, and they {asked}."
    if likeliest in choice.tied:  # why one of a tie is named is a sentence of its own
        return f"{start}; these measurements do not separate them."
    return f"{start}; but {table.rows[k].variant} is better on average."


def reasons_for(question: Question, named: Named, lead: Lead) -> list[str]:
    """Why the named variant: its figures, its rivals, and how it keeps the limits; most important first."""
    table, choice, goal = question.table, question.choice, question.goal
    k, tied, reasons = named.row, choice.tied, []
    row = table.rows[k]
    figures = _goal_figures(row, goal)
    if len(tied) > 1:
        reasons.append(_tie_sentence(question, named, lead))
        reasons.append(f"{row.variant} has {figures}.")
    elif len(table.rows) > 1 and np.isfinite(choice.expected).sum() == 1:
        reasons.append(f"{row.variant} has {figures}; no other variant has a figure to compare it with.")
    else:
        sure = percent(_best(question, k))
        reasons.append(f"{row.variant} has {figures} and is the best choice with probability {sure}.")
    if why := why_not_likeliest(question, named):
        reasons.append(why)
    for limit in question.limits:
        held = float(where_held(table, limit)[:, k].mean())
        cell = row.estimates[limit.metric]
        reasons.append(f"It meets {limit.bound}: {interval_text(cell)}, probability {percent(held)}.")
    rivals = [j for j in in_order(choice) if choice.able[j] and j != k and j not in tied]
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
    between = f" ({short(low)} to {short(high)})" if short(low) != short(high) else ""
    often = percent(float(lead.ahead[k] if way == "leads" else 1 - lead.ahead[k]))
    if lead.is_lopsided(k):
        usual = f"{short(float(lead.median[k]))} at the median{between}"
        return f"It leads {rival} with {often}: by {usual}, by {short(mean)} on average, in {subject}."
    if low <= 0:
        return f"It {way} {rival} with {often}: by {short(mean)} on average{between} in {subject}."
    return f"It {way} {rival} by {short(mean)}{between} in {subject}."


def _goal_figures(row: Row, goal: DecisionObjective) -> str:
    names = [*goal.metrics] if goal.is_metric else ["value", *goal.metrics]
    return ", ".join(f"{n} {interval_text(row.estimates[n])}" for n in names if n in row.estimates)


def _best(question: Question, *rows: int) -> float:
    """That one of some rows is the best of all, of those too that were not run."""
    return question.uncompared.of_all(float(question.choice.best[list(rows)].sum())) or 0.0


def _tie_sentence(question: Question, named: Named, lead: Lead) -> str:
    table, choice, subject = question.table, question.choice, question.goal.subject
    others = [k for k in choice.tied if k != named.row]
    together = percent(_best(question, *choice.tied))
    name, rivals = table.rows[named.row].variant, few([table.rows[k].variant for k in others])
    equal = bool((np.abs(lead.low[others]) + np.abs(lead.high[others]) < 1e-9).all())
    how = (
        f"equals {rivals} in {subject}" if equal else f"is not separated from {rivals} by these measurements"
    )
    return (
        f"{name} {how}; one of these {len(choice.tied)} is the best choice with probability {together}, and"
        f" it is {name} with {percent(_best(question, named.row))}."
        f" {named_because(table, named)}"
    )


def named_because(table: Tradeoff, named: Named) -> str:
    return f"{table.rows[named.row].variant} is named because {named.why}."


def _why_out(question: Question, k: int) -> str:
    row = question.table.rows[k]
    if why := question.barred.get(k):
        return why
    found = objections(question.table, question.limits, k, terms_of(question.suite.decision))
    if reasons := words_of(found) or picked(question.choice, k):
        return reasons[0]
    deciding = dict.fromkeys((*question.goal.metrics, *row.estimates))
    cells = ((n, row.estimates[n]) for n in deciding if n in row.estimates)
    return next((f"{name} {cell.note}" for name, cell in cells if cell.value is None), "not measured")


def runner_up(question: Question, named: Named, k: int, lead: Lead) -> RunnerUp:
    """A row that was not chosen; `difference` is the choice's lead in the objective, higher is better."""
    table, choice = question.table, question.choice
    entry: RunnerUp = {
        "variant": table.rows[k].variant,
        "probability_best": _best(question, k),
        "metric": question.goal.subject,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
        "why": "",
    }
    if np.isfinite(lead.mean[k]):
        entry["difference"] = float(lead.mean[k])
        entry["difference_low"], entry["difference_high"] = float(lead.low[k]), float(lead.high[k])
        entry["ahead"] = float(lead.ahead[k])
        if lead.is_lopsided(k):
            entry["difference_median"] = float(lead.median[k])
    if not choice.able[k]:
        entry["why"] = _why_out(question, k)
    elif k in choice.tied:
        entry["why"] = f"not separated; {table.rows[named.row].variant} is named because {named.why}"
    else:
        # Out is who the leader of a tie leads, which need not be the one that is named.
        best = choice.leader if choice.leader is not None and lead.mean[k] <= 0 else named.row
        behind = float(choice.expected[best] - choice.expected[k])
        if best == named.row and lead.is_lopsided(k):
            behind = float(lead.median[k])
        than = "" if best == named.row else f" than that of {table.rows[best].variant}"
        entry["why"] = f"{question.goal.subject} is worse by {short(behind)}{than}"
    return entry

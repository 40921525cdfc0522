"""What to ship, how confident that choice is, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.analysis.beliefs import ALONE
from harness.analysis.criteria import goal_of, limits_of, merge_constraints, vain_terms
from harness.analysis.duels import Verdict, keep_verdicts, stored_verdicts
from harness.analysis.explain import (
    NONE_MEETS_ALL,
    expected_figure,
    how_to_go_on,
    in_order,
    named_because,
    nearest_entry,
    none_feasible,
    none_sure,
    reasons_for,
    runner_up,
    so_far_sentence,
    still_open,
    undecidable,
    waiting_reasons,
    why_not_likeliest,
)
from harness.analysis.flips import find_flips
from harness.analysis.joint import LAUNCH_SD, SEED_SPREAD
from harness.analysis.later import can_wait, with_costs_later
from harness.analysis.outputs import (
    stored_evidence,
    stored_suite,
    write_recommendation,
    write_records,
    write_tradeoffs,
)
from harness.analysis.popular import not_surely_better
from harness.analysis.sanity import nonsense
from harness.analysis.sensitivity import Question, depends_on_money
from harness.analysis.ties import Named, why_named
from harness.analysis.tradeoff import (
    judge,
    priced,
    slices_of,
    with_probabilities,
)
from harness.metrics import metrics_of
from harness.mistakes import noting, refuse
from harness.results import Recommendation, Row, SoFar, Tradeoff
from harness.results import Verdict as Outcome
from harness.store.run_folder import RunFolder
from harness.suite.schema import Suite


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
        some may keep the limits but none surely enough, the figures make no sense (`sanity`), or a variant
        that was not run for want of time may be the better choice (`uncompared`).
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
        "warnings": (*_assumed(table, (*goal.metrics, *(c.metric for c in limits))), *table.warnings),
        "confidence": choice.terms.confidence,
        "broken_limit": choice.terms.broken_limit,
    }
    common["not_compared"] = question.uncompared.rows
    if lacking := undecidable(table, limits, goal):
        said = (*lacking, *how_to_go_on(question))
        return Recommendation("not_enough_evidence", None, None, reasons=said, **common)
    common["nearest"] = nearest_entry(table, choice, limits) if limits else None
    common["may_keep_limits"] = still_open(table, choice)
    if wrong := nonsense(table, goal):
        return Recommendation("not_enough_evidence", None, None, reasons=wrong, **common)
    if choice.named is None:
        return _nobody(question, flips, common)
    if question.uncompared.matters:
        ahead = so_far(question)
        said = waiting_reasons(question, ahead)
        reasons = (so_far_sentence(ahead, len(table.rows)), *said) if ahead else said
        return Recommendation("not_enough_evidence", None, None, so_far=ahead, reasons=reasons, **common)
    k, tied = choice.named, choice.tied
    beside = not_surely_better(table, k, goal)  # first: a terminal shows the first few
    common["warnings"] = (*beside, *common["warnings"], *_not_its_own(table.rows[k]))
    named = why_named(table, choice, question.duels) if len(tied) > 1 else Named(k)
    lead = choice.lead_of(k)
    return Recommendation(
        "tie" if len(tied) > 1 else "recommend",
        table.rows[k].variant,
        question.uncompared.of_all(float(choice.best[k])),
        machine=table.rows[k].machine,
        expected_regret=choice.regret,
        limit_risk=float(1 - choice.limits_hold[k]),
        tolerance=choice.tolerance,
        expected=expected_figure(table, choice, goal),
        why_not_likeliest=why_not_likeliest(question, named),
        tied_with=tuple(table.rows[j].variant for j in tied if j != k),
        settled_by=named.by,
        named_because=named_because(table, named) if len(tied) > 1 else "",
        runners_up=tuple(runner_up(question, named, j, lead) for j in in_order(choice) if j != k),
        reasons=tuple(reasons_for(question, named, lead)),
        flips=find_flips(question) if flips else (),
        **common,
    )


def _nobody(question: Question, flips: bool, common: Mapping[str, Any]) -> Recommendation:
    """No row keeps the limits, or none surely enough: of those that were compared."""
    choice, waits = question.choice, question.uncompared.rows
    may = bool(choice.open.any())
    said = (none_sure if may else none_feasible)(question.table, question.limits, question.goal, choice)
    if waits:
        none = "None of those that were measured meets all limits."
        said = (*waiting_reasons(question, None), *(none if x == NONE_MEETS_ALL else x for x in said))
    verdict: Outcome = "not_enough_evidence" if may or waits else "none_feasible"
    found = find_flips(question) if flips else ()
    return Recommendation(verdict, None, None, reasons=said, flips=found, **common)


def so_far(question: Question) -> SoFar | None:
    """Who would be chosen of the variants that were compared; None where nobody would."""
    table, choice, k = question.table, question.choice, question.choice.named
    if k is None:
        return None
    return {
        "variant": table.rows[k].variant,
        "probability_best": float(choice.best[k]),
        "tied_with": tuple(table.rows[j].variant for j in choice.tied if j != k),
        "compared": int(np.isfinite(choice.expected).sum()),
    }


def decide(
    run: RunFolder,
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
    run: RunFolder,
    constraints: Sequence[str] = (),
    objective: str | None = None,
    judged: bool = False,
    settings: Sequence[str] = (),
    records_stamp: str = "",
) -> tuple[Tradeoff, Recommendation]:
    """As `decide`, with the table: `judged` fills its probabilities, for those who print it.

    Args:
        settings: `decision.traffic.qps=400`, `machine.usd_per_hour=0.1`: other terms than the suite's.
        records_stamp: as for `stored_evidence`.
    """
    own = stored_suite(run)
    suite = asked_of(own, constraints, objective, settings)
    # The beliefs are those of the run; only what is asked of them changes.
    stored = stored_evidence(run, own, slices_of(suite), records_stamp)
    # What costs nothing decides is priced where one looks.
    asked = Question(stored.table, suite, limits_of(suite), goal_of(suite))
    price = with_costs_later if can_wait(suite) and not depends_on_money(asked) else priced
    question = question_of(price(stored.table, suite, stored.seconds), suite, duels=stored_verdicts(run))
    question = replace(question, own=own)
    found = answer(question)
    if not judged:
        return question.table, found
    return with_probabilities(question.table, question.limits, question.choice, question.uncompared), found


def asked_of(own: Suite, constraints: Sequence[str], objective: str | None, settings: Sequence[str]) -> Suite:
    """The suite on other terms.

    Raises:
        SuiteError: with every limit, objective and setting that cannot be read.
    """
    suite, update, mistakes = own, dict[str, object](), list[str]()
    with noting(mistakes):
        suite = _with(own, settings)
    with noting(mistakes):
        limits = limits_of(suite, constraints)
        mistakes += vain_terms(limits, suite, own)
        update["constraints"] = tuple(str(c) for c in limits)
    with noting(mistakes):
        update["objective"] = goal_of(suite, objective).text if objective else suite.decision.objective
    refuse(mistakes)
    return suite.model_copy(update={"decision": suite.decision.model_copy(update=update)})


def _with(suite: Suite, settings: Sequence[str]) -> Suite:
    if not settings:
        return suite
    from harness.reading.again import with_settings  # and all checks of a suite, .04 s

    return with_settings(suite, settings)


def decided(table: Tradeoff, suite: Suite, duels: Sequence[Verdict] = ()) -> tuple[Tradeoff, Recommendation]:
    """Table and recommendation of a priced table, from one application of the rule.

    Raises:
        SuiteError: a limit or the objective cannot be read.
    """
    question = question_of(table, suite, duels=duels)
    found = answer(question)
    return judge(table, question.limits, question.goal, suite, question.choice), found


def analyse(run: RunFolder, suite: Suite) -> tuple[Tradeoff, Recommendation]:
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


def _not_its_own(row: Row) -> list[str]:
    """A note where the quality of who is named is its reference's: under other limits than the run's."""
    if not row.is_inherited:
        return []
    return [
        f"{row.variant} has its reference's quality, which it answers like, and was not scored itself: run "
        "the suite with these limits and --until-decided, or --exhaustive, before it is shipped"
    ]


def _assumed(table: Tradeoff, deciding: Sequence[str]) -> list[str]:
    """What was assumed of a spread that nothing tells, of metrics that decide: the others bear on nothing."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(n for n in deciding if n in table.draws):
        cells = [row.estimates[name] for row in table.rows]
        if any(cell.low is not None for cell in cells):
            continue
        if any(cell.n == 1 and ALONE in cell.note for cell in cells):
            found.setdefault(f"seeds differ by {100 * SEED_SPREAD:.0f} %", []).append(name)
        elif name in ("train_seconds", "train_cost_usd") and any(cell.n == 1 for cell in cells):
            found.setdefault(f"trainings differ by {100 * LAUNCH_SD:.0f} %", []).append(name)
    said = "; ".join(f"that {what} ({', '.join(names)})" for what, names in found.items())
    return [f"one seed tells no spread: probabilities assume {said}"] if said else []

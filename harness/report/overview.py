"""The overview of several data sets: who wins where, who does for all, and what that costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from harness.analysis.criteria import DecisionObjective, goal_of
from harness.analysis.sets import FACTORS, LEAST_TESTED, Overview, SetResult, Standing, overview, set_result
from harness.metrics import metrics_of
from harness.protocols import Section
from harness.report import html
from harness.report import numbers as n
from harness.report.blocks import (
    Block,
    Cell,
    Column,
    Inline,
    Strong,
    Table,
    Tile,
    Tiles,
    escape_markdown,
    section,
    text,
)
from harness.report.evidence import Evidence

FEW = 6
"""Data sets below which a mean rank is a description, nothing more."""


def compare_sets(evidence: Mapping[str, Evidence]) -> tuple[Overview, DecisionObjective]:
    """The overview of runs that ask the same of several data sets.

    Args:
        evidence: data set → its run.
    """
    first = next(iter(evidence.values())).suite
    goal = goal_of(first)
    known = metrics_of(first)
    metric = known[goal.subject] if goal.is_metric else None
    found = [set_result(name, e.tradeoff, e.recommendation, goal) for name, e in evidence.items()]
    return overview(found, goal.sign, metric), goal


def pages(name: str, question: str, evidence: Mapping[str, Evidence]) -> dict[str, str]:
    """`overview.html`, `overview.md`, `overview.json`, and the lines that a terminal shows (`said`)."""
    found, goal = compare_sets(evidence)
    question = question or f"Which candidate of {name} does for all data sets?"
    made = [
        section("What to ship", answer(found, goal)),
        section("Each data set", by_set(found, goal, evidence)),
        section("Each candidate", by_candidate(found, goal)),
    ]
    sections = tuple(one for one in made if one is not None)
    runs = ", ".join(f"{e.run.suite_name}/{e.run.id}" for e in evidence.values())
    footer = f"Written by the harness from the records of {runs}."
    eyebrow = f"{name} · {n.counted(len(evidence), 'data set')}"
    return {
        "overview.html": html.whole(name, eyebrow, question, sections, "", footer),
        "overview.md": markdown(question, sections),
        "overview.json": json.dumps(to_json(found, goal), indent=1) + "\n",
        "said": "\n".join(plain(found, goal)),
    }


def markdown(question: str, sections: Sequence[Section]) -> str:
    parts = [f"## {escape_markdown(question)}"]
    parts += [f"### {escape_markdown(one.title)}\n\n{one.markdown}" for one in sections]
    return "\n\n".join(parts) + "\n"


def to_json(found: Overview, goal: DecisionObjective) -> dict[str, object]:
    """The overview for programs."""
    return {
        "objective": goal.text,
        "losses_in": "shares of the best figure of a set" if found.relative else "units of the objective",
        "for_all": found.for_all,
        "for_each": dict(found.for_each),
        "mean_cost_of_one_for_all": found.mean_cost,
        "costs": dict(found.costs),
        "not_told_apart": list(found.undecided),
        "train_seconds": {"for_all": found.seconds[0], "for_each": found.seconds[1]},
        "profile_factors": list(FACTORS),
        "standings": [asdict(standing) for standing in found.standings],
    }


def plain(found: Overview, goal: DecisionObjective) -> list[str]:
    """The answer as sentences."""
    count, missing = len(found.measured), [one.name for one in found.sets if not one.figures]
    if missing:
        left = f"{n.listed(missing)} {'has' if len(missing) == 1 else 'have'} no figures yet"
        went_on = "The same `python -m harness run …` goes on with what is missing."
        if count < 2:
            return [f"{left}, so nothing can be said of all {len(found.sets)} data sets. {went_on}"]
        return [*_of_measured(found, goal, count), f"{left} and says nothing here. {went_on}"]
    return _of_measured(found, goal, count)


def _of_measured(found: Overview, goal: DecisionObjective, count: int) -> list[str]:
    if found.for_all is None:
        whole = any(standing.mean_loss is not None for standing in found.standings)
        why = "keeps the limits, with all trials finished," if whole else "has figures"
        return [f"No candidate {why} on all {n.counted(count, 'data set')}: see each set's own choice."]
    leader = found.standings[[s.candidate for s in found.standings].index(found.for_all)]
    chosen = sorted({name for name in found.for_each.values() if name})
    at_worst = f"at worst it is {_loss(leader.worst_loss, goal, found)} behind the best ({leader.worst_on})"
    lines = [
        f"One for all: {found.for_all}. By {n.label(goal.subject)} it is the best, or not told apart from "
        f"the choice, on {len(leader.even)} of {n.counted(count, 'data set')}; "
        f"{at_worst if leader.worst_loss else 'no other has a better figure on any'}."
    ]
    if all(name == found.for_all for name in found.for_each.values()):
        lines.append("One for each would be the same: it is the choice on every set.")
    elif found.mean_cost is not None:
        lost = f"{_loss(max(found.mean_cost, 0.0), goal, found)} of {n.label(goal.subject)}"
        luck = f"; on {len(found.undecided)} of them the two are not told apart, so part of that is luck"
        lines.append(
            f"One for each: {n.listed(chosen)}. Taking {found.for_all} everywhere instead costs "
            f"{lost} in the mean of the sets"
            f"{luck if found.undecided and len(chosen) > 1 else ''}."
        )
    return [*lines, *_effort(found, len(chosen))]


def _effort(found: Overview, chosen: int) -> list[str]:
    one, each = found.seconds
    if one is None or each is None or chosen < 2:
        return []
    return [
        f"Training once on every set takes {n.seconds(one)} with one for all and {n.seconds(each)} with "
        "one for "
        f"each; one for each means {n.counted(chosen, 'architecture')} to look after."
    ]


def answer(found: Overview, goal: DecisionObjective) -> list[Block]:
    """The sentences, the key figures, and what so many data sets can tell."""
    lines = plain(found, goal)
    blocks: list[Block] = [text(lines[0], kind="lead"), *(text(line) for line in lines[1:])]
    if len(found.measured) < min(2, len(found.sets)):
        return blocks
    if found.for_all is not None:
        tiles = [Tile("for all", found.for_all)]
        if found.mean_cost is not None:
            tiles.append(
                Tile(
                    f"{n.label(goal.subject)} given up against one for each",
                    _loss(max(found.mean_cost, 0.0), goal, found),
                    "mean",
                )
            )
        blocks.append(Tiles(tuple(tiles)))
    blocks.append(text(few_words(len(found.measured), len(found.standings)), kind="note"))
    return blocks


def few_words(sets: int, candidates: int) -> str:
    """What a ranking over so many data sets is worth."""
    if sets >= LEAST_TESTED:
        return (
            f"Ranks over {sets} data sets: each candidate is tested against the one for all by Wilcoxon's "
            "signed "
            f"ranks, corrected for {candidates - 1} comparisons (Holm). The sets are taken as a sample of "
            "those "
            "that matter to you."
        )
    least = 2.0 ** (1 - sets)
    least_corrected = min(1.0, least * max(candidates - 1, 1))
    pairs = n.counted(max(candidates - 1, 1), "comparison")
    return (
        f"{sets} data sets are too few to rank candidates by: the smallest p value that a test over them "
        "can give "
        f"is {least:.2g}, {least_corrected:.2g} after correction for "
        f"{pairs}. "
        "Nothing is tested; the mean rank describes these sets and says nothing of others. Within a set, "
        "its own "
        "report tells what is sure."
    )


def by_set(found: Overview, goal: DecisionObjective, evidence: Mapping[str, Evidence]) -> list[Block]:
    """A row for each data set, a column for each candidate."""
    names = [standing.candidate for standing in found.standings]
    columns = [Column("data set", numeric=False), Column("choice", numeric=False)]
    columns += [Column(name, n.shown_unit(goal.subject), is_name=True) for name in names]
    rows = []
    for one in found.sets:
        cells = [Cell(one.name, strong=True), Cell(_choice(one))]
        best = [s.candidate for s in found.standings if one.name in s.best]
        for name in names:
            figure = one.figures.get(name)
            shown = n.shown(goal.subject, figure)
            lacks = "" if figure is None or shown.number is None else n.without_interval(figure.note)
            cells.append(Cell(shown.value, shown.interval or lacks, best=name in best))
        rows.append(tuple(cells))
    reports = ", ".join(f"{e.run.suite_name}/{e.run.id}" for e in evidence.values())
    caption = f"{n.label(goal.subject)} with 95 % interval; the best of a row is bold. Reports: {reports}."
    return [Table(tuple(columns), tuple(rows), caption)]


def _choice(one: SetResult) -> str:
    if one.choice is None:
        return "none is named" if one.kept else "none keeps the limits" if one.figures else "no figures yet"
    others = sorted(one.even - {one.choice})
    return f"{one.choice}, even with {n.listed(others)}" if others else one.choice


def by_candidate(found: Overview, goal: DecisionObjective) -> list[Block]:
    """Wins, ranks, losses and the performance profile."""
    has_profile = any(s.profile is not None for s in found.standings)
    tested = any(s.p is not None for s in found.standings)
    columns = [
        Column("candidate", numeric=False),
        Column("best on", "sets"),
        Column("chosen or even", "sets"),
        Column("mean rank", "1 is best"),
        Column("mean loss", "to the best"),
        Column("largest loss", "to the best"),
        *([Column(f"within {factor:g}×", "share of sets") for factor in FACTORS] if has_profile else []),
        *([Column("p", "Holm")] if tested else []),
    ]
    rows = [_candidate_row(s, goal, found, has_profile, tested) for s in found.standings]
    chosen = tuple(i for i, s in enumerate(found.standings) if s.candidate == found.for_all)
    blocks: list[Block] = [Table(tuple(columns), tuple(rows), chosen=chosen)]
    if found.relative:
        least = f"least {n.label(goal.subject)}"
        words = f"Losses are shares of each data set's {least}: targets differ in their units."
        blocks.append(text(words, kind="note"))
    if has_profile:
        cost = _cost_words(goal)
        parts: tuple[Inline, ...] = (
            Strong("within 1.25×"),
            f": the share of data sets on which {cost} is at most 1.25 times the least of that set "
            "(performance profile, Dolan and Moré 2002). Read from left to right: who is often the best, "
            "and who "
            "is seldom far off.",
        )
        blocks.append(text(*parts, kind="note"))
    return blocks


def _cost_words(goal: DecisionObjective) -> str:
    return (
        n.label(goal.subject) if goal.sign < 0 else f"what {n.label(goal.subject)} lacks to its highest value"
    )


def _candidate_row(
    s: Standing, goal: DecisionObjective, found: Overview, has_profile: bool, tested: bool
) -> tuple[Cell, ...]:
    cells = [
        Cell(s.candidate, strong=True),
        Cell(str(len(s.best)), sort=len(s.best)),
        Cell(str(len(s.even)), sort=len(s.even)),
        Cell("lacks a figure" if s.mean_rank is None else f"{s.mean_rank:.1f}", sort=s.mean_rank),
        Cell("not estimable" if s.mean_loss is None else _loss(s.mean_loss, goal, found), sort=s.mean_loss),
        Cell(
            "not estimable" if s.worst_loss is None else f"{_loss(s.worst_loss, goal, found)} ({s.worst_on})",
            sort=s.worst_loss,
        ),
    ]
    if has_profile:
        cells += [Cell(f"{share:.2f}", sort=share) for share in s.profile or ()]
    if tested:
        cells.append(Cell("" if s.p is None else n.p_value(s.p), sort=s.p))
    return tuple(cells)


def _loss(value: float | None, goal: DecisionObjective, found: Overview) -> str:
    """A difference of the objective, with its unit where it has one; a share where sets have units of their
    own."""
    if value is None:
        return "not estimable"
    if found.relative:
        return f"{n.plain(100 * value)}\u202f%"
    return n.with_unit(goal.subject, n.plain(value)) if goal.is_metric else n.plain(value)

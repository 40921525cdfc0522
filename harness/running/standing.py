"""Where a run stands: its table as a question, who leads, and what measuring until it is decided told."""

from __future__ import annotations

import json

from harness.analysis.criteria import goal_of, limits_of
from harness.analysis.outputs import table_of
from harness.analysis.sensitivity import Question
from harness.analysis.stamps import STORY
from harness.analysis.tradeoff import slices_of
from harness.codec import Json
from harness.store.runs import RunFolder
from harness.suite.schema import Suite


def question_of(run: RunFolder, suite: Suite) -> Question:
    limits = limits_of(suite)
    goal = goal_of(suite)
    return Question(table_of(run, suite, slices_of(suite)), suite, limits, goal)


def standing_of(question: Question) -> dict[str, Json]:
    """Who leads, how surely, and the expected regret."""
    found = question.choice
    if found.named is None:
        return {"choice": None, "probability_best": None, "expected_regret": None}
    return {
        "choice": question.winner,
        "probability_best": float(found.best[found.named]),
        "expected_regret": found.raw_regret,
    }


def story_of(run: RunFolder) -> dict[str, Json] | None:
    """What `until_decided.json` says, None for a run that measured what its suite names."""
    try:
        found: dict[str, Json] = json.loads(run.read_text(STORY))
    except FileNotFoundError:
        return None
    return found

"""Where a run stands: its table as a question, and who leads."""

from __future__ import annotations

from harness.analysis.criteria import goal_of, limits_of
from harness.analysis.outputs import table_of
from harness.analysis.sensitivity import Question
from harness.analysis.tradeoff import slices_of
from harness.codec import Json
from harness.store.runs import RunFolder
from harness.suite.schema import Suite


def question_of(run: RunFolder, suite: Suite) -> Question:
    """The suite's question, put to what the run has measured so far."""
    return Question(table_of(run, suite, slices_of(suite)), suite, limits_of(suite), goal_of(suite))


def standing_of(question: Question) -> dict[str, Json]:
    """Who leads, how surely, and the expected regret."""
    found = question.choice
    if found.named is None:
        return {"choice": None, "probability_best": None, "expected_regret": None}
    return {
        "choice": question.ahead,
        "probability_best": float(found.best[found.named]),
        "expected_regret": found.raw_regret,
    }

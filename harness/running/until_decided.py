"""`run --until-decided`: measure where it tells most, and stop when the question is decided.

A run starts with a few seeds and rounds and then spends one batch at a time where the value of information
per dollar is largest (`harness.analysis.measure_next`). Its trials are ordinary ones: what is
measured here is found by any other run of the suite, and the other way round. Looking at the data to
decide how much more to take narrows the intervals, so such a run says that it did: `until_decided.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

from harness.analysis.criteria import goal_of, limits_of
from harness.analysis.measure_next import (
    PEEKED,
    NextMeasurement,
    is_beyond_reach,
    is_decided,
    next_measurements,
)
from harness.analysis.outputs import table_of
from harness.analysis.sensitivity import Question
from harness.analysis.tradeoff import slices_of
from harness.codec import Json
from harness.planning.trials import plan_trials, select
from harness.record import Trial
from harness.store.runs import RunFolder
from harness.suite.schema import Candidate, Suite

STORY = "until_decided.json"
FIRST = 2
"""Seeds and rounds to begin with: one has no spread, and nothing could be said of its worth."""

Execute = Callable[[Sequence[Trial]], None]


@dataclass
class Spent:
    """How many seeds of each candidate and rounds of each variant are asked for."""

    seeds: dict[str, int]
    rounds: dict[str, int]
    first_rounds: int

    def rounds_of(self, variant: str) -> int:
        return self.rounds.get(variant, self.first_rounds)


@dataclass
class Story:
    """What was measured in which order and why it ended; the report tells it.

    Args:
        exhaustive: trials of the suite's plan as it stands. trials: those that were asked for here.
    """

    exhaustive: int
    trials: int = 0
    stopped: str = ""
    steps: list[dict[str, Json]] = field(default_factory=list)
    bias: str = PEEKED

    @property
    def text(self) -> str:
        more = f"{len(self.steps)} steps" if len(self.steps) != 1 else "one step"
        return f"{self.stopped}, after {self.trials} trials in {more} (the whole suite has {self.exhaustive})"


def seeds_of(candidate: Candidate, count: int) -> tuple[int, ...]:
    """The suite's seeds first, then numbers that follow its highest."""
    own = candidate.training.seeds
    return (*own[:count], *range(max(own) + 1, max(own) + 1 + count - len(own)))


def beginning(suite: Suite) -> Spent:
    seeds = {n: min(FIRST, len(c.training.seeds)) for n, c in suite.candidates.items()}
    return Spent(seeds, {}, min(FIRST, suite.serving.rounds))


def trials_for(suite: Suite, spent: Spent, only: str | None = None, gpus: float = 0.0) -> tuple[Trial, ...]:
    """The ordinary trials of so many seeds and rounds."""
    candidates = {
        name: c.model_copy(
            update={"training": c.training.model_copy(update={"seeds": seeds_of(c, spent.seeds[name])})}
        )
        for name, c in suite.candidates.items()
    }
    most = max([spent.first_rounds, *spent.rounds.values()])
    serving = suite.serving.model_copy(update={"rounds": most})
    asked = plan_trials(suite.model_copy(update={"candidates": candidates, "serving": serving}), gpus)
    kept = [
        t for t in asked if t.variant is None or t.round is None or t.round < spent.rounds_of(t.variant.name)
    ]
    return select(kept, only)


def spend(
    suite: Suite,
    run: RunFolder,
    execute: Execute,
    *,
    left_s: Callable[[], float],
    is_open_ended: bool = False,
    only: str | None = None,
    gpus: float = 0.0,
) -> Story:
    """Measure until the question is decided, nothing is worth measuring, or the time is spent.

    Args:
        execute: runs trials that have no finished record yet; afterwards each has a record.
        left_s: seconds of the budget that are left; infinite without one.
        is_open_ended: whether more seeds and rounds than the suite names may be spent.
    Returns:
        what was done; also written to `until_decided.json` after every step.
    """
    spent = beginning(suite)
    story = Story(len(select(plan_trials(suite, gpus), only)))
    step = "the first seeds and rounds"
    while True:
        trials = trials_for(suite, spent, only, gpus)
        execute(trials)
        question = question_of(run, suite)
        story.trials = len(trials)
        story.steps.append({"what": step, "trials": len(trials), **standing_of(question)})
        run.write_text(STORY, json.dumps(asdict(story), indent=1))
        options = next_measurements(question, run.records())
        chosen, story.stopped = _next(suite, spent, question, options, left_s(), is_open_ended)
        if chosen is None:
            run.write_text(STORY, json.dumps(asdict(story), indent=1))
            return story
        step = chosen.what


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


def _next(
    suite: Suite,
    spent: Spent,
    question: Question,
    options: Iterable[NextMeasurement],
    left_s: float,
    is_open_ended: bool,
) -> tuple[NextMeasurement | None, str]:
    """The next measurement, entered into `spent`, or why there is none."""
    if is_decided(question):
        return None, "decided"
    if not is_open_ended and is_beyond_reach(question, _times_left(suite, spent)):
        return None, "indistinguishable at this budget: all its seeds would hardly tell the tied apart"
    reason = "nothing that could still be measured is worth its price"
    for option in options:
        if left_s <= 0 or option.seconds > left_s:
            reason = "the budget is spent" if left_s <= 0 else "what is left of the budget is too little"
            continue
        if _take(suite, spent, option, is_open_ended):
            return option, ""
        reason = "the suite's seeds and rounds are spent; give a --budget to go beyond them"
    return None, reason


def _times_left(suite: Suite, spent: Spent) -> float:
    """How many times the units so far the suite names, for the candidate or variant that has most left."""
    seeds = [len(c.training.seeds) / spent.seeds[n] for n, c in suite.candidates.items()]
    least = min([spent.first_rounds, *spent.rounds.values()])
    return max([*seeds, suite.serving.rounds / max(least, 1)])


def _take(suite: Suite, spent: Spent, option: NextMeasurement, is_open_ended: bool) -> bool:
    """Ask for the option's units, as far as the suite names them; False where none is left."""
    if option.kind == "seed":
        before = spent.seeds[option.candidate]
        most = len(suite.candidates[option.candidate].training.seeds)
        spent.seeds[option.candidate] = _more(before, option.units, math.inf if is_open_ended else most)
        return spent.seeds[option.candidate] > before
    name = f"{option.candidate}/{option.runtime}"
    before = spent.rounds_of(name)
    most = suite.serving.rounds
    spent.rounds[name] = _more(before, option.units, math.inf if is_open_ended else most)
    return spent.rounds[name] > before


def _more(before: int, units: int, most: float) -> int:
    return max(before, int(min(before + units, most)))


def story_of(run: RunFolder) -> dict[str, Json] | None:
    """What `until_decided.json` says, None for a run that measured what its suite names."""
    try:
        found: dict[str, Json] = json.loads(run.read_text(STORY))
    except FileNotFoundError:
        return None
    return found

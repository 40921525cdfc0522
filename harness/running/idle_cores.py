"""Who trains along where a step would leave cores idle: asked for a step later, they would be idle twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.analysis.sensitivity import Question
from harness.planning.plan import make_plan
from harness.record import Trial
from harness.running.asked import Asked

LENGTHENS = 2.0
"""Trainings of a step may take so many times as long for those that train along: who is the best with .01
after one seed was needed after two in every second run, and then a core was idle for all of its training."""

HARDLY = 0.002
"""Who is the best with less than this is not worth an idle core: what is trained is scored as well."""


def train_along(
    asked: Asked, question: Question, seeds: int, wall_s: Callable[[Sequence[Trial]], float]
) -> list[str]:
    """Ask for further seeds of who may yet be chosen, the likeliest first, until no core is idle.

    Args:
        seeds: so many of a candidate at most, of the suite's.
        wall_s: expected seconds of trials together.
    Returns:
        candidates that train along; none where a step trains no network, or leaves no core idle.
    """
    step = trainings(asked)
    if not step:
        return []
    idle, most = make_plan(asked.suite, tuple(step)).slots - len(step), LENGTHENS * wall_s(step)
    along: list[str] = []
    for name in _by_likelihood(asked, question):
        before = asked.seeds.get(name, 1)
        if idle <= 0 or before >= min(seeds, len(asked.suite.candidates[name].training.seeds)):
            continue
        asked.seeds[name] = before + 1
        longer = trainings(asked)
        if len(step) < len(longer) and wall_s(longer) <= most:
            along.append(name)
            idle -= len(longer) - len(step)
            step = longer
        else:
            asked.seeds[name] = before
    return along


class IdleCores:
    """Trials that fill cores which a step leaves idle while it waits for a training: none comes before one of
    the step's own, and what has not begun when the step waits for nothing any more is left.

    Args:
        step: its trainings and scores. slots: how many run at once.
        has_ended: whether a trial of an id was run, in vain or not.
    """

    def __init__(self, step: Sequence[Trial], slots: int, has_ended: Callable[[str], bool]) -> None:
        self.step, self.slots, self.has_ended = {t.id: t for t in step}, slots, has_ended
        self.begun = set[str]()

    def may_begin(self, trial: Trial) -> bool | None:
        """Whether a core is idle for it; None: not now."""
        left = [t for t in self.step.values() if not self.has_ended(t.id)]
        blocked = {t.id for t in left}
        ready = [t for t in left if not blocked & set(t.needs)]
        if len(ready) == len(left):
            return False
        running = [i for i in self.begun if i != trial.id and not self.has_ended(i)]
        if len(ready) + len(running) >= self.slots:
            return None
        self.begun.add(trial.id)
        return True


def trainings(asked: Asked) -> list[Trial]:
    """What a step would train; an estimator, fitted in seconds, fills no core."""
    return [t for t in asked.trials(("train",)) if t.spec["training"] and not asked.is_finished(t.id)]


def _by_likelihood(asked: Asked, question: Question) -> list[str]:
    rows, best = question.table.rows, question.choice.best
    order = sorted(range(len(rows)), key=lambda k: -float(best[k]))
    alive = set(asked.alive)
    likely = [k for k in order if best[k] >= HARDLY and rows[k].variant in alive]
    return list(dict.fromkeys(rows[k].candidate for k in likely))

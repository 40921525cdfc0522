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

CHEAPER = 0.5
"""Smaller training sets may lengthen a step by this share of what they would take in one of their own."""

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
    step = _trainings(asked)
    if not step:
        return []
    idle, most = make_plan(asked.suite, tuple(step)).slots - len(step), LENGTHENS * wall_s(step)
    along: list[str] = []
    for name in _by_likelihood(asked, question):
        before = asked.seeds.get(name, 1)
        if idle <= 0 or before >= min(seeds, len(asked.suite.candidates[name].training.seeds)):
            continue
        asked.seeds[name] = before + 1
        longer = _trainings(asked)
        if len(step) < len(longer) and wall_s(longer) <= most:
            along.append(name)
            idle -= len(longer) - len(step)
            step = longer
        else:
            asked.seeds[name] = before
    return along


def smaller_along(
    asked: Asked, wall_s: Callable[[Sequence[Trial]], float], left_s: float
) -> tuple[Trial, ...]:
    """Trainings on smaller sets, with their scores, that fit beside the trainings of a step: they come last,
    and here they take next to nothing.

    Args:
        wall_s: expected seconds of trials together. left_s: of the budget.
    """

    def is_missing(trial: Trial) -> bool:
        return trial.id not in asked.failed and not asked.is_finished(trial.id)

    step = [t for t in asked.trials(("train", "score")) if is_missing(t)]
    if not any(t.kind == "train" and t.spec["training"] for t in step):
        return ()
    units: dict[tuple[str, int | None, int | None], list[Trial]] = {}
    for trial in filter(is_missing, asked.smaller()):
        units.setdefault((trial.candidate, trial.train_size, trial.seed), []).append(trial)
    taken, alone = list[Trial](), wall_s(step)
    for unit in units.values():
        more = [*taken, *unit]
        longer = wall_s([*step, *more])
        if longer - alone <= CHEAPER * wall_s(more) and longer < left_s:
            taken = more
    return tuple(taken)


def _trainings(asked: Asked) -> list[Trial]:
    """What a step would train; an estimator, fitted in seconds, fills no core."""
    return [t for t in asked.trials(("train",)) if t.spec["training"] and not asked.is_finished(t.id)]


def _by_likelihood(asked: Asked, question: Question) -> list[str]:
    rows, best = question.table.rows, question.choice.best
    order = sorted(range(len(rows)), key=lambda k: -float(best[k]))
    alive = set(asked.alive)
    likely = [k for k in order if best[k] >= HARDLY and rows[k].variant in alive]
    return list(dict.fromkeys(rows[k].candidate for k in likely))

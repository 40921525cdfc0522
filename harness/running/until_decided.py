"""`run --until-decided`: the cheapest evidence first, then where it tells most, until it is decided.

First networks are served untrained, where a limit asks for speed, size or cost: who surely breaks it is not
trained. Then one seed of the largest training set, scored as cores become free: who surely breaks a limit on
validation rows is not scored, who does on test rows is not exported. Then one serving round of those that may
still be chosen. Contenders get the suite's second seed and round, and further ones where the value of
information per dollar is largest (`harness.analysis.measure_next`); smaller training sets fill idle cores, or
come last. Trials are ordinary ones: what is measured here is found by any other run of the suite, and the
other way round. Looking at the data to decide how much more to take narrows the
intervals, so such a run says that it did: `until_decided.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from harness.analysis.measure_next import (
    NextMeasurement,
    is_beyond_reach,
    is_decided,
    next_measurements,
)
from harness.analysis.ruled_out import RULED_OUT, surely_broken
from harness.analysis.sensitivity import Question
from harness.analysis.stamps import STORY
from harness.figures import duration_text
from harness.planning.estimate import rows_of
from harness.planning.inherited import source_of
from harness.planning.plan import make_plan
from harness.planning.request import Patterns
from harness.planning.trials import plan_trials, select
from harness.planning.untrained import quick_first, untrained_trials
from harness.record import Kind, Trial
from harness.running.asked import Asked, grid_of
from harness.running.broken_models import BrokenModels
from harness.running.contenders import FIRST, Contenders
from harness.running.idle_cores import IdleCores, train_along, trainings
from harness.running.standing import question_of, standing_of
from harness.running.story import Story
from harness.running.worlds import Execute, Worlds
from harness.schedule import Wanted
from harness.schedule.unrun import with_all_that_rest_on
from harness.store.runs import RunFolder
from harness.suite.schema import Suite

TOGETHER = 1.5
"""First and second seeds are trained in one go where that should take at most this times the first ones
alone, or no more networks are left than train at once: one by one cores would be idle."""

WORTH_A_LOOK = 0.1
"""Untrained networks are served where that should take at most this share of their trainings' time, of two
seeds: of five networks one was ruled out by it, and saved one seed. Shares of .15 to .2 did not pay."""

START_S = 5.0
"""What a step takes beside its trials: its workers start, and the table is looked at."""

ALIKE, CHEAP_S = 1 / 3, 15.0
"""Asked for in the same step is what is worth at least this share of what is worth most for its time, and
takes so many seconds at most: what proves not to be needed may cost no more than the starts it saves."""

MANY_ROWS = 3000
"""From so many test rows on, an export is first asked for 1,000 validation rows beside its reference; to
answer fewer takes less than that, and than making the export of who may be named twice."""


def spend(
    suite: Suite,
    worlds: Worlds,
    *,
    left_s: Callable[[], float],
    is_open_ended: bool = False,
    only: Patterns = None,
    gpus: float = 0.0,
) -> Story:
    """Measure until the question is decided, nothing is worth measuring, or the time is spent.

    Args:
        worlds: where trials are run, those that have no finished record yet.
        left_s: seconds of the budget that are left; infinite without one.
        is_open_ended: whether more seeds and rounds than the suite names may be spent.
    Returns:
        what was done; also written to `until_decided.json` after every step.
    """
    plan = select(plan_trials(suite, gpus), only)

    def is_finished(trial_id: str) -> bool:
        return worlds.run.has_finished(trial_id) or worlds.is_known(trial_id)

    many = rows_of(suite).test >= MANY_ROWS
    asked = Asked(suite, grid_of(plan), only, gpus, is_finished=is_finished, inherits=many)
    return _Spending(suite, worlds, asked, Story(len(plan)), left_s, is_open_ended).story()


@dataclass
class _Spending:
    """A run that is being decided.

    Args:
        ids: trials that were run here. beside: those of smaller training sets, for cores that the next step
            leaves idle.
    """

    suite: Suite
    worlds: Worlds
    asked: Asked
    told: Story
    left_s: Callable[[], float]
    is_open_ended: bool
    ids: set[str] = field(default_factory=set)
    beside: tuple[Trial, ...] = ()

    def story(self) -> Story:
        self._serve_untrained()
        self._train_and_score_first()
        self._step(f"scoring {self._alive()}", ("train", "score"))
        self._rule_out(surely_broken(self._question.table, self.suite), "after scoring")
        self._step(f"the first serving round of {len(self.asked.alive)} variants")
        self._rule_out(surely_broken(self._question.table, self.suite), "after the first serving round")
        while True:
            step, self.told.stopped = self._next()
            if step is None:
                self._write()
                self._smaller_sizes()
                return self.told
            self._step(step)
            self._rule_out(surely_broken(self._question.table, self.suite), f"after {step}")

    def _serve_untrained(self) -> None:
        """Rule out by speed, size and cost before anything is trained."""
        where, execute = self.worlds.untrained, self.worlds.execute_untrained
        if where is None or execute is None:
            return
        every = untrained_trials(self.suite, self.asked.trials(seeds=1))
        names = list(dict.fromkeys(t.candidate for t in every))
        quick = quick_first(every)
        ahead = self.asked.trials(("train", "score"), seeds=FIRST)
        trained = [t for t in ahead if t.candidate in names]
        look_s, training_s = self._wall_s(quick), self._wall_s(trained)
        if not every:
            return
        if look_s > WORTH_A_LOOK * training_s:
            why = f"it would take about {duration_text(look_s)}, their trainings {duration_text(training_s)}"
            self.worlds.say(f"no network is served before it is trained: {why}")
            return
        self.worlds.say(f"which networks keep the limits on speed, size and cost at all: {', '.join(names)}")
        self._try_untrained(where, execute, quick)
        # Who keeps them on one runtime is trained; the others of who does not are looked at next.
        tried = {t.variant.name for t in quick if t.kind == "serve" and t.variant}
        left = {self.asked.candidates[v] for v in self.asked.alive if v in tried}
        if rest := [t for t in every if t.candidate not in left and t not in quick]:
            needed = [t for t in quick if t.kind == "train"]
            self._try_untrained(where, execute, [*needed, *rest])

    def _try_untrained(self, where: RunFolder, execute: Execute, trials: Sequence[Trial]) -> None:
        execute(trials, lambda trial: True)
        self.told.untrained = len(where.trial_ids())
        found = surely_broken(question_of(where, self.suite).table, self.suite)
        self._rule_out(found, "before training, with untrained weights")

    def _train_and_score_first(self) -> None:
        """The first seeds, and the second ones where cores would be idle; a core that no training needs any
        more scores. Who surely breaks a limit on validation rows is not scored by its reference, and who does
        on test rows is not exported."""
        one, two = (self.asked.trials(("train",), seeds=n) for n in (1, FIRST))
        long = {t.candidate for t in one if t.spec["training"]}  # an estimator is fitted in seconds
        few = len(long) <= make_plan(self.suite, one).slots
        together = few or self._wall_s(two) <= TOGETHER * self._wall_s(one)
        self.asked.begin(FIRST if together else 1)
        self.worlds.say(f"training and scoring {self._alive()}")
        models = BrokenModels(self.worlds.run, self.suite, self.asked)
        self._execute(self.asked.trials(("train", "score")), models.may_be_chosen)
        found = models.on_validation()
        by_variant = {v: found[c] for v, c in self.asked.candidates.items() if c in found}
        self._rule_out(by_variant, "after training")
        self._rule_out(models.found(), "after scoring")
        self._rule_out(models.of_the_same_model(), "after scoring its model in single precision")

    def _alive(self) -> str:
        names = list(dict.fromkeys(self.asked.candidates[v] for v in self.asked.alive))
        return ", ".join(names) if len(names) <= 6 else f"{len(names)} candidates"

    def _wall_s(self, trials: Sequence[Trial]) -> float:
        if self.worlds.wall_s is not None:
            return self.worlds.wall_s(trials)
        records = self.worlds.run.records()
        finished = [r.trial.id for r in records if r.status == "finished"]
        return make_plan(self.suite, tuple(trials), finished, records).wall_seconds

    def _rule_out(self, found: Mapping[str, str], after: str) -> None:
        """Take variants out, unless nobody would be left: then all that is asked is who comes nearest."""
        left = [v for v in self.asked.alive if v not in found]
        if not left:
            return
        for variant in (v for v in self.asked.alive if v in found):
            self.told.ruled_out[variant] = f"{RULED_OUT} {after}: {found[variant]}"
            self.worlds.say(f"{variant} {self.told.ruled_out[variant]}")
        self.asked.out |= set(self.told.ruled_out)

    def _run(self, step: str, kinds: Sequence[Kind] | None = None) -> None:
        trials = self.asked.trials(kinds)
        if all(t.id in self.ids | self.asked.failed for t in trials):
            return
        self.worlds.say(step)
        beside, self.beside = {t.id: t for t in self.beside}, ()
        own = [t for t in trials if t.kind != "serve"]
        idle = IdleCores(own, make_plan(self.suite, trials).slots, self._has_ended)
        self._execute(
            [*trials, *beside.values()],
            lambda t: idle.may_begin(t) if t.id in beside else self._has_source(t),
        )
        again = self.asked.trials(kinds)  # whose reference failed is scored itself
        if {t.id for t in again} - {t.id for t in trials}:
            self._execute(again)

    def _has_ended(self, trial_id: str) -> bool:
        return self.worlds.run.record(trial_id) is not None

    def _has_source(self, trial: Trial) -> bool:
        """Whether what a trial takes over was measured, if it takes something over."""
        return not source_of(trial) or self.asked.is_finished(source_of(trial))

    def _execute(self, asked: Sequence[Trial], wanted: Wanted = lambda trial: True) -> None:
        trials = [t for t in asked if t.id not in self.asked.failed]  # no step tries once more what failed
        dropped = set[str]()

        def is_wanted(trial: Trial) -> bool | None:
            found = wanted(trial)
            (dropped.discard if found else dropped.add)(trial.id)
            return found

        self.worlds.execute(trials, is_wanted)
        left = with_all_that_rest_on(dropped, trials)  # one may have failed in an earlier run
        self.ids |= {t.id for t in trials if t.id not in left and self.worlds.run.record(t.id) is not None}
        self.told.trials = len(self.ids)
        failed = {r.trial.id for r in self.worlds.run.records() if r.status == "failed"}
        self.asked.failed |= failed & self.ids  # others failed in an earlier run, and are tried again

    def _step(self, step: str, kinds: Sequence[Kind] | None = None) -> None:
        """Run what is asked for now, and look at what it says."""
        self._run(step, kinds)
        self._write()  # the table tells who was ruled out
        self._question = question_of(self.worlds.run, self.suite)
        self.told.steps.append({"what": step, "trials": self.told.trials, **standing_of(self._question)})
        self._write()

    def _write(self) -> None:
        self.worlds.run.write_text(STORY, json.dumps(asdict(self.told), indent=1))

    def _next(self) -> tuple[str | None, str]:
        """The next step, entered into what is asked for, or why there is none."""
        question, left_s = self._question, self.left_s()
        contenders = Contenders(self.asked, question, self._wall_s)
        back = self._taken_in_again(question)
        full = contenders.in_full()
        self.told.in_full += full
        asked = [f"all test rows for {' and '.join(full)}" if full else ""]
        asked += [contenders.seconds(bool(back))] if left_s > 0 else []
        if first := " and ".join(filter(None, asked)):
            return self._with_all_cores(first, question), ""
        if is_decided(question):
            return None, "decided"
        if not self.is_open_ended and is_beyond_reach(question, self.asked.times_left()):
            if left_s > 0 and (rest := contenders.rest_of_rounds() or contenders.rest_of_seeds(left_s)):
                return rest, ""
            return None, "indistinguishable at this budget: all its seeds would hardly tell the tied apart"
        taken, reason = self._worth_most(question, left_s)
        if taken:
            return self._with_all_cores(" and ".join(taken), question), ""
        unnamed = question.choice.named is None
        if left_s > 0 and (rest := contenders.rest() if unnamed else contenders.rest_of_seeds(left_s)):
            return rest, ""
        return None, reason

    def _worth_most(self, question: Question, left_s: float) -> tuple[list[str], str]:
        """Ask for what is worth most for its time, and for what is worth hardly less with it: one by one each
        would have a start of workers and a look at the table of its own. Or why there is nothing."""
        reason = "nothing that could still be measured is worth its price"
        taken: list[NextMeasurement] = []
        for most in next_measurements(question, self.worlds.run.records(), START_S):
            if taken and most.value_per_usd < ALIKE * taken[0].value_per_usd:
                break
            option = self.asked.left_of(most, self.is_open_ended)
            if option is None:
                reason = "the suite's seeds and rounds are spent; give a --budget to go beyond them"
            elif taken and option.seconds > CHEAP_S:
                continue
            elif left_s <= 0 or option.seconds > left_s:
                reason = "the budget is spent" if left_s <= 0 else "what is left of the budget is too little"
            else:
                self.asked.take(option)
                taken.append(option)
                left_s -= option.seconds
        return [option.what for option in taken], reason

    def _with_all_cores(self, step: str, question: Question) -> str:
        most = max([FIRST, *self.asked.seeds.values()])
        along = train_along(self.asked, question, most, self._wall_s)
        self.beside = self._missing_of_smaller() if trainings(self.asked) else ()
        if self._wall_s([*self.asked.trials(), *self.beside]) > self.left_s():
            self.beside = ()
        said = [f"a further seed of {' and '.join(along)}"] if along else []
        smaller = dict.fromkeys(t.candidate for t in self.beside)
        said += [f"where cores are idle, smaller training sets of {' and '.join(smaller)}"] if smaller else []
        return "; beside it ".join([step, " and ".join(said)] if said else [step])

    def _taken_in_again(self, question: Question) -> list[str]:
        """Who was ruled out by the spread that one launch or seed is taken to have, and may keep the limits
        by the one that was seen since: unmeasured, it would stand in doubt beside who might be named."""
        may = {question.table.rows[k].variant for k in question.choice.contenders.tolist()}
        back = [variant for variant in self.told.ruled_out if variant in may]
        for variant in back:
            self.worlds.say(
                f"{variant} may keep the limits, as far as launches and seeds were seen to differ"
            )
            del self.told.ruled_out[variant]
        self.asked.out -= set(back)
        return back

    def _smaller_sizes(self) -> None:
        """What smaller training sets give who may still be chosen: it answers another question, so it comes
        last, and only where what is left of the budget is enough."""
        missing = self._missing_of_smaller()
        if missing and self._wall_s(missing) < self.left_s():
            ahead = f"{self.told.stopped}, ahead is {self._question.ahead}"
            self.worlds.say(f"{ahead}; last, what smaller training sets give {self._alive()}")
            self._execute(self.asked.smaller())
            self._write()

    def _missing_of_smaller(self) -> tuple[Trial, ...]:
        known, failed = self.asked.is_finished, self.asked.failed
        return tuple(t for t in self.asked.smaller() if t.id not in failed and not known(t.id))

"""One `run` while it goes on: what it asks for step by step, on one Ray, into one run folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rich.console import Console

from harness import environment
from harness.facts import CertifyFacts
from harness.planning.plan import Plan, make_plan
from harness.planning.request import Patterns
from harness.planning.trials import plan_trials, select
from harness.planning.untrained import UNTRAINED
from harness.progress import Display
from harness.reading import suite_to_text
from harness.record import KIND_WORDS, HarnessError, Record, Trial
from harness.running.story import Story
from harness.running.until_decided import spend
from harness.running.worlds import Worlds
from harness.schedule import Kept, SchedulerSettings, Wanted, run_trials
from harness.store.runs import RunFolder, find_cached, take_over
from harness.suite.schema import Suite


@dataclass
class Session:
    """What all steps of a run share.

    Args:
        out: where other runs of the suite are, whose finished trials are taken over.
        machine_class: whose speeds count; None where any does.
        asked: every trial that was asked for so far, by id. notes: what the suite's plan says.
    """

    run: RunFolder
    suite: Suite
    out: str
    settings: SchedulerSettings
    console: Console
    kept: Kept
    machine_class: str | None = None
    only: Patterns = None
    gpus: float = 0.0
    asked: dict[str, Trial] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Write what was asked and on what; sweep what a killed run left."""
        self.run.sweep()
        self.run.write_text("suite.yaml", suite_to_text(self.suite))
        surroundings = {**environment.capture(), "repository": environment.repository(self.suite.folder)}
        self.run.write_text("environment.json", json.dumps(surroundings, indent=1))

    def execute(
        self,
        plan: Plan,
        cached: Mapping[str, RunFolder],
        why: str = "",
        wanted: Wanted | None = None,
        is_step: bool = False,
    ) -> None:
        """Run what is missing of a plan, and take over what other runs of the suite finished.

        Args:
            why: said of what is run beside the plan of the suite.
            wanted: as for `run_trials`; what was not wanted any more was not asked for.
            is_step: further plans may follow.
        """
        known = [trial for trial in self.asked.values() if trial.id not in {t.id for t in plan.trials}]
        self.asked |= {trial.id: trial for trial in plan.trials}
        finished = plan.cached | {t.id for t in known}
        whole = replace(plan, trials=(*known, *plan.trials), cached=finished, notes=self.notes)
        self.run.write_text("plan.json", json.dumps(whole.to_json(), indent=1))
        take_over(self.run, cached)
        counts = Counter(trial.kind for trial in plan.missing)
        said = [f"{n} {KIND_WORDS[kind][: None if n > 1 else -1]}" for kind, n in counts.items()]
        todo = f"{', '.join(said)} to run" if said else "nothing to run"
        done = f"; {len(plan.cached)} finished already" if plan.cached else ""
        line = f"{self.run.suite_name}/{self.run.id}: {todo}{done}{f', {why}' if why else ''}"
        self.console.print(line, highlight=False, markup=False)
        with Display(
            plan.trials,
            plan.cached,
            plan.seconds,
            self.console,
            self.suite.question,
            self._ahead,
            lambda: self.settings.left_s,
            is_step,
        ) as display:
            records = run_trials(plan.trials, self.run, display, self.settings, kept=self.kept, wanted=wanted)
        dropped = {trial.id for trial in plan.trials} - {record.trial.id for record in records}
        self.asked = {trial_id: trial for trial_id, trial in self.asked.items() if trial_id not in dropped}

    def _ahead(self) -> str:
        """Who would be chosen so far, and how surely; a view, which must not end a run."""
        try:
            # An installation that was changed under the run no longer imports.
            from harness.analysis.recommend import answer, so_far
            from harness.report.numbers import percent
            from harness.running.standing import question_of

            question = question_of(self.run, self.suite)
            found, ahead = answer(question, flips=False), so_far(question)
        except (HarnessError, ImportError, ArithmeticError, LookupError, ValueError):
            return ""
        if ahead is None or (found.choice is None and found.so_far is None):
            return ""
        average = " on average" if found.why_not_likeliest else ""  # another is the best more often
        sure = percent(ahead["probability_best"])
        return f"ahead{average} so far: {ahead['variant']}, the best of {ahead['compared']} with {sure}"

    def step(self, trials: Sequence[Trial], wanted: Wanted = lambda trial: True, why: str = "") -> None:
        """Run further trials; what is finished in this or another run of the suite is not run again."""
        ids = [trial.id for trial in trials]
        cached = find_cached(self.out, self.suite.name, ids, self.machine_class)
        plan = make_plan(self.suite, tuple(trials), cached, self.run.records())
        self.execute(
            replace(plan.longest_first(), machine_class=self.machine_class), cached, why, wanted, True
        )

    def aside(self, where: RunFolder, trials: Sequence[Trial], wanted: Wanted) -> None:
        """Run trials into a folder of their own: no table of the run has their figures."""
        where.sweep()
        plan = make_plan(self.suite, tuple(trials), [t.id for t in trials if _is_finished(where, t)])
        with Display(plan.trials, plan.cached, plan.seconds, self.console, is_step=True) as display:
            run_trials(plan.trials, where, display, self.settings, kept=self.kept, wanted=wanted)

    def _say(self, text: str) -> None:
        self.console.print(f"settling: {text}", highlight=False, markup=False)

    def decide(self, is_open_ended: bool) -> Story:
        """Measure until the question is decided (`harness.running.until_decided`); the budget is its end.

        Args:
            is_open_ended: whether a budget may be spent on more seeds and rounds than the suite names.
        """
        asked = self.settings
        if is_open_ended:
            # The budget is what may be spent: what has begun is measured to its end, nothing fails for it.
            self.settings = replace(asked, budget_s=None)
        scores = [t.id for t in select(plan_trials(self.suite, self.gpus), self.only) if t.kind == "score"]
        known = frozenset(find_cached(self.out, self.suite.name, scores))
        apart = RunFolder(f"{self.run.url}/{UNTRAINED}")
        story = spend(
            self.suite,
            Worlds(
                self.run,
                self.step,
                apart,
                partial(self.aside, apart),
                is_known=known.__contains__,
                say=self._say,
            ),
            left_s=lambda: asked.left_s,
            is_open_ended=is_open_ended and asked.budget_s is not None,
            only=self.only,
            gpus=self.gpus,
        )
        self.console.print(f"until decided: {story.text}", highlight=False, markup=False)
        return story

    def duel(self) -> None:
        """Load those who may be named together, where speed matters and the rounds could not say who is
        faster."""
        from harness.analysis.recommend import answer
        from harness.metrics import metrics_of
        from harness.running.duels import contenders, duel_trials, may_be_named
        from harness.running.standing import question_of

        if not self.suite.serving.duels or self.settings.left_s <= 0:
            return
        question = question_of(self.run, self.suite)
        decision = answer(question, flips=False)
        known = metrics_of(self.suite)
        speed = any(known[name].rests_on_speed for name in question.goal.metrics)
        if not speed and decision.verdict != "tie":
            return
        eligible = may_be_named(question, decision)
        tied = [decision.choice, *decision.tied_with] if decision.choice else []
        pairs = contenders(question.table, eligible, self.suite.serving.duels, tied)
        if trials := duel_trials(pairs, self.run.records()):
            self.step(trials, why="duels: variants of one speed are loaded together and called in turn")

    def certify(self, wanted: str) -> None:
        """Measure a variant, or all, through MLPerf LoadGen too, and say both figures."""
        from harness.running.duels import certify_trials
        from harness.running.standing import question_of

        table = question_of(self.run, self.suite).table
        trials = certify_trials(self.suite, wanted, self.run.records(), table)
        self.step(trials, why="by MLPerf LoadGen")
        for trial in trials:
            record = self.run.record(trial.id)
            if record is not None and record.failure is not None:
                line = f"LoadGen {trial.spec['scenario']['mode']} {trial.label}: {record.failure.reason}"
                self.console.print(line, highlight=False, markup=False)
            said = record.facts_as(CertifyFacts).certify if record else None
            if said and trial.variant:
                both = f"{said.ours_ms:.4g} here, {said.loadgen_ms:.4g} by LoadGen"
                verdict = f"ratio {said.ratio:.3f}, {said.valid or 'validity unknown'}"
                line = f"LoadGen {said.mode} {trial.variant.name}: {said.metric} {both} ({verdict})"
                self.console.print(line, highlight=False, markup=False)

    @property
    def records(self) -> list[Record]:
        """Of everything that was asked for."""
        return [record for trial_id in self.asked if (record := self.run.record(trial_id)) is not None]


def _is_finished(run: RunFolder, trial: Trial) -> bool:
    record = run.record(trial.id)
    return record is not None and record.status == "finished"

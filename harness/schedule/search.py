"""The searches of all candidates as one Ray Tune sweep: one proposer and one ASHA for each candidate.

Plain ASHA over several architectures stops slow starters (it kept the worst final one of those tried), so
each candidate's trials are halved among themselves only. A trial that ASHA gives up is told so by a mark in
the run folder and ends itself in order: its record, with the score so far, is written like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from harness.facts import TrainFacts, TuningFacts
from harness.planning.tuning import Search, search_for, told
from harness.record import Record, Trial
from harness.schedule.worker import mark_of
from harness.store.runs import RunFolder

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial as TuneTrial

REDUCTION = 3
"""ASHA keeps the better third at each rung."""


@dataclass
class Bracket:
    """One candidate's search: its trials, what was recorded of them, its proposer and its ASHA."""

    trials: Sequence[Trial]
    search: Search
    asha: TrialScheduler | None
    limit_s: float | None
    waiting: list[Trial] = field(default_factory=list)
    spent_s: float = 0.0

    @property
    def is_spent(self) -> bool:
        return self.limit_s is not None and self.spent_s >= self.limit_s


@dataclass(frozen=True)
class _Name:
    """What ASHA needs of a Tune trial, for those of earlier sessions."""

    trial_id: str


def bracket_for(trials: Sequence[Trial], records: Sequence[Record], limit_s: float | None) -> Bracket:
    """A candidate's search as its records left it.

    Args:
        trials: all of the candidate's search, in order. records: of those that are finished.
        limit_s: seconds after which no further trial starts.
    """
    done = {r.trial.id for r in records if r.status == "finished"}
    asha: Any = None  # Tune's types want its own trials, which those of earlier sessions are not
    training = trials[0].spec["training"]
    if training["tuning"]["scheduler"] == "asha" and training.get("epochs", 1) > 1:
        asha = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="score",
            mode="max",
            max_t=int(training["epochs"]),
            grace_period=max(1, int(training["epochs"]) // REDUCTION**2),
            reduction_factor=REDUCTION,
            stop_last_trials=False,
        )
        for record in records:
            name = _Name(record.trial.id)
            asha.on_trial_add(None, name)
            for epoch, score, _ in told(record).curve or ():
                asha.on_trial_result(None, name, {"epoch": epoch, "score": score})
    waiting = [t for t in trials if t.id not in done]
    spent = sum(r.seconds for r in records)
    return Bracket(trials, search_for(trials, records), asha, limit_s, waiting, spent)


class Proposer(Searcher):
    """Hands out the candidates' trials in turn, so that all searches get on alike."""

    def __init__(self, brackets: Mapping[str, Bracket], run: RunFolder) -> None:
        super().__init__(metric="score", mode="max")
        self.brackets, self.run = brackets, run
        self.running: dict[str, tuple[str, Trial]] = {}

    def suggest(self, trial_id: str) -> Any:
        ready = [name for name, b in self.brackets.items() if b.waiting and not b.is_spent]
        if not ready:
            return str(Searcher.FINISHED)
        name = min(ready, key=lambda n: len(self.brackets[n].trials) - len(self.brackets[n].waiting))
        bracket = self.brackets[name]
        trial = bracket.waiting.pop(0)
        assert trial.tuning is not None
        settings = bracket.search.ask(trial.tuning)
        self.running[trial_id] = (name, trial)
        # As text: Tune would take the dots of names for nesting of its own.
        return {"id": trial.id, "settings": json.dumps(dict(settings))}

    def on_trial_complete(self, trial_id: str, result: object = None, error: bool = False) -> None:
        name, trial = self.running.pop(trial_id)
        bracket, record = self.brackets[name], self.run.record(trial.id)
        if record is None:
            return
        bracket.spent_s += record.seconds
        said = told(record)
        if said.settings is not None:
            assert trial.tuning is not None
            bracket.search.tell(trial.tuning, said.settings, said.score)

    def save(self, checkpoint_path: str) -> None:
        """The records are the state; Tune's snapshots are not used."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


class PerCandidate(FIFOScheduler):
    """First come, first served; each candidate's own ASHA gives trials up."""

    def __init__(self, brackets: Mapping[str, Bracket], run: RunFolder, session: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run, self.session = run, session
        self.asha = {t.id: b.asha for b in brackets.values() for t in b.trials}

    def on_trial_add(self, tune_controller: TuneController, trial: TuneTrial) -> None:
        if asha := self.asha.get(trial.config["id"]):
            asha.on_trial_add(tune_controller, trial)

    def on_trial_result(
        self, tune_controller: TuneController, trial: TuneTrial, result: dict[str, Any]
    ) -> str:
        asha = self.asha.get(trial.config["id"])
        if asha and asha.on_trial_result(tune_controller, trial, result) == TrialScheduler.STOP:
            self.run.write_text(mark_of(self.session, trial.config["id"]), "")
        return str(TrialScheduler.CONTINUE)


@dataclass(frozen=True)
class TuneSearch:
    """What a sweep hands to Tune whose trials are not all known, or not all ready, when it begins."""

    proposer: Searcher
    scheduler: TrialScheduler
    count: int


def plan_search(
    trials: Sequence[Trial],
    left: Sequence[Trial],
    run: RunFolder,
    session: str,
    limits: Mapping[str, float | None],
) -> TuneSearch:
    """The proposers and schedulers for the trials that are left of all searches."""
    brackets = {}
    for name in dict.fromkeys(t.candidate for t in left):
        own = [t for t in trials if t.candidate == name]
        records = [r for t in own if (r := run.record(t.id)) is not None and r.status == "finished"]
        brackets[name] = bracket_for(own, records, limits.get(name))
    return TuneSearch(Proposer(brackets, run), PerCandidate(brackets, run, session), len(left))


def skipped(trial: Trial, limit_s: float) -> Record:
    """The record of a trial that its search's time did not reach: there is nothing to do any more."""
    said = TuningFacts(trial.tuning, skipped=f"the search's {limit_s:g} s were spent")
    return Record(trial, "finished", facts=TrainFacts(tuning=said))

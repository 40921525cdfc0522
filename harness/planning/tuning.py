"""Fair tuning: each candidate's search for its own settings, with the same budget for all.

A search is a row of `train` trials, numbered from 0. Number 0 is the suite's own recipe, so that a search
never makes a candidate worse on the validation part; the others are proposed by Optuna's TPE, or drawn at
random. Each is recorded like any other trial and never run twice. What a candidate is finally trained
with, for all its seeds, are the best settings of its search by validation score; test data is not looked at.

All trials of a search use one seed, which is none of the final ones: settings that were lucky with a final
seed would make that seed's model look better than its recipe is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from harness import facts as typed
from harness.codec import JsonObject
from harness.kinds import kind_of
from harness.metrics import METRICS, watched_metric
from harness.protocols import Outcome, Progress
from harness.record import Measurement, Record, Trial, TrialError
from harness.streams import generator, seed_for
from harness.suite.schema import Suite, Training

if TYPE_CHECKING:
    import optuna

Settings = Mapping[str, Any]
"""A setting's dotted name, as in the suite's space → its value."""

STARTUP = 4
"""TPE's random trials before it models anything; its default of 10 would make searches of 8 random."""

TRIAL_ARGS = "args."
"""Settings of this prefix are arguments of the model; all others are training settings."""


class EnoughError(Exception):
    """Raised out of `progress` to end a trial that its scheduler gave up; what it found is kept."""


# -------------------------------------------------------------------------------------- what is searched


def watched_by(suite: Suite) -> str:
    """What a search and the best epoch look at: the objective where that is quality on validation examples,
    else the first such figure in the value or the limits, else the task's own.
    """
    kind = kind_of(suite.task)
    decision = suite.decision
    for part in (decision.objective, decision.value or "", *decision.constraints):
        for name in re.findall(r"[a-z_0-9]+(?:@\d+)?", part.split("[")[0]):
            if name in kind.watchable:
                return str(name)
    return kind.watched


def watched_note(suite: Suite) -> str:
    """What `plan` and the report say where that is not the objective itself; empty where it is."""
    watched, objective = watched_by(suite), suite.decision.objective
    searched = any(space_of(suite, name) for name in suite.candidates)
    chosen = any(c.model and c.ref.about.fitted == "torch" for c in suite.candidates.values())
    if objective.split()[-1] == watched or not (searched or chosen):
        return ""
    what = " and ".join([*(["searches"] if searched else []), *(["the best epoch"] if chosen else [])])
    looks = "look" if searched else "looks"
    return f"the objective is `{objective}`; {what} {looks} at {watched} on validation examples"


def space_of(suite: Suite, candidate: str) -> dict[str, dict[str, Any]]:
    """The part of the space that applies to a candidate: estimators have no learning rate, and an argument
    is searched where the builder takes it."""
    chosen = suite.candidates[candidate]
    tuning = chosen.training.tuning
    about = chosen.ref.about
    if tuning is None or not about.is_trained:
        return {}
    takes = _arguments(chosen.model, suite.folder)
    return {
        key: dict(distribution)
        for key, distribution in tuning.space.items()
        if (
            key.removeprefix(TRIAL_ARGS) in takes or takes is ANY
            if key.startswith(TRIAL_ARGS)
            else about.is_network
        )
    }


ANY: frozenset[str] = frozenset({"*"})


def _arguments(model: str, folder: str) -> frozenset[str]:
    """Names that a model's builder takes; `ANY` where only calling it would tell."""
    from pathlib import Path

    from harness.reading.references import resolve_model

    if not model:
        return frozenset()
    try:
        signature = resolve_model(model, Path(folder)).signature
    except LookupError:
        return ANY
    return ANY if signature.open else frozenset(signature.parameters)


def search_seed(suite: Suite) -> int:
    """The seed of every trial of the suite's searches; none that a person would write."""
    return 2**31 + seed_for(suite.seed, "tuning") % 2**31


# ------------------------------------------------------------------------------------------- proposals


@dataclass
class Search:
    """One candidate's search: proposes settings, is told scores.

    Args:
        space: setting → {distribution: bounds}. method: `optuna` or `random`.
        seed: proposals are a function of it, of the trial's number and of what was told before.
        whole: settings that are whole numbers.
    """

    space: Mapping[str, Mapping[str, Any]]
    method: str
    seed: int
    whole: frozenset[str] = frozenset()
    _asked: dict[int, Settings] = field(default_factory=dict)
    _told: dict[int, float | None] = field(default_factory=dict)

    def ask(self, number: int) -> Settings:
        """The settings of a trial; of number 0 none: the recipe as it stands in the suite."""
        if number == 0:
            self._asked[0] = {}
        elif self.method == "random":
            random = generator(self.seed, "tuning", number)
            self._asked[number] = {k: self._draw(k, float(random.random())) for k in sorted(self.space)}
        else:
            self._asked[number] = self._propose(number)
        return self._asked[number]

    def tell(self, number: int, settings: Settings, score: float | None) -> None:
        """What a trial found; None for settings that could not be trained with."""
        self._asked[number] = settings
        self._told[number] = score

    def _draw(self, key: str, share: float) -> Any:
        ((name, bounds),) = self.space[key].items()
        if name == "choice":
            return bounds[min(int(share * len(bounds)), len(bounds) - 1)]
        low, high = float(bounds[0]), float(bounds[1])
        if self._is_whole(key):
            high += 1 - 1e-9
        value = low * (high / low) ** share if name == "loguniform" else low + (high - low) * share
        return int(value) if self._is_whole(key) else value

    def _is_whole(self, key: str) -> bool:
        ((name, bounds),) = self.space[key].items()
        argument = key.startswith(TRIAL_ARGS) and all(isinstance(b, int) for b in bounds)
        return name == "randint" or key in self.whole or argument

    def _propose(self, number: int) -> Settings:
        """TPE's proposal given all that was told; trials that are still running count as bad ones."""
        import optuna
        from optuna.trial import TrialState, create_trial

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            seed=seed_for(self.seed, "tuning", number) % 2**32, n_startup_trials=STARTUP
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        distributions = {key: self._distribution(key) for key in sorted(self.space)}
        scores = [s for s in self._told.values() if s is not None]
        worst = min(scores, default=0.0)
        for told in sorted(self._asked):
            settings = self._asked[told]
            if told == number or set(settings) != set(distributions):
                continue  # the suite's own recipe may lie outside the space
            score = self._told.get(told)
            study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    params=dict(settings),
                    distributions=distributions,
                    value=worst if score is None else score,
                )
            )
        return dict(study.ask(distributions).params)

    def _distribution(self, key: str) -> optuna.distributions.BaseDistribution:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        ((name, bounds),) = self.space[key].items()
        if name == "choice":
            return CategoricalDistribution(bounds)
        if self._is_whole(key):
            return IntDistribution(round(bounds[0]), round(bounds[1]), log=name == "loguniform")
        return FloatDistribution(float(bounds[0]), float(bounds[1]), log=name == "loguniform")


def search_for(trials: Sequence[Trial], records: Iterable[Record]) -> Search:
    """The search that some trials of one candidate belong to, told of those that are finished."""
    spec = trials[0].spec
    tuning = spec["training"]["tuning"]
    whole = frozenset(key for key in tuning["space"] if isinstance(_get(_defaults(), key), int))
    search = Search(tuning["space"], tuning["search"], int(spec["seed"]), whole)
    for record in records:
        said = told(record)
        if record.trial.tuning is not None and record.status == "finished" and said.settings is not None:
            search.tell(record.trial.tuning, said.settings, said.score)
    return search


@cache
def _defaults() -> JsonObject:
    return Training().model_dump(mode="json")


def _get(settings: Mapping[str, Any], key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if isinstance(value, bool) else value


def applied(spec: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """A training trial's specification with settings put in, as an ordinary one without a search."""
    training = copy.deepcopy(dict(spec["training"]))
    training.pop("tuning", None)
    args = dict(spec["args"])
    for key, value in settings.items():
        if key.startswith(TRIAL_ARGS):
            args[key.removeprefix(TRIAL_ARGS)] = value
            continue
        *path, last = key.split(".")
        place = training
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    left = {key: value for key, value in spec.items() if key != "tuning_trial"}
    return {**left, "training": training, "args": args}


# ------------------------------------------------------------------------------------------ running one


@dataclass
class Attempt:
    """A tuning trial while it runs: its settings, and its validation score epoch by epoch."""

    trial: Trial
    settings: Settings
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    """(epoch, validation score, seconds of the epoch)."""

    def watched(self, progress: Progress) -> Progress:
        """The progress function that also remembers the scores."""

        def note(info: Mapping[str, Any]) -> None:
            if "epoch" in info and "score" in info and "stage" not in info:
                self.curve.append((int(info["epoch"]), float(info["score"]), float(info.get("seconds", 0.0))))
            progress(info)

        return note

    def concluded(self, outcome: Outcome) -> Outcome:
        """The outcome with what the search asks for: the settings and their validation score."""
        metric = watched_metric(self.trial.spec)
        facts = outcome.facts
        assert isinstance(facts, typed.FittedFacts)
        validation = facts.validation or {}
        score = validation.get(metric)
        if score is None:
            raise TrialError(f"tuning needs a validation part with {metric}: set data.validation to 0.1")
        score = -score if METRICS[metric].better == "lower" else score
        said = replace(self._said(), score=score, metric=metric, log_loss=validation.get("log_loss"))
        measured = [m for m in outcome.measurements if m.metric == "train_seconds"]
        return Outcome(tuple(measured) or outcome.measurements, replace(facts, tuning=said))

    def stopped(self, seconds: float) -> Outcome:
        """What is kept of a trial that its scheduler gave up."""
        best = max(score for _, score, _ in self.curve)
        return self._kept(replace(self._said(), score=best, stopped_after_epoch=self.curve[-1][0]), seconds)

    def failed(self, reason: str, seconds: float) -> Outcome:
        """Settings that cannot be trained with are a finding of the search, not a failure of the run."""
        return self._kept(replace(self._said(), failed=reason), seconds)

    def _said(self) -> typed.TuningFacts:
        return typed.TuningFacts(self.trial.tuning, dict(self.settings), tuple(self.curve))

    def _kept(self, said: typed.TuningFacts, seconds: float) -> Outcome:
        return Outcome((Measurement("train_seconds", seconds, "s"),), typed.TrainFacts(tuning=said))


def told(record: Record) -> typed.TuningFacts:
    """What a trial says of its search, of any task; nothing where there is none."""
    return record.facts_as(typed.FittedFacts).tuning or typed.TuningFacts()


def is_tuned(trial: Trial) -> bool:
    """Whether a training trial takes its settings from a search that it needs."""
    training = trial.spec.get("training")
    return (
        trial.kind == "train"
        and trial.tuning is None
        and isinstance(training, Mapping)
        and bool(training.get("tuning"))
    )


def with_settings(trial: Trial, settings: Settings) -> Trial:
    """The trial as its task sees it: an ordinary one, with the settings in its specification."""
    return replace(trial, spec=applied(trial.spec, settings))  # type: ignore[arg-type]


def best_of(records: Iterable[Record]) -> Record:
    """The record of the best settings: highest validation score, then lowest log loss, then first.

    Trials that were given up early are no candidates: their score is of another training.

    Raises:
        TrialError: no settings could be trained with.
    """
    tried = [r for r in records if r.trial.tuning is not None and r.status == "finished"]
    done = [r for r in tried if told(r).score is not None]
    whole = [r for r in done if told(r).stopped_after_epoch is None] or done
    if not whole:
        reasons = {why for r in tried if (why := told(r).failed)}
        raise TrialError(f"no settings of its search could be trained with: {'; '.join(sorted(reasons)[:2])}")

    def rank(record: Record) -> tuple[float, float, int]:
        said = told(record)
        assert said.score is not None
        return said.score, -(said.log_loss or 0.0), -(record.trial.tuning or 0)

    return max(whole, key=rank)


def chosen_facts(records: Sequence[Record]) -> typed.TuningFacts:
    """What a trial that was trained with the outcome of a search says of it."""
    best = best_of(records)
    return typed.TuningFacts(
        settings=told(best).settings,
        source=best.trial.id,
        score=told(best).score,
        trials=sum(told(r).skipped is None for r in records),
        seconds=sum(r.seconds for r in records),
    )

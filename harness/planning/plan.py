"""What a run would do: which trials of a suite are there already, and what the rest will take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

from harness import environment
from harness.codec import JsonObject, to_json
from harness.planning.estimate import (
    STARTING_S,
    guess_seconds,
    like,
    row_size,
    rows_of,
    typical_seconds,
    usd_per_hour,
    work,
)
from harness.planning.launches import as_launched
from harness.planning.notes import plan_notes
from harness.planning.outdated import outdated, outdated_text
from harness.planning.power import Power, power_of
from harness.planning.request import Patterns
from harness.planning.trials import plan_trials, select
from harness.record import KINDS, Kind, Record, Trial, content_hash
from harness.store.runs import RunFolder, find_cached, list_runs
from harness.suite.schema import Suite


def run_hash(suite: Suite, trials: Iterable[Trial], machine_class: str | None = None) -> str:
    """Names a run: the same question and the same trials give the same run folder.

    Args:
        machine_class: of the machine that it serves on: speeds of two classes never share a folder.
    """
    asked = suite.model_dump(mode="json", by_alias=True, exclude={"folder", "track"})
    # A suite without them keeps the name of its runs.
    if not suite.machines:
        del asked["machines"]
    if not suite.decision.traffic.peaks:
        del asked["decision"]["traffic"]["peaks"]
    return content_hash([asked, sorted(trial.id for trial in trials), *filter(None, [machine_class])])


class PlannedTrial(TypedDict):
    """A trial in `plan.json`; expected_seconds: None where nothing like it is known, or it is finished."""

    id: str
    kind: Kind
    label: str
    needs: list[str]
    cached: bool
    expected_seconds: float | None
    guessed: bool


class PlanJson(TypedDict):
    """`plan.json`."""

    suite: str
    hash: str
    trials: list[PlannedTrial]
    expected_wall_seconds: float
    expected_usd: float | None
    expected_until_decided_seconds: list[float] | None
    notes: list[str]
    power: JsonObject | None


@dataclass(frozen=True)
class Plan:
    """What `run` would do.

    Args:
        cached: ids of the trials that are finished already.
        seconds: id → expected seconds, for the missing ones.
        guessed: the ids whose expectation is a rough guess, because nothing like them was run yet.
        slots: how many train or score trials run at once.
        usd_per_hour: of the suite's machine, None where it has no price.
        machine_class: where it serves, None where that is not known yet (a cluster).
        notes: what is worth knowing before anything runs, of own data and of the decision.
        power: which differences the suite can tell apart.
    """

    suite: Suite
    trials: tuple[Trial, ...]
    cached: frozenset[str] = frozenset()
    seconds: Mapping[str, float] = field(default_factory=dict)
    guessed: frozenset[str] = frozenset()
    slots: int = 1
    usd_per_hour: float | None = None
    machine_class: str | None = None
    notes: tuple[str, ...] = ()
    outdated: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)
    power: Power | None = None

    @property
    def hash(self) -> str:
        return run_hash(self.suite, self.trials, self.machine_class)

    @property
    def of_versions(self) -> tuple[str, ...]:
        """That finished trials ran on other versions, in words; `run` says it with what it does about it."""
        return (outdated_text(self.outdated, len(self.cached)),) if self.outdated else ()

    @property
    def missing(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if trial.id not in self.cached)

    @property
    def wall_seconds(self) -> float:
        """Expected seconds of the run: train and score trials share the machine, serve trials do not."""
        wall = 0.0
        for kind in KINDS:
            taken = [self.seconds.get(t.id, 0.0) for t in self.missing if t.kind == kind]
            slots = 1 if kind == "serve" else self.slots
            wall += max(sum(taken) / slots, max(taken)) if taken else 0.0
        return wall + STARTING_S if self.missing else 0.0

    def longest_first(self) -> Plan:
        """The same with its longest trainings first, so that cores end together, and smaller training sets
        after all of the largest; the order of serve trials is drawn, and stays."""
        largest = max((t.train_size or 0 for t in self.trials), default=0)

        def key(trial: Trial) -> tuple[bool, float]:
            is_smaller = trial.train_size is not None and trial.train_size < largest
            return is_smaller, -self.seconds.get(trial.id, 0.0) if trial.kind == "train" else 0.0

        return replace(self, trials=tuple(sorted(self.trials, key=key)))

    @property
    def until_decided(self) -> tuple[float, float] | None:
        """Expected seconds of `--until-decided`, where the suite says when to stop (a budget or a tolerance):
        with the first seed and round of everything, and with all of the largest training set. None where it
        does not say. Who is ruled out before takes less, networks that are served untrained take more."""
        if self.suite.budget is None and self.suite.decision.tolerance is None:
            return None
        largest = max(self.suite.data.train_sizes, default=None)
        asked = tuple(t for t in self.trials if t.train_size == largest and t.tuning is None)
        seeds = {name: candidate.training.seeds[:1] for name, candidate in self.suite.candidates.items()}

        def is_first(trial: Trial) -> bool:
            own = trial.kind == "serve" or trial.seed is None or trial.seed in seeds[trial.candidate]
            return own and not trial.round

        first = tuple(filter(is_first, asked))
        least, most = (replace(self, trials=trials).wall_seconds for trials in (first, asked))
        return min(least, most), most

    @property
    def usd(self) -> float | None:
        return None if self.usd_per_hour is None else self.wall_seconds / 3600 * self.usd_per_hour

    def to_json(self) -> PlanJson:
        """`plan.json`: every trial with what it needs and is expected to take."""
        return {
            "suite": self.suite.name,
            "hash": self.hash,
            "trials": [
                {
                    "id": t.id,
                    "kind": t.kind,
                    "label": t.label,
                    "needs": list(t.needs),
                    "cached": t.id in self.cached,
                    "expected_seconds": self.seconds.get(t.id),
                    "guessed": t.id in self.guessed,
                }
                for t in self.trials
            ],
            "expected_wall_seconds": self.wall_seconds,
            "expected_usd": self.usd,
            "expected_until_decided_seconds": None if self.until_decided is None else [*self.until_decided],
            "notes": [*self.notes, *self.of_versions],
            "power": None if self.power is None else to_json(self.power),
        }


def plan_run(
    suite: Suite, only: Patterns, out: str, *, gpus: float = 0.0, is_local: bool = True
) -> tuple[Plan, Mapping[str, RunFolder]]:
    """What a run would do, knowing what earlier runs under `out` finished.

    Args:
        only, gpus: as for `select` and `plan_trials`.
        is_local: whether this machine serves: speed measured on machines of another class then counts
            as missing.
    Returns:
        the plan, of the suite as finished launches have it (`as_launched`), and the run that each finished
        trial is in.
    """
    machine_class = suite.machine.machine_class or (environment.machine_class() if is_local else None)

    def planned_of(asked: Suite) -> tuple[tuple[Trial, ...], Mapping[str, RunFolder]]:
        trials = select(plan_trials(asked, gpus), only)
        return trials, find_cached(out, asked.name, [trial.id for trial in trials], machine_class)

    trials, cached = planned_of(suite)
    runs = list_runs(out, suite.name)
    history = runs[-1].records() if runs and len(cached) < len(trials) else []
    notes = plan_notes(suite, machine_class)
    suite, (trials, cached), said = as_launched(suite, (trials, cached), history, planned_of)
    planned = make_plan(suite, trials, cached, history)
    records = {trial_id: record for trial_id, run in cached.items() if (record := run.record(trial_id))}
    old = outdated(trials, records)
    notes = (*notes, *filter(None, [said]))
    power = power_of(suite, [*(r for r in list_runs(out) if r.suite_name != suite.name), *runs])
    return replace(planned, machine_class=machine_class, notes=notes, outdated=old, power=power), cached


def make_plan(
    suite: Suite,
    trials: tuple[Trial, ...],
    cached: Iterable[str] = (),
    history: Iterable[Record] = (),
    slots: int | None = None,
) -> Plan:
    """A plan with estimates: from finished records of like trials, else a rough guess said to be one.

    Args:
        cached: ids of finished trials.
        history: records of earlier runs of the suite.
        slots: trials at once; by default what the largest claim leaves of this machine's cores.
    """
    cached = frozenset(cached) & {trial.id for trial in trials}
    rows = rows_of(suite)
    known = typical_seconds(history, rows)
    size = row_size(suite)
    seconds: dict[str, float] = {}
    guessed = set()
    for trial in trials:
        if trial.id in cached:
            continue
        alike = [] if trial.spec.get("untrained") else like(trial)
        typical = next((known[key] for key in alike if key in known), None)
        seconds[trial.id] = (
            typical * work(trial, rows) if typical is not None else guess_seconds(trial, size, rows)
        )
        if typical is None:
            guessed.add(trial.id)
    claim = max((t.resources.cpus for t in trials if t.kind != "serve"), default=1)
    slots = slots or max(1, (os.cpu_count() or 1) // claim)
    return Plan(suite, trials, cached, seconds, frozenset(guessed), slots, usd_per_hour(suite))

"""Trials of one sweep that rest on others of it: each is handed out when what it needs is there.

So a core that no training needs any more scores what was trained, in a process that has torch loaded already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from harness.record import Trial
from harness.schedule.search import TuneSearch
from harness.schedule.settings import Wanted
from harness.store.runs import RunFolder

AHEAD, AHEAD_OF_ALL = 24, 200
"""Trials that Tune is handed beside those that run: each is a claim that the cluster holds open and that Tune
looks at with every event. More where claims differ: what waits for a GPU keeps no core from the rest."""


class Following(Searcher):
    """Hands out trials in their order, each after those it needs.

    Args:
        wanted: who is not is left without a record, and who rests on it as well; None: all are wanted. Also
            asked of trainings that need nothing.
    """

    def __init__(self, trials: Sequence[Trial], run: RunFolder, wanted: Wanted | None) -> None:
        super().__init__(metric="score", mode="max")
        self.waiting, self.run = _taking_turns(trials), run
        self.wanted: Wanted = wanted or (lambda trial: True)
        self.own = {trial.id for trial in trials}
        self.open = set(self.own)
        self.running: dict[str, str] = {}
        self.dropped: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        later = set[str]()
        while ready := next((t for t in self.waiting if t.id not in later and self._has_all(t)), None):
            is_to_run = self._is_to_run(ready)
            if is_to_run is None:
                later.add(ready.id)
                continue
            self.waiting.remove(ready)
            if is_to_run:
                self.running[trial_id] = ready.id
                return {"id": ready.id}
            self.open.discard(ready.id)
        if not self.running:  # nothing will make room for what is not to run yet
            self.dropped |= {trial.id for trial in self.waiting}
            self.waiting.clear()
        return None if self.waiting else str(Searcher.FINISHED)

    def _has_all(self, trial: Trial) -> bool:
        return not self.open & set(trial.needs)

    def _is_to_run(self, trial: Trial) -> bool | None:
        is_wanted = not self.dropped & set(trial.needs) and self.wanted(trial)
        if is_wanted is False:
            self.dropped.add(trial.id)
        return is_wanted and all(self.run.has_finished(needed) for needed in self.own & set(trial.needs))

    def on_trial_complete(self, trial_id: str, result: object = None, error: bool = False) -> None:
        self.open.discard(self.running.pop(trial_id))

    def __getstate__(self) -> dict[str, object]:
        """Nothing: Tune pickles who hands out trials, to restore it; who is asked here may hold anything."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """The records are the state; Tune's snapshots are not used."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


def _taking_turns(trials: Sequence[Trial]) -> list[Trial]:
    """Trials in their order, but a candidate's second score after the first ones of all others: beside its
    own first it would wait for the graph that this just exports (`harness.runtimes.graphs`)."""
    turns = Counter[str]()
    found: list[tuple[int, Trial]] = []
    for trial in trials:
        found.append((turns[trial.candidate] if trial.kind == "score" else 0, trial))
        turns[trial.candidate] += trial.kind == "score"
    return [trial for _, trial in sorted(found, key=lambda one: one[0])]


def plan_following(following: Following, cpus: float) -> TuneSearch:
    """What a sweep hands to Tune.

    Args:
        cpus: of all nodes: so many trials may run at once.
    """
    claims = {trial.resources for trial in following.waiting}
    ahead = AHEAD if len(claims) == 1 else AHEAD_OF_ALL
    limited = ConcurrencyLimiter(following, max_concurrent=int(cpus) + max(ahead, int(cpus)))
    return TuneSearch(limited, FIFOScheduler(), len(following.waiting))  # type: ignore[no-untyped-call]

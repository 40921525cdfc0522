"""Trials → records on Ray Tune: one engine from a laptop to a cluster.

The only package that imports ray, and only when a trial has to run: what is recorded already starts
nothing. `run_trials` is its whole surface.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.progress import Watcher
from harness.record import Kind, Record, Trial
from harness.schedule.settings import SchedulerSettings, Wanted
from harness.schedule.unrun import why_blocked, with_all_that_rest_on, write_not_run
from harness.store.runs import RunFolder

if TYPE_CHECKING:
    from harness.schedule.cluster import Cluster

PHASES: tuple[tuple[Kind, ...], ...] = (("train", "score"), ("serve",))
"""What may run at the same time. Nothing runs while something is timed."""

__all__ = ["PHASES", "Kept", "SchedulerSettings", "Wanted", "module_paths", "run_trials"]


class Kept(contextlib.ExitStack):
    """One Ray for several calls of `run_trials`, started when the first trial has to run."""

    _is_begun = False
    _cluster: Cluster | None = None

    def begin(self, settings: SchedulerSettings, said: Callable[[str], object]) -> None:
        """Start or join Ray now, if that has not been done yet, and say so."""
        if not self._is_begun:
            said("starting Ray" if settings.address is None else f"joining Ray at {settings.address}")
            from harness.schedule.cluster import connected, prepare_environment

            prepare_environment(settings.address)  # before ray is imported
            self.enter_context(connected(settings))
            import harness.schedule.sweep  # noqa: F401  # Ray Tune takes a second: here, beside what a run checks

            self._is_begun = True

    def cluster(self, run: RunFolder, watcher: Watcher, settings: SchedulerSettings) -> Cluster:
        """The Ray that there is, else a new one."""
        if self._cluster is None:
            self.begin(settings, watcher.said)
            from harness.schedule.cluster import Cluster

            self._cluster = Cluster(settings, run)
        return self._cluster


def run_trials(
    trials: Sequence[Trial],
    run: RunFolder,
    watcher: Watcher,
    settings: SchedulerSettings,
    *,
    dispatch: str | None = None,
    kept: Kept | None = None,
    wanted: Wanted | None = None,
) -> list[Record]:
    """Run the trials that have no finished record: trainings and scores, each as soon as what it needs is
    there, then those that serve.

    Every wanted trial has a record afterwards; the ones that failed, died, were blocked by a failed
    trial or by the budget are failed records with their reason.

    Args:
        trials: fewer than none GPUs (`Resources.gpus == -1`) asks for one where a node has any; of serve
            trials, where one that serves has.
        dispatch: `module:function` that runs a trial's job; by default its task's module.
        kept: a Ray that further calls will use as well; by default it is ended here.
        wanted: asked of a training or score when what it needs has ended, finished or failed; who is not
            wanted (any more, or until all else has ended), and who rests on it, is left as it is.
    Returns:
        the records of all that were wanted.
    Raises:
        HarnessError: no cluster at the address, a trial that fits no node (any more), or records that
            cannot be written. KeyboardInterrupt: what is finished is recorded.
    """
    finished = {t.id for t in trials if _is_finished(run.record(t.id))}
    missing = [t for t in trials if t.id not in finished]
    settings = replace(
        settings, session=settings.session or uuid.uuid4().hex, started=settings.started or time.time()
    )
    dropped = with_all_that_rest_on(_not_wanted(missing, wanted), missing)
    missing = [t for t in missing if t.id not in dropped]
    if missing and _spent(settings):
        for trial in missing:
            write_not_run(trial, settings.budget_reason, run, watcher, settings)
    elif missing:
        with contextlib.ExitStack() as own:
            cluster = (kept or own.enter_context(Kept())).cluster(run, watcher, settings)
            cluster.nodes_for(missing, watcher)  # what fits no node is said before anything starts
            from harness.schedule.sweep import run_sweep

            searched = [t for t in missing if t.tuning is not None]
            if searched and _ready(searched, run, watcher, settings):
                from harness.schedule.sweep import run_search

                every = [t for t in trials if t.tuning is not None]  # finished ones are learnt from
                run_search(every, run, watcher, settings, cluster, dispatch)
            for kinds in PHASES:
                phase = [t for kind in kinds for t in missing if t.kind == kind and t.tuning is None]
                if ready := _ready(phase, run, watcher, settings, dropped):
                    kind = ready[0].kind
                    dropped |= run_sweep(kind, ready, run, watcher, settings, cluster, dispatch, wanted)
    left = with_all_that_rest_on(dropped, missing)  # one may have failed in an earlier session
    asked = (run.record(t.id) for t in trials if t.id not in left)
    return [record for record in asked if record is not None]


def _not_wanted(missing: Sequence[Trial], wanted: Wanted | None) -> set[str]:
    """Whom nothing is missing for and nobody wants: no Ray is started to find that out."""
    ids = {t.id for t in missing}
    ask = [t for t in missing if wanted and t.kind != "serve" and ids.isdisjoint(t.needs)]
    return {t.id for t in ask if wanted and wanted(t) is False}


def _ready(
    phase: Iterable[Trial],
    run: RunFolder,
    watcher: Watcher,
    settings: SchedulerSettings,
    dropped: Collection[str] = (),
) -> list[Trial]:
    """The trials whose needs are finished, or come before them, while there is budget; the others are
    recorded as not run, but for those that rest on what is not wanted any more."""
    ready: dict[str, Trial] = {}
    for trial in _needed_first(list(phase)):
        if any(needed in dropped for needed in trial.needs):
            continue
        reason = why_blocked(trial, run, ready) or (settings.budget_reason if _spent(settings) else None)
        if reason is None:
            ready[trial.id] = trial
        else:
            write_not_run(trial, reason, run, watcher, settings)
    return list(ready.values())


def _needed_first(trials: Sequence[Trial]) -> list[Trial]:
    """In their order, but each after those of them that it needs."""
    by_id = {trial.id: trial for trial in trials}

    def depth(trial: Trial) -> int:
        return max((1 + depth(by_id[needed]) for needed in trial.needs if needed in by_id), default=0)

    return sorted(trials, key=depth)


def _spent(settings: SchedulerSettings) -> bool:
    return settings.left_s <= 0


def _is_finished(record: Record | None) -> bool:
    return record is not None and record.status == "finished"


def module_paths(folder: str | Path) -> tuple[str, ...]:
    """Where the user's modules are looked for: beside the suite file, then where the run was started.

    Args:
        folder: of the suite file; of a run folder's `suite.yaml`, where the original stood.
    """
    return tuple(dict.fromkeys([str(Path(folder).resolve()), str(Path.cwd())]))

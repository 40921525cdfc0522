"""One phase: its trials as one Ray Tune sweep, and a record for every one of them, whatever happens."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ray import tune
from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.error import TuneError

from harness.progress import Watcher
from harness.record import HarnessError, Kind, Trial
from harness.schedule.cluster import NODE, Cluster, ClusterNode, fits, living_nodes, resolve_gpus
from harness.schedule.following import Following, plan_following
from harness.schedule.lost import NodesLostError, Waiting
from harness.schedule.search import TuneSearch, plan_search, skipped
from harness.schedule.settings import SchedulerSettings, Wanted
from harness.schedule.slot import Slot, light_tune
from harness.schedule.unrun import why_blocked, write_not_run
from harness.schedule.worker import MARKS, Orders, Reported
from harness.store.runs import RunFolder
from harness.trial.trial import STACKS
from harness.trial.watchdog import last_words

if TYPE_CHECKING:
    from ray.tune.experiment import Trial as TuneTrial

DEATHS = 2
"""How often a trial is started again when its worker or its node died under it."""

SWEEPS = 3
"""How often the whole sweep is started again when Ray itself ends it."""

log = logging.getLogger("harness")


@dataclass
class _Sink:
    """What the callback tells: it is pickled by Tune, so it keeps nothing itself."""

    watcher: Watcher
    trials: Mapping[str, Trial]
    status: dict[str, str] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    lasted: dict[str, float] = field(default_factory=dict)
    died: dict[str, str] = field(default_factory=dict)
    claims: Mapping[str, tune.PlacementGroupFactory] = field(default_factory=dict)
    waiting: Waiting | None = None


_SINKS: list[_Sink] = []


class _Forward(Callback):
    """Forwards Tune's events to the sink of the running sweep."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (_Forward, ())

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **info: object) -> None:
        if (waiting := _SINKS[-1].waiting) is not None:
            left = [t.config["id"] for t in trials if t.status == "PENDING"]
            waiting.look(left, any(t.status == "RUNNING" for t in trials))

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        sink = _SINKS[-1]
        sink.began[trial.config["id"]] = time.monotonic()
        sink.watcher.began(sink.trials[trial.config["id"]])

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        sink, told = _SINKS[-1], trial.config["id"]
        sink.lasted[told] = time.monotonic() - sink.began.get(told, 0.0)
        sink.died[told] = str(trial.get_pickled_error() or trial.get_error())

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, object],
        **info: object,
    ) -> None:
        sink, reported = _SINKS[-1], cast(Reported, result)
        told = sink.trials[trial.config["id"]]
        if "info" in reported:
            sink.watcher.went_on(told, reported["info"])
        status = reported.get("status")
        if status is not None:
            sink.status[told.id] = status
        if status == "finished" or status == "failed":
            sink.watcher.ended(told, status, reported["reason"], reported["seconds"])


def run_sweep(
    kind: Kind,
    trials: Sequence[Trial],
    run: RunFolder,
    watcher: Watcher,
    settings: SchedulerSettings,
    cluster: Cluster,
    dispatch: str | None = None,
    wanted: Wanted | None = None,
    search: Callable[[Sequence[Trial]], TuneSearch] | None = None,
) -> set[str]:
    """Run one phase; afterwards every trial has a record.

    Args:
        kind: of its first trial: serve trials are never in one sweep with others.
        wanted: asked of a trial when what it needs of these has ended.
        search: for tuning trials: who proposes the settings of those that are left, and who gives them up.
    Returns:
        ids of the trials that were not wanted any more, and have no record.
    Raises:
        HarnessError: records cannot be written, or what is left fits no living node for long.
    """
    left = resolve_gpus(trials, _nodes(trials, cluster, watcher, settings))
    ended, cause, dropped = 0, "", set[str]()
    while ended < SWEEPS:
        nodes = _nodes(left, cluster, watcher, settings)
        orders = Orders(
            run,
            {t.id: t for t in left},
            settings.session,
            settings.deadline,
            settings.paths,
            dispatch,
            settings.account,
        )
        sink = _Sink(watcher, orders.trials)
        following = Following(left, run, wanted)
        tuned = search(left) if search else plan_following(following, sum(n.cpus for n in nodes))
        try:
            deaths, cause = _fit(kind, orders, sink, settings, nodes, tuned)
            ended += 1
        except NodesLostError:
            deaths = {}
        dropped |= following.dropped
        left = [t for t in left if t.id not in dropped]
        left = _still_left(left, run, sink, deaths, cause, settings, is_search=search is not None)
        if not left:
            return dropped
    for trial in left:
        reason = f"not run: Ray ended the sweep {SWEEPS} times ({cause or 'no reason given'})"
        write_not_run(trial, reason, run, watcher, settings)
    return dropped


def _still_left(
    trials: Sequence[Trial],
    run: RunFolder,
    sink: _Sink,
    deaths: Mapping[str, str],
    cause: str,
    settings: SchedulerSettings,
    is_search: bool,
) -> list[Trial]:
    """What a sweep has left to be tried again; what it gave up, or whose worker died, gets its record here.

    Args:
        deaths: trial id → how its worker died. cause: why Ray ended the sweep, empty where it did not.
    """
    left: list[Trial] = []
    for trial in trials:
        record = run.record(trial.id)
        if record and (record.status == "finished" or record.environment.get("session") == settings.session):
            continue
        limit = settings.search_limits.get(trial.candidate) if is_search else None
        if limit is not None and not cause and trial.id not in sink.began:
            run.commit(skipped(trial, limit), run.scratch(trial.id))
            sink.watcher.ended(trial, "finished", "", 0.0)
        elif sink.status.get(trial.id) == "unspent":
            write_not_run(trial, settings.budget_reason, run, sink.watcher, settings)
        elif trial.id in deaths:
            reason, stacks = _last_words(run, trial, settings.session)
            reason = reason or death_reason(deaths[trial.id], trial, sink.lasted.get(trial.id, 0.0))
            write_not_run(trial, reason, run, sink.watcher, settings, "WorkerDied", stacks)
        elif blocked := why_blocked(trial, run, {t.id for t in left}):
            write_not_run(trial, blocked, run, sink.watcher, settings)
        else:
            left.append(trial)
    return left


def _nodes(
    trials: Sequence[Trial], cluster: Cluster, watcher: Watcher, settings: SchedulerSettings
) -> Sequence[ClusterNode]:
    """The nodes for a sweep, waited for where they are lost.

    Raises:
        HarnessError: none fits for long.
    """
    try:
        return cluster.nodes_for(trials, watcher, settings.patience_s)
    except HarnessError as error:
        raise HarnessError(f"{error}; what is finished is kept, the same command continues") from error


def _fit(
    kind: Kind,
    orders: Orders,
    sink: _Sink,
    settings: SchedulerSettings,
    nodes: Sequence[ClusterNode],
    search: TuneSearch,
) -> tuple[dict[str, str], str]:
    """Run Tune once: trial id → error text of those whose worker died, and why Tune itself gave up.

    Raises:
        NodesLostError: all that is left waits for nodes that are lost.
    """
    sink.claims = _claims(kind, orders.trials, nodes, settings)
    if settings.address is not None:
        sink.waiting = Waiting(lambda ids: _can_run([orders.trials[i] for i in ids], nodes))
    storage = Path(tempfile.mkdtemp(prefix="harness-tune-"))
    _SINKS.append(sink)
    try:
        with warnings.catch_warnings(), light_tune():
            warnings.simplefilter("ignore")
            trainable = tune.with_resources(tune.with_parameters(Slot, orders=orders), _claimed)
            tune.Tuner(
                trainable,
                param_space={},
                tune_config=tune.TuneConfig(
                    num_samples=search.count,
                    reuse_actors=True,
                    search_alg=search.proposer,
                    scheduler=search.scheduler,
                ),
                run_config=tune.RunConfig(
                    name=f"{kind}-{uuid.uuid4().hex}",
                    storage_path=str(storage),
                    failure_config=tune.FailureConfig(max_failures=DEATHS),
                    callbacks=[_Forward()],
                    verbose=0,
                ),
            ).fit()
    except (RayError, TuneError, RuntimeError) as error:
        if (raised := raised_by_us(error)) is not None:
            raise raised from None
        # A worker that Ray's memory monitor kills ends `fit` with a plain RuntimeError (Ray 2.60).
        log.warning("Ray ended the %s sweep: %s", kind, error)
        return {}, str(error).strip().splitlines()[-1]
    finally:
        _SINKS.pop()
        shutil.rmtree(storage, ignore_errors=True)
    return sink.died, ""


def raised_by_us(error: BaseException | None) -> BaseException | None:
    """What code of the harness raised that Tune had called (whom it asks for trials, whom it tells of them),
    also where Tune wraps it; None where Ray itself gave up: to try that again would not help."""
    while error is not None:
        frames = [f for f, _ in traceback.walk_tb(error.__traceback__) if f.f_code is not _fit.__code__]
        packages = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames]
        if [package for package in packages if package in ("harness", "ray")][-1:] == ["harness"]:
            return error
        error = error.__cause__ or error.__context__
    return None


def _claimed(config: dict[str, str]) -> tune.PlacementGroupFactory:
    """A trial's claim. A function of this module, not a closure over all claims: Tune unpickles the trainable
    several times a trial, and 320 claims in it kept the driver busy all the time."""
    return _SINKS[-1].claims[config["id"]]


def _claims(
    kind: Kind, trials: Mapping[str, Trial], nodes: Sequence[ClusterNode], settings: SchedulerSettings
) -> dict[str, tune.PlacementGroupFactory]:
    """What each trial asks of its node; a serve trial asks for all of it."""
    if kind != "serve":
        return {t.id: tune.PlacementGroupFactory([_claim(t)]) for t in trials.values()}
    able = [node for node in nodes if node.serves]
    bundle: dict[str, float] = {"CPU": min(node.cpus for node in able), NODE: 1}
    placed: Callable[..., tune.PlacementGroupFactory] = tune.PlacementGroupFactory
    if settings.address is not None:  # a node of another class may join at any time
        nodes_that_serve = {"ray.io/node-id": f"in({','.join(n.id for n in able)})"}
        placed = partial(placed, bundle_label_selector=[nodes_that_serve])
    return {
        t.id: placed([bundle | ({"GPU": t.resources.gpus} if t.resources.gpus else {})])
        for t in trials.values()
    }


def _can_run(trials: Sequence[Trial], nodes: Sequence[ClusterNode]) -> bool:
    """Whether any of the trials fits a living node; serve trials keep to the nodes they were sent to."""
    living = living_nodes()
    able = {node.id for node in nodes if node.serves} & {node.id for node in living}
    return any(bool(able) if t.kind == "serve" else any(fits(t, node) for node in living) for t in trials)


def _claim(trial: Trial) -> dict[str, float]:
    claim: dict[str, float] = {"CPU": trial.resources.cpus}
    if trial.resources.gpus:
        claim["GPU"] = trial.resources.gpus
    if trial.resources.memory_mb:
        claim["memory"] = trial.resources.memory_mb * 2**20
    return claim


def _last_words(run: RunFolder, trial: Trial, session: str) -> tuple[str, str]:
    """What the trial's last process wrote when it died, where its scratch folder can be seen from here."""
    left = run.leftovers(trial.id, session)
    return last_words(left[-1] / STACKS, trial.time_limit_s) if left else ("", "")


def death_reason(text: str, trial: Trial, lasted_s: float) -> str:
    """Why a worker died without a word, from what Ray knows of it, which is little.

    Raises:
        HarnessError: the worker did not die: it could not write its record.
    """
    if "HarnessError" in text:
        raise HarnessError(text.split("HarnessError:", 1)[-1].strip().splitlines()[0])
    if lasted_s >= trial.time_limit_s:
        return f"timed out after {trial.time_limit_s:g} s"
    lowered = text.lower()
    if "memory pressure" in lowered or "outofmemoryerror" in lowered:
        return "killed: out of memory"
    if re.search(r"\bnode (\S+ ){0,4}(dead|terminated|died|lost)", lowered):
        return "worker died: its node was lost"
    if "died" in lowered:
        return f"worker died {DEATHS + 1} times without a word (killed: out of memory?)"
    return f"worker failed: {text.strip().splitlines()[-1][:200] if text.strip() else 'no reason given'}"


def run_search(
    trials: Sequence[Trial],
    run: RunFolder,
    watcher: Watcher,
    settings: SchedulerSettings,
    cluster: Cluster,
    dispatch: str | None = None,
) -> None:
    """Run the searches; afterwards every trial of them has a record.

    Args:
        trials: all of every candidate's search, finished ones too: they are what it learns from.
    """
    finished = {t.id for t in trials if (r := run.record(t.id)) is not None and r.status == "finished"}
    left = [t for t in trials if t.id not in finished]

    def plan(todo: Sequence[Trial]) -> TuneSearch:
        return plan_search(trials, todo, run, settings.session, settings.search_limits)

    run_sweep("train", left, run, watcher, settings, cluster, dispatch, search=plan)
    if run.is_local:
        shutil.rmtree(Path(run.url) / MARKS, ignore_errors=True)

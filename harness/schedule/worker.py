"""What runs inside a Ray worker: one trial, and the reports of its progress."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NotRequired, TypedDict

from harness.codec import JsonObject
from harness.planning.tuning import EnoughError
from harness.protocols import Progress
from harness.record import Record, Trial
from harness.schedule.settings import left_s
from harness.schedule.together import train_together
from harness.store.runs import RunFolder
from harness.trial.isolation import host_to_itself
from harness.trial.trial import STACKS, Dispatch, not_run, run_trial
from harness.trial.waits import note_wait
from harness.trial.watchdog import last_words

REPORT_EVERY_S = 0.5
"""Reports wait for the driver; a fast epoch must not be slowed by them."""


OVER = {"http": "harness.schedule.http:serve"}
"""How requests of a serve trial arrive → what runs its job; its own process calls the others."""

MARKS = ".tuning"
"""Folder in the run folder with a file for each tuning trial that was given up."""


def mark_of(session: str, trial_id: str) -> str:
    return f"{MARKS}/{session}-{trial_id}"


@dataclass(frozen=True)
class Orders:
    """What every worker of a sweep is told.

    Args:
        trials: by id.
        deadline: time.time() after which no trial starts; None without a budget.
        paths: put in front of sys.path.
        dispatch: `module:function` that runs a job; None finds it by the trial's kind and task.
        account: of the waits for other runs on this host, which put the deadline off.
    """

    run: RunFolder
    trials: Mapping[str, Trial]
    session: str
    deadline: float | None = None
    paths: tuple[str, ...] = ()
    dispatch: str | None = None
    account: str = ""


class Config(TypedDict):
    """What Tune hands to a trial: its id, and as JSON the settings that a search proposes for it."""

    id: str
    settings: NotRequired[str]


class Reported(TypedDict, total=False):
    """What a trial reports to Tune: that it goes on, or how it ended."""

    info: JsonObject
    status: Literal["finished", "failed", "unspent"]
    reason: str
    seconds: float


def work(config: Config, orders: Orders) -> None:
    """Run a trial for Ray Tune, in a reused process."""
    from ray import tune

    trial = orders.trials[config["id"]]
    for path in orders.paths:
        if path not in sys.path:
            sys.path.insert(0, path)
    last = 0.0

    def progress(info: JsonObject) -> None:
        nonlocal last
        judged = trial.tuning is not None and "score" in info and "stage" not in info
        if judged or time.monotonic() - last >= REPORT_EVERY_S:
            last = time.monotonic()
            score = {"epoch": info["epoch"], "score": info["score"]} if judged else {}
            tune.report({"info": dict(info), **score})
        # `report` returns when the scheduler has judged; the last epoch is not worth giving up.
        if judged and not _is_last(info) and orders.run.exists(mark_of(orders.session, trial.id)):
            raise EnoughError

    # Tune stops at a report that is `done`; after another it would ask whether there is more.
    tune.report({**_ended(trial, config, orders, progress), "done": True})


def _ended(trial: Trial, config: Config, orders: Orders, progress: Progress) -> Reported:
    """Run a trial that needs it: what is to be said of its end, when no lock is held any more."""
    if _is_spent(orders):
        return {"status": "unspent"}
    record = _settled(trial, orders)
    if record is None:
        with host_to_itself(
            trial.kind,
            lambda: progress({"waiting": "for another run on this host"}),
            partial(note_wait, orders.account),
        ):
            if _is_spent(orders):  # while it waited, where nobody counts that
                return {"status": "unspent"}
            record = run_trial(
                trial,
                orders.run,
                progress,
                dispatch=_dispatch(trial, orders),
                session=orders.session,
                settings=json.loads(config["settings"]) if "settings" in config else None,
            )
    reason = record.failure.reason if record.failure else ""
    return {"status": record.status, "reason": reason, "seconds": record.seconds}


def _is_last(info: JsonObject) -> bool:
    epoch, epochs = info["epoch"], info["epochs"]
    assert isinstance(epoch, (int, float)) and isinstance(epochs, (int, float))
    return epoch >= epochs


def _is_spent(orders: Orders) -> bool:
    return left_s(orders.deadline, orders.account) <= 0


def _settled(trial: Trial, orders: Orders) -> Record | None:
    """The record of a trial that needs no further attempt: it is finished, or it failed by its own fault.

    An attempt of this session that hung or crashed by itself left its last words behind; to try it again
    would only repeat that. An attempt that was killed from outside left none. One that finished, and could
    not publish it, left its record.
    """
    record = orders.run.record(trial.id)
    if record is not None and (
        record.status == "finished" or record.environment.get("session") == orders.session
    ):
        return record
    rescued = orders.run.rescue(trial.id)
    if rescued is not None:
        return rescued
    left = orders.run.leftovers(trial.id, orders.session)
    reason, stacks = last_words(left[-1] / STACKS, trial.time_limit_s) if left else ("", "")
    if not reason:
        return None
    record = not_run(trial, reason, orders.session, "WorkerDied", stacks)
    orders.run.commit(record, left[-1])
    return record


def _dispatch(trial: Trial, orders: Orders) -> Dispatch | None:
    """What runs the job, where that is not its task's module alone."""
    if trial.workers > 1 and orders.dispatch is None:
        return partial(train_together, paths=orders.paths)
    return _named(orders.dispatch or OVER.get(trial.spec.get("over", "")))


def _named(reference: str | None) -> Dispatch | None:
    if reference is None:
        return None
    module, _, name = reference.partition(":")
    function: Dispatch = getattr(importlib.import_module(module), name)
    return function

"""What runs inside a Ray worker: one trial, and the reports of its progress."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.isolation import host_to_itself
from harness.record import Trial
from harness.store import RunFolder
from harness.trial import Dispatch, run_trial

REPORT_EVERY_S = 0.5
"""Reports wait for the driver; a fast epoch must not be slowed by them."""


@dataclass(frozen=True)
class Orders:
    """What every worker of a sweep is told.

    Args:
        trials: by id.
        deadline: time.time() after which no trial starts; None without a budget.
        paths: put in front of sys.path.
        dispatch: `module:function` that runs a job; None finds it by the trial's kind and task.
    """

    run: RunFolder
    trials: Mapping[str, Trial]
    session: str
    deadline: float | None = None
    paths: tuple[str, ...] = ()
    dispatch: str | None = None


def work(config: Mapping[str, Any], orders: Orders) -> None:
    """The function that Ray Tune calls for each trial, in a reused process."""
    from ray import tune

    trial = orders.trials[config["id"]]
    for path in orders.paths:
        if path not in sys.path:
            sys.path.insert(0, path)
    last = 0.0

    def progress(info: Mapping[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY_S:
            last = time.monotonic()
            tune.report({"info": dict(info)})

    if orders.deadline is not None and time.time() >= orders.deadline:
        tune.report({"status": "unspent"})
        return
    record = orders.run.record(trial.id)
    mine = record is not None and record.environment.get("session") == orders.session
    if record is None or not (record.status == "finished" or mine):
        with host_to_itself(trial.kind, lambda: progress({"waiting": "for another run on this host"})):
            record = run_trial(
                trial, orders.run, progress, dispatch=_named(orders.dispatch), session=orders.session
            )
    reason = record.failure.reason if record.failure else ""
    tune.report({"status": record.status, "reason": reason, "seconds": record.seconds})


def _named(reference: str | None) -> Dispatch | None:
    if reference is None:
        return None
    module, _, name = reference.partition(":")
    function: Dispatch = getattr(importlib.import_module(module), name)
    return function

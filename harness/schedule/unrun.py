"""Trials that are not run: the record of one that could not write its own, and what rests on one that is not
wanted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from harness.progress import Watcher
from harness.reasons import Reason, reason_of
from harness.record import Trial
from harness.schedule.settings import SchedulerSettings
from harness.store.runs import RunFolder
from harness.trial.trial import not_run

NOT_RUN = "NotRun"
"""Type of the failure of a trial that was never started."""


def write_not_run(
    trial: Trial,
    reason: str,
    run: RunFolder,
    watcher: Watcher,
    settings: SchedulerSettings,
    type_: str = NOT_RUN,
    stacks: str = "",
) -> None:
    """Record a trial that could not record itself.

    Why it failed earlier, with its traceback and log, tells more than that it was not run this time.
    """
    earlier = run.record(trial.id)
    failed_with = earlier.failure if earlier is not None else None
    if type_ == NOT_RUN and failed_with is not None and failed_with.type != NOT_RUN:
        watcher.ended(trial, "failed", f"{reason}; it failed before: {failed_with.reason}")
        return
    record = not_run(trial, reason, settings.session, type_, stacks)
    run.commit(record, run.scratch(trial.id, settings.session))
    watcher.ended(trial, "failed", reason)


def why_blocked(trial: Trial, run: RunFolder, coming: Collection[str] = ()) -> str | None:
    """Why a trial cannot run: one that it needs failed or has no record; None where nothing is in its way.

    Args:
        coming: ids of trials that are run before it.
    """
    for needed in trial.needs:
        if needed in coming:
            continue
        record = run.record(needed)
        if record is None:
            return f"not run: it needs {needed}, which has no record"
        if record.status == "failed":
            reason = record.failure.reason if record.failure else "failed"
            if reason_of(reason) is Reason.NOT_RUN:
                return reason
            what = {"train": "training", "score": "scoring", "serve": "serving"}[record.trial.kind]
            return f"not run: its {what} failed ({reason})"
    return None


def with_all_that_rest_on(dropped: Iterable[str], trials: Sequence[Trial]) -> set[str]:
    """Ids of trials that are not run, with those of all that need one of them, directly or not."""
    found = set(dropped)
    while more := {t.id for t in trials if t.id not in found and found.intersection(t.needs)}:
        found |= more
    return found

"""`python -m harness run`: plan, run what is missing, report."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from harness.codec import JsonObject
from harness.dropped import coming_again
from harness.figures import duration_text
from harness.planning.asked import check_certified
from harness.planning.outdated import outdated_text
from harness.planning.plan import Plan, plan_run, run_hash
from harness.planning.request import RunRequest, measures_until_decided
from harness.reading import read_suite
from harness.record import content_hash
from harness.running.again import of_the_served, with_another_session
from harness.running.ending import end_of_run
from harness.running.preflight import never_trained, preflight
from harness.running.session import Session
from harness.running.smoke import smoke as shrunk
from harness.schedule import Kept, SchedulerSettings, module_paths
from harness.store.runs import RunFolder, open_run
from harness.suite.schema import Suite
from harness.trial.waits import counting_waits, waited_s

OPEN_GPUS = -1.0
"""What a trial claims whose suite leaves the GPUs open: one where the nodes have any (known later)."""

SHOW_CURSOR = b"\x1b[?25h"


def run_suite(
    request: RunRequest,
    waited: Callable[[float], object] = lambda seconds: None,
    told: set[str] | None = None,
    opened: Callable[[RunFolder], object] = lambda run: None,
) -> int:
    """Run a suite; what is finished is never run again.

    Args:
        waited: told how many seconds trials waited for other runs on this host, which no budget counts.
        told: notes that were printed for another data set of the suite; what is printed is added.
        opened: told the run's folder.
    Returns:
        the exit code: 0, 1 when trials failed, 130 when interrupted.
    Raises:
        HarnessError: the user's input is wrong, or nothing can be written (exit code 2).
    """
    started = time.time()
    if request.submit is not None:
        from harness.schedule.submit import submit_run

        return submit_run(request)
    asked = _suite(request)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 110)
    planned = _planned(request, asked, set() if told is None else told, console)
    with _interruptible(console), Kept() as kept:
        run = None
        try:
            _fetch(planned.suite, console)
            settings = _settings(planned.suite, request, started)
            begin = partial(_begin, kept, settings, planned.plan, planned.stops, console)
            preflight(planned.suite, request.suite, never_trained(planned.plan), meanwhile=begin)
            run = open_run(request.out, planned.suite.name, planned.name, without=planned.plan.outdated)
            opened(run)
            return _measured(run, planned, request, replace(settings, account=run.id), kept, waited, console)
        except KeyboardInterrupt:
            _say_interrupted(run, planned.plan, console)
            return 130


@dataclass(frozen=True)
class _Planned:
    """What a run is to measure.

    Args:
        cached: finished trials of other runs. name: of the run's folder.
        stops: whether it is one until it is decided. decides: whether it is decided here; else all of the
            plan is measured.
    """

    plan: Plan
    cached: Mapping[str, RunFolder]
    name: str
    stops: bool
    decides: bool

    @property
    def suite(self) -> Suite:
        return self.plan.suite


def _planned(request: RunRequest, asked: Suite, told: set[str], console: Console) -> _Planned:
    suite, stops = asked, measures_until_decided(request, asked)
    if request.again:
        suite = with_another_session(asked, request, OPEN_GPUS, stops)
    is_further = suite.serving.rounds > asked.serving.rounds
    is_local = request.address is None
    plan, cached = plan_run(suite, request.only, request.out, gpus=OPEN_GPUS, is_local=is_local)
    check_certified(request.certify, plan.trials)
    _say_notes(plan, told, console)
    plan, cached = _up_to_date(plan, cached, request.refresh, console)
    name = _name_until_decided(plan, asked) if stops else plan.hash
    if stops and is_further:
        plan = of_the_served(plan, asked.serving.rounds)
    return _Planned(plan, cached, name, stops, stops and not is_further)


def _begin(kept: Kept, settings: SchedulerSettings, plan: Plan, stops: bool, console: Console) -> None:
    """Start Ray on this machine where trainings are missing that surely run: until it is decided, what is
    finished may be enough."""
    if settings.address is None and not (stops and plan.cached):
        kept.begin(settings, lambda text: console.print(text, highlight=False, markup=False))


def _measured(
    run: RunFolder,
    planned: _Planned,
    request: RunRequest,
    settings: SchedulerSettings,
    kept: Kept,
    waited: Callable[[float], object],
    console: Console,
) -> int:
    """Measure, report and sum up; the exit code."""
    plan, suite = planned.plan, planned.suite
    with run.in_use(), counting_waits(run.id), kept:  # Ray ends before the folder is anybody's
        session = Session(
            run, suite, request.out, settings, console, kept, plan.machine_class, request.only,
            OPEN_GPUS, notes=plan.notes,
        )  # fmt: skip
        session.prepare()
        if planned.decides:
            session.decide(is_open_ended=request.until_decided is True)
        else:
            session.execute(plan, planned.cached)
        session.duel()
        if request.certify is not None:
            session.certify(request.certify)
        _say_waited(waited_s(run.id), waited, console)
        with ThreadPoolExecutor(1) as meanwhile:
            ended = meanwhile.submit(kept.close)  # Ray's processes take more than a second to end
            code = end_of_run(run, session.records, suite, request, console)
            ended.result()
            return code


def _name_until_decided(plan: Plan, suite: Suite) -> str:
    """Until it is decided is another question than the suite's whole plan: a folder of its own, to which
    further sessions come."""
    once = [t for t in plan.trials if (t.round or 0) < suite.serving.rounds]
    return content_hash([run_hash(suite, once, plan.machine_class), "until decided"])


def _say_notes(plan: Plan, told: set[str], console: Console) -> None:
    """What `plan` says, in its words."""
    for note in plan.notes:
        if note not in told:
            console.print(f"Note: {note}", highlight=False, markup=False, soft_wrap=True)
            told.add(note)


def _say_waited(seconds: float, waited: Callable[[float], object], console: Console) -> None:
    waited(seconds)
    if seconds >= 1:
        console.print(
            f"waited {duration_text(seconds)} for other runs on this host, which a budget does not count",
            highlight=False,
            markup=False,
        )


def _up_to_date(
    plan: Plan, cached: Mapping[str, RunFolder], refresh: bool, console: Console
) -> tuple[Plan, Mapping[str, RunFolder]]:
    """The plan without what other versions executed, if that is to be measured again; else it is said."""
    if not plan.outdated:
        return plan, cached
    if not refresh:
        console.print(
            outdated_text(plan.outdated, len(cached)), style="yellow", highlight=False, markup=False
        )
        return replace(plan, outdated={}), cached
    kept = {trial_id: run for trial_id, run in cached.items() if trial_id not in plan.outdated}
    return replace(plan, cached=frozenset(kept)), kept


def _suite(request: RunRequest) -> Suite:
    suite = read_suite(request.suite, request.overrides, request.dataset)
    return shrunk(suite) if request.smoke else suite


def _fetch(suite: Suite, console: Console) -> None:
    """Make the data present, with a line for each file that takes a moment."""
    from harness.datasets.catalog import fetch

    last = ""

    def progress(info: JsonObject) -> None:
        nonlocal last
        text = "  ".join(f"{value}" if key == "file" else f"{key} {value}" for key, value in info.items())
        name = str(info.get("file", info.get("name", "")))
        if name != last:
            last = name
            console.print(f"data    {text}", highlight=False, markup=False)

    fetch(suite.data.name, dict(suite.data.args), progress)


def _settings(suite: Suite, request: RunRequest, started: float) -> SchedulerSettings:
    searches = {name: candidate.training.tuning for name, candidate in suite.candidates.items()}
    return SchedulerSettings(
        address=request.address,
        budget_s=request.budget if request.budget is not None else suite.budget,
        started=started,
        paths=module_paths(suite.folder or Path(request.suite).resolve().parent),
        # Beside it lies the user's code: of a mapping in the working directory.
        suite_path=str(Path(suite.folder, "suite.yaml") if request.is_passing else request.suite),
        machine_class=suite.machine.machine_class,
        search_limits={name: tuning.seconds for name, tuning in searches.items() if tuning is not None},
    )


def _say_interrupted(run: RunFolder | None, plan: Plan, console: Console) -> None:
    ids = {trial.id for trial in plan.trials}
    finished = {r.trial.id for r in run.records() if r.status == "finished"} & ids if run else plan.cached
    console.print(
        f"interrupted: {len(finished)} of {len(ids)} trials are finished and kept; "
        "the same command continues",
        style="yellow",
        highlight=False,
        markup=False,
    )


@contextlib.contextmanager
def _interruptible(console: Console) -> Iterator[None]:
    """Ctrl-C or SIGTERM once ends the run in order, twice at once.

    What is said then does not go through sys.stderr: the signal may come while that is written to.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with coming_again() as dropped:

        def handle(number: int, frame: FrameType | None) -> None:
            if dropped:
                dropped.clear()
                raise KeyboardInterrupt
            received.append(number)
            if len(received) > 1:
                os.write(2, SHOW_CURSOR if console.is_terminal else b"")
                os._exit(130)
            os.write(2, b"\nstopping; what is finished is kept (again to stop at once)\n")
            raise KeyboardInterrupt

        try:
            for number in before:
                signal.signal(number, handle)
        except ValueError:  # not the main thread: whoever runs us there handles signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

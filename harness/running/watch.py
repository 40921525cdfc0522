"""`python -m harness watch RUN`: look on at a run from another terminal, from its files alone."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.figures import duration_text
from harness.progress import counts_text
from harness.record import KIND_WORDS, KINDS, Kind, RecordError
from harness.store.runs import RunFolder

if TYPE_CHECKING:
    from harness.planning.plan import PlannedTrial

QUIET_S = 3600.0
"""Where nobody can tell whether a run still goes on, it is given up after so long without any change:
the time that one trial may take by default."""

SETTLED_S = 30.0
"""The same once all trials are recorded: failed ones may be tried again, or a next step be planned."""


@dataclass(frozen=True)
class Glance:
    """How far a run is.

    Args:
        counts: kind → (finished, failed, planned).
        running: label → seconds since its trial began, of the trials that work on this disk.
        failed: label → reason.
        seconds_left: planned seconds of the missing trials, None where the plan has none.
    """

    counts: Mapping[Kind, tuple[int, int, int]]
    running: Mapping[str, float]
    failed: Mapping[str, str]
    seconds_left: float | None

    @property
    def done(self) -> bool:
        return all(finished + failed >= planned for finished, failed, planned in self.counts.values())

    @property
    def line(self) -> str:
        """For a log: `3 of 4 trainings (1 failed), 2 of 4 scores, 0 of 8 servings`."""
        return counts_text(self.counts)


class Onlooker:
    """Reads a run folder again and again; a finished record is read once."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._finished: set[str] = set()

    def look(self) -> Glance:
        """Raises: RecordError where the folder has no plan, or is a report without its trials."""
        planned = self._planned()
        if not self.run.trial_ids() and self.run.files.exists("recommendation.json"):
            raise RecordError(
                f"{self.run.url} holds no trials (a published report?): there is nothing to watch"
            )
        failed = {}
        for trial_id in self.run.trial_ids():
            if trial_id in self._finished or trial_id not in planned:
                continue
            record = self.run.record(trial_id)
            if record is not None and record.status == "finished":
                self._finished.add(trial_id)
            elif record is not None:
                failed[trial_id] = record.failure.reason if record.failure else "failed"
        tally = Counter((planned[i]["kind"], "finished") for i in self._finished if i in planned)
        tally += Counter((planned[i]["kind"], "failed") for i in failed)
        total = Counter(trial["kind"] for trial in planned.values())
        counts = {k: (tally[k, "finished"], tally[k, "failed"], total[k]) for k in KINDS if total[k]}
        left = [
            t.get("expected_seconds") for i, t in planned.items() if i not in self._finished | set(failed)
        ]
        known = [seconds for seconds in left if seconds is not None]
        return Glance(
            counts,
            {planned[i]["label"]: seconds for i, seconds in self._running(planned)},
            {planned[i]["label"]: reason for i, reason in failed.items()},
            sum(known) if len(known) == len(left) else None,
        )

    def _planned(self) -> dict[str, PlannedTrial]:
        try:
            plan = json.loads(self.run.read_text("plan.json"))
            return {str(trial["id"]): trial for trial in plan["trials"]}
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{self.run.url} has no readable plan.json: is it a run folder?") from error

    def _running(self, planned: Mapping[str, PlannedTrial]) -> Iterator[tuple[str, float]]:
        """Trials that a process works on and that are not finished; only seen on a shared disk."""
        if self.run.is_local:
            began = {a.trial_id: a.began_s for a in self.run.attempts() if a.lives is not False}
            for trial_id in planned:
                if trial_id in began and trial_id not in self._finished:
                    yield trial_id, time.time() - began[trial_id]


def watch(run: RunFolder, *, once: bool = False, every_s: float = 2.0, console: Console | None = None) -> int:
    """Show how far a run is until it is no longer running; Ctrl-C stops looking, not the run.

    Who runs it holds its lock, so a run that was killed is seen at once; in an object store, by its silence.

    Args:
        once: one look, for scripts.
    Returns:
        0; 1 when trials have failed, or the run ended before all were recorded.
    """
    console = console or Console(stderr=True)
    title = f"{run.suite_name}/{run.id}"
    looks = _looks(run, every_s)
    glance, end = next(looks)
    if once or not console.is_terminal:
        console.print(f"{title}: {glance.line}", highlight=False, markup=False, soft_wrap=True)
        while not (once or end):
            before = glance.line
            glance, end = next(looks)
            if glance.line != before:
                console.print(f"{title}: {glance.line}", highlight=False, markup=False, soft_wrap=True)
    else:
        with Live(_render(title, glance), console=console, refresh_per_second=2) as live:
            while not end:
                glance, end = next(looks)
                live.update(_render(title, glance))
    for label, reason in glance.failed.items():
        console.print(
            f"FAILED  {label}: {reason}", style="red", highlight=False, markup=False, soft_wrap=True
        )
    cut_off = bool(end) and not glance.done
    if cut_off:
        console.print(f"{title}: {end}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    return 1 if glance.failed or cut_off else 0


def _looks(run: RunFolder, every_s: float) -> Iterator[tuple[Glance, str]]:
    """(look, why it is the last one), without end."""
    onlooker = Onlooker(run)
    glance, changed, was_idle = onlooker.look(), time.monotonic(), False
    while True:
        goes_on = run.is_being_run()  # a second look at an idle run: one may just be about to begin
        is_over = goes_on is False and (was_idle or glance.done)
        quiet_s = time.monotonic() - changed
        if is_over:
            yield glance, "it is no longer running; the same `run` command continues it"
        elif goes_on is None and quiet_s >= (SETTLED_S if glance.done else QUIET_S):
            yield glance, f"nothing has changed for {duration_text(quiet_s)}: it may have been killed"
        else:
            yield glance, ""
        was_idle = goes_on is False
        time.sleep(every_s)
        before, glance = glance, onlooker.look()
        if (before.counts, before.failed) != (glance.counts, glance.failed):
            changed = time.monotonic()


def _render(title: str, glance: Glance) -> Group:
    table = Table.grid(padding=(0, 2))
    for kind, (finished, failed, planned) in glance.counts.items():
        filled = round(30 * (finished + failed) / max(planned, 1))
        table.add_row(
            KIND_WORDS[kind],
            Text("█" * filled + "░" * (30 - filled), style="cyan"),
            f"{finished} of {planned}",
            Text(f"{failed} failed" if failed else "", style="red"),
        )
    running = [
        Text(f"  ▸ {label}  {duration_text(seconds)}") for label, seconds in list(glance.running.items())[:12]
    ]
    left = glance.seconds_left
    foot = [Text(f"about {duration_text(left)} of work left", style="dim")] if left else []
    return Group(Text(title, style="bold"), table, *running, *foot)

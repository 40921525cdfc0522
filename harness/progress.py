"""What a person sees while trials run: a live table on a terminal, a plain line per event elsewhere."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.codec import JsonObject
from harness.figures import duration_text
from harness.metrics import METRICS, watched_metric
from harness.reasons import Reason, reason_of
from harness.record import KIND_WORDS, KINDS, Kind, Status, Trial


class Watcher(Protocol):
    """Told of every event of a run, in the driver."""

    def said(self, text: str) -> None: ...

    def began(self, trial: Trial) -> None: ...

    def went_on(self, trial: Trial, info: JsonObject) -> None: ...

    def ended(self, trial: Trial, status: Status, reason: str = "", seconds: float | None = None) -> None: ...


class Silent:
    """Watches nothing; for tests and programs."""

    def said(self, text: str) -> None: ...

    def began(self, trial: Trial) -> None: ...

    def went_on(self, trial: Trial, info: JsonObject) -> None: ...

    def ended(self, trial: Trial, status: Status, reason: str = "", seconds: float | None = None) -> None: ...


LOUDNESS = "HARNESS_OUTPUT"
"""Variable: `quiet` (failures alone), `verbose` (a line for each trial in a log), else a line a minute."""
EVERY_S = 60.0
"""Between lines in a log that is no terminal."""
LEADER_EVERY_S, LEADER_AT_LEAST_S, LEADER_SHARE = 10.0, 60.0, 0.05
"""Between two looks at who is ahead, and how much of the time they take at most: each is made between two
trials, so that nothing is measured beside it."""


class Display:
    """A `Watcher` on stderr; use as a context manager.

    On a terminal it is a view that is drawn again and again, in a log a line a minute with the time left.

    Args:
        trials: all of the plan. cached: ids that are finished already.
        estimates_s: trial id → expected seconds, where the plan knows them.
        question: what the run is to settle. leader: says who is ahead so far and how surely, "" where
            nobody can say; takes up to a second. budget_left_s: how long may still be run, infinite
            without a budget. is_step: further trials may follow: what is left is not left of the run.
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        cached: Iterable[str] = (),
        estimates_s: Mapping[str, float] | None = None,
        console: Console | None = None,
        question: str = "",
        leader: Callable[[], str] | None = None,
        budget_left_s: Callable[[], float] | None = None,
        is_step: bool = False,
    ) -> None:
        self._of = " of this step" if is_step else ""
        self.question, self._leader = question, leader
        self._ahead, self._look_at = "", 0.0
        self._budget_left_s = budget_left_s
        self.console = console or Console(stderr=True)
        self._trials = {t.id: t for t in trials}
        self._ended: dict[str, Status] = dict.fromkeys(cached, "finished")
        self._estimates = dict(estimates_s or {})
        self._seconds: dict[str, float] = {}
        self._running: dict[str, tuple[float, JsonObject]] = {}
        self._message = ""
        self._start = time.monotonic()
        self._live: Live | None = None
        self._loudness = os.environ.get(LOUDNESS, "")
        self._over = threading.Event()

    def __enter__(self) -> Display:
        self._start = time.monotonic()
        if self._loudness == "quiet":
            return self
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True
            )
            self._live.start()
        elif self._loudness != "verbose":
            threading.Thread(target=self._tell_each_minute, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def said(self, text: str) -> None:
        self._message = text
        if self._live is None and self._loudness != "quiet":
            self._print(text)

    def began(self, trial: Trial) -> None:
        if trial.id not in self._running and trial.id not in self._ended:
            self._running[trial.id] = (time.monotonic(), {})
            self._message = ""
            if self._is_verbose:
                self._print(f"start   {trial.label}")

    def went_on(self, trial: Trial, info: JsonObject) -> None:
        started = self._running.get(trial.id, (time.monotonic(), {}))[0]
        self._running[trial.id] = (started, info)
        if self._is_verbose and info.get("waiting"):
            self._print(f"wait    {trial.label}: {info['waiting']}")

    def ended(self, trial: Trial, status: Status, reason: str = "", seconds: float | None = None) -> None:
        started = self._running.pop(trial.id, (time.monotonic(), {}))[0]
        took = time.monotonic() - started if seconds is None else seconds
        if trial.id in self._ended:
            return
        self._ended[trial.id] = status
        if status == "finished":
            self._seconds[trial.id] = took
        left = len(self._trials) - len(self._ended)
        is_unrun = status == "failed" and reason_of(reason) is Reason.NOT_RUN  # told at the end, by reason
        head = "done  " if status == "finished" else "NOT RUN" if is_unrun else "FAILED"
        text = f"{head}  {trial.label}  {_took(took)}"
        text += f": {reason.removeprefix('not run: ')}" if reason else ""
        if self._is_verbose:
            self._print(f"{text}  ({left} left)")
        elif status == "failed" and not is_unrun:
            self._print(text, "red")
        if trial.kind in ("score", "serve"):  # before, nothing is known of what is deployed
            self._look()

    def _look(self) -> None:
        """See who is ahead, where the last look is long enough ago."""
        if self._leader is None or self._loudness == "quiet" or time.monotonic() < self._look_at:
            return
        before = time.thread_time()  # what it costs, however busy the machine is
        self._ahead = self._leader()
        wait = (time.thread_time() - before) / LEADER_SHARE
        self._look_at = time.monotonic() + min(max(LEADER_EVERY_S, wait), LEADER_AT_LEAST_S)

    @property
    def _is_verbose(self) -> bool:
        return self._live is None and self._loudness == "verbose"

    def _tell_each_minute(self) -> None:
        while not self._over.wait(EVERY_S):
            self._print(self.line())

    def line(self) -> str:
        """Where a run stands: `4 of 6 trainings, 0 of 9 scores; about 5 min left; now train vit seed 1`."""
        left = self.seconds_left()
        told = self._told_left(left) if left else "how long is not known yet" if left is None else ""
        now = [_named(self._trials[i]) + _wait(info) for i, (_, info) in list(self._running.items())[:2]]
        running = f"now {', '.join(now)}" if now else ""
        return "; ".join(filter(None, [counts_text(self.counts()), told, self._ahead, running]))

    def _told_left(self, seconds: float) -> str:
        """Seconds to the end, those of the budget where it ends before."""
        budget_s = self._budget_left_s() if self._budget_left_s else math.inf
        if seconds <= budget_s:
            return f"about {duration_text(seconds)} left{self._of}"
        return f"about {duration_text(max(1.0, budget_s))} of the budget left"

    def seconds_left(self) -> float | None:
        """Estimated seconds to the end: planned estimates where there are, else means of the same kind
        and candidate, corrected by how the finished ones compared; None before anything is known."""
        left = [t for t in self._trials.values() if t.id not in self._ended]
        if not left:
            return 0.0
        elapsed = {i: time.monotonic() - started for i, (started, _) in self._running.items()}
        expectation, needed = self._expectation(), 0.0
        for trial in left:
            expected = expectation(trial)
            if expected is None:
                return None
            share = max(0.0, expected - elapsed.get(trial.id, 0.0))
            needed += share if trial.kind == "serve" else share / max(1, len(self._running) or 1)
        return needed

    def counts(self) -> Mapping[Kind, tuple[int, int, int]]:
        """kind → (finished, failed, all)."""
        table = Counter((self._trials[i].kind, s) for i, s in self._ended.items() if i in self._trials)
        planned = Counter(t.kind for t in self._trials.values())
        return {k: (table[k, "finished"], table[k, "failed"], planned[k]) for k in KINDS if planned[k]}

    def _expectation(self) -> Callable[[Trial], float | None]:
        """How long a trial takes, from one look at the finished ones: a render looks at each trial once."""
        counted = Counter[tuple[object, ...]]()
        taken: dict[tuple[object, ...], float] = defaultdict(float)
        known: dict[str, float] = defaultdict(float)
        planned: dict[str, float] = defaultdict(float)
        for trial_id, seconds in self._seconds.items():
            trial = self._trials[trial_id]
            for alike in (_twins(trial), (trial.kind,)):
                taken[alike] += seconds
                counted[alike] += 1
            if trial_id in self._estimates:
                known[trial.kind] += seconds
                planned[trial.kind] += self._estimates[trial_id]

        def expected(trial: Trial) -> float | None:
            if counted[_twins(trial)]:
                return taken[_twins(trial)] / counted[_twins(trial)]
            if trial.id in self._estimates:
                factor = known[trial.kind] / planned[trial.kind] if planned[trial.kind] else 1.0
                return self._estimates[trial.id] * factor
            return taken[(trial.kind,)] / counted[(trial.kind,)] if counted[(trial.kind,)] else None

        return expected

    def _print(self, text: str, style: str | None = None) -> None:
        clock = f"{duration_text(time.monotonic() - self._start):>10}"
        self.console.print(f"{clock}  {text}", style=style, highlight=False, markup=False, soft_wrap=True)

    def _render(self) -> Group:
        head = Text()
        for kind, (finished, failed, planned) in self.counts().items():
            head.append(f"{finished} of {planned} ")
            head.append(KIND_WORDS[kind], style="bold")
            head.append(f" ({failed} failed)" if failed else "", style="red")
            head.append("   ")
        head.append(duration_text(time.monotonic() - self._start), style="dim")
        left = self.seconds_left()
        head.append(f", {self._told_left(left)}" if left else "", style="dim")
        table = Table.grid(padding=(0, 2))
        for trial_id, (started, info) in list(self._running.items())[:12]:
            table.add_row(
                Text("▸ " + _named(self._trials[trial_id]), style="cyan"),
                Text(_told(info, self._trials[trial_id])),
                Text(duration_text(time.monotonic() - started), style="dim"),
            )
        hidden = len(self._running) - 12
        foot = [Text(f"  and {hidden} more", style="dim")] if hidden > 0 else []
        said = [Text(self._message, style="dim")] if self._message else []
        top = [Text(self.question, style="bold")] if self.question else []
        ahead = [Text(self._ahead, style="green")] if self._ahead else []
        return Group(*top, *ahead, head, table, *foot, *said)


def _twins(trial: Trial) -> tuple[object, ...]:
    """What trials have in common that take about as long as each other."""
    return (trial.kind, trial.candidate, trial.train_size, trial.scenario)


def counts_text(counts: Mapping[Kind, tuple[int, int, int]]) -> str:
    """`3 of 4 trainings (1 failed), 0 of 8 servings`, of (finished, failed, all) of each kind."""
    return ", ".join(
        f"{finished} of {planned} {KIND_WORDS[kind]}" + (f" ({failed} failed)" if failed else "")
        for kind, (finished, failed, planned) in counts.items()
    )


def _named(trial: Trial) -> str:
    """A trial's label with its training set in words: `train vit seed 0, 10,000 rows`."""
    rows = trial.train_size
    return trial.label if rows is None else trial.label.replace(f" n {rows}", f", {rows:,} rows")


def _wait(info: JsonObject) -> str:
    """`: waits for another run on this host`; empty where nothing is waited for."""
    return f": waits {info['waiting']}" if info.get("waiting") else ""


def _told(info: JsonObject, trial: Trial) -> str:
    """`{"epoch": 2, "epochs": 5, "score": 0.81, "seconds": 44.3}` → `epoch 2 of 5, accuracy 0.810, 44 s an
    epoch`."""
    if info.get("waiting"):
        return f"waits {info['waiting']}"
    stage = f"{info['stage']}{' of earlier rows' if info.get('interim') else ''}: " if "stage" in info else ""
    parts = []
    if "epoch" in info:
        parts.append(f"epoch {info['epoch']}" + (f" of {info['epochs']}" if "epochs" in info else ""))
    if isinstance(loss := info.get("loss"), float):
        parts.append(f"loss {loss:.3f}")
    if isinstance(score := info.get("score"), float):
        parts.append(_score(score, trial))
    if isinstance(seconds := info.get("seconds"), float):
        parts.append(f"{_took(seconds)} an epoch")
    return stage + ", ".join([*parts, *([str(info["message"])] if "message" in info else [])])


def _score(score: float, trial: Trial) -> str:
    """What an epoch is told by, with the metric's name where it is one of the harness."""
    name = watched_metric(trial.spec) if "task" in trial.spec else ""
    if (metric := METRICS.get(name)) is None:
        return f"score {score:.3f}"
    return f"{name} {-score if metric.better == 'lower' else score:.3f}"  # more is better, for the search


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 9.95 else duration_text(seconds)

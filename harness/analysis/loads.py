"""The load that keeps its limit over all launches of a variant: their requests in one queue.

A limit on p99 is a promise on all requests. The mean of launches' answers lets a quiet launch make good for
one that met slow minutes, and is too high where launches differ: of simulated machines with two speeds it is
wrong by a middle 14.6 %, one queue of all their calls by 5.4 % (`benchmarks/capacity_launches.py`).
"""

from __future__ import annotations

import contextlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zipfile import BadZipFile

import numpy as np

from harness.analysis.launches import headline
from harness.analysis.stamps import QUEUES
from harness.analysis.stats import Array
from harness.facts import ServerFacts
from harness.figures import short
from harness.metrics import CAPACITY
from harness.record import HarnessError, Record, content_hash
from harness.store.behaviour import formulas
from harness.streams import generator

if TYPE_CHECKING:
    from harness.serving.load import Observed, ServerSettings

REQUESTS, ARRIVALS = 80_000, 4
"""Simulated requests of an answer, and streams of arrivals that it is the mean of."""
RESAMPLES = 8
"""Resampled queues that tell how well their answer is known."""
FAR = 0.05
"""Share of the mean of launches' answers by which the load of all together differs and is said to."""
LOADS = "loads.json"
"""What was found, beside the records: who has these without their requests, as in a published folder, has the
same figures."""
DAMAGED = (ValueError, EOFError, OSError, BadZipFile, zlib.error)
"""What a file of arrays that was cut off may raise, by where it was."""
COLUMNS = {"run", "scheduled_ns", "issued_ns", "answered_ns", "counted"}


class HasLaunchFiles(Protocol):
    """What of a run folder is needed here."""

    def read_bytes(self, name: str) -> bytes: ...
    def write_text(self, name: str, text: str) -> None: ...


@dataclass
class Loads:
    """The loads of all launches of a run's variants: found once, and kept."""

    run: HasLaunchFiles
    _is_new: bool = False

    @cached_property
    def _kept(self) -> dict[str, tuple[float | None, str]]:
        """Launches, as a hash → their load, and the formulas that it was found with."""
        try:
            found = json.loads(self.run.read_bytes(LOADS))
            return {str(key): (load, str(by)) for key, (load, by) in found.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}

    def of(self, records: Sequence[Record]) -> float | None:
        """Requests per second that keep the promise over all launches with an answer.

        Args:
            records: of one variant's serve trials.
        Returns:
            None of fewer than two launches, where one of them found no load, or where not all of them kept
            their requests and nobody found it before.
        """
        told = [(r, m.value) for r in records if r.status == "finished" and (m := headline(r, CAPACITY))]
        launches = [record for record, load in told if load]
        if len(launches) < 2 or any(load == 0 for _, load in told):
            return None
        facts = [record.facts_as(ServerFacts) for record in launches]
        answers = [f"{r.trial.id} {r.started} {f.capacity}" for r, f in zip(launches, facts, strict=True)]
        key = content_hash(sorted(answers))
        before, by = self._kept.get(key, (None, ""))
        if by != (now := formulas(Path(__file__), *QUEUES)):  # found anew where it can be
            try:
                raw = [requests_of(self.run, record.trial.id) for record in launches]
            except (*DAMAGED, FileNotFoundError):
                return before
            before = in_one_queue(facts, raw, _burstiness(launches[0]))
            self._kept[key], self._is_new = (before, now), True
        return before

    def keep(self) -> None:
        """Write what was found, where anything was."""
        if self._is_new:
            with contextlib.suppress(HarnessError):  # a folder that may only be read
                self.run.write_text(LOADS, json.dumps(self._kept, indent=1))


def _burstiness(record: Record) -> float:
    """Of the gaps between a launch's requests; Poisson's where nothing else was asked."""
    scenario = record.trial.spec.get("scenario")
    return float(scenario.get("burstiness", 1.0)) if isinstance(scenario, Mapping) else 1.0


def requests_of(run: HasLaunchFiles, trial_id: str) -> dict[str, Array]:
    """The columns of a launch's `requests.npz`.

    Raises:
        FileNotFoundError: it was not kept.
    """
    content = io.BytesIO(run.read_bytes(f"trials/{trial_id}/requests.npz"))
    with np.load(content, allow_pickle=False) as archive:
        return dict(archive)


def beside_mean(load: float, mean: float) -> list[str]:
    """What a reader of launches' answers must know of a load that is not their mean; nothing where it is."""
    if abs(load - mean) <= FAR * mean:
        return []
    return [f"all launches in one queue; the mean of their answers is {short(float(f'{mean:.3g}'))}"]


def in_one_queue(
    facts: Sequence[ServerFacts], raw: Sequence[Mapping[str, Array]], burstiness: float = 1.0
) -> float | None:
    """The load that keeps the promise over all requests of launches.

    Args:
        facts, raw: of each launch, what it said of itself and the columns of its `requests.npz`.
        burstiness: of the gaps between their requests.
    Returns:
        Requests per second; None where some lack what it takes, as in older run folders.
    """
    from harness.serving.belief import late_counts
    from harness.serving.load import PROMISE

    bounds = [found.closed_loop_bound_qps for found in facts if found.closed_loop_bound_qps]
    settings, closed = _settings(facts[0], burstiness), _closed_loop(facts)
    if settings is None or len(bounds) < len(facts) or not all(set(columns) >= COLUMNS for columns in raw):
        return None
    bound = float(np.exp(np.log(bounds).mean()))
    runs = [run for f, columns in zip(facts, raw, strict=True) for run in _runs(f, columns, settings)]
    if facts[0].connections:  # what happens inside a deployment is not seen from without
        counted = late_counts(runs, PROMISE, bound)
        return None if counted is None else counted.within(0.0, bound)
    if closed is None:
        return None
    random = generator(0, "one queue")  # the same luck for every variant
    return load_of_launches(runs, closed, settings, random)


def load_of_launches(
    runs: Sequence[Observed],
    closed: Array,
    settings: ServerSettings,
    random: np.random.Generator,
) -> float:
    """The load that keeps the promise over the requests of several launches; `runs` are those of all.

    A promise on a percentile is one over all requests, so one queue takes the calls of all launches, as they
    were: a quiet minute does not make good for the requests that a slow one answered late. Drawn again, the
    slow launch would be missing in a fourth of the draws of two, and the middle draw is luck.
    """
    from harness.serving.belief import LEAST_TRACE_SD, ROUGH, Belief, bound_of, late_counts, together, traced
    from harness.serving.load import PROMISE
    from harness.serving.queues import LOWEST, highest_load, unit_arrivals
    from harness.serving.series import series_of

    bound = bound_of(closed, settings)
    low, high = np.quantile(traced(runs, closed, settings, RESAMPLES, random, PROMISE, None), [0.16, 0.84])
    services = series_of([r.calls for r in runs], closed, settings).settled().services
    answers = []
    for _ in range(ARRIVALS):
        gaps = unit_arrivals(REQUESTS, random, settings.burstiness)
        first = int(random.integers(len(services.factor)))
        found = highest_load(gaps, services, settings, PROMISE, None, first, ROUGH)
        answers.append(float(np.log(found or LOWEST * bound)))
    trace = Belief(float(np.mean(answers)), max(float(high - low) / 2, LEAST_TRACE_SD))
    counts = late_counts(runs, PROMISE, bound)
    return (trace if counts is None else together(trace, counts)).within(0.0, bound)


def _settings(facts: ServerFacts, burstiness: float) -> ServerSettings | None:
    from harness.serving.load import ServerSettings

    if facts.limit_ms is None or facts.batching is None:
        return None
    most, wait_ms = facts.batching.max_batch, facts.batching.max_wait_ms
    return ServerSettings(facts.limit_ms, most, wait_ms, facts.workers or 1, burstiness)


def _closed_loop(facts: Sequence[ServerFacts]) -> Array | None:
    """(max_batch,) seconds of a call by batch size, geometric means over launches."""
    found = []
    for one in facts:
        if not one.closed_loop_ms or one.batching is None:
            return None
        sizes = sorted(map(int, one.closed_loop_ms))
        seconds = [one.closed_loop_ms[str(size)] / 1e3 for size in sizes]
        found.append(np.interp(np.arange(1, one.batching.max_batch + 1), sizes, seconds))
    return np.asarray(np.exp(np.log(found).mean(axis=0)))


def _runs(facts: ServerFacts, columns: Mapping[str, Array], settings: ServerSettings) -> list[Observed]:
    """The runs of a launch that count, with their calls."""
    from harness.serving.load import Observed

    runs = []
    for number, point in enumerate(facts.load_curve or ()):
        if point.valid:
            mine = columns["run"] == number
            runs.append(Observed.of_requests(point, {k: v[mine] for k, v in columns.items()}, settings))
    return runs

"""The `server` scenario: open loop, Poisson arrivals, a queue with dynamic batching.

The machine's workers, one or several, take from one queue (`harness.serving.queueing`). A latency counts
from the scheduled arrival: a slow answer delays those behind it, as it does in production.
The generator's own error is how late an idle server wakes up; it is recorded and judged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.codec import rounded
from harness.facts.serving import BatchingFacts, CapacityFacts, LoadPoint, ServerFacts
from harness.record import Measurement
from harness.serving import memory
from harness.serving.capacity import Capacity, find_capacity
from harness.serving.closed import Found
from harness.serving.job import ServeJob
from harness.serving.load import (
    PROMISE,
    Observed,
    ServerSettings,
    counted_from,
    knee,
)
from harness.serving.noise import USABLE, Noise, worst
from harness.serving.process import ahead_of_others
from harness.serving.quantiles import CALLS_NEEDED
from harness.serving.queueing import Share, answer, own_queue, sharpen_timer
from harness.serving.queues import compile_now, poisson_arrivals
from harness.serving.subject import Subject
from harness.serving.windows import Window, measure_window, warm_up
from harness.streams import generator

LATE_SHARE = 0.10
"""Share of the limit that an idle server may wake up late. A run in which more than one request in a
hundred (as many as may break the promise) was seen later than that is invalid."""
WAITED_SHARE = 0.5
"""A run is invalid too when its waits for a core, put together, were half of what makes as many requests
late as may be late: a share of the promise times the limit. A tail feels what a median does not."""
BOUND_WINDOWS, MOST_BOUND_WINDOWS = 2, 8
"""Windows of 0.1 s that bound the capacity, and how many are tried for so many quiet ones."""


def server(subject: Subject, job: ServeJob) -> Found:
    """Find the highest load that keeps the p99 under the limit, and the curve on the way there."""
    scenario = job.scenario
    settings = ServerSettings(
        float(scenario["latency_p99_ms"]),
        max(1, int(scenario.get("max_batch", 8))),
        float(scenario.get("max_wait_ms", 1.0)),
        1 if subject.crew is None else subject.crew.size,
        float(scenario.get("burstiness", 1.0)),
    )
    sharpen_timer()
    warm = warm_up(subject, 1)
    services: dict[int, np.ndarray] = {}
    peak, memory_facts = memory.peak_mb(
        lambda: services.update(closed_services(subject, settings.max_batch)), job.device, subject.crew
    )
    closed = closed_seconds(services, settings.max_batch)
    alone = float(closed[0]) * 1e3
    if alone > settings.limit_ms:
        note = f"a request alone takes {alone:.3g} ms, the limit is {settings.limit_ms:g} ms"
        found = Capacity(0.0, 0.0, 0.0, None, (), note)
        return measurements(found), replace(said(found, services, settings), warm_up=warm)
    seconds, seed = float(scenario.get("seconds", 20.0)), job.seed
    random = generator(seed, "loads", job.round)
    log: list[dict[str, np.ndarray]] = []
    with memory.not_the_variants():
        compile_now()
    subject.ring(settings.max_batch)
    with ahead_of_others() as ahead:
        start_mb, calls = memory.resident_mb(), 0

    def run(rate: float, each: float, arrival_seed: int) -> Observed:
        nonlocal calls
        each = each if subject.crew is None else subject.crew.shared.at_most(rate, each)
        arrivals = poisson_arrivals(rate, each, arrival_seed, settings.burstiness)
        point, raw = run_load(subject, arrivals, rate, each, settings)
        calls += len(arrivals)
        memory.check_leak(start_mb, calls)
        log.append(raw)
        return observed(replace(point, seed=arrival_seed), raw, arrivals, settings)

    found = find_capacity(run, closed, settings, seconds, random)
    save_requests(job.file("requests.npz"), log)
    facts = said(found, services, settings)
    facts = replace(facts, warm_up=warm, memory=memory_facts, real_time=ahead.allowed)
    return [*measurements(found), *memory.peak_measurements(peak, memory_facts)], facts


def observed(
    point: LoadPoint, raw: Mapping[str, np.ndarray], arrivals: np.ndarray, settings: ServerSettings
) -> Observed:
    """A run with its calls, and which of the counted requests were late, failed or were never answered."""
    return replace(Observed.of_requests(point, raw, settings), arrivals=arrivals)


def run_load(
    subject: Subject, arrivals: np.ndarray, rate: float, seconds: float, settings: ServerSettings
) -> tuple[LoadPoint, dict[str, np.ndarray]]:
    """Serve one stream of arrivals, by all workers of the machine.

    Args:
        arrivals: (n,) seconds from the start.
    Returns:
        The point, and the raw clock readings: scheduled, issued, answered (0: never), in ns, which worker
        took each request, and which requests count.
    Raises:
        TrialError: calls keep failing.
    """
    arrivals_ns, crew = (arrivals * 1e9).astype(np.int64), subject.crew
    if crew is None:
        queue = own_queue(arrivals_ns)
        shares = [answer(subject, queue, lambda: time.perf_counter_ns() + 1_000_000, seconds, settings)]
    else:
        queue = crew.shared.fill(arrivals_ns)
        shares = crew.together(subject, "serve", requests=len(arrivals), seconds=seconds, settings=settings)
    scheduled = arrivals_ns + shares[0].start_ns
    raw = {
        "scheduled_ns": scheduled,
        "issued_ns": queue.issued_ns.copy(),
        "answered_ns": queue.answered_ns.copy(),
        "worker": queue.worker.copy(),
        "counted": scheduled >= shares[0].start_ns + int(counted_from(seconds) * 1e9),
    }
    return _point(shares, raw, rate, seconds, settings), raw


def _point(
    shares: Sequence[Share],
    raw: Mapping[str, np.ndarray],
    rate: float,
    seconds: float,
    settings: ServerSettings,
) -> LoadPoint:
    start, ended = shares[0].start_ns, max(share.ended_ns for share in shares)
    noise = worst([share.noise for share in shares])
    idle_late_ns = [late for share in shares for late in share.taken.idle_late_ns]
    batches = [size for share in shares for size in share.taken.batches]
    scheduled, counted, answered = raw["scheduled_ns"], raw["counted"], raw["answered_ns"] > 0
    latencies = (raw["answered_ns"] - scheduled)[counted & answered] / 1e6
    late = int(np.sum(latencies > settings.limit_ms)) + int(np.sum(counted & ~answered))
    lateness = float(np.percentile(idle_late_ns, 99)) / 1e6 if idle_late_ns else 0.0
    valid, note = _verdict(noise, idle_late_ns, len(scheduled), (ended - start) / 1e6, seconds, settings)
    failed = np.zeros(len(scheduled), bool)
    for first, last in (batch for share in shares for batch in share.taken.failed):
        failed[first:last] = True
    return LoadPoint(
        offered=rate,
        came=len(scheduled) / seconds,
        achieved=float(answered.sum()) / max((ended - start) / 1e9, 1e-9),
        requests=int(counted.sum()),
        violations=late,
        p50_ms=_percentile(latencies, 50),
        p99_ms=_percentile(latencies, 99),
        errors=int(np.sum(counted & failed)),
        unanswered=int(np.sum(counted & ~answered & ~failed)),
        error=next((share.taken.first_error for share in shares if share.taken.first_error), ""),
        lateness_ms=lateness,
        batch=float(np.mean(batches)) if batches else 0.0,
        valid=valid,
        note=note,
        noise=noise.told(),
    )


def _verdict(
    noise: Noise,
    idle_late_ns: Sequence[int],
    requests: int,
    took_ms: float,
    seconds: float,
    settings: ServerSettings,
) -> tuple[bool, str]:
    """Whether a run counts, and what a reader must know of the noise in it."""
    seen_late = sum(value > LATE_SHARE * settings.limit_ms * 1e6 for value in idle_late_ns)
    waited_ms = noise.lost * took_ms
    if seen_late > max(1.0, PROMISE * requests):
        p99_ms = float(np.percentile(idle_late_ns, 99)) / 1e6
        return False, f"{seen_late / requests:.0%} of arrivals were seen late, up to {p99_ms:.2g} ms"
    if not noise.usable:
        return False, f"neighbours took {noise.lost:.0%} of the time"
    if noise.spin_lost > USABLE:
        return False, f"the core was taken away for {noise.spin_lost:.0%} of the spins beside the run"
    if waited_ms > WAITED_SHARE * PROMISE * settings.limit_ms * requests:
        said = "of the time was spent waiting for a core: enough to make requests late"
        return False, f"{noise.lost:.1%} {said}"
    if waited_ms > harmless_wait_ms(settings.limit_ms, seconds):
        return True, f"neighbours took {noise.lost:.1%} of the time"
    return True, ""


def harmless_wait_ms(limit_ms: float, seconds: float) -> float:
    """Waits for a core that hardly make a request late too many, in a run of so many seconds.

    Whoever comes in a wait is late by what is left of it, beyond the limit; half of those that may be
    late are left to the variant itself.
    """
    return limit_ms + PROMISE * seconds * 1e3 / 2


def _percentile(latencies_ms: np.ndarray, q: int) -> float | None:
    """None where a run had too few requests to know it."""
    return float(np.percentile(latencies_ms, q)) if len(latencies_ms) >= CALLS_NEEDED[q] else None


def closed_services(subject: Subject, max_batch: int) -> dict[int, np.ndarray]:
    """Service times in ms of a closed loop, at batch sizes 1, 2, 4, … and the largest.

    They bound the search, so loud windows are measured again, and the least loud ones count.
    """
    sizes = [1 << k for k in range(max_batch.bit_length()) if 1 << k < max_batch] + [max_batch]
    found = {}
    for size in dict.fromkeys([1, *sizes]):
        if size > 1:
            warm_up(subject, size, seconds=0.2)
        windows: list[Window] = []
        while sum(w.noise.quiet for w in windows) < BOUND_WINDOWS and len(windows) < MOST_BOUND_WINDOWS:
            windows.append(measure_window(subject, size, 0.1, offset=len(windows)))
        windows.sort(key=lambda w: (not w.noise.quiet, w.noise.lost + w.noise.spin_lost))
        found[size] = np.concatenate([w.latencies_ms for w in windows[:BOUND_WINDOWS]])
    return found


def closed_seconds(services_ms: Mapping[int, np.ndarray], max_batch: int) -> np.ndarray:
    """(max_batch,) median seconds of a call by batch size, by lines between the sizes that were measured."""
    sizes = sorted(services_ms)
    medians = [float(np.median(services_ms[size])) / 1e3 for size in sizes]
    return np.interp(np.arange(1, max_batch + 1), sizes, medians)


def measurements(found: Capacity) -> list[Measurement]:
    """The answer, with the ends of its interval as settings of its own."""
    return [
        Measurement("throughput_at_slo_qps", found.value, "1/s", note=found.note),
        *(
            Measurement("throughput_at_slo_qps", value, "1/s", at={"bound": name})
            for name, value in (("low", found.low), ("high", found.high))
            if value is not None and found.value is not None
        ),
    ]


def said(found: Capacity, services: Mapping[int, np.ndarray], settings: ServerSettings) -> ServerFacts:
    """The load curve and how the answer came about, for the record."""
    medians = {size: float(np.median(ms)) for size, ms in services.items()}
    return ServerFacts(
        load_curve=tuple(rounded(p) for p in found.points),
        knee_qps=knee(found.points),
        limit_ms=settings.limit_ms,
        batching=BatchingFacts(settings.max_batch, settings.max_wait_ms),
        capacity=CapacityFacts(
            found.value, found.low, found.high, found.confirmed, found.slow_calls, found.note
        ),
        closed_loop_bound_qps=settings.workers * max(size / ms * 1e3 for size, ms in medians.items()),
        closed_loop_ms={str(size): ms for size, ms in medians.items()},
        invalid_runs=sum(not p.valid for p in found.points),
    )


def save_requests(path: Path, log: list[dict[str, np.ndarray]]) -> None:
    """Raw clock readings of every request of every run, `run` being the place in `load_curve`."""
    if log:
        columns = {key: np.concatenate([raw[key] for raw in log]) for key in log[0]}
        runs = np.concatenate([np.full(len(raw["scheduled_ns"]), i, np.int32) for i, raw in enumerate(log)])
        np.savez_compressed(path, run=runs, **columns)  # type: ignore[arg-type]

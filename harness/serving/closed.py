"""The closed-loop scenarios: `single_stream` (latency at batch 1) and `offline` (throughput)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.facts.serving import (
    HalfWidths,
    MemoryFacts,
    OfflineFacts,
    ServeFacts,
    StopFacts,
    StreamFacts,
    WarmUp,
)
from harness.record import Measurement, TrialError
from harness.serving import energy, memory
from harness.serving.job import ServeJob
from harness.serving.quantiles import CALLS_NEEDED, half_width, p99_half_width, percentile, settled
from harness.serving.subject import Subject
from harness.serving.windows import Window, Windows, measure_window, repeat, warm_up
from harness.streams import generator

WINDOWS = 20
"""Windows that a full budget is cut into; measuring may stop after 5."""
RETRIES = 2.0
"""Noisy windows are measured again until this multiple of the budget is spent."""
DRIFT = 0.10
"""Difference between the halves of a run above which it never was steady."""

Found = tuple[list[Measurement], ServeFacts]


def single_stream(subject: Subject, job: ServeJob) -> Found:
    """Closed loop, batch 1: latency percentiles, CPU time, peak memory."""
    scenario = job.scenario
    warm = warm_up(subject, 1)
    start_mb = memory.resident_mb()
    windows, ended_by = single_stream_windows(subject, scenario, warm.typical_ms, start_mb)
    drift, unsteady = steadiness(windows, warm.verdict)
    peak, memory_facts = memory.peak_mb(lambda: calls(subject, 1, 100), job.device, subject.crew)
    save_calls(job.file("calls.npz"), {1: windows.taken})
    facts = StreamFacts(
        windows=windows.told(),
        warm_up=replace(warm, verdict="unsteady" if unsteady else "steady", drift=round(drift, 4)),
        stopped=stopped(ended_by, windows),
        memory=memory_facts,
    )
    measurements = [
        *latencies(windows, unsteady),
        *cpu_per_example(windows, 1),
        *memory.peak_measurements(peak, memory_facts),
    ]
    return measurements, facts


def single_stream_windows(
    subject: Subject, scenario: Mapping[str, Any], typical_ms: float, start_mb: float
) -> tuple[Windows, str]:
    """Quiet windows until the intervals are narrow (`interval`), or calls or time are spent (`calls`,
    `budget`)."""
    seconds = float(scenario.get("seconds", 3.0))
    min_calls, max_calls = int(scenario.get("min_calls", 100)), int(scenario.get("max_calls", 20000))
    each = min(max(seconds / WINDOWS, 20 * typical_ms / 1e3), seconds / 5)
    windows = Windows()
    calls = spent = kept = 0.0
    while True:
        window = measure_window(subject, 1, each, -(-max_calls // 5), int(calls))
        windows.taken.append(window)
        calls += len(window.issued_ns)
        spent += window.seconds
        quiet = windows.quiet
        kept = sum(w.seconds for w in quiet)
        quiet_calls = sum(len(w.issued_ns) for w in quiet)
        memory.check_leak(start_mb, int(calls))
        if quiet_calls >= max_calls:
            return windows, "calls"
        # Calls that are asked for take a slow model longer than the seconds do.
        if spent >= RETRIES * max(seconds, min_calls * typical_ms / 1e3) + 3 * each:
            return windows, "budget"
        if quiet_calls >= min_calls and settled([w.latencies_ms for w in quiet]):
            return windows, "interval"
        # A p99 that the budget misses by less than itself is worth the time.
        wanted = max(min_calls, CALLS_NEEDED[99] if calls >= CALLS_NEEDED[99] / 2 else 0)
        if kept >= seconds and quiet_calls >= wanted and len(quiet) >= 5:
            return windows, "budget"


def stopped(by: str, windows: Windows) -> StopFacts:
    """Why measuring ended, and how well the percentiles are known by then: relative half-widths."""
    taken = [w.latencies_ms for w in windows.accepted]
    widths = half_width([float(np.median(w)) for w in taken]), p99_half_width(taken)
    p50, p99 = (round(width, 4) if np.isfinite(width) else None for width in widths)
    return StopFacts(by, HalfWidths(p50, p99))


def steadiness(windows: Windows, warm_up_verdict: str) -> tuple[float, bool]:
    """How far the two halves of a run differ, and whether it never was steady: not in the warm-up either."""
    drift = run_drift(windows.accepted)
    return drift, warm_up_verdict == "unsteady" and drift > DRIFT


def remark(windows: Windows) -> str:
    """What a reader must know of figures that count all the same: noise, or a level that moved."""
    drift = run_drift(windows.accepted)
    moved = f"drifted {drift:.0%} between the halves of a run" if drift > DRIFT else ""
    return "; ".join(note for note in (windows.note, moved) if note)


def latencies(windows: Windows, unsteady: bool) -> list[Measurement]:
    """p50, p90 and p99 with every call as sample, or the reason why there is none."""
    accepted = windows.accepted
    calls = np.concatenate([w.latencies_ms for w in accepted]) if accepted else np.zeros(0)
    samples = tuple(round(float(value), 6) for value in calls)
    found = []
    for q in (50, 90, 99):
        if not accepted:
            value, note = None, windows.note
        elif unsteady:
            value, note = None, "unsteady"
        else:
            value, note = percentile(calls, q, len(accepted))
            note = note or remark(windows)
        found.append(Measurement(f"latency_p{q}_ms", value, "ms", samples, note))
    return found


def cpu_per_example(windows: Windows, batch: int, headline: bool = True) -> list[Measurement]:
    """CPU-seconds per example, from all windows: neighbours take wall time, hardly CPU time.

    Args:
        headline: whether it is also the variant's figure, at no particular batch size.
    """
    samples = tuple(w.cpu_s / (w.batch * len(w.issued_ns)) for w in windows.taken)
    value = float(np.median(samples)) if samples else None
    note = "" if samples else windows.note
    settings: list[dict[str, int]] = [{"batch_size": batch}, *([{}] if headline else [])]
    return [Measurement("cpu_seconds_per_example", value, "s", samples, note, at) for at in settings]


def run_drift(windows: list[Window]) -> float:
    """Relative difference of the median latency between the two halves of a run."""
    if len(windows) < 2:
        return 0.0
    p50s = [float(np.median(w.latencies_ms)) for w in windows]
    first, second = (float(np.median(half)) for half in np.array_split(p50s, 2))
    return abs(first - second) / min(first, second)


def offline(subject: Subject, job: ServeJob) -> Found:
    """Throughput at each batch size, in interleaved windows; the headline is the best of them."""
    scenario = job.scenario
    sizes = [int(size) for size in scenario.get("batch_sizes", (1, 32))]
    broken: dict[int, str] = {}
    warm: dict[int, WarmUp] = {}
    peaks: dict[int, tuple[float | None, MemoryFacts]] = {}
    for size in sorted(sizes):  # the smallest first: an allocator that has grown hides what less would need
        try:
            warm[size] = warm_up(subject, size, seconds=0.5)
            peaks[size] = peak_at(subject, size, job.device)
        except (MemoryError, TrialError) as error:
            broken[size] = f"failed: {str(error) or f'out of memory at batch {size}'}"
    alive = [size for size in sizes if size not in broken]
    if not alive:
        raise TrialError(next(iter(broken.values())).removeprefix("failed: "))
    measured = offline_windows(subject, job, {size: warm[size].typical_ms for size in alive})
    save_calls(job.file("calls.npz"), {size: measured[size].taken for size in alive})
    unsteady = {size for size in alive if steadiness(measured[size], warm[size].verdict)[1]}
    measurements = offline_measurements(sizes, measured, broken, unsteady)
    for size in alive:
        measurements += memory.peak_measurements(*peaks[size], {"batch_size": size})
    largest = max(alive, key=lambda size: peaks[size][0] or 0.0)
    measurements += memory.peak_measurements(*peaks[largest])
    facts = OfflineFacts(
        windows=tuple(w for size in alive for w in measured[size].told()),
        warm_up=tuple(warm.values()),
        memory={str(size): peaks[size][1] for size in alive},
    )
    return measurements, facts


def peak_at(subject: Subject, batch: int, device: str) -> tuple[float | None, MemoryFacts]:
    """Peak memory while a batch size is served, in a pass of its own."""
    memory.release()
    return memory.peak_mb(lambda: calls(subject, batch, 10), device, subject.crew)


def calls(subject: Subject, batch: int, most: int) -> None:
    """Some calls by all workers, outside any timed window."""
    if subject.crew is None:
        repeat(subject, batch, 0.1, most)
    else:
        subject.crew.together(subject, "calls", batch=batch, seconds=0.1, max_calls=most)


def offline_windows(subject: Subject, job: ServeJob, typical_ms: Mapping[int, float]) -> dict[int, Windows]:
    """Windows of all batch sizes, each round in a fresh random order (A B B A …).

    Args:
        typical_ms: batch size → how long a call takes.
    """
    sizes = list(typical_ms)
    seconds = float(job.scenario.get("seconds", 2.0)) / len(sizes)
    order = generator(job.seed, "offline order", job.round)
    measured = {size: Windows() for size in sizes}
    start_mb, calls = memory.resident_mb(), 0
    spent = dict.fromkeys(sizes, 0.0)
    active = list(sizes)
    meter = energy.meter(job.device)
    while active:
        for size in order.permutation(active):
            size = int(size)
            each = min(max(seconds / 10, 3 * typical_ms[size] / 1e3), max(seconds / 4, 0.02))
            if meter is not None:
                each = max(each, energy.LEAST_S)
            window = measure_window(subject, size, each, offset=calls, meter=meter)
            measured[size].taken.append(window)
            spent[size] += window.seconds
            calls += len(window.issued_ns)
            memory.check_leak(start_mb, calls)
        active = [size for size in active if not enough(measured[size], spent[size], seconds)]
    return measured


def enough(windows: Windows, spent_s: float, seconds: float) -> bool:
    """Whether a batch size has been measured to 2 %, or has had its time (twice that if noisy)."""
    quiet = windows.quiet
    if len(quiet) >= 5 and half_width([w.throughput for w in quiet]) <= 0.02:
        return True
    return (spent_s >= seconds and len(quiet) >= 3) or spent_s >= RETRIES * seconds


def offline_measurements(
    sizes: list[int],
    measured: Mapping[int, Windows],
    broken: Mapping[int, str],
    unsteady: Set[int] = frozenset(),
) -> list[Measurement]:
    """Throughput and CPU time per batch size, and the best throughput as headline, with its energy."""
    found: list[Measurement] = []
    best: Measurement | None = None
    for size in sizes:
        at = {"batch_size": size}
        if size in broken:
            found.append(Measurement("throughput_offline_per_s", None, "1/s", (), broken[size], at))
            continue
        windows = measured[size]
        samples = tuple(w.throughput for w in windows.accepted)
        value = float(np.median(samples)) if samples and size not in unsteady else None
        note = "unsteady" if samples and size in unsteady else remark(windows)
        found.append(Measurement("throughput_offline_per_s", value, "1/s", samples, note, at))
        found += cpu_per_example(windows, size, headline=False)
        if value is not None and (best is None or value > (best.value or 0.0)):
            best = found[-2]
    if best is None:
        notes = [m.note for m in found if m.metric == "throughput_offline_per_s"]
        return [*found, Measurement("throughput_offline_per_s", None, "1/s", (), notes[0])]
    size = int(best.at["batch_size"])
    cpu = next(m for m in found if m.metric == "cpu_seconds_per_example" and m.at == best.at)
    found.append(Measurement("throughput_offline_per_s", best.value, "1/s", best.samples, best.note))
    found.append(Measurement("cpu_seconds_per_example", cpu.value, "s", cpu.samples, cpu.note))
    joules = [w.joules / (size * len(w.issued_ns)) for w in measured[size].taken if w.joules is not None]
    if joules:
        kwh = tuple(value * 1e6 / 3.6e6 for value in joules)
        found.append(Measurement("energy_per_million_kwh", float(np.median(kwh)), "kWh", kwh))
    return found


def save_calls(path: Path, windows: Mapping[int, Sequence[Window]]) -> None:
    """The raw clock readings of all windows, rejected ones too.

    Args:
        windows: by setting: the batch size, or the size of the input.
    """
    flat = [(setting, window) for setting, taken in windows.items() for window in taken]
    if not flat:
        return
    np.savez_compressed(
        path,
        issued_ns=np.concatenate([w.issued_ns for _, w in flat]),
        done_ns=np.concatenate([w.done_ns for _, w in flat]),
        window=np.concatenate([np.full(len(w.issued_ns), i, np.int32) for i, (_, w) in enumerate(flat)]),
        setting=np.concatenate([np.full(len(w.issued_ns), at, np.int32) for at, w in flat]),
        quiet=np.concatenate([np.full(len(w.issued_ns), w.noise.quiet) for _, w in flat]),
    )

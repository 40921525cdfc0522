"""What load costs count on: that which was found under a limit, or that of a simulated queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import facts
from harness.analysis.launches import headline
from harness.analysis.stats import Array
from harness.metrics import CAPACITY
from harness.reasons import Reason
from harness.record import Record, content_hash
from harness.results import ServiceTimes
from harness.store.behaviour import formulas
from harness.store.remembered import remembered
from harness.streams import generator
from harness.suite.expression import Constraint

QUANTILES = 200
"""Of a call's time over its mean, kept of a variant: enough for a p99 of the queue."""
LATE = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.1, "latency_p99_ms": 0.01}
"""Metric that a limit is on → share of requests that may be later."""
P99 = "latency_p99_ms"
REQUESTS = 40_000
MOST_LOADS = 20_000
"""Simulated loads that are remembered, of all runs together: a few MB."""
SERVING = Path(__file__).parent.parent / "serving"
BEHIND = (Path(__file__), SERVING / "queues.py", SERVING / "load.py")
"""What a simulated load follows from."""


def service_times(records: Sequence[Record], workers: int) -> ServiceTimes | None:
    """Of a variant's serve records: how long calls of each size take in the offline windows, or else in
    the server's closed loop; one alone in the single stream where neither tells, and how a call's time varies
    there; None without any but these."""
    alone: list[float] = []
    by_size: dict[int, list[float]] = {}
    closed: dict[int, list[float]] = {}
    ratios: list[Array] = []
    for record in (r for r in records if r.status == "finished"):
        for m in record.measurements:
            if m.metric == "throughput_offline_per_s" and m.value and set(m.at) == {"batch_size"}:
                size = int(m.at["batch_size"])
                by_size.setdefault(size, []).append(1e3 * workers * size / m.value)
        if record.trial.scenario == "server":
            for batch, ms in (record.facts_as(facts.ServerFacts).closed_loop_ms or {}).items():
                closed.setdefault(int(batch), []).append(ms)
        p50 = headline(record, "latency_p50_ms")
        if record.trial.scenario != "single_stream" or p50 is None or not p50.value:
            continue
        calls = np.array(p50.samples or (p50.value,))
        alone.append(float(calls.mean()))
        # Over the mean, as the windows' times are means: over the median slow calls would count twice.
        ratios.append(calls / calls.mean())
    by_size = by_size or closed
    if not by_size:
        return None
    if alone:
        by_size.setdefault(1, alone)
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    varies = np.quantile(np.concatenate(ratios), shares) if ratios else np.ones(1)
    took = tuple((size, float(np.exp(np.mean(np.log(ms))))) for size, ms in sorted(by_size.items()))
    return ServiceTimes(took, tuple(float(v) for v in varies), workers)


def counted_share(records: Sequence[Record], load: float | None = None) -> float:
    """What share of the load found under a limit costs count on: its lower end where it was not confirmed.

    Args:
        load: of all launches in one queue, None where there is none; what a launch did not confirm says
            nothing against a lower one.
    """
    shares = []
    for record in (r for r in records if r.status == "finished"):
        found = headline(record, CAPACITY)
        if found is None or not found.value:
            continue
        low = next((m.value for m in record.measurements if m.at == {"bound": "low"}), None)
        priced_low = found.reason is Reason.NOT_CONFIRMED and low
        at = min(load or found.value, found.value)
        shares.append(min(low / at, 1.0) if priced_low and low else 1.0)
    return float(np.exp(np.mean(np.log(shares)))) if shares else 1.0


@dataclass(frozen=True)
class Within:
    """The load that a limit allows, requests per second, None where none does; and the limit that decides."""

    load: float | None
    limit: str


def load_within(times: ServiceTimes, limits: Sequence[Constraint], burstiness: float = 1.0) -> Within | None:
    """What a queue with these service times keeps within the limits on latency; None without such a limit.

    Whoever is free takes what has come, up to the largest batch that was measured.

    Args:
        burstiness: of the gaps between requests, `decision.traffic.burstiness`.
    """
    found = [
        Within(_load(times, c.limit, LATE[c.metric], burstiness), c.bound)
        for c in limits
        if c.is_upper and c.metric in LATE
    ]
    return min(found, key=lambda within: within.load or 0.0, default=None)


def kept_within(
    times: ServiceTimes | None, limits: Sequence[Constraint], promised_ms: float | None, burstiness: float
) -> tuple[float, str]:
    """What share of a load that was measured within a promise tighter limits leave, and how that is known.

    A load that keeps a p99 of 5 ms, asked for 1 ms, was priced as it stood: at that load a hundredth of the
    requests takes 5. A simulated queue says what part of it keeps the limit.

    Args:
        times: None where nobody measured how long calls take: the share is one at most, the cost a floor.
        promised_ms: the server's p99; None of one that nobody knows any more.
    """
    asked = [c for c in limits if c.is_upper and c.metric in LATE]
    tighter = [c for c in asked if c.metric != P99 or (promised_ms is not None and c.limit < promised_ms)]
    if not tighter or promised_ms is None:
        return 1.0, ""
    at = None if times is None else _load(times, promised_ms, LATE[P99], burstiness)
    if times is None or at is None:
        return 1.0, f"floor: the load is that within a p99 of {promised_ms:g} ms"
    within = load_within(times, tighter, burstiness)
    if within is None or within.load is None:
        return float("nan"), ""
    if within.load >= at:
        return 1.0, ""
    said = f"measured within a p99 of {promised_ms:g} ms, by a simulated queue brought to {within.limit}"
    return within.load / at, said


def _load(times: ServiceTimes, limit_ms: float, promise: float, burstiness: float) -> float | None:
    """Decisions ask again and again for other prices: each queue is simulated once, and remembered."""
    memory = remembered("loads-2", most=MOST_LOADS)
    bursts = [] if burstiness == 1 else [burstiness]
    key = content_hash([formulas(*BEHIND), repr(times), limit_ms, promise, *bursts])
    if key not in memory:
        memory[key] = _simulated(times, limit_ms, promise, burstiness)
    found = memory[key]
    assert found is None or isinstance(found, float)
    return found


def _simulated(times: ServiceTimes, limit_ms: float, promise: float, burstiness: float = 1.0) -> float | None:
    from harness.serving.load import ServerSettings
    from harness.serving.queues import Services, highest_load, unit_arrivals

    sizes = np.arange(1, times.by_size[-1][0] + 1)
    known = np.array(times.by_size)
    base = np.interp(sizes, known[:, 0], known[:, 1]) / 1e3
    random = generator(0, "queue of costs")  # the same luck for every variant
    factor = random.permutation(np.resize(np.array(times.varies), 20 * QUANTILES))
    services = Services(np.concatenate([[0.0], base]), factor, np.zeros(len(factor)))
    arrivals = unit_arrivals(REQUESTS, random, burstiness)
    # Who serves under a limit batches no more than it leaves time for: half of it, or all of it at most.
    fitting = [int((1e3 * base <= share * limit_ms).sum()) for share in (0.5, 1.0)]
    found = [
        highest_load(arrivals, services, ServerSettings(limit_ms, most, 0.0, times.workers), promise)
        for most in sorted({1, *fitting} - {0})
    ]
    loads = [load for load in found if load is not None]
    return min(max(loads), times.peak) if loads else None

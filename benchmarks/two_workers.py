"""Do two workers on two cores carry what reasoning says? Known models through the processes, the queue and
the search that `run` uses.

    python -m benchmarks.two_workers busy     # waits busily: twice one worker's, offline and within a limit
    python -m benchmarks.two_workers memory   # copies what no cache holds: as much more as plain loops copy
    python -m benchmarks.two_workers queue    # exponential times, asleep: an M/M/2 queue's limit on its p99

`--quick` shows in seconds that it runs; its figures are not kept. Expected values come from Erlang's formula,
from a queue on paper, or, for memory, from two processes that do nothing but copy. Repeats alternate, so that
what drifts hits expected and measured alike; a row passes within 5 %.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.protocols import Job, Outcome
from harness.record import Trial
from harness.serving.load import ServerSettings
from harness.serving.process import go_first
from harness.serving.queueing import sleep_until
from harness.serving.queues import Services, true_capacity
from harness.serving.serve import serve

RESULTS = Path("benchmarks/results/two_workers.json")
TOLERANCE, PROMISE = 0.05, 0.01
BUSY_MS, BUSY_LIMIT_MS = 2.0, 40.0
EXPONENTIAL_MS, QUEUE_LIMIT_MS = 4.0, 40.0
MEMORY_LIMIT_CALLS = 8.0
"""The limit of the copying model, in calls of one worker alone."""
ARRAY_MB, SLICE_MB = 384, 8
"""More than a large processor's last cache holds, and what one call copies."""

Work = Callable[[], object]
Row = dict[str, Any]


def busy(ms: float) -> Work:
    """Waits awake."""

    def work() -> None:
        end = time.perf_counter_ns() + int(ms * 1e6)
        while time.perf_counter_ns() < end:
            pass

    return work


def exponential(ms: float) -> Work:
    """Sleeps for a time drawn from an exponential distribution, in each process from a stream of its own."""
    random = np.random.default_rng(os.getpid())
    return lambda: sleep_until(time.perf_counter_ns() + int(random.exponential(ms) * 1e6))


def copying() -> Work:
    """Copies the next slice of an array that no cache holds: how fast is up to the memory alone."""
    rows, width = ARRAY_MB // SLICE_MB, SLICE_MB << 17
    source, target = np.ones((rows, width)), np.zeros((rows, width))
    at = 0

    def work() -> None:
        nonlocal at
        np.copyto(target[at], source[at])
        at = (at + 1) % rows

    return work


KINDS: Mapping[str, Callable[..., Work]] = {"busy": busy, "exponential": exponential, "copying": copying}


def examples(spec: Mapping[str, Any]) -> np.ndarray:
    """(64, 4) float32, of no consequence."""
    return np.zeros((64, 4), np.float32)


def load_variant(spec: Mapping[str, Any], artifact: Path, threads: int, device: str) -> Any:
    """The model that `spec["args"]` describes, as a task's module loads one."""
    args = dict(spec["args"])
    work, answer = KINDS[args.pop("kind")](**args), np.full((64, 2), 0.5, np.float32)

    def predict(inputs: np.ndarray) -> np.ndarray:
        work()
        return answer[: len(inputs)]

    return predict


def measure(workers: int, args: Mapping[str, Any], scenario: Mapping[str, Any], seed: int = 0) -> Outcome:
    """One serve trial, in processes of its own."""
    spec: Any = {
        "subject": "benchmarks.two_workers", "task": "known", "args": dict(args), "scenario": dict(scenario),
        "round": seed, "seed": seed, "workers": workers,
    }  # fmt: skip
    trial = Trial("serve", "known", spec, time_limit_s=240.0)
    with tempfile.TemporaryDirectory() as folder:
        return serve(Job(trial, Path(folder), {}, lambda event: None))


def offline(workers: int, args: Mapping[str, Any], seconds: float, seed: int) -> float:
    """Requests per second of the machine, one at a time, in a closed loop."""
    scenario = {"name": "offline", "seconds": seconds, "batch_sizes": [1]}
    return _headline(measure(workers, args, scenario, seed), "throughput_offline_per_s")


def capacity(workers: int, args: Mapping[str, Any], limit_ms: float, seconds: float, seed: int) -> float:
    """What the search finds: the highest load of which 99 in 100 keep the limit."""
    scenario = {
        "name": "server", "latency_p99_ms": limit_ms, "max_batch": 1, "max_wait_ms": 0.0, "seconds": seconds,
    }  # fmt: skip
    return _headline(measure(workers, args, scenario, seed), "throughput_at_slo_qps")


def _headline(outcome: Outcome, metric: str) -> float:
    found = next(m for m in outcome.measurements if m.metric == metric and not m.at)
    if found.value is None:
        raise SystemExit(f"{metric}: {found.note}")
    return found.value


def busy_workers(seconds: float, repeats: int) -> list[Row]:
    """Offline two workers do twice what one does; within a limit what the queue on paper says of each."""
    args = {"kind": "busy", "ms": BUSY_MS}
    pairs = [[offline(w, args, seconds / 4, k) for w in (1, 2)] for k in range(repeats)]
    rows = [row("busy, offline: two workers over one", 2.0, [two / one for one, two in pairs])]
    services = Services.fixed(np.array([BUSY_MS / 1e3]))
    paper = [
        true_capacity(services, ServerSettings(BUSY_LIMIT_MS, 1, 0.0, w), requests=400_000) for w in (1, 2)
    ]
    loads = [[capacity(w, args, BUSY_LIMIT_MS, seconds, k) for w in (1, 2)] for k in range(repeats)]
    for w in (1, 2):
        name = f"busy, p99 within {BUSY_LIMIT_MS:g} ms, {w} worker{'s' if w > 1 else ''}: per s"
        rows.append(row(name, paper[w - 1], [load[w - 1] for load in loads]))
    name = f"busy, p99 within {BUSY_LIMIT_MS:g} ms: two workers over one"
    return [*rows, row(name, paper[1] / paper[0], [two / one for one, two in loads])]


def memory_workers(seconds: float, repeats: int) -> list[Row]:
    """As much more as two plain loops copy; within a limit the queue whose calls are slower side by side."""
    args = {"kind": "copying"}
    plain, served = [], []
    for k in range(repeats):
        plain.append([plain_copies(w, seconds / 4) for w in (1, 2)])
        served.append([offline(w, args, seconds / 4, k) for w in (1, 2)])
    grows = [two / one for one, two in plain]
    rows = [
        {**row("copying, offline: two workers over one", statistics.median(grows),
               [two / one for one, two in served]), "plain_loops": [round(x, 3) for x in grows]},
    ]  # fmt: skip
    for w in (1, 2):
        expected = statistics.median(each[w - 1] for each in plain)
        name = f"copying, offline, {w} worker{'s' if w > 1 else ''}: per s"
        rows.append(row(name, expected, [each[w - 1] for each in served]))
    return [*rows, _copying_within_a_limit(seconds, repeats)]


def _copying_within_a_limit(seconds: float, repeats: int) -> Row:
    alone_ms = 1e3 / plain_copies(1, seconds / 4)
    limit_ms, expected, found = round(MEMORY_LIMIT_CALLS * alone_ms, 2), [], []
    for k in range(repeats):
        one, two = (plain_copies(w, seconds / 4) for w in (1, 2))
        expected.append(shared_capacity(1 / one, 2 / two, limit_ms / 1e3))
        found.append(capacity(2, {"kind": "copying"}, limit_ms, seconds, k))
    ratios = [f / e for f, e in zip(found, expected, strict=True)]
    name = f"copying, p99 within {limit_ms:g} ms, 2 workers: over the queue on paper"
    return {**row(name, 1.0, ratios), "per_s": [round(x, 1) for x in found]}


def exponential_workers(seconds: float, repeats: int) -> list[Row]:
    """The M/M/2 queue's capacity under a limit on its p99, by Erlang's C formula."""
    args = {"kind": "exponential", "ms": EXPONENTIAL_MS}
    expected = erlang_capacity(EXPONENTIAL_MS / 1e3, QUEUE_LIMIT_MS / 1e3)
    found = [capacity(2, args, QUEUE_LIMIT_MS, 3 * seconds, k) for k in range(repeats)]
    name = f"M/M/2, {EXPONENTIAL_MS:g} ms in the mean, p99 within {QUEUE_LIMIT_MS:g} ms: per s"
    return [row(name, expected, found)]


PARTS: Mapping[str, Callable[[float, int], list[Row]]] = {
    "busy": busy_workers,
    "memory": memory_workers,
    "queue": exponential_workers,
}


def row(name: str, expected: float, measured: Sequence[float]) -> Row:
    """The middle one of the repeats against what is expected."""
    middle = statistics.median(measured)
    return {
        "name": name,
        "expected": round(expected, 4),
        "measured": [round(x, 4) for x in measured],
        "ratio": round(middle / expected, 4),
        "passed": abs(middle / expected - 1) <= TOLERANCE,
        "load_average": round(os.getloadavg()[0], 1),
    }


def plain_copies(processes: int, seconds: float) -> float:
    """Copies per second of processes that do nothing else, each on a core of its own."""
    ready, tell = os.pipe()
    start, go = os.pipe()
    pids = []
    for core in sorted(os.sched_getaffinity(0))[:processes]:
        if not (pid := os.fork()):
            os.sched_setaffinity(0, {core})
            go_first()
            work = copying()
            for _ in range(2 * ARRAY_MB // SLICE_MB):
                work()
            os.write(tell, b".")
            os.read(start, 1)
            begun, count = time.perf_counter(), 0
            while (took := time.perf_counter() - begun) < seconds:
                work()
                count += 1
            os.write(tell, np.array([count / took]).tobytes())
            os._exit(0)
        pids.append(pid)
    for _ in pids:
        os.read(ready, 1)
    os.write(go, b"." * processes)
    for pid in pids:
        os.waitpid(pid, 0)
    found = np.frombuffer(os.read(ready, 8 * processes))
    for end in (ready, tell, start, go):
        os.close(end)
    return float(found.sum())


def shared_capacity(alone_s: float, beside_s: float, limit_s: float) -> float:
    """The highest load of two servers that take `alone_s` a call, and `beside_s` while the other one works,
    of which 99 in 100 keep the limit."""
    gaps = np.cumsum(np.random.default_rng(0).exponential(size=40_000))
    low, high = 0.0, 2 / beside_s
    while high - low > 0.002 * high:
        load = (low + high) / 2
        late = float(np.mean(_shared_sojourns(gaps / load, alone_s, beside_s)[2000:] > limit_s))
        low, high = (load, high) if late <= PROMISE else (low, load)
    return low


def _shared_sojourns(arrivals: np.ndarray, alone_s: float, beside_s: float) -> np.ndarray:
    """(n,) seconds from arrival to answer, first come first served; a call that is `left` of 1 runs at one
    speed alone and at another beside the other."""
    now, taken, left, took = 0.0, 0, [], np.zeros(len(arrivals))  # type: ignore[var-annotated]
    while taken < len(arrivals) or left:
        speed = 1 / (alone_s if len(left) == 1 else beside_s)
        ends = now + left[0][0] / speed if left else math.inf
        comes = float(arrivals[taken]) if taken < len(arrivals) and len(left) < 2 else math.inf
        then = max(min(ends, comes), now)
        left = [(part - (then - now) * speed, which) for part, which in left]
        if ends <= comes:
            took[heapq.heappop(left)[1]] = then
        else:
            heapq.heappush(left, (1.0, taken))
            taken += 1
        now = then
    return np.asarray(took - arrivals)


def erlang_capacity(service_s: float, limit_s: float) -> float:
    """The load at which 1 % of an M/M/2 queue's requests are later than the limit."""
    low, high = 0.0, 1.999 / service_s
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if _erlang_late(rate, service_s, limit_s) <= PROMISE else (low, rate)
    return low


def _erlang_late(rate: float, service_s: float, limit_s: float) -> float:
    """P(time in an M/M/2 system > limit): waiting happens by Erlang's C formula, exponential at 2µ - λ."""
    busy_servers, mu = rate * service_s, 1 / service_s
    both = busy_servers**2 / 2 / (1 - busy_servers / 2)
    wait, theta = both / (1 + busy_servers + both), 2 * mu - rate
    alone = math.exp(-mu * limit_s)
    return (1 - wait) * alone + wait * theta / (theta - mu) * (
        alone - mu / theta * math.exp(-theta * limit_s)
    )


def main() -> int:
    """Measure the parts that are asked for; a part's new rows replace its old ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in args.parts:
        kept[part] = PARTS[part](*((2.0, 1) if args.quick else (10.0, 3)))
        for each in kept[part]:
            print(json.dumps(each), flush=True)
        if not args.quick:
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if all(each["passed"] for part in args.parts for each in kept[part]) else 1


if __name__ == "__main__":
    raise SystemExit(main())

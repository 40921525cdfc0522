"""The `duel` scenario: which of two variants is faster, where quiet windows could not say.

Both are loaded in one process, three copies of each, and called in random order, call by call, so that
whatever the machine does happens to both. Copies of one variant differ too, by where their memory
happens to lie (3 % was seen between identical models): that is the A/A floor, and copies are the units
of the interval. The duel decides the order; absolute figures come from windows of their own, since
sharing caches compresses differences (a true 5 % looks like 2-3 %).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from harness.facts.serving import DuelFacts, Fought, Ratio, Winner
from harness.record import Measurement
from harness.serving.closed import Found
from harness.serving.job import ServeJob
from harness.serving.subject import Subject, load_subject
from harness.serving.windows import call, collector_off, warm_up
from harness.streams import generator

COPIES = 3
LEAST_CALLS = 40
SMALLEST = 0.005
"""Differences below half a per cent are not called, however narrow the interval."""


def verdict_of(ratio: Ratio) -> Winner:
    """By one clock: a difference must exceed the floor between identical copies, and its interval 1."""
    if abs(float(np.log(ratio.value))) <= max(float(np.log1p(ratio.floor)), SMALLEST):
        return "not separated"
    if ratio.low > 1:
        return "first"
    return "second" if ratio.high < 1 else "not separated"


def duel(first: Subject, job: ServeJob) -> Found:
    """Call copies of two variants in random order, and judge."""
    spec, scenario = job.spec, job.scenario
    opponent = scenario["opponent"]
    contenders = {("first", 0): first}
    for copy in range(COPIES):
        # Taken in turn, so that neither variant gets all the early memory.
        contenders[("second", copy)] = load_subject(job, opponent)
        if copy + 1 < COPIES:
            contenders[("first", copy + 1)] = load_subject(job, spec)
    for subject in contenders.values():
        warm_up(subject, 1, seconds=0.3)
    random = generator(job.seed, "duel", job.round)
    seconds, calls = float(scenario.get("seconds", 5.0)), int(scenario.get("calls", 2000))
    cpu, wall = interleave(contenders, random, seconds, calls)
    by_cpu, by_wall = judge(cpu), judge(wall)
    asleep = slept(cpu, wall)
    clocks = {f"{clock}_{owner}_{copy}": times for clock, all_ in (("cpu", cpu), ("wall", wall))
              for (owner, copy), times in all_.items()}  # fmt: skip
    np.savez_compressed(job.file("calls.npz"), **clocks)  # type: ignore[arg-type]
    fought = Fought(
        decide(by_cpu, by_wall, asleep),
        spec.get("variant", "first"),
        opponent.get("variant", "second"),
        len(cpu["first", 0]),
        by_cpu,
        by_wall,
        "wall" if asleep else "cpu",
        COPIES,
    )
    return [_median(wall, name) for name in ("first", "second")], DuelFacts(duel=fought)


Key = tuple[str, int]
"""(`first` or `second`, number of the copy)."""


def interleave(
    contenders: Mapping[Key, Subject], random: np.random.Generator, seconds: float, max_calls: int
) -> tuple[dict[Key, np.ndarray], dict[Key, np.ndarray]]:
    """Rounds in which every contender is called once, in random order, on the same request.

    Returns:
        Per contender the CPU ms of this thread and the wall ms of each call, aligned by round.
    """
    cpu: dict[Key, list[float]] = {key: [] for key in contenders}
    wall: dict[Key, list[float]] = {key: [] for key in contenders}
    keys = list(contenders)
    requests = {key: subject.requests(1) for key, subject in contenders.items()}
    rounds = 0
    with collector_off():
        end = time.perf_counter() + seconds
        while rounds < max_calls and (time.perf_counter() < end or rounds < LEAST_CALLS):
            for i in random.permutation(len(keys)):
                key = keys[i]
                request = requests[key][rounds % len(requests[key])]
                # Thread time, read as close to the call as the wall clock.
                wall_before, cpu_before = time.perf_counter_ns(), time.thread_time_ns()
                answer = call(contenders[key], request, 1, rounds)
                cpu_after, wall_after = time.thread_time_ns(), time.perf_counter_ns()
                contenders[key].check(answer, 1)
                cpu[key].append((cpu_after - cpu_before) / 1e6)
                wall[key].append((wall_after - wall_before) / 1e6)
            rounds += 1
    return {k: np.array(v) for k, v in cpu.items()}, {k: np.array(v) for k, v in wall.items()}


def judge(times: Mapping[Key, np.ndarray]) -> Ratio:
    """The ratio of typical times, its interval over copies (Welch's t), and the floor between copies of one
    variant."""
    from scipy.special import stdtrit  # not before what is measured has been measured

    logs = {
        name: np.log([max(float(np.median(v)), 1e-9) for (owner, _), v in times.items() if owner == name])
        for name in ("first", "second")
    }
    difference = float(logs["second"].mean() - logs["first"].mean())
    parts = np.array([values.var(ddof=1) / len(values) for values in logs.values()])
    spread = float(np.sqrt(parts.sum()))
    df = parts.sum() ** 2 / (parts**2).sum() * (COPIES - 1) if spread > 0 else 2 * (COPIES - 1)
    reach = float(stdtrit(df, 0.975)) * spread
    floor = max(float(values.max() - values.min()) for values in logs.values())
    low, high = np.exp([difference - reach, difference + reach])
    return Ratio(float(np.exp(difference)), float(low), float(high), float(np.expm1(floor)))


def decide(cpu: Ratio, wall: Ratio, mostly_asleep: bool) -> Winner:
    """CPU time decides, wall time must not contradict; where the thread mostly waits, wall time decides."""
    if mostly_asleep:
        return verdict_of(wall)
    if verdict_of(wall) not in (verdict_of(cpu), "not separated"):
        return "not separated"
    return verdict_of(cpu)


def slept(cpu: Mapping[Key, np.ndarray], wall: Mapping[Key, np.ndarray]) -> bool:
    """Whether calls wait for something other than this thread (sleep, GPU, other threads)."""
    return any(float(np.median(cpu[key])) < 0.5 * float(np.median(wall[key])) for key in cpu)


def _median(wall: Mapping[Key, np.ndarray], name: str) -> Measurement:
    calls = np.concatenate([values for (owner, _), values in wall.items() if owner == name])
    samples = tuple(round(float(value), 6) for value in calls)
    return Measurement("latency_p50_ms", float(np.median(calls)), "ms", samples, at={"duel": name})

"""What this machine is, how noisy it is, and what that means for measuring on it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TypedDict

import numpy as np

from harness import environment
from harness.doctor.findings import MachineCheck
from harness.doctor.pauses import look_at_pauses, pauses_finding
from harness.doctor.steadiness import LOOK_S, look_at_speed, steadiness_finding
from harness.serving import energy, noise

SPIN_S = 0.5
"""How long each core is looked at."""
CORES = 4
"""Cores that are looked at: the last ones, where serve trials are pinned."""
QUIET_LOST = 0.01
LOUD_LOST = 0.10
LONG_GAP_NS = 100_000
SLEEPS = 200
LEAST_DISK_GB = 5.0


@dataclass(frozen=True)
class Core:
    """What a core lost while nothing but a spin ran on it.

    Args:
        lost: share of time in gaps over 20 µs. longest_ms: the longest gap.
        long_per_s: gaps over 0.1 ms per second. waited: share of time spent in the run queue.
        switched: involuntary context switches per second.
    """

    core: int
    lost: float
    longest_ms: float
    long_per_s: float
    waited: float
    switched: float


class TimerFigures(TypedDict):
    """Of the clock: its resolution and a reading's cost; how late sleeps of a millisecond end."""

    resolution_ns: float
    cost_ns: float
    sleep_late_p50_us: float
    sleep_late_p99_us: float


def examine() -> tuple[list[MachineCheck], dict[str, object]]:
    """All findings, the verdict first, and the figures behind them."""
    cores = [look_at(core) for core in cores_to_look_at()]
    last = cores_to_look_at()[-1]
    timer, steadiness, pauses = look_at_timer(), look_at_speed(last, LOOK_S), look_at_pauses(last)
    findings = [
        floor_finding(cores),
        steadiness_finding(steadiness),
        pauses_finding(pauses),
        cores_finding(),
        timer_finding(timer),
        governor_finding(),
        *pool_findings(),
        gpu_finding(),
        energy_finding(),
        memory_finding(),
        disk_finding(Path.cwd()),
        ray_finding(),
    ]
    verdict = verdict_of(findings)
    facts: dict[str, object] = {
        "verdict": verdict.found,
        "cores": [asdict(core) for core in cores],
        "timer": timer,
        "steadiness": asdict(steadiness),
        "pauses": asdict(pauses),
        "free": {"memory_mb": round(environment.available_mb()), "disk_mb": round(free_disk_mb(Path.cwd()))},
        "environment": environment.capture(),
    }
    return [verdict, *findings], facts


def verdict_of(findings: Sequence[MachineCheck]) -> MachineCheck:
    """The sentence that a person reads first."""
    bad = [f.what for f in findings if f.level == "bad"]
    watch = [f.what for f in findings if f.level == "watch"]
    if bad:
        return MachineCheck("verdict", "not fit to measure now", f"see {', '.join(bad)}", "bad")
    if watch:
        return MachineCheck("verdict", "fit to measure, with care", f"see {', '.join(watch)}", "watch")
    return MachineCheck("verdict", "fit to measure")


def cores_to_look_at() -> list[int | None]:
    """The last few cores that this process may use; [None] where a platform cannot pin."""
    if not hasattr(os, "sched_getaffinity"):
        return [None]
    return [*sorted(os.sched_getaffinity(0))[-CORES:]]


def look_at(core: int | None) -> Core:
    """Spin on a core and see what is lost."""
    allowed = os.sched_getaffinity(0) if core is not None else set()
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        before = noise.counters()
        clock = time.perf_counter_ns
        start = last = clock()
        end = start + int(SPIN_S * 1e9)
        gaps = []
        while last < end:
            now = clock()
            if now - last > noise.GAP_NS:
                gaps.append(now - last)
            last = now
        after = noise.counters()
    finally:
        if core is not None:
            os.sched_setaffinity(0, allowed)
    seconds = (last - start) / 1e9
    waited = max((after["waits"][t] - before["waits"].get(t, 0) for t in after["waits"]), default=0)
    return Core(
        core=-1 if core is None else core,
        lost=sum(gaps) / (last - start),
        longest_ms=max(gaps, default=0) / 1e6,
        long_per_s=sum(gap > LONG_GAP_NS for gap in gaps) / seconds,
        waited=waited / 1e9 / seconds,
        switched=(after["involuntary"] - before["involuntary"]) / seconds,
    )


def floor_finding(cores: Sequence[Core]) -> MachineCheck:
    """The noise floor of the quietest core, in words."""
    best = min(cores, key=lambda core: core.lost)
    found = (
        f"the quietest core lost {best.lost:.1%} of {SPIN_S:g} s, longest gap {best.longest_ms:.2f} ms, "
        f"{best.long_per_s:.0f} gaps over 0.1 ms per second"
    )
    if best.lost > LOUD_LOST:
        meaning = "others use this machine: latencies will be `too noisy`; stop them, or wait"
        return MachineCheck("noise floor", found, meaning, "bad")
    # A call of t ms meets a gap with probability t/1000 × gaps per second; a p99 is safe below 1 %.
    safe_ms = 10.0 / best.long_per_s if best.long_per_s else float("inf")
    if best.lost > QUIET_LOST or safe_ms < 10:
        meaning = (
            f"medians are sound; a p99 of calls longer than about {safe_ms:.2g} ms holds gaps of the "
            f"machine of up to {best.longest_ms:.2g} ms"
        )
        return MachineCheck("noise floor", found, meaning, "watch")
    return MachineCheck("noise floor", found, "medians and p99s are the model's own")


def cores_finding() -> MachineCheck:
    """Cores that may be used, and what else uses them."""
    allowed, there = environment.cpus_allowed(), os.cpu_count() or 1
    found = f"{allowed} of {there} usable, load {os.getloadavg()[0]:.1f}, {environment.hardware()['cpu']}"
    if allowed < 2:
        return MachineCheck(
            "cores", found, "no spare core: the harness itself shares the model's core", "watch"
        )
    if os.getloadavg()[0] > allowed:
        return MachineCheck("cores", found, "more work than cores: wait until it is done", "watch")
    return MachineCheck(
        "cores", found, f"serve trials are pinned; at most {allowed - 1} threads leave one spare"
    )


def look_at_timer() -> TimerFigures:
    """The clock's resolution and cost in ns, and how late a 1 ms sleep ends, in µs."""
    count = 20_000
    start = time.perf_counter_ns()
    for _ in range(count):
        time.perf_counter_ns()
    cost = (time.perf_counter_ns() - start) / count
    late = []
    for _ in range(SLEEPS):
        before = time.perf_counter_ns()
        time.sleep(0.001)
        late.append((time.perf_counter_ns() - before) / 1e3 - 1000)
    return {
        "resolution_ns": time.get_clock_info("perf_counter").resolution * 1e9,
        "cost_ns": cost,
        "sleep_late_p50_us": float(np.percentile(late, 50)),
        "sleep_late_p99_us": float(np.percentile(late, 99)),
    }


def timer_finding(timer: TimerFigures) -> MachineCheck:
    """How finely the clock reads, and how late a sleep ends."""
    found = (
        f"resolution {timer['resolution_ns']:.0f} ns, {timer['cost_ns']:.0f} ns a reading; "
        f"a sleep ends {timer['sleep_late_p50_us']:.0f} µs late (p99 {timer['sleep_late_p99_us']:.0f} µs)"
    )
    if timer["cost_ns"] > 1000:
        return MachineCheck("timer", found, "a slow clock: calls below 0.1 ms are not measurable", "watch")
    if timer["sleep_late_p99_us"] > 1000:
        ms = timer["sleep_late_p99_us"] / 100
        return MachineCheck(
            "timer", found, f"open-loop limits below about {ms:.0f} ms will be invalid", "watch"
        )
    return MachineCheck("timer", found)


def governor_finding(root: Path = Path("/sys/devices/system/cpu")) -> MachineCheck:
    """Whether clocks vary with load, where the kernel says so."""
    names = {path.read_text().strip() for path in sorted(root.glob("cpu*/cpufreq/scaling_governor"))[:64]}
    if not names:
        return MachineCheck("governor", "not visible (a virtual machine, most likely)")
    found = ", ".join(sorted(names))
    if names & {"powersave", "ondemand", "conservative"}:
        meaning = "clocks vary with load: cpupower frequency-set -g performance"
        return MachineCheck("governor", found, meaning, "watch")
    return MachineCheck("governor", found)


def pool_findings() -> list[MachineCheck]:
    """BLAS and OpenMP runtimes that torch, scikit-learn and NumPy bring along."""
    import importlib

    from threadpoolctl import threadpool_info

    for name in ("torch", "sklearn.linear_model"):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    pools = threadpool_info()
    text = ", ".join(f"{p['internal_api']} {p.get('version') or ''} ({p['num_threads']})" for p in pools)
    openmp = {p["filepath"] for p in pools if p["user_api"] == "openmp"}
    passive = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    if len(openmp) > 1:
        meaning = (
            f"{len(openmp)} OpenMP runtimes in one process; serve trials make their threads wait passively"
        )
        return [MachineCheck("thread pools", text or "none", meaning, "good" if passive else "watch")]
    return [MachineCheck("thread pools", text or "none")]


def gpu_finding() -> MachineCheck:
    """The GPU, and whether torch can use it."""
    machine = environment.hardware()
    if not machine["gpus"]:
        return MachineCheck("GPU", "none: candidates are trained and served on CPUs")
    found = (
        f"{machine['gpus']} × {machine['gpu']}, {machine['gpu_memory_mb']} MB, driver {machine['gpu_driver']}"
    )
    try:
        import torch

        usable = torch.cuda.is_available()
    except ImportError:
        usable = False
    if not usable:
        return MachineCheck("GPU", found, "torch cannot use it: install a CUDA build of torch", "watch")
    return MachineCheck("GPU", found)


def energy_finding() -> MachineCheck:
    """Which counters of energy may be read."""
    readable = [
        name for name, device in (("RAPL", "cpu"), ("NVML", "cuda")) if energy.meter(device) is not None
    ]
    if readable:
        return MachineCheck("energy", f"counter readable: {' and '.join(readable)}")
    return MachineCheck("energy", "no readable counter", "energy will be left empty, never estimated")


def memory_finding() -> MachineCheck:
    """Free memory, in GB."""
    free = environment.available_mb()
    found = f"{free / 1e3:.1f} GB free"
    if free < 2000:
        return MachineCheck("memory", found, "training may run out: close what is not needed", "watch")
    return MachineCheck("memory", found)


def disk_finding(folder: Path) -> MachineCheck:
    """Free space where results go, in GB."""
    free = free_disk_mb(folder) / 1e3
    found = f"{free:.0f} GB free in {folder}"
    if free < LEAST_DISK_GB:
        return MachineCheck("disk", found, "a run may fill it: free some, or --out elsewhere", "watch")
    return MachineCheck("disk", found)


def free_disk_mb(folder: Path) -> float:
    """What may still be written where a folder is."""
    return shutil.disk_usage(folder).free / 1e6


def ray_finding() -> MachineCheck:
    """Ray's version, and the cluster that the environment names."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        return MachineCheck("Ray", "not installed", "`run` needs it: pip install 'ray[tune]'", "bad")
    address = os.environ.get("RAY_ADDRESS", "")
    return MachineCheck("Ray", f"{version}" + (f", RAY_ADDRESS={address}" if address else ", local"))

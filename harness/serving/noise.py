"""The noise gate: was this window the variant's own time, or a neighbour's?

What is judged is time that the process wanted to run and could not: the scheduler's run-queue
delay, gaps in short spins before and after (they see a hypervisor that takes the core without counting
it as stolen), and the control group's throttling. The rest is recorded for the audit.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.codec import rounded
from harness.facts.serving import NoiseFacts

QUIET = 0.10
"""A window that lost more than this share of its time is measured again."""
USABLE = 0.40
"""A window that lost more than this share is never used, even where no better one is to be had."""
SPIN_S = 0.003
GAP_NS = 20_000
SPIN_LOST = 0.25
"""Share of two spins of 3 ms that may be lost: less is one timer interrupt or two."""

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Noise(NoiseFacts):
    """What happened around the variant in one window, judged."""

    @property
    def lost(self) -> float:
        """Share of the window that belonged to others."""
        return max(self.wait_share, 1.0 if self.throttled else 0.0)

    @property
    def quiet(self) -> bool:
        return self.lost <= QUIET and self.spin_lost <= SPIN_LOST

    @property
    def usable(self) -> bool:
        return self.lost <= USABLE

    def told(self) -> NoiseFacts:
        """For the record."""
        return rounded(NoiseFacts(**vars(self)))


def worst(noises: Sequence[Noise]) -> Noise:
    """Of workers that ran at the same time: the window is as loud as it was for the worst off."""
    return Noise(
        cpu_share=sum(n.cpu_share for n in noises),
        wait_share=max(n.wait_share for n in noises),
        involuntary=sum(n.involuntary for n in noises),
        voluntary=sum(n.voluntary for n in noises),
        spin_lost=max(n.spin_lost for n in noises),
        pressure=max((n.pressure for n in noises if n.pressure is not None), default=None),
        throttled=max(n.throttled for n in noises),
        load=max(n.load for n in noises),
        stolen=max(n.stolen for n in noises),
    )


class Gate:
    """Reads the counters before a window and again after it."""

    def __init__(self) -> None:
        self._spin_lost = spin(SPIN_S)[0]
        self._before = counters()

    def read(self) -> Noise:
        """The noise since this gate was opened."""
        before, after = self._before, counters()
        wall = max(after["wall"] - before["wall"], 1.0)
        waits = [after["waits"][t] - before["waits"].get(t, 0) for t in after["waits"]]
        pressure = None
        if before["pressure"] is not None and after["pressure"] is not None:
            pressure = min(1.0, (after["pressure"] - before["pressure"]) * 1000 / wall)
        return Noise(
            cpu_share=(after["cpu"] - before["cpu"]) / wall,
            wait_share=max(waits, default=0) / wall,
            involuntary=after["involuntary"] - before["involuntary"],
            voluntary=after["voluntary"] - before["voluntary"],
            spin_lost=(self._spin_lost + spin(SPIN_S)[0]) / 2,
            pressure=pressure,
            throttled=after["throttled"] - before["throttled"],
            load=os.getloadavg()[0],
            stolen=(after["stolen"] - before["stolen"]) / wall,
        )


def spin(seconds: float) -> tuple[float, int, int]:
    """Read the clock as fast as possible and look for gaps.

    Returns:
        The share of time lost in gaps over 20 µs, the longest gap in ns, the number of gaps.
    """
    clock = time.perf_counter_ns
    start = last = clock()
    end = start + int(seconds * 1e9)
    lost = longest = count = 0
    while last < end:
        now = clock()
        gap = now - last
        if gap > GAP_NS:
            lost += gap
            count += 1
            longest = max(longest, gap)
        last = now
    return lost / max(last - start, 1), longest, count


def counters() -> dict[str, Any]:
    """The kernel's counters for this process; those that a platform lacks read 0 or None."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": float(time.perf_counter_ns()),
        "cpu": time.process_time_ns(),
        "waits": run_queue_waits(),
        "involuntary": usage.ru_nivcsw,
        "voluntary": usage.ru_nvcsw,
        "pressure": cpu_pressure_us(),
        "throttled": throttled_periods(),
        "stolen": stolen_ns(),
    }


def run_queue_waits() -> dict[str, int]:
    """Per thread of this process: ns spent runnable but not running, since its start."""
    waits = {}
    try:
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - ten times faster than Path.iterdir
            try:
                with open(f"/proc/self/task/{task}/schedstat", "rb") as file:  # noqa: PTH123
                    waits[task] = int(file.read().split()[1])
            except (OSError, IndexError, ValueError):
                continue
    except OSError:
        return {}
    return waits


def cpu_pressure_us() -> int | None:
    """Total µs in which some task waited for a CPU, None where the kernel has no PSI."""
    try:
        with open("/proc/pressure/cpu", "rb") as file:  # noqa: PTH123
            return int(file.readline().rsplit(b"total=", 1)[1])
    except (OSError, IndexError, ValueError):
        return None


def stolen_ns() -> float:
    """Mean over this process's cores: ns since the start in which the host of a virtual machine had them."""
    try:
        cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        rows = [
            line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")
        ]
        ticks = [int(row[8]) for row in rows if row[0] in cores]
        return 1e9 * sum(ticks) / len(ticks) / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, IndexError, ValueError, ZeroDivisionError):
        return 0.0


@cache
def cgroup_stats(of: Path = Path("/proc/self/cgroup")) -> tuple[Path, ...]:
    """The files that count throttling for this process's control group and those above it, the nearest first.

    Version 2 is one line `0::/path`, version 1 a line per controller, `4:cpu,cpuacct:/path`.
    """
    found: list[Path] = []
    try:
        lines = of.read_text().splitlines()
    except OSError:
        return ()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        own = CGROUPS / ("cpu" if controllers else "") / path.lstrip("/")
        found += [folder / "cpu.stat" for folder in (own, *own.parents) if folder.is_relative_to(CGROUPS)]
    return tuple(found)


def throttled_periods() -> int:
    """How often this control group ran into its CPU quota."""
    for path in cgroup_stats():
        try:
            for line in path.read_text().splitlines():
                if line.startswith("nr_throttled "):
                    return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return 0

"""Memory of this process: the peak over a stretch of calls, and a watch for leaks."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.environment import available_mb
from harness.facts.serving import MemoryFacts
from harness.record import Measurement, TrialError
from harness.serving import nvml
from harness.serving.job import WorkerGroup

OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "DefaultCPUAllocator", "out of memory", "Cannot allocate memory")
"""What those who ran out of it leave behind in a message or on stderr."""
SPENT = "out of memory in the serving process"
LEAK_MB = 256.0
"""Growth over the measured calls above which a variant is said to leak."""
LEAK_PER_CALL_MB = 0.01
"""Growth per call below which it is a cache that fills, not a leak."""


def peak_mb(
    run: Callable[[], object], device: str = "cpu", crew: WorkerGroup | None = None
) -> tuple[float | None, MemoryFacts]:
    """Peak resident memory while `run` runs, in MB of 10^6 bytes, and what else is known.

     Writing 5 to clear_refs resets the high-water mark, VmHWM then is exact; `ru_maxrss` never resets
    . On a GPU the caching allocator's and NVML's figures are added as facts. Of several
     workers it is the sum of their peaks; pages that they share, such as libraries, count once.
    """
    before = resident_mb()
    if crew is None:
        resettable = reset_peak(device)
        run()
        peaks = [read_peak(device)]
    else:
        resettable = all(crew.together(None, "reset_peak", device=device))
        run()
        peaks = crew.together(None, "read_peak", device=device)

    def added(key: str) -> float | None:
        known = [peak[key] for peak in peaks if key in peak]
        return sum(known) if known else None

    facts = MemoryFacts(
        before, resident_mb(), added("cuda_allocated_mb"), added("cuda_reserved_mb"), added("nvml_process_mb")
    )
    if not resettable or any("peak_mb" not in peak for peak in peaks):
        return None, facts
    if crew is not None:
        facts = replace(facts, workers=tuple(peaks))
    return peaks[0]["peak_mb"] + sum(p["peak_mb"] - p["shared_mb"] for p in peaks[1:]), facts


def reset_peak(device: str) -> bool:
    """Begin a new high-water mark; False where the platform cannot."""
    if (torch := _cuda(device)) is not None:
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def read_peak(device: str) -> dict[str, float]:
    """This process's high-water mark, what of its memory other processes map too, and its GPU's figures."""
    found: dict[str, float] = {"shared_mb": _shared_mb()}
    if (peak := _status_mb("VmHWM")) is not None:
        found["peak_mb"] = peak
    if (torch := _cuda(device)) is not None:
        found["cuda_allocated_mb"] = torch.cuda.max_memory_allocated() / 1e6
        found["cuda_reserved_mb"] = torch.cuda.max_memory_reserved() / 1e6
    if (used := nvml_process_mb(device)) is not None:
        found["nvml_process_mb"] = used
    return found


def _shared_mb() -> float:
    """Resident pages that at least one more process maps, in MB; 0 where /proc does not tell."""
    file = Path("/proc/self/smaps_rollup")
    return sum(_kilobytes(file, field) or 0.0 for field in ("Shared_Clean", "Shared_Dirty"))


def peak_measurements(
    peak: float | None, facts: MemoryFacts, at: Mapping[str, int] | None = None
) -> list[Measurement]:
    """A peak as a measurement, and the GPU's where one was used: what NVML says this process holds, else what
    torch's allocator has reserved. Where the high-water mark cannot be reset, the cell says so.
    """
    note = "" if peak is not None else "not measured: this platform has no /proc/self/clear_refs"
    found = [Measurement("peak_memory_mb", peak, "MB", note=note, at=at or {})]
    on_gpu = facts.nvml_process_mb or facts.cuda_reserved_mb
    if on_gpu:
        found.append(Measurement("peak_gpu_memory_mb", float(on_gpu), "MB", at=at or {}))
    return found


def resident_mb() -> float:
    """Resident memory now, in MB; 0 where /proc is missing."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read once per window
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return 0.0


def release() -> None:
    """Give freed memory back to the system, where the C library can: what rests in the allocator would hide
    what the next call needs."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc only
        trim(0)


def check_leak(start_mb: float, calls: int) -> None:
    """Fail a variant whose memory grows with every call, before it takes the machine along.

    Raises:
        TrialError: `leaks memory: …`.
    """
    growth = resident_mb() - start_mb
    if growth > LEAK_MB and growth / max(calls, 1) > LEAK_PER_CALL_MB:
        raise TrialError(
            f"leaks memory: {growth:.0f} MB more after {calls} calls "
            f"({growth / max(calls, 1):.2g} MB per call)"
        )


def limit(memory_mb: int, device: str, workers: int = 1) -> float | None:
    """Cap this process's data segment, so that a leak fails here and not in a neighbour.

    Args:
        memory_mb: what the trial declared; 0 means nine tenths of what is free now.
        workers: how many processes share it.
    Returns:
        The cap in MB, None on a GPU (drivers reserve address space far beyond what they use).
    """
    if device != "cpu":
        return None
    cap = (float(memory_mb) if memory_mb else 0.9 * available_mb()) / workers
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (int(cap * 1e6), hard))
    except (OSError, ValueError, OverflowError):
        return None
    return cap


@contextmanager
def not_the_variants() -> Iterator[None]:
    """What is taken inside does not count against the cap: it is the harness's own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = _status_mb("VmData") or 0.0
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        if soft != resource.RLIM_INFINITY:
            taken = max((_status_mb("VmData") or 0.0) - before, 0.0)
            resource.setrlimit(resource.RLIMIT_DATA, (soft + int(taken * 1e6), hard))


def nvml_process_mb(device: str) -> float | None:
    """What NVML says this process holds on the GPU, in MB; None without a GPU or pynvml."""
    if not device.startswith("cuda"):
        return None
    if (found := nvml.gpu()) is None:
        return None
    library, handle = found
    try:
        running = library.nvmlDeviceGetComputeRunningProcesses(handle)
    except Exception:  # one of NVML's own errors, where the driver hides processes
        return None
    return next((p.usedGpuMemory / 1e6 for p in running if p.pid == os.getpid() and p.usedGpuMemory), None)


def _cuda(device: str) -> Any:
    import sys

    torch = sys.modules.get("torch")
    return torch if device.startswith("cuda") and torch is not None and torch.cuda.is_available() else None


def _status_mb(field: str) -> float | None:
    return _kilobytes(Path("/proc/self/status"), field)


def _kilobytes(path: Path, field: str) -> float | None:
    """A line `field:  1234 kB` of a /proc file, in MB."""
    try:
        for line in path.read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        return None
    return None

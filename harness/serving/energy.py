"""Energy from a counter, or not at all: RAPL for CPUs, NVML for GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from harness.serving import nvml

LEAST_S = 0.2
"""A shorter stretch is not measured: counters are refreshed every 1 to 100 ms."""
POWERCAP = Path("/sys/class/powercap")


class Meter(Protocol):
    """A running total of energy."""

    def joules(self) -> float:
        """Energy since some fixed moment, in J."""


def meter(device: str, powercap: Path = POWERCAP) -> Meter | None:
    """The machine's energy counter, None where it has none that can be read."""
    if device.startswith("cuda"):
        return Nvml.open()
    zones = [path for path in sorted(powercap.glob("intel-rapl:*")) if path.name.count(":") == 1]
    # A platform's own zone, `psys`, stands beside those of its packages and counts what they take once more.
    packages = [path for path in zones if _name(path) != "psys"]
    try:
        for path in packages:
            (path / "energy_uj").read_text()
    except OSError:  # most machines keep the counter for root
        return None
    return Rapl(packages) if packages else None


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


class Rapl:
    """The packages' energy counters, which wrap around."""

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._ranges = [float((path / "max_energy_range_uj").read_text()) for path in packages]
        self._last = self._read()
        self._total = 0.0

    def joules(self) -> float:
        now = self._read()
        for before, after, span in zip(self._last, now, self._ranges, strict=True):
            self._total += (after - before) % span if span else after - before
        self._last = now
        return self._total / 1e6

    def _read(self) -> list[float]:
        return [float((path / "energy_uj").read_text()) for path in self._packages]


class Nvml:
    """The GPU's total energy since the driver was loaded."""

    def __init__(self, pynvml: object, handle: object) -> None:
        self._pynvml = pynvml
        self._handle = handle

    @classmethod
    def open(cls) -> Nvml | None:
        found = nvml.gpu()
        if found is None:
            return None
        try:
            found[0].nvmlDeviceGetTotalEnergyConsumption(found[1])
        except Exception:  # one of NVML's own errors: older cards lack the counter
            return None
        return cls(*found)

    def joules(self) -> float:
        return float(self._pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3  # type: ignore[attr-defined]

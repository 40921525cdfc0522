"""What only a GPU shows, against a stand-in for NVIDIA's library: which card is asked, and for what."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from harness.facts.serving import MemoryFacts
from harness.serving import energy, memory, nvml


class Library:
    """`pynvml` of a machine with two cards; remembers which one was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.joules = iter((1000, 4000))

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        self.asked.append(("index", index))
        return f"card {index}"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.asked.append(("uuid", uuid))
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return next(self.joules)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(pid=1, usedGpuMemory=9_000_000_000),
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=2_500_000_000),
        ]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    return made


@pytest.mark.parametrize(
    ("visible", "asked"),
    [
        (None, ("index", 0)),
        ("1", ("index", 1)),
        ("3,0", ("index", 3)),
        ("GPU-9f2c", ("uuid", "GPU-9f2c")),
        ("MIG-77aa,1", ("uuid", "MIG-77aa")),
    ],
)
def test_the_card_that_is_asked_is_the_one_that_torch_calls_0(
    visible: str | None, asked: tuple[str, Any], library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvml.gpu() is not None and library.asked == [asked]


def test_where_torch_knows_the_card_s_uuid_that_decides(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True, get_device_properties=lambda index: SimpleNamespace(uuid="ab-cd")
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert nvml.gpu() is not None and library.asked == [("uuid", "GPU-ab-cd")]


def test_energy_is_the_difference_of_a_running_total(library: Library) -> None:
    meter = energy.meter("cuda:0")
    assert meter is not None
    assert meter.joules() == 4.0  # opening it has read the first


def test_without_the_library_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.gpu() is None and energy.meter("cuda") is None and memory.nvml_process_mb("cuda") is None


def test_memory_on_the_gpu_is_this_process_s_and_a_figure_of_its_own(library: Library) -> None:
    assert memory.nvml_process_mb("cuda") == 2500.0
    assert memory.nvml_process_mb("cpu") is None
    host, gpu = memory.peak_measurements(300.0, MemoryFacts(nvml_process_mb=2500.0, cuda_reserved_mb=2000.0))
    assert (host.metric, host.value) == ("peak_memory_mb", 300.0)
    assert (gpu.metric, gpu.value) == ("peak_gpu_memory_mb", 2500.0)
    assert [m.metric for m in memory.peak_measurements(300.0, MemoryFacts())] == ["peak_memory_mb"]

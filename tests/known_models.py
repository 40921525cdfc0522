"""Models whose speed or fault is known, for the tests and benchmarks of serving.

Two forms of the same behaviours: a subject that the serving process loads without torch
(`{"subject": "tests.known_models", "args": {"kind": "crash"}}`), and builders of torch modules that a
suite names as `tests.known_models:busy_wait`. Modules behave so only when they answer, not in training.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.serving.queueing import sleep_until


def examples(spec: Mapping[str, Any]) -> np.ndarray:
    return np.arange(256, dtype=np.float32).reshape(64, 4)


def load_variant(
    spec: Mapping[str, Any], artifact: Path, threads: int, device: str
) -> Callable[[np.ndarray], np.ndarray]:
    behaviour = KINDS[spec["args"]["kind"]]
    settings = {key: value for key, value in spec["args"].items() if key != "kind"}
    state: dict[str, Any] = {"calls": 0, "kept": []}

    def predict(inputs: np.ndarray) -> np.ndarray:
        state["calls"] += 1
        answer = np.full((len(inputs), 2), 0.5, np.float32)
        changed = behaviour(state, answer, **settings)
        return answer if changed is None else changed

    return predict


def busy(state: dict[str, Any], answer: np.ndarray, ms: float = 5.0) -> None:
    end = time.perf_counter_ns() + int(ms * 1e6)
    while time.perf_counter_ns() < end:
        pass


def rare(state: dict[str, Any], answer: np.ndarray, ms: float = 2.0, slow_ms: float = 20.0) -> None:
    busy(state, answer, slow_ms if state["calls"] % 50 == 0 else ms)


def asleep(state: dict[str, Any], answer: np.ndarray, ms: float = 5.0) -> None:
    time.sleep(ms / 1e3)


def exponential(state: dict[str, Any], answer: np.ndarray, ms: float = 1.0) -> None:
    """Sleeps for a time drawn from an exponential distribution, in each process from a stream of its own."""
    if "random" not in state:
        state["random"] = np.random.default_rng(os.getpid())
    sleep_until(time.perf_counter_ns() + int(state["random"].exponential(ms) * 1e6))


def hang(state: dict[str, Any], answer: np.ndarray, after: int = 20) -> None:
    if state["calls"] > after:
        time.sleep(3600)


def crash(state: dict[str, Any], answer: np.ndarray, after: int = 20) -> None:
    if state["calls"] > after:
        os.kill(os.getpid(), signal.SIGSEGV)


def leave(state: dict[str, Any], answer: np.ndarray) -> None:
    os._exit(7)


def leak(state: dict[str, Any], answer: np.ndarray, mb: int = 20) -> None:
    time.sleep(0.002)
    state["kept"].append(np.ones(mb * 125_000))


def hoard(state: dict[str, Any], answer: np.ndarray) -> None:
    state["kept"].append(np.ones(10**12))


def starved(state: dict[str, Any], answer: np.ndarray) -> None:
    raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")


def short(state: dict[str, Any], answer: np.ndarray, after: int = 20) -> np.ndarray:
    return answer[:-1] if state["calls"] > after else answer


def wide(state: dict[str, Any], answer: np.ndarray, after: int = 20) -> np.ndarray:
    return np.ones((len(answer), 3), np.float32) if state["calls"] > after else answer


def nan(state: dict[str, Any], answer: np.ndarray, after: int = 20) -> None:
    if state["calls"] > after:
        answer[0, 0] = np.nan


def raising(state: dict[str, Any], answer: np.ndarray, after: int = 20) -> None:
    if state["calls"] > after:
        raise ValueError("the cache is full")


def overworked(state: dict[str, Any], answer: np.ndarray) -> None:
    """1 ms a call, and raises once it has had 700 of them: a closed loop of 0.3 s never gets there."""
    time.sleep(0.001)
    if state["calls"] > 700:
        raise ValueError("the cache is full")


def hungry(state: dict[str, Any], answer: np.ndarray) -> None:
    if len(answer) > 8:
        raise MemoryError


KINDS: dict[str, Callable[..., np.ndarray | None]] = {
    f.__name__: f
    for f in (
        busy,
        rare,
        asleep,
        exponential,
        hang,
        crash,
        leave,
        leak,
        hoard,
        starved,
        short,
        wide,
        nan,
        raising,
        overworked,
        hungry,
    )
}


def busy_wait(task: Any, *, ms: float = 5.0) -> Any:
    """A linear classifier that busy-waits when it answers."""
    return _module(task, lambda state: busy(state, np.zeros(0), ms))


def two_valued(task: Any, *, ms: float = 2.0, slow_ms: float = 20.0) -> Any:
    """A linear classifier that is ten times slower every 50th time."""
    return _module(task, lambda state: rare(state, np.zeros(0), ms, slow_ms))


def sleeping(task: Any, *, ms: float = 5.0) -> Any:
    """A linear classifier that sleeps when it answers."""
    return _module(task, lambda state: asleep(state, np.zeros(0), ms))


def hanging(task: Any, *, after: int = 60) -> Any:
    """Never answers the call after so many."""
    return _module(task, lambda state: hang(state, np.zeros(0), after))


def crashing(task: Any, *, after: int = 60) -> Any:
    """Segfaults after so many calls."""
    return _module(task, lambda state: crash(state, np.zeros(0), after))


def leaking(task: Any, *, mb: int = 20) -> Any:
    """Keeps so many MB with every call."""
    return _module(task, lambda state: leak(state, np.zeros(0), mb))


def failing(task: Any, *, after: int = 60) -> Any:
    """Raises after so many calls."""
    return _module(task, lambda state: raising(state, np.zeros(0), after))


def _module(task: Any, behave: Callable[[dict[str, Any]], object]) -> Any:
    import torch
    from torch import nn

    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state: dict[str, Any] = {"calls": 0, "kept": []}
            self.linear = nn.Linear(int(np.prod(task.input_shape)), task.num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training and not x.is_meta:
                self.state["calls"] += 1
                behave(self.state)
            return self.linear(x.flatten(1))

    return Known()

"""Models whose service time is known: the truth that the serving path is checked against.

They stand in for a task (`"subject": "harness.serving.known"` in a specification), so that the
self-check goes through the same process, windows and queue as any variant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.protocols import Inputs, Predict


def examples(spec: Mapping[str, Any]) -> np.ndarray:
    """(64, 4) float32, of no consequence."""
    return np.arange(256, dtype=np.float32).reshape(64, 4)


def load_variant(spec: Mapping[str, Any], artifact: Path, threads: int, device: str) -> Predict:
    """The model that `spec["args"]` describes: {"kind": "busy", "ms": 5}."""
    args = dict(spec["args"])
    work = KINDS[args.pop("kind")](**args)

    def predict(inputs: Inputs) -> np.ndarray:
        work(len(inputs))
        return np.full((len(inputs), 2), 0.5, np.float32)

    return predict


Work = Callable[[int], None]
"""What a call does for a batch of so many."""


def busy(ms: float, ms_per_example: float = 0.0) -> Work:
    """Busy-waits a fixed time, and so much more for each example of the batch."""

    def work(batch: int) -> None:
        end = time.perf_counter_ns() + int((ms + ms_per_example * batch) * 1e6)
        while time.perf_counter_ns() < end:
            pass

    return work


def two_valued(ms: float = 2.0, slow_ms: float = 20.0, every: int = 50) -> Work:
    """Busy-waits, and every so-manieth call ten times as long."""
    calls = 0
    fast, slow = busy(ms), busy(slow_ms)

    def work(batch: int) -> None:
        nonlocal calls
        calls += 1
        (slow if calls % every == 0 else fast)(batch)

    return work


def sleeping(ms: float) -> Work:
    """Sleeps, as a server does that waits for another one."""

    def work(batch: int) -> None:
        time.sleep(ms / 1e3)

    return work


def loop(multiplications: int = 3, size: int = 64) -> Work:
    """Multiplies small matrices: real work whose time depends on the machine."""
    matrix = np.random.default_rng(0).standard_normal((size, size))

    def work(batch: int) -> None:
        for _ in range(multiplications):
            matrix @ matrix

    return work


KINDS: dict[str, Callable[..., Work]] = {
    "busy": busy,
    "two_valued": two_valued,
    "sleeping": sleeping,
    "loop": loop,
}

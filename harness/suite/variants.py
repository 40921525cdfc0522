"""How a machine serves a candidate on a runtime, and how that is written: `onnx@1x2`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from harness.suite.schema import Serving

MOST_THREADS = 4096


def split_runtime(name: str) -> tuple[str, int | None]:
    """`onnx@2` → `onnx` and 2 threads; without `@`, None: as many as the suite says for all.

    Raises:
        ValueError: what stands behind the `@` is not a number of threads.
    """
    runtime, at, threads = name.partition("@")
    if at and not (threads.isdecimal() and 1 <= int(threads) <= MOST_THREADS):
        raise ValueError(f"`{name}`: write the number of threads behind the @, for instance {runtime}@2")
    return runtime, int(threads) if at else None


@dataclass(frozen=True)
class Deployment:
    """How a machine serves a model: so many workers, each a process of so many threads.

    Args:
        name: as rows call it, `onnx@1x2`: one thread each, two workers; the runtime's own name, `onnx` or
            `onnx@2`, where the suite says nothing of workers.
    """

    name: str
    runtime: str
    threads: int
    workers: int


def deployments(serving: Serving, scored: str, cores: int) -> list[Deployment]:
    """The deployments of what a score trial calls `onnx` or `onnx@2`, as far as they fit the cores."""
    runtime, own = split_runtime(scored)
    threads = own or serving.threads
    if serving.workers is None:
        return [Deployment(scored, runtime, threads, 1)]
    most = max(1, cores // threads)
    asked = (most,) if serving.workers == "auto" else serving.workers
    return [Deployment(f"{runtime}@{threads}x{w}", runtime, threads, w) for w in asked if w <= most]


def scored_as(name: str, threads: int) -> str:
    """What score trials call a deployment: `onnx@1x2` is `onnx` in a suite of one thread, quality does not
    depend on workers."""
    runtime, at, size = name.partition("@")
    own, times, _ = size.partition("x")
    if not times:
        return name
    return runtime if int(own) == threads else f"{runtime}{at}{own}"


def one_worker(name: str) -> str:
    """A deployment without its number of workers: `onnx@1x2` is `onnx@1`."""
    runtime, at, size = name.partition("@")
    return runtime + at + size.partition("x")[0]


def workers_of(name: str) -> int:
    """How many workers a deployment has: 2 of `onnx@1x2`, 1 of `onnx`."""
    return int(name.partition("@")[2].partition("x")[2] or 1)


def cores_used(name: str, threads: int) -> int:
    """How many cores a deployment keeps busy: threads × workers."""
    own = name.partition("@")[2].partition("x")[0]
    return (int(own) if own else threads) * workers_of(name)


def local_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def counted(number: int, what: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{number} {what}{'' if number == 1 else 's'}"

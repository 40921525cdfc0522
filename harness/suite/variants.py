"""How a machine serves a candidate on a runtime, and how that is written: `onnx@1x2`, `onnx@1x2@http`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from harness.suite.schema import Serving

MOST_THREADS = 4096
HTTP = "@http"
"""Ends the name of a deployment that is reached over HTTP."""
ALREADY_SERVED = "endpoint"
"""The runtime of services elsewhere, which are reached over HTTP or gRPC as they are."""


@dataclass(frozen=True)
class DeploymentName:
    """What the name of a deployment says: `onnx@1x2@http` is onnx with one thread in each of two workers,
    which are reached over HTTP.

    Args:
        threads, workers: None where the name leaves them to the suite.
    """

    runtime: str
    threads: int | None = None
    workers: int | None = None
    is_over_http: bool = False

    def __str__(self) -> str:
        size = "" if self.threads is None else f"@{self.threads}"
        workers = "" if self.workers is None else f"x{self.workers}"
        return self.runtime + size + workers + (HTTP if self.is_over_http else "")


_SIZE = re.compile(r"([1-9]\d{0,3})(?:x([1-9]\d*))?")


@lru_cache(maxsize=4096)
def parse_deployment(name: str) -> DeploymentName:
    """Take the name of a deployment apart; whether there is such a runtime, `harness.runtimes` knows.

    Raises:
        ValueError: what stands behind the `@` is not `THREADS` or `THREADSxWORKERS`.
    """
    called = name.removesuffix(HTTP)
    is_over_http = called != name
    runtime, at, size = called.partition("@")
    if not at:
        return DeploymentName(runtime, is_over_http=is_over_http)
    numbers = _SIZE.fullmatch(size)
    if numbers is None or int(numbers[1]) > MOST_THREADS:
        raise ValueError(_number_wanted(name, runtime))
    workers = int(numbers[2]) if numbers[2] else None
    return DeploymentName(runtime, int(numbers[1]), workers, is_over_http)


def written_deployment(value: object) -> DeploymentName | None:
    """What a suite's author wrote among the runtimes, taken apart; None where it names no deployment."""
    try:
        return parse_deployment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def split_runtime(name: str) -> tuple[str, int | None]:
    """A runtime as a suite lists it, `onnx@2` → `onnx` and 2 threads; without `@`, None: as many as the suite
    says for all.

    Raises:
        ValueError: what stands behind the `@` is not a number of threads.
    """
    found = parse_deployment(name)
    if found.is_over_http:
        raise ValueError(f"`{name}`: write `{in_process(name)}` here, and serving.over: [process, http]")
    if found.workers is not None:
        raise ValueError(_number_wanted(name, found.runtime))
    return found.runtime, found.threads


def _number_wanted(name: str, runtime: str) -> str:
    return f"`{name}`: write the number of threads behind the @, for instance {runtime}@2"


@dataclass(frozen=True)
class Deployment:
    """How a machine serves a model: so many workers, each a process of so many threads.

    Args:
        name: as rows call it, `onnx@1x2`: one thread each, two workers; the runtime's own name, `onnx` or
            `onnx@2`, where the suite says nothing of workers. `@http` ends those that are reached over HTTP.
    """

    name: str
    runtime: str
    threads: int
    workers: int
    is_over_http: bool = False


def deployments(serving: Serving, scored: str, cores: int) -> list[Deployment]:
    """The deployments of what a score trial calls `onnx` or `onnx@2`, as far as they fit the cores; those in
    the process first."""
    runtime, own = split_runtime(scored)
    threads = own or serving.threads
    most = max(1, cores // threads)
    if serving.workers is None:
        called = [Deployment(scored, runtime, threads, 1)]
    else:
        asked = (most,) if serving.workers == "auto" else serving.workers
        called = [Deployment(f"{runtime}@{threads}x{w}", runtime, threads, w) for w in asked if w <= most]
    if runtime == ALREADY_SERVED or "http" not in serving.over:
        return called
    reached = [replace(d, name=d.name + HTTP, is_over_http=True) for d in called]
    return [*called, *reached] if "process" in serving.over else reached


def is_elsewhere(name: str) -> bool:
    """Whether a deployment is a service that runs on other machines than the one that is priced."""
    return parse_deployment(name).runtime == ALREADY_SERVED


def is_over_http(name: str) -> bool:
    """Whether a deployment is reached over HTTP: `onnx@http` is."""
    return parse_deployment(name).is_over_http


def in_process(name: str) -> str:
    """The deployment that does the same by calls in its process: `onnx@1x2` of `onnx@1x2@http`."""
    return str(replace(parse_deployment(name), is_over_http=False))


def scored_as(name: str, threads: int) -> str:
    """What score trials call a deployment: `onnx@1x2` is `onnx` in a suite of one thread, quality does not
    depend on workers, nor on how requests arrive."""
    found = parse_deployment(name)
    if found.workers is None:
        return in_process(name)
    return found.runtime if found.threads == threads else one_worker(name)


def one_worker(name: str) -> str:
    """A deployment in its process without its number of workers: `onnx@1x2` is `onnx@1`."""
    return str(replace(parse_deployment(name), workers=None, is_over_http=False))


def workers_of(name: str) -> int:
    """How many workers a deployment has: 2 of `onnx@1x2`, 1 of `onnx`."""
    return parse_deployment(name).workers or 1


def cores_used(name: str, threads: int) -> int:
    """How many cores a deployment keeps busy: threads × workers."""
    return (parse_deployment(name).threads or threads) * workers_of(name)


def local_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def counted(number: int, what: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{number} {what}{'' if number == 1 else 's'}"

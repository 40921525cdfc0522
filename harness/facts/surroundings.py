"""What a trial ran in: the part of every record that `harness.environment` writes, key by key.

Records of earlier versions, and of trials that never began, lack some of it.
"""

from __future__ import annotations

from typing import TypedDict

Hardware = TypedDict(
    "Hardware",
    {
        "cpu": str,
        "cpu_family": str | None,
        "vector_instructions": str | None,
        "architecture": str,
        "cores": int,
        "memory_mb": int,
        "gpu": str | None,
        "gpus": int,
        "gpu_memory_mb": int | None,
        "gpu_driver": str | None,
        "class": str,
        "host": str,
    },
    total=False,
)
"""A machine. `class`: equal for machines whose speeds may be compared; it and `host` are no part of what
the class is made of."""


class Commit(TypedDict, total=False):
    """A state of a repository, and whether files differ from it; empty outside one."""

    id: str
    dirty: bool


class Threads(TypedDict, total=False):
    """CPUs that the process may use; threads that the trial used, and its device (`cpu`, `cuda`).
    `why_not_on_gpu`: of one that claimed a GPU and was served on the processor."""

    cpus_allowed: int
    used: int
    device: str
    why_not_on_gpu: str


class Surroundings(TypedDict, total=False):
    """`versions`: of Python, the kernel and packages. `env`: environment variables that change speed. `load`:
    1-minute average. `session`, `process`: of the run that asked. `repository`: the user's own."""

    machine: Hardware
    versions: dict[str, str]
    commit: Commit
    threads: Threads
    env: dict[str, str]
    load: float
    session: str
    process: int
    repository: Commit

"""What a trial ran on: machine, versions, threads; stored in every record.

Only named facts are read (a list of environment variables, never all of them), so that no secret
can reach a run folder. Nothing heavy is imported: versions come from package metadata.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypedDict

from harness.facts.surroundings import Commit, Hardware, Surroundings
from harness.record import content_hash

PACKAGES = (
    "harness-tradeoffs",
    "accelerate",
    "catboost",
    "faiss-cpu",
    "hnswlib",
    "keras",
    "lightgbm",
    "lightning",
    "nncf",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxmltools",
    "openvino",
    "optuna",
    "pandas",
    "pyarrow",
    "ray",
    "safetensors",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "transformers",
    "usearch",
    "xgboost",
    "xgboost-cpu",
)

VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TORCH_NUM_THREADS",
)
"""Environment variables that change speed; the only ones that are stored."""


def capture() -> Surroundings:
    """This process's surroundings: `{machine, versions, commit, threads, env, load}`.

    About 0.2 s the first time and below a millisecond after; load is read anew.
    """
    return {
        "machine": {**hardware(), "class": machine_class(), "host": platform.node()},
        "versions": versions(),
        "commit": commit(),
        "threads": {"cpus_allowed": cpus_allowed()},
        "env": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "load": round(os.getloadavg()[0], 2),
    }


def machine_class() -> str:
    """Eight hex digits: equal for machines whose speeds may be compared."""
    return content_hash(hardware())[:8]


VECTORS = ("amx", "asimd", "avx", "bf16", "fma", "i8mm", "sve")


@cache
def hardware() -> Hardware:
    """CPU model, its vector instructions, cores, memory and GPU.

    Memory is rounded to GB: kernels reserve a little of it. Hypervisors call processors of several kinds
    `AMD EPYC`; family and vector instructions tell them apart, and decide the speed of int8 and bf16.
    """
    gpus = _gpus()
    return {
        "cpu": _cpu_model(),
        "cpu_family": _cpu_family(),
        "vector_instructions": _vector_instructions(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_mb": round(_memory_mb() / 1024) * 1024,
        "gpu": gpus[0]["name"] if gpus else None,
        "gpus": len(gpus),
        "gpu_memory_mb": gpus[0]["memory_mb"] if gpus else None,
        "gpu_driver": gpus[0]["driver"] if gpus else None,
    }


@cache
def versions() -> dict[str, str]:
    """Python, kernel and package versions, from metadata alone."""
    found = {"python": platform.python_version(), "kernel": platform.release(), "system": platform.system()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> Commit:
    """The harness's git commit, and whether its files differ from it.

    In an image it is what `$HARNESS_COMMIT` says, `git describe --always --abbrev=40 --dirty` of its build;
    empty outside a checkout.
    """
    if built := os.environ.get("HARNESS_COMMIT"):
        return {"id": built.removesuffix("-dirty"), "dirty": built.endswith("-dirty")}
    home = Path(__file__).resolve().parent.parent
    return _state_of(home, "harness") if (home / ".git").exists() else {}


@cache
def repository(folder: str) -> Commit:
    """The commit of the user's own repository that a folder is in, and whether files in the folder differ.

    Empty where it is in none.
    """
    return _state_of(Path(folder), ".") if folder else {}


def _state_of(folder: Path, below: str) -> Commit:
    head = _ask("git", "-C", str(folder), "rev-parse", "HEAD")
    changes = _ask("git", "-C", str(folder), "status", "--porcelain", "--", below)
    return {} if head is None else {"id": head, "dirty": bool(changes)}


def cpus_allowed() -> int:
    """CPUs that this process may use: the affinity mask, cut by the container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, int(quota) // int(period)))


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Hardware", "CPU implementer")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return _ask("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or "unknown"


def _cpu_lines() -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor; empty where there is no such file."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
    except OSError:
        return {}
    return {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())
    }


def _cpu_family() -> str | None:
    """Family and model by number, `25/1`; on ARM implementer and part; None where the kernel does not say."""
    lines = _cpu_lines()
    keys = ("cpu family", "model") if "cpu family" in lines else ("CPU implementer", "CPU part")
    return "/".join(lines[key] for key in keys if key in lines) or None


def _vector_instructions() -> str | None:
    """Those that decide how fast arrays are computed, in order; None where the kernel does not say."""
    lines = _cpu_lines()
    flags = (lines.get("flags") or lines.get("Features") or "").split()
    return " ".join(sorted(f for f in set(flags) if f.startswith(VECTORS))) or None


def _memory_mb() -> float:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0.0
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return float(total) / 2**20


def available_mb() -> float:
    """Memory that this process may still take: the machine's, or the control group's if that is less;
    infinite where nothing tells."""
    available = float("inf")
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = int(next(ln for ln in lines if ln.startswith("MemAvailable")).split()[1]) * 1024 / 1e6
    for folder, limit, used in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such control group, or "max"
            told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            files = sum(int(told.get(name, 0)) for name in ("inactive_file", "active_file"))
            left = int((folder / limit).read_text()) - int((folder / used).read_text()) + files
            available = min(available, left / 1e6)
    return available


_CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Where a container's limit on memory stands; what it uses counts the files that the system keeps at hand."""


class _Gpu(TypedDict):
    name: str
    memory_mb: int | None
    driver: str


@cache
def _gpus() -> list[_Gpu]:
    """NVIDIA GPUs by name; none where there is no driver."""
    text = _ask("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    gpus: list[_Gpu] = []
    for line in (text or "").splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 3:
            memory = int(fields[1]) if fields[1].isdigit() else None
            gpus.append({"name": fields[0], "memory_mb": memory, "driver": fields[2]})
    return gpus


def _ask(*command: str) -> str | None:
    """A command's answer; None when it is missing, fails or does not answer in 5 s."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

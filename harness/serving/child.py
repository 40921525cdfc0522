"""The measured process: `python -m harness.serving.child job.json`.

It imports as little as it can: an ONNX variant is served without torch, and start-up is part of what
a suite of sixty serve trials waits for.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.record import HarnessError, Measurement
from harness.serving import memory, noise
from harness.serving.memory import OUT_OF_MEMORY, SPENT

SCENARIOS: dict[str, str] = {
    "single_stream": "harness.serving.closed:single_stream",
    "offline": "harness.serving.closed:offline",
    "server": "harness.serving.open_loop:server",
    "scaling": "harness.serving.scaling:scaling",
    "duel": "harness.serving.duel:duel",
    "certify": "harness.serving.certify:certify",
}

RECORDED_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the result or the reason of the failure."""
    die_with_parent()
    job = json.loads(Path((argv or sys.argv[1:])[0]).read_text())
    try:
        result = measure(job)
    except HarnessError as error:
        result = failure(str(error))
    except MemoryError as error:
        result = failure(
            f"out of memory{f': {error}' if str(error) else ''}".replace("memory: out of memory", "memory")
        )
    except Exception as error:  # the boundary of the process: anything else would lose its reason
        text = " ".join(str(error).split())
        spent = any(sign in text for sign in OUT_OF_MEMORY)  # torch's allocator raises a RuntimeError
        result = failure(SPENT if spent else f"{type(error).__name__}: {text[:200]}")
    write(Path(job["result"]), result)
    return 3 if "failure" in result else 0


def measure(job: Mapping[str, Any]) -> dict[str, Any]:
    """Load the variant, run the scenario, collect what an audit needs."""
    spec = job["spec"]
    name = spec["scenario"]["name"]
    if name not in SCENARIOS:
        raise HarnessError(f"scenario {name!r} is unknown: there are {', '.join(SCENARIOS)}")
    cap = memory.limit(int(job.get("memory_mb") or 0), job["device"])
    niceness = go_first()
    pinned = pin(job["threads"])
    module, function = SCENARIOS[name].split(":")
    run = getattr(importlib.import_module(module), function)
    from harness.serving.subject import load_subject

    resident = memory.resident_mb()
    subject = load_subject(job)
    artifact = Path(job["artifacts"].get(spec.get("artifact"), ""))
    measurements, facts = run(subject, job)
    measurements.append(Measurement("cold_start_ms", subject.cold["cold_start_ms"], "ms"))
    if spec.get("artifact"):
        measurements.append(Measurement("model_size_mb", size_mb(artifact), "MB"))
    audit = {
        "threads": job["threads"],
        "device": job["device"],
        "pinned_to": pinned,
        "niceness": niceness,
        "memory_cap_mb": cap,
        "resident_before_load_mb": resident,
        "cold_start": dict(subject.cold),
        "clock_resolution_ns": time.get_clock_info("perf_counter").resolution * 1e9,
        "environment_variables": {key: os.environ.get(key, "") for key in RECORDED_VARIABLES},
        "imported": [m for m in ("torch", "onnxruntime", "sklearn", "faiss") if m in sys.modules],
        "hashes": {"artifact": tree_hash(artifact), "examples": inputs_hash(subject.inputs)},
    }
    return {"measurements": [asdict(m) for m in measurements], "facts": {**facts, **audit}}


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent dies: a killed run must leave nothing measuring."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            sys.exit(1)


def go_first() -> int:
    """Take the highest ordinary priority where that is allowed: the machine's own chores then wait.

    Returns:
        The niceness now (0 for users who may not lower it).
    """
    try:
        niceness = os.nice(-20)
        # A session of its own is a scheduling group of its own, whose niceness is what counts between groups.
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        return os.nice(0)
    return niceness


def pin(threads: int) -> list[int]:
    """Stay on the quietest cores, where there are spare ones; threads that start later inherit it.

    Returns:
        The cores, empty where there is none to spare or the platform cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) <= threads:
        return []
    lost: dict[int, float] = {}
    # Two looks at each core, a few milliseconds apart; more cores than that need no choosing.
    for core in [*cores[-8:], *cores[-8:]]:
        os.sched_setaffinity(0, {core})
        before = noise.run_queue_waits().get(str(os.getpid()), 0)
        share = noise.spin(0.004)[0]
        waited = noise.run_queue_waits().get(str(os.getpid()), 0) - before
        lost[core] = lost.get(core, 0.0) + share + waited / 4e6
    chosen = sorted(lost, key=lambda core: (round(lost[core], 1), -core))[:threads]
    if len(chosen) < threads:
        chosen = cores[-threads:]
    os.sched_setaffinity(0, chosen)
    return sorted(chosen)


def size_mb(folder: Path) -> float:
    """Size of the artifact's files, in MB of 10^6 bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def tree_hash(folder: Path) -> str:
    """sha256 over the artifact's files, 16 hex digits; empty where there is no artifact."""
    if not folder.is_dir() or not folder.name:
        return ""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def inputs_hash(inputs: Any) -> str:
    """sha256 over the first examples, 16 hex digits."""
    from harness.serving.subject import length, take

    first = take(inputs, range(min(64, length(inputs))))
    data = first.tobytes() if hasattr(first, "tobytes") else repr(first).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def failure(reason: str) -> dict[str, Any]:
    return {"failure": {"reason": reason, "traceback": traceback.format_exc()}}


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Whole or not at all: the parent may be reading."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.replace(path)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Interpreter shutdown joins thread pools and unloads torch: 0.2 s that nobody waits for.
    os._exit(code)

"""The measured process: `python -m harness.serving.child job.json`.

It imports as little as it can: an ONNX variant is served without torch, and start-up is part of what
a suite of sixty serve trials waits for.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.codec import to_json
from harness.protocols import Inputs
from harness.record import HarnessError, Measurement
from harness.serving import memory
from harness.serving.job import ServeJob
from harness.serving.memory import OUT_OF_MEMORY, SPENT
from harness.serving.process import cores_of, die_with_parent, go_first, pin

SCENARIOS: dict[str, str] = {
    "single_stream": "harness.serving.closed:single_stream",
    "offline": "harness.serving.closed:offline",
    "server": "harness.serving.open_loop:server",
    "scaling": "harness.serving.scaling:scaling",
    "duel": "harness.serving.duel:duel",
    "certify": "harness.serving.certify:certify",
}

OF_THE_MACHINE = (
    "peak_memory_mb",
    "peak_gpu_memory_mb",
    "working_memory_mb",
    "model_size_mb",
    "cpu_seconds_per_example",
    "energy_per_million_kwh",
)
"""Metrics of the process that serves."""

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
    request = Path((argv or sys.argv[1:])[0])
    job = ServeJob.read(request)
    try:
        result = measure(job, request)
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
    write(Path(job.result), result)
    return 3 if "failure" in result else 0


def measure(job: ServeJob, request: Path) -> dict[str, Any]:
    """Load the variant, run the scenario, collect what an audit needs.

    Args:
        request: the job's file, for further workers.
    """
    spec, name = job.spec, job.scenario["name"]
    if name not in SCENARIOS:
        raise HarnessError(f"scenario {name!r} is unknown: there are {', '.join(SCENARIOS)}")
    cap = memory.limit(job.memory_mb, job.device, job.workers)
    niceness = go_first()
    cores = cores_of(job.threads, job.workers)
    pin(cores[0])
    module, function = SCENARIOS[name].split(":")
    run = getattr(importlib.import_module(module), function)
    from harness.serving.subject import load_subject, sent_facts, take

    crew = None
    if job.workers > 1:
        from harness.serving.workers import Crew

        crew = Crew(request, cores)  # they load while this process does, as workers of a machine start
    resident = memory.resident_mb()
    subject = load_subject(job)
    if crew is not None:
        crew.wait()
        subject.crew = crew
    artifact = job.artifact_of(spec) or Path()
    measurements, facts = run(subject, job)
    measurements.append(Measurement("cold_start_ms", subject.cold["cold_start_ms"], "ms"))
    if spec.get("artifact"):
        measurements.append(Measurement("model_size_mb", size_mb(artifact), "MB"))
    if spec.get("runtime") == "endpoint":  # what this process takes is the client's, not the service's
        measurements = [m for m in measurements if m.metric not in OF_THE_MACHINE]
    facts = replace(
        facts,
        threads=job.threads,
        device=job.device,
        workers=job.workers,
        pinned_to=tuple(core for own in cores for core in own),
        niceness=niceness,
        memory_cap_mb=cap,
        resident_before_load_mb=resident,
        cold_start=dict(subject.cold),
        clock_resolution_ns=time.get_clock_info("perf_counter").resolution * 1e9,
        environment_variables={key: os.environ.get(key, "") for key in RECORDED_VARIABLES},
        imported=tuple(
            m for m in ("torch", "onnxruntime", "openvino", "sklearn", "faiss") if m in sys.modules
        ),
        hashes={
            "artifact": tree_hash(artifact),
            "examples": inputs_hash(take(subject.inputs, subject.order[:64])),
        },
        sent=sent_facts(subject),
    )
    return {"measurements": [asdict(m) for m in measurements], "facts": to_json(facts)}


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


def inputs_hash(first: Inputs) -> str:
    """sha256 over the first requests, 16 hex digits."""
    if hasattr(first, "dtype") and first.dtype.hasobject:  # its bytes are addresses, others in each process
        first = first.tolist()
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

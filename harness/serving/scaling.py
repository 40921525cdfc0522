"""The `scaling` scenario: what one answer costs against the size of its input, batch 1, closed loop.

Sizes are measured in short blocks in shuffled order, so that the machine's drift is no slope. Memory comes
first, smallest size first: an allocator that has once grown does not show what a smaller size needs. So
operations are counted after it (the count runs the network too: attention at 512 tokens then read 0.0
instead of 2.8 MB), and a network that serves all sizes has one baseline, taken before it answers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.facts.serving import ScalingFacts
from harness.record import Measurement
from harness.serving import memory
from harness.serving.closed import Found, save_calls
from harness.serving.job import ServeJob
from harness.serving.subject import Subject
from harness.serving.windows import Windows, measure_window, warm_up
from harness.streams import generator

BLOCKS = 5
"""Windows of each size: enough for the noise gate to reject some."""
MOST_CALLS = 2000


def scaling(subject: Subject, job: ServeJob) -> Found:
    """Median latency, peak memory and operations at each size."""
    spec, scenario = job.spec, job.scenario
    sizes = sorted(int(size) for size in scenario["sizes"])
    artifact = Path(job.artifacts[spec["artifact"]])
    from harness.tasks.sizes import at_sizes  # needs torch, as no other scenario does

    subjects: dict[int, Subject] = {}
    count: dict[int, Callable[[], float]] = {}
    loaded, before = None, 0.0
    measured: list[Measurement] = []
    with tempfile.TemporaryDirectory(dir=job.folder) as scratch:
        for sized in at_sizes(spec, artifact, sizes, job.threads, job.device, Path(scratch)):
            here = Subject(sized.predict, sized.inputs, subject.cold, subject.width)
            memory.release()
            if sized.predict is not loaded:
                loaded, before = sized.predict, memory.resident_mb()
            peak, more = memory.peak_mb(_answers(here), job.device)
            at = {"size": sized.size}
            measured += memory.peak_measurements(peak, more, at)
            if peak is not None:
                measured.append(Measurement("working_memory_mb", max(peak - before, 0.0), "MB", at=at))
            subjects[sized.size], count[sized.size] = here, sized.flops
    measured += [Measurement("flops_per_example", count[size](), "FLOP", at={"size": size}) for size in sizes]
    warm = {str(size): warm_up(here, 1, seconds=0.3) for size, here in subjects.items()}
    windows = _blocks(subjects, float(scenario["seconds"]), spec)
    save_calls(job.file("calls.npz"), {size: taken.taken for size, taken in windows.items()})
    measured += [_latency(size, taken) for size, taken in windows.items()]
    return measured, ScalingFacts(
        windows=tuple(replace(w, size=size) for size, taken in windows.items() for w in taken.told()),
        sizes=tuple(sizes),
        weights="fresh: cost depends on shape",
        warm_up=warm,
    )


def _answers(subject: Subject) -> Callable[[], None]:
    def run() -> None:
        for request in subject.requests(1)[:3]:
            subject.check(subject.predict(request), 1)

    return run


def _blocks(subjects: Mapping[int, Subject], seconds: float, spec: Mapping[str, Any]) -> dict[int, Windows]:
    random = generator(int(spec.get("seed", 0)), "scaling", int(spec.get("round") or 0))
    windows = {size: Windows() for size in subjects}
    for _ in range(BLOCKS):
        for size in random.permutation(list(subjects)).tolist():
            windows[size].taken.append(
                measure_window(subjects[size], 1, seconds / BLOCKS, max_calls=MOST_CALLS)
            )
    return windows


def _latency(size: int, windows: Windows) -> Measurement:
    """The median over calls of the windows that count; a window's median each as samples."""
    accepted = windows.accepted
    medians = tuple(float(np.median(w.latencies_ms)) for w in accepted)
    value = float(np.median(np.concatenate([w.latencies_ms for w in accepted]))) if accepted else None
    return Measurement("latency_p50_ms", value, "ms", medians, windows.note, {"size": size})

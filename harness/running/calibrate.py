"""`harness calibrate`: a standard set of networks, run once on a class of machine."""

from __future__ import annotations

import datetime as dt
import json
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness import environment
from harness.codec import JsonObject
from harness.costs.calibrations import Calibration, folder
from harness.planning.request import RunRequest
from harness.record import HarnessError, Record, Variant
from harness.running.run import run_suite
from harness.store.runs import find_run
from harness.suite.variants import local_cores, parse_deployment

NETWORKS: JsonObject = {
    "small_cnn": "small_cnn",
    "resnet": {"model": "resnet", "args": {"width": 16}},
    "resnet_wide": {"model": "resnet", "args": {"width": 48}},
    "vit": {"model": "vit", "args": {"patch": 4, "dim": 96, "depth": 6}},
    "vit_wide": {"model": "vit", "args": {"patch": 8, "dim": 192, "depth": 4}},
}
"""From a tenth of a millisecond a call to some, bound by memory and by arithmetic."""
RUNTIMES = ("torch", "onnx", "onnx-int8")
SIZES = (1, 8)
"""Batch sizes: a suite's own best size is not known, and a load within a limit comes in small ones."""
ROUNDS = 3
"""Of three the fastest counts: on a virtual machine one in eight was a third too slow."""


def calibrate(rounds: int = ROUNDS) -> Calibration:
    """Run the standard set on this machine: five minutes on two cores, alone. What is finished is used again.

    Raises:
        HarnessError: a run of it failed.
        KeyboardInterrupt: interrupted; the same call continues.
    """
    cores = local_cores()
    out = str(folder() / "runs")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "calibration.yaml"
        file.write_text(json.dumps(standard(cores, rounds)), encoding="utf-8")
        code = run_suite(RunRequest(file, out=out, sums_up=False))
    if code == 130:
        raise KeyboardInterrupt
    records = find_run("calibration/latest", out).records()
    if code:
        failed = [r.failure.reason for r in records if r.failure is not None]
        raise HarnessError(
            f"the calibration is not complete: {failed[0] if failed else 'trials are missing'}"
        )
    return calibration_of(records, cores)


def standard(cores: int, rounds: int) -> JsonObject:
    """The suite: networks hardly trained, since speed depends on shapes, on one core and on all."""
    return {
        "name": "calibration",
        "question": "How fast is this class of machine?",
        "task": "image_classification",
        "data": {
            "name": "random_images", "size": 32, "channels": 3, "classes": 10, "train": 256, "test": 64,
            "validation": 0,
        },
        "training": {"seeds": [0], "epochs": 1, "precision": "fp32"},
        "candidates": NETWORKS,
        "serving": {
            "runtimes": list(RUNTIMES), "threads": 1, "workers": sorted({1, cores}), "rounds": rounds,
            "scenarios": {"offline": {"batch_sizes": list(SIZES), "seconds": 0.5}}, "duels": 0,
        },
        "decision": {"objective": "maximize throughput_offline_per_s"},
    }  # fmt: skip


def calibration_of(records: Iterable[Record], cores: int) -> Calibration:
    """The speeds among a run's records: of each launch the geometric mean over the batch sizes.

    One that was unsteady at a size has none: by the sizes that are left it would be compared with others at
    other sizes (of a network in torch that made 112 requests per second of 171).
    """
    speeds: dict[str, dict[str, list[float]]] = {}
    days = []
    for record in records:
        trial = record.trial
        if trial.kind != "serve" or trial.scenario != "offline" or record.status != "finished":
            continue
        days.append(record.started[:10])
        served = parse_deployment(trial.runtime or "")
        found = {
            m.at["batch_size"]: m.value
            for m in record.measurements
            if m.metric == "throughput_offline_per_s" and set(m.at) == {"batch_size"} and m.value
        }
        if set(found) == set(SIZES):
            by_workers = speeds.setdefault(Variant(trial.candidate, served.runtime).name, {})
            mean = math.prod(found.values()) ** (1 / len(found))
            by_workers.setdefault(str(served.workers or 1), []).append(mean)
    told = {name: {w: tuple(x) for w, x in by.items()} for name, by in speeds.items()}
    hardware = environment.hardware()
    day = max(filter(None, days), default=dt.date.today().isoformat())
    return Calibration(environment.machine_class(), str(hardware["cpu"]), cores, day, told)

"""Does the search find what real networks carry? Against a loop that shares no code with it, and LoadGen.

    python -m benchmarks.capacity_real /tmp/networks --only prepare     # exports them, a minute
    python -m benchmarks.capacity_real /tmp/networks --only small_cnn/onnx --workers 1
    python -m benchmarks.capacity_real /tmp/networks                    # all ten searches, 40 minutes

For each network: a search as a suite's `server` scenario makes it, between two runs of a plain loop at fixed
Poisson rates (`benchmarks.capacity_real_loop`); a search before all that tells where its rates are to lie.
Rates take turns in stretches of some seconds. The truth is where the share of requests later than the limit
crosses 1 %. Where the loop's words before and after differ by more than 5 %, the machine has moved meanwhile
and nothing can be compared. One worker is held against MLPerf LoadGen's Server scenario as well, at .9 and
1.1 times the answer, with the same batching.

Gate: the answer is within 10 % of the truth in nine of ten searches that can be compared.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.capacity_real_loop import MAX_BATCH, Loop, Truth, truth
from benchmarks.serving_models import fitted, images, serve_spec
from harness.serving.job import ServeJob
from harness.serving.load import ServerSettings
from harness.serving.queues import highest_load, unit_arrivals
from harness.serving.series import series_of
from harness.serving.serve import child_environment, run_child
from harness.specification import Spec

RESULTS = Path("benchmarks/results/capacity_real.json")
NETWORKS = {"small_cnn": "CNN", "resnet": "ResNet-18 w16"}
VARIANTS = ("small_cnn/torch", "small_cnn/onnx", "resnet/torch", "resnet/onnx", "resnet/onnx-int8")
LIMIT_MS = {"torch": 10.0, "onnx": 5.0, "onnx-int8": 5.0}
SEARCH_S, CLOSE = 10.0, 0.1
STRETCHES, STRETCH_S, MODEL_REQUESTS = 4, 5.0, 80_000
MOVED = 0.05
"""The loop's words before and after may differ by so much, in logarithms."""
Row = dict[str, Any]


def prepare(folder: Path) -> None:
    """The networks, untrained: speed does not need training."""
    from harness.runtimes import runtime

    for name, model in NETWORKS.items():
        source = fitted(model, folder / name)
        for served in LIMIT_MS:
            runtime(served).prepare(source, folder / name / served / "artifact", images(200), images(200, 1))


def specification(variant: str, workers: int, seed: int) -> dict[str, Any]:
    """Of a serve trial with the `server` scenario."""
    scenario = {
        "name": "server", "latency_p99_ms": LIMIT_MS[variant.partition("/")[2]], "max_batch": MAX_BATCH,
        "max_wait_ms": 0.0, "seconds": SEARCH_S,
    }  # fmt: skip
    return serve_spec(variant.partition("/")[2], scenario, seed) | {"workers": workers}


def search(spec: dict[str, Any], artifact: Path, workers: int) -> Row:
    """What the harness finds: the facts of a server scenario."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        job = ServeJob(
            cast(Spec, spec), folder, str(where / "result.json"), {"score": str(artifact)}, workers=workers
        )
        job.write(where / "job.json")
        _, _, said = run_child(where / "job.json", child_environment(1), 300, where / "log.txt")
        if not (where / "result.json").exists():
            raise SystemExit(said)
        return dict(json.loads((where / "result.json").read_text())["facts"])


def told(found: Truth, closed: dict[str, float], settings: ServerSettings) -> Row:
    """What the loop carried, and what the search's model says of the same calls.

    `model_qps` is the load that the simulated queue carries with the loop's own calls: no drift lies between
    it and the truth, so where the two differ the model is wrong.
    """
    sizes = sorted(int(size) for size in closed)
    by_size = np.interp(np.arange(1, MAX_BATCH + 1), sizes, [closed[str(size)] / 1e3 for size in sizes])
    calls = [stretch.calls for each in zip(*found.stretches, strict=True) for stretch in each]
    gaps = unit_arrivals(MODEL_REQUESTS, np.random.default_rng(0))
    model = highest_load(gaps, series_of(calls, by_size, settings).services, settings)
    late = found.counts[:, :, 0].tolist()
    return {
        "rates": [round(r) for r in found.rates], "late": [round(float(x), 5) for x in found.late],
        "late_by_stretch": late, "truth_qps": found.qps, "interval": found.interval(), "model_qps": model,
    }  # fmt: skip


def by_loadgen(spec: dict[str, Any], artifact: Path, qps: float, seconds: float) -> Row:
    """LoadGen's p99 at a load, in a process of its own: it may abort or hang."""
    asked = json.dumps({"spec": spec, "artifact": str(artifact), "qps": qps, "seconds": seconds})
    command = [sys.executable, "-m", "benchmarks.capacity_real_loadgen"]
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, timeout=6 * seconds + 60,
        env=child_environment(1), check=False,
    )  # fmt: skip
    if done.returncode:
        return {"failed": done.stderr[-300:]}
    return {**json.loads(done.stdout.splitlines()[-1]), "qps": round(qps, 1)}


def searched(variant: str, folder: Path, workers: int, seconds: float) -> Row:
    """One search between two truths, and LoadGen's word. A search before them tells where to look."""
    spec = specification(variant, workers, workers)
    artifact = folder / variant / "artifact"
    limit_ms = spec["scenario"]["latency_p99_ms"]
    settings = ServerSettings(limit_ms, MAX_BATCH, 0.0, workers)
    stolen, began = _stolen(), time.perf_counter()
    first = search(specification(variant, workers, workers + 100), artifact, workers)

    def carried(guess: float) -> Row:
        loop = Loop(spec, artifact, workers)
        found = truth(loop, guess, seconds, STRETCHES)
        loop.close()
        return told(found, first["closed_loop_ms"], settings)

    before = carried(first["capacity"]["qps"])
    found = search(spec, artifact, workers)
    answer = found["capacity"]["qps"]
    after = carried(before["truth_qps"] or answer)
    row: Row = {
        "variant": variant, "workers": workers, "limit_ms": limit_ms,
        "first_answer_qps": first["capacity"]["qps"],
        "before": before, "capacity": found["capacity"], "after": after,
        "closed_loop_bound_qps": round(found["closed_loop_bound_qps"], 1),
        "closed_loop_ms": found["closed_loop_ms"],
        **compared(answer, before["truth_qps"], after["truth_qps"]),
    }  # fmt: skip
    if workers == 1 and answer:
        row["loadgen"] = {f: by_loadgen(spec, artifact, f * answer, 0.75 * seconds) for f in (0.9, 1.1)}
    return row | {
        "stolen": round((_stolen() - stolen) / (time.perf_counter() - began) / (os.cpu_count() or 1), 4),
        "load_average": round(os.getloadavg()[0], 1), "day": dt.date.today().isoformat(),
    }  # fmt: skip


def compared(answer: float, before: float | None, after: float | None) -> Row:
    """The answer over the truth, where there is one: the two that bracket it agree."""
    moved = after / before if before and after else None
    if moved is None or abs(np.log(moved)) > MOVED:
        return {"moved": moved, "comparable": False, "ratio": None, "within_10_percent": None}
    ratio = answer / (before * after) ** 0.5  # type: ignore[operator]
    return {"moved": moved, "comparable": True, "ratio": ratio, "within_10_percent": abs(ratio - 1) <= CLOSE}


def _stolen() -> float:
    """Seconds that the host has taken from all cores so far."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure what is asked for; a new row takes the place of the old one of its variant and workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=("prepare", *VARIANTS), default=VARIANTS)
    parser.add_argument("--workers", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--seconds", type=float, default=STRETCHES * STRETCH_S, help="at each rate")
    args = parser.parse_args()
    if not args.folder.exists():
        prepare(args.folder)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = [row for row in kept if "before" in row]  # earlier ones had one truth, after the search
    for variant in (v for v in args.only if v != "prepare"):
        for workers in args.workers:
            row = searched(variant, args.folder.absolute(), workers, args.seconds)
            rows = [r for r in rows if (r["variant"], r["workers"]) != (variant, workers)] + [row]
            print(json.dumps(row), flush=True)
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    told_apart = [row["within_10_percent"] for row in rows if row["comparable"]]
    print(
        f"{sum(told_apart)} of {len(told_apart)} answers are within 10 % of the truth;"
        f" {len(rows) - len(told_apart)} are not comparable: the truth moved meanwhile"
    )
    return 0 if told_apart and sum(told_apart) >= 0.9 * len(told_apart) else 1


if __name__ == "__main__":
    raise SystemExit(main())

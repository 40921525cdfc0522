"""Does the search find what real networks carry? Against a loop that shares no code with it, and LoadGen.

    python -m benchmarks.capacity_real /tmp/networks --only prepare     # exports them, a minute
    python -m benchmarks.capacity_real /tmp/networks --only small_cnn/onnx --workers 1
    python -m benchmarks.capacity_real /tmp/networks                    # all ten pairs, 40 minutes

Searches as a suite's `server` scenario makes them take turns with stretches of a plain loop at fixed Poisson
rates (`benchmarks.capacity_real_loop`), so that both meet the same minutes. The truth is where the share of
requests later than the limit crosses 1 %, over all stretches; what other stretches would have said is its
interval. One worker is held against MLPerf LoadGen's Server scenario as well, at .9 and 1.1 times the middle
answer, with the same batching.

Gate: nine of ten searches are within 10 % of the truth, where this is known so well itself.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.capacity_real_loop import MAX_BATCH, Ladder, Loop
from benchmarks.serving_models import fitted, images, serve_spec
from harness.analysis.loads import in_one_queue
from harness.codec import from_json
from harness.facts import ServerFacts
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
TURNS, STRETCH_S, MODEL_REQUESTS = 6, 4.0, 80_000
LOADGEN_S = 15.0
Row = dict[str, Any]
Requests = dict[str, np.ndarray]


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


def search(spec: dict[str, Any], artifact: Path, workers: int) -> tuple[Row, Requests]:
    """What the harness finds: the facts of a server scenario, and the clock readings of its requests."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        job = ServeJob(
            cast(Spec, spec), folder, str(where / "result.json"), {"score": str(artifact)}, workers=workers
        )
        job.write(where / "job.json")
        _, _, said = run_child(where / "job.json", child_environment(1), 300, where / "log.txt")
        if not (where / "result.json").exists():
            raise SystemExit(said)
        with np.load(where / "requests.npz") as requests:
            return json.loads((where / "result.json").read_text())["facts"], dict(requests)


def told(found: Ladder, closed: dict[str, float], settings: ServerSettings) -> Row:
    """What the loop carried, and what the search's model says of the same calls.

    `model_qps` is the load that the simulated queue carries with the loop's own calls: where it differs from
    the truth, the model is wrong, or slow moments of the machine came at some rates and not at others.
    """
    sizes = sorted(int(size) for size in closed)
    by_size = np.interp(np.arange(1, MAX_BATCH + 1), sizes, [closed[str(size)] / 1e3 for size in sizes])
    calls = [stretch.calls for each in found.stretches for stretch in each]
    gaps = unit_arrivals(MODEL_REQUESTS, np.random.default_rng(0))
    return {
        "rates": [round(r) for r in found.rates], "late": [round(float(x), 5) for x in found.late],
        "late_by_stretch": [[s.late for s in each] for each in found.stretches],
        "truth_qps": found.qps, "interval": found.interval(),
        "model_qps": highest_load(gaps, series_of(calls, by_size, settings).settled().services, settings),
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


def searched(variant: str, folder: Path, workers: int, turns: int) -> Row:
    """Searches and stretches of the loop in turns, and LoadGen's word. A search before them tells where to
    look."""
    artifact = folder / variant / "artifact"
    stolen, began = _stolen(), time.perf_counter()

    def answered(seed: int) -> tuple[Row, Requests]:
        return search(specification(variant, workers, seed), artifact, workers)

    spec, first = specification(variant, workers, workers), answered(100)[0]
    if not first["capacity"].get("qps"):
        raise SystemExit(f"{variant}: no load keeps its limit just now ({first['capacity'].get('note', '')})")
    loop = Loop(spec, artifact, workers)
    ladder, found = Ladder(loop, first["capacity"]["qps"], STRETCH_S), []
    for turn in range(turns):
        ladder.turn()
        found.append(answered(turn))
    loop.close()
    settings = ServerSettings(spec["scenario"]["latency_p99_ms"], MAX_BATCH, 0.0, workers)
    truth = told(ladder, first["closed_loop_ms"], settings)
    answers = [facts["capacity"] for facts, _ in found]
    middle = float(np.median([answer.get("qps") or 0.0 for answer in answers]))
    row: Row = {
        "variant": variant, "workers": workers, "limit_ms": settings.limit_ms, **truth, "answers": answers,
        "closed_loop_bound_qps": [round(facts["closed_loop_bound_qps"], 1) for facts, _ in found],
        **compared(answers, truth["truth_qps"], truth["interval"]),
        **together(found, truth["truth_qps"]),
    }  # fmt: skip
    if workers == 1 and middle:
        row["loadgen"] = {f: by_loadgen(spec, artifact, f * middle, LOADGEN_S) for f in (0.9, 1.1)}
    return row | {
        "stolen": round((_stolen() - stolen) / (time.perf_counter() - began) / (os.cpu_count() or 1), 4),
        "load_average": round(os.getloadavg()[0], 1), "day": dt.date.today().isoformat(),
    }  # fmt: skip


def compared(answers: Sequence[Row], truth: float | None, interval: Sequence[float] | None) -> Row:
    """The answers over the truth, where it is known to within 10 % itself, and how many intervals overlap its
    own."""
    if truth is None or interval is None:
        return {"known": False, "ratios": None, "within_10_percent": None, "covered": None}
    low, high = interval
    known = low > truth * (1 - CLOSE) and high < truth * (1 + CLOSE)
    ratios = [(a.get("qps") or 0.0) / truth for a in answers]
    return {
        "known": known, "ratios": [round(r, 3) for r in ratios],
        "within_10_percent": sum(abs(r - 1) <= CLOSE for r in ratios),
        "covered": sum(a["low"] <= high and a["high"] >= low for a in answers if a.get("qps")),
    }  # fmt: skip


def together(found: Sequence[tuple[Row, Requests]], truth: float | None) -> Row:
    """The load of a variant as a table tells it: all searches' requests in one queue, and by their first two,
    as many as a suite has rounds."""
    facts, raw = [from_json(ServerFacts, f) for f, _ in found], [requests for _, requests in found]
    loads = {str(n): in_one_queue(facts[:n], raw[:n]) for n in sorted({2, len(found)})}
    ratios = {n: load and truth and round(load / truth, 3) for n, load in loads.items()}
    return {"one_queue_qps": loads, "one_queue_ratios": ratios}


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
    parser.add_argument("--turns", type=int, default=TURNS, help="searches of each pair")
    args = parser.parse_args()
    if not args.folder.exists():
        prepare(args.folder)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = [row for row in kept if "answers" in row]  # earlier ones had one search each
    for variant in (v for v in args.only if v != "prepare"):
        for workers in args.workers:
            row = searched(variant, args.folder.absolute(), workers, args.turns)
            rows = [r for r in rows if (r["variant"], r["workers"]) != (variant, workers)] + [row]
            print(json.dumps(row), flush=True)
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    known = [row for row in rows if row["known"]]
    close, count = sum(r["within_10_percent"] for r in known), sum(len(r["answers"]) for r in known)
    print(
        f"{close} of {count} answers are within 10 % of the truth;"
        f" of {len(rows) - len(known)} pairs of {len(rows)} it is not known so well"
    )
    return 0 if count and close >= 0.9 * count else 1


if __name__ == "__main__":
    raise SystemExit(main())

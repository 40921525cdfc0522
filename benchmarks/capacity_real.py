"""Does the search find what real networks carry? Against a loop that shares no code with it, and LoadGen.

    python -m benchmarks.capacity_real /tmp/networks --only prepare     # exports them, a minute
    python -m benchmarks.capacity_real /tmp/networks --only small_cnn/onnx --workers 1
    python -m benchmarks.capacity_real /tmp/networks                    # all ten searches, 25 minutes

For each network: a search as a suite's `server` scenario makes it, then a plain loop at fixed Poisson rates
around the answer. Its workers are forked, pinned to a core each, scheduled as the measured ones are, and take
from an array in shared memory; they call the same function. Rates take turns in stretches of some seconds,
so that drift hits all alike. The truth is where the share of requests later than the limit crosses 1 %, on a
line between the two rates around it, in logarithms. One worker is held against MLPerf LoadGen's Server
scenario as well, at .9 and 1.1 times the answer, with the same batching.

Gate: the answer is within 10 % of the truth in nine of ten searches.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import Lock
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.serving_models import fitted, images, load_variant, serve_spec
from harness.serving.job import ServeJob
from harness.serving.serve import child_environment, run_child
from harness.specification import Spec

RESULTS = Path("benchmarks/results/capacity_real.json")
NETWORKS = {"small_cnn": "CNN", "resnet": "ResNet-18 w16"}
VARIANTS = ("small_cnn/torch", "small_cnn/onnx", "resnet/torch", "resnet/onnx", "resnet/onnx-int8")
LIMIT_MS = {"torch": 10.0, "onnx": 5.0, "onnx-int8": 5.0}
MAX_BATCH, SEARCH_S, PROMISE, CLOSE = 8, 10.0, 0.01, 0.1
AROUND, FURTHER, STRETCHES, STRETCH_S = (0.9, 1.0, 1.1), 3, 4, 5.0
"""Rates beside the answer, how many more where these do not hold the truth, and how each is divided."""
MOST = 1 << 20
Row = dict[str, Any]
clock = time.perf_counter_ns


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


class Loop:
    """Workers that serve a network at one rate after the other."""

    def __init__(self, spec: dict[str, Any], artifact: Path, workers: int) -> None:
        self.spec, self.artifact = spec, artifact
        self.limit_ms = spec["scenario"]["latency_p99_ms"]
        words = np.frombuffer(mmap.mmap(-1, 8 * (3 + 2 * MOST)), np.int64)
        self.state, self.due, self.done = words[:3], words[3 : 3 + MOST], words[3 + MOST :]
        self.turn, (self.heard, self.tell) = Lock(), os.pipe()
        self.orders = [os.pipe() for _ in range(workers)]
        cores = sorted(os.sched_getaffinity(0))
        self.pids = [self._fork(cores[k], self.orders[k][0]) for k in range(workers)]
        self._wait()

    def late(self, rate: float, seconds: float, seed: int) -> tuple[int, int]:
        """How many requests, the first 5 % apart, were answered later than the limit, and of how many."""
        gaps = np.random.default_rng(seed).exponential(1e9 / rate, int(1.2 * rate * seconds) + 100)
        due = np.cumsum(gaps)
        due = due[due < seconds * 1e9].astype(np.int64)
        n = len(due)
        self.due[:n], self.done[:n] = due, 0
        self.state[:] = 0, clock() + 20_000_000, n
        for _, order in self.orders:
            os.write(order, b"g")
        self._wait()
        took_ms = (self.done[:n] - due - self.state[1])[int(0.05 * n) :] / 1e6
        return int(np.sum(took_ms > self.limit_ms)), len(took_ms)

    def close(self) -> None:
        """End the workers."""
        for _, order in self.orders:
            os.write(order, b"e")
        for pid in self.pids:
            os.waitpid(pid, 0)

    def _wait(self) -> None:
        said = b""
        while len(said) < len(self.pids):
            said += os.read(self.heard, 1)
        if b"x" in said:
            raise SystemExit("a worker of the loop failed")

    def _fork(self, core: int, order: int) -> int:
        if pid := os.fork():
            return pid
        try:
            self._work(core, order)
        finally:
            os.write(self.tell, b"x")
            os._exit(1)

    def _work(self, core: int, order: int) -> None:
        os.environ.update(child_environment(1))
        os.sched_setaffinity(0, {core})
        predict, inputs = load_variant(self.spec, self.artifact, 1, "cpu"), images(200, 7).inputs
        for k in range(300):
            predict(inputs[: 1 + k % MAX_BATCH])
        gc.collect()
        gc.freeze()
        gc.disable()
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.write(self.tell, b".")
        while os.read(order, 1) == b"g":
            self._serve(predict, inputs)
            os.write(self.tell, b".")
        os._exit(0)

    def _serve(self, predict: Any, inputs: np.ndarray) -> None:
        state, n, start = self.state, int(self.state[2]), int(self.state[1])
        due = (self.due[:n] + start).tolist()
        while (i := int(state[0])) < n:
            if (ahead := due[i] - clock()) > 0:
                time.sleep(max(ahead - 80_000, 0) / 1e9)
                continue
            with self.turn:
                if state[0] != i:
                    continue
                now, j = clock(), i + 1
                while j < min(n, i + MAX_BATCH) and due[j] <= now:
                    j += 1
                state[0] = j
            at = i % (len(inputs) - MAX_BATCH)
            predict(inputs[at : at + j - i])
            self.done[i:j] = clock()


def truth(loop: Loop, answer: float, seconds: float) -> Row:
    """Rates, the share of late requests at each, and where it crosses the promise; None where it does not.

    `moved` is how far the crossing of the first half of the stretches is from that of the second, as a ratio.
    """
    random, seen = np.random.default_rng(0), dict[float, list[tuple[int, int]]]()

    def measure(factors: Sequence[float]) -> None:
        order = [f for f in factors for _ in range(STRETCHES)]
        random.shuffle(order)
        for factor in order:
            found = loop.late(answer * factor, seconds / STRETCHES, int(random.integers(2**31)))
            seen.setdefault(factor, []).append(found)

    def shares(part: slice) -> list[float]:
        counts = [np.sum(seen[f][part], axis=0) for f in sorted(seen)]
        return [float(late / of) for late, of in counts]

    measure(AROUND)
    for _ in range(FURTHER):
        late = shares(slice(None))
        if late[0] > PROMISE:
            measure([min(seen) * 0.9])
        elif late[-1] <= PROMISE:
            measure([max(seen) * 1.1])
    rates, late = [answer * f for f in sorted(seen)], shares(slice(None))
    halves = [crossing(rates, shares(half)) for half in (slice(STRETCHES // 2), slice(STRETCHES // 2, None))]
    return {
        "rates": [round(r) for r in rates], "late": [round(x, 5) for x in late],
        "truth_qps": crossing(rates, late),
        "moved": round(halves[1] / halves[0], 3) if halves[0] and halves[1] else None,
    }  # fmt: skip


def crossing(rates: Sequence[float], late: Sequence[float]) -> float | None:
    """Where the late share crosses the promise, on a line in logarithms; None where it does not."""
    level = np.log(np.maximum(late, 1e-4))
    above = np.flatnonzero(level > np.log(PROMISE))
    if not len(above) or above[0] == 0:
        return None
    k = int(above[0])
    share = (np.log(PROMISE) - level[k - 1]) / (level[k] - level[k - 1])
    return float(rates[k - 1] * (rates[k] / rates[k - 1]) ** share)


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
    """One search, the truth beside it, and LoadGen's word."""
    spec = specification(variant, workers, workers)
    artifact = folder / variant / "artifact"
    stolen, began = _stolen(), time.perf_counter()
    found = search(spec, artifact, workers)
    answer = found["capacity"]["qps"]
    row: Row = {
        "variant": variant, "workers": workers, "limit_ms": spec["scenario"]["latency_p99_ms"],
        "capacity": found["capacity"], "closed_loop_bound_qps": round(found["closed_loop_bound_qps"], 1),
        "closed_loop_ms": found["closed_loop_ms"],
    }  # fmt: skip
    if answer:
        loop = Loop(spec, artifact, workers)
        row |= truth(loop, answer, seconds)
        loop.close()
        if workers == 1:
            row["loadgen"] = {f: by_loadgen(spec, artifact, f * answer, 0.75 * seconds) for f in (0.9, 1.1)}
    ratio = answer / row["truth_qps"] if row.get("truth_qps") else None
    return row | {
        "ratio": ratio, "within_10_percent": ratio is not None and abs(ratio - 1) <= CLOSE,
        "stolen": round((_stolen() - stolen) / (time.perf_counter() - began) / (os.cpu_count() or 1), 4),
        "load_average": round(os.getloadavg()[0], 1), "day": dt.date.today().isoformat(),
    }  # fmt: skip


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
    rows = [row for row in kept if "workers" in row]  # earlier ones were made of other networks
    for variant in (v for v in args.only if v != "prepare"):
        for workers in args.workers:
            row = searched(variant, args.folder.absolute(), workers, args.seconds)
            rows = [r for r in rows if (r["variant"], r["workers"]) != (variant, workers)] + [row]
            print(json.dumps(row), flush=True)
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    close = sum(row["within_10_percent"] for row in rows)
    print(f"{close} of {len(rows)} answers are within 10 % of the truth")
    return 0 if close >= 0.9 * len(rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Does the search find what real networks carry? Against a loop that shares no code with it.

    python -m benchmarks.capacity_real results/cnn_vs_vit/latest small_cnn/onnx resnet/onnx-int8 --seconds 10

For each variant of a run (its ONNX file is served): a search as the run's own `server` scenario makes it,
then a plain loop at fixed Poisson rates around the answer. Its workers are forked, pinned to a core each,
scheduled as the measured ones are, and take from an array in shared memory. The truth is where the share of
requests later than the limit crosses 1 %, on a line between the two rates around it, in logarithms.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import Lock
from multiprocessing.synchronize import Lock as Turn
from pathlib import Path
from typing import Any, cast

import numpy as np

from harness.serving.job import ServeJob
from harness.serving.serve import child_environment, run_child
from harness.specification import Spec
from harness.tasks import task_module

RESULTS = Path("benchmarks/results/capacity_real.json")
AROUND = (0.8, 0.9, 1.0, 1.1, 1.2)
MOST = 1 << 20
clock = time.perf_counter_ns


def search(spec: dict[str, Any], artifact: Path, scenario: dict[str, Any]) -> dict[str, Any]:
    """What the harness finds: the facts of a server scenario."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        job = ServeJob(
            cast(Spec, spec | {"scenario": {"name": "server", **scenario}}),
            folder,
            str(where / "result.json"),
            {spec["artifact"]: str(artifact)},
            workers=spec["workers"],
        )
        job.write(where / "job.json")
        _, _, said = run_child(where / "job.json", child_environment(1), 300, where / "log.txt")
        if not (where / "result.json").exists():
            raise SystemExit(said)
        found: dict[str, Any] = json.loads((where / "result.json").read_text())
        return dict(found["facts"])


class Loop:
    """Workers that serve an ONNX file at one rate."""

    def __init__(
        self, model: Path, images: np.ndarray, workers: int, limit_ms: float, max_batch: int
    ) -> None:
        self.model, self.images, self.workers = model, images, workers
        self.limit_ms, self.max_batch = limit_ms, max_batch
        words = np.frombuffer(mmap.mmap(-1, 8 * (2 + 2 * MOST)), np.int64)
        self.state, self.due, self.done = words[:2], words[2 : 2 + MOST], words[2 + MOST :]

    def late(self, rate: float, seconds: float, seed: int) -> float:
        """The share of requests, the first 5 % apart, that are answered later than the limit."""
        gaps = np.random.default_rng(seed).exponential(1e9 / rate, int(1.2 * rate * seconds) + 100)
        due = np.cumsum(gaps)
        due = due[due < seconds * 1e9].astype(np.int64)
        n, turn = len(due), Lock()
        self.due[:n], self.done[:n], self.state[:] = due, 0, 0
        ready, tell = os.pipe()
        pids = [self._fork(core, n, turn, tell) for core in sorted(os.sched_getaffinity(0))[: self.workers]]
        heard = 0
        while heard < self.workers:
            heard += len(os.read(ready, self.workers))
        start = self.state[1] = clock() + 20_000_000
        for pid in pids:
            if os.waitpid(pid, 0)[1]:
                raise SystemExit("a worker of the loop failed")
        os.close(ready)
        os.close(tell)
        took_ms = (self.done[:n] - due - start)[int(0.05 * n) :] / 1e6
        return float(np.mean((took_ms > self.limit_ms) | (self.done[int(0.05 * n) : n] == 0)))

    def _fork(self, core: int, n: int, turn: Turn, tell: int) -> int:
        if pid := os.fork():
            return pid
        try:
            os.sched_setaffinity(0, {core})
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            self._work(n, turn, tell)
            os._exit(0)
        finally:
            os._exit(1)

    def _work(self, n: int, turn: Turn, tell: int) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = ort.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        name, state, images = session.get_inputs()[0].name, self.state, self.images
        for k in range(300):
            session.run(None, {name: images[: 1 + k % self.max_batch]})
        os.write(tell, b".")
        while not state[1]:
            time.sleep(0.0005)
        due = (self.due[:n] + state[1]).tolist()
        while (i := int(state[0])) < n:
            if (ahead := due[i] - clock()) > 0:
                time.sleep(max(ahead - 50_000, 0) / 1e9)
                continue
            with turn:
                if state[0] != i:
                    continue
                now, j = clock(), i + 1
                while j < min(n, i + self.max_batch) and due[j] <= now:
                    j += 1
                state[0] = j
            at = i % (len(images) - self.max_batch)
            session.run(None, {name: images[at : at + j - i]})
            self.done[i:j] = clock()


def crossing(rates: Sequence[float], late: Sequence[float], promise: float = 0.01) -> float | None:
    """Where the late share crosses the promise, on a line in logarithms; None where it does not."""
    level = np.log(np.maximum(late, 1e-4))
    above = np.flatnonzero(level > np.log(promise))
    if not len(above) or above[0] == 0:
        return None
    k = int(above[0])
    share = (np.log(promise) - level[k - 1]) / (level[k] - level[k - 1])
    return float(rates[k - 1] * (rates[k] / rates[k - 1]) ** share)


def main() -> None:
    """Measure the variants that are asked for, and add them to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for record in sorted((args.run / "trials").glob("serve-*/record.json")):
        trial = json.loads(record.read_text())["trial"]
        name, spec = f"{trial['candidate']}/{trial['runtime'].partition('@')[0]}", trial["spec"]
        if name not in args.variants or spec["scenario"]["name"] != "server" or spec["round"] >= args.repeats:
            continue
        scenario = {k: v for k, v in spec["scenario"].items() if k != "name"}
        artifact = (args.run / "trials" / spec["artifact"] / "artifact").absolute()
        images = np.asarray(task_module(spec["task"]).examples(spec))
        loop = Loop(
            artifact / "model.onnx",
            images,
            spec["workers"],
            scenario["latency_p99_ms"],
            scenario["max_batch"],
        )
        found = search(spec, artifact, scenario)
        answer = found["capacity"]["qps"]
        rates = [answer * around for around in AROUND] if answer else []
        late = [loop.late(rate, args.seconds, k) for k, rate in enumerate(rates)]
        row = {
            "variant": trial["candidate"] + "/" + trial["runtime"],
            "capacity": found["capacity"],
            "closed_loop_bound_qps": found["closed_loop_bound_qps"],
            "closed_loop_ms": found["closed_loop_ms"],
            "real_time": found["real_time"],
            "rates": [round(r) for r in rates],
            "late": [round(x, 5) for x in late],
            "truth_qps": crossing(rates, late),
            "load_average": os.getloadavg()[0],
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

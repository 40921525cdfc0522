"""Does a serve trial add anything? Its p50 against a bare loop over the same runtime object.

Both run in a fresh process with the same environment, priority and pinning, in turns (trial, loop,
loop, trial, …). Expected: a ratio within 3 % of 1.

    python -m benchmarks.serving_bare_loop
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.serving_models import fitted, serve_spec
from harness.protocols import Job
from harness.record import Trial
from harness.runtimes import runtime
from harness.serving.serve import child_environment, serve

REPEATS = 8
SECONDS = 1.0
LOOP = """
import json, sys, time
from pathlib import Path
from harness.serving.process import cores_of, go_first, pin
go_first(); pin(cores_of(1)[0])
from benchmarks.serving_models import images
from harness.runtimes import runtime
predict = runtime(sys.argv[1]).load(Path(sys.argv[2]), 1, "cpu")
requests = [images(200, 7).inputs[i : i + 1].copy() for i in range(128)]
times = []
for i in range(300):
    predict(requests[i % 128])
end = time.perf_counter() + float(sys.argv[3])
i = 0
while time.perf_counter() < end:
    before = time.perf_counter_ns()
    predict(requests[i % 128])
    times.append(time.perf_counter_ns() - before)
    i += 1
times.sort()
print(json.dumps(times[len(times) // 2] / 1e6))
"""


def bare_loop(name: str, artifact: Path) -> float:
    """The loop's p50 in ms."""
    command = [sys.executable, "-c", LOOP, name, str(artifact), str(SECONDS)]
    done = subprocess.run(
        command, env=child_environment(1), capture_output=True, text=True, check=True, start_new_session=True
    )
    return float(json.loads(done.stdout))


def serve_trial(name: str, score: Path) -> float | None:
    """The trial's p50 in ms; None where it was too noisy to say."""
    spec = serve_spec(name, {"name": "single_stream", "seconds": SECONDS})
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial("serve", "model", spec, time_limit_s=60)
        outcome = serve(Job(trial, Path(folder), {"score": score}, lambda event: None))
    return next(m.value for m in outcome.measurements if m.metric == "latency_p50_ms")


def compare(model: str, name: str) -> dict[str, object]:
    """Interleaved repeats of one model on one runtime."""
    with tempfile.TemporaryDirectory() as scratch:
        source = fitted(model, Path(scratch))
        runtime(name).prepare(source, Path(scratch) / "score" / "artifact", None)
        trials: list[float] = []
        loops: list[float] = []
        for repeat in range(REPEATS):
            for which in "TL" if repeat % 2 else "LT":
                if which == "L":
                    loops.append(bare_loop(name, Path(scratch) / "score" / "artifact"))
                elif (value := serve_trial(name, Path(scratch) / "score")) is not None:
                    trials.append(value)
    pairs = [a / b for a, b in zip(trials, loops, strict=False)]
    return {
        "model": model,
        "runtime": name,
        "trial_p50_ms": round(float(np.median(trials)), 4),
        "loop_p50_ms": round(float(np.median(loops)), 4),
        "ratio": round(float(np.median(trials) / np.median(loops)), 4),
        "ratio_of_least": round(min(trials) / min(loops), 4),
        "pairs_low": round(min(pairs), 4),
        "pairs_high": round(max(pairs), 4),
        "repeats": len(pairs),
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    rows = [compare(model, name) for model, name in (("CNN", "onnx"), ("ViT 96", "onnx"), ("CNN", "torch"))]
    for row in rows:
        print(json.dumps(row))
    Path("benchmarks/results/serving_bare_loop.json").write_text(json.dumps(rows, indent=1) + "\n")

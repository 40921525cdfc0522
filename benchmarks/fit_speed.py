"""Is `fit` on data that fit in memory as fast as in an earlier build: both by turns, in one run.

    git worktree add ../before 7212cef
    python -m benchmarks.fit_speed ../before [--turns 6] [--out benchmarks/results/fit_speed.json]

Each turn is a process of either build (before, now, now, before, …), which trains the same networks and
estimators on the same files, each several times, and says how long the fastest took (`train_seconds` of the
record): what else the machine does only adds. All columns are numbers without holes, since the earlier build
made other numbers of categories. The ratio is before ÷ now, of the medians over the turns; reading the table
is told beside it.

Gate: each fit ≥ .98.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LEAST_RATIO, ROWS, SIDE, IMAGES, AGAIN = 0.98, 40_000, 32, 4_000, 3
READING = "reading the table"


def make(folder: Path) -> None:
    """A table of numbers, and images of two classes."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, 20))
    answer = rng.random(ROWS) < 1 / (1 + np.exp(-numbers[:, 0]))
    frame = pd.DataFrame(numbers.round(4), columns=[f"x{i}" for i in range(20)])
    frame["left"] = np.where(answer, "yes", "no")
    frame.to_csv(folder / "t.csv", index=False)
    for i in range(IMAGES):
        path = folder / "images" / "ab"[i % 2] / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (SIDE, SIDE, 3), dtype=np.uint8) + np.uint8(40 * (i % 2))
        Image.fromarray(pixels).save(path)


def build(task: Any) -> Any:
    from torch import nn

    wide = 1
    for side in task.input_shape:
        wide *= side
    return nn.Sequential(nn.Flatten(), nn.Linear(wide, 64), nn.ReLU(), nn.Linear(64, task.num_classes))


def inside(folder: Path, expected: str) -> dict[str, float]:
    """Seconds of each fit, the fastest of several, in this process's build."""
    import harness
    from harness.datasets.parts import load_parts
    from harness.protocols import Job
    from harness.record import Trial
    from harness.suite.schema import Training

    new = importlib.util.find_spec("harness.tasks.supervised") is not None
    task_of = importlib.import_module(f"harness.tasks.{'supervised' if new else 'classification'}")
    assert Path(str(harness.__file__)).resolve().is_relative_to(Path(expected).resolve()), harness.__file__
    table = {"name": "tabular_csv", "args": {"path": str(folder / "t.csv"), "target": "left"}}
    images = {"name": "image_folder", "args": {"path": str(folder / "images"), "size": SIDE}}
    cases: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
        "network on images": ("image_classification", images, "fit_speed:build", {}),
        "network on a table": ("tabular_classification", table, "fit_speed:build", {}),
        "logistic regression": ("tabular_classification", table, "sklearn:LogisticRegression", {}),
        "histogram boosting": (
            "tabular_classification", table, "sklearn:HistGradientBoostingClassifier", {"max_iter": 30},
        ),
    }  # fmt: skip
    recipe = Training.model_validate({"precision": "fp32", "epochs": 3, "batch_size": 64})
    training = recipe.model_dump(mode="json", exclude={"seeds", "resources", "time_limit", "tuning"})
    found = {}
    for name, (task, data, model, args) in cases.items():
        whole = {**data, "validation": 0.1, "seed": 0}
        started = time.perf_counter()
        load_parts(whole, None)
        if data is table:
            found.setdefault(READING, time.perf_counter() - started)
        spec = {
            "candidate": "c", "task": task, "model": model, "args": args, "training": training, "data": whole,
            "train_size": None, "seed": 0, "code": "",
        }  # fmt: skip
        took = []
        for _ in range(AGAIN):
            with tempfile.TemporaryDirectory(dir=folder) as out:
                done = task_of.train(Job(Trial("train", "c", spec, seed=0), Path(out), {}, lambda _: None))
                took.append(next(m.value for m in done.measurements if m.metric == "train_seconds"))
        found[name] = min(took)
    return found


def turn(build_folder: Path, folder: Path) -> dict[str, float]:
    """What a process of a build measures; decoded images are its own."""
    here = Path(__file__).resolve()
    cache = folder / f"cache-{build_folder.name}"
    paths = os.pathsep.join([str(build_folder), str(here.parent)])
    told = {**os.environ, "PYTHONPATH": paths, "HARNESS_DATA": str(cache), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, str(here), str(build_folder), "--inside", str(folder)]
    done = subprocess.run(command, env=told, cwd=folder, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a checkout of the earlier build")
    parser.add_argument("--turns", type=int, default=6, help="of each build")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fit_speed.json"))
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(inside(given.inside, str(given.before))))
        return
    now = Path(__file__).resolve().parents[1]
    seconds: dict[str, list[dict[str, float]]] = {"before": [], "now": []}
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch))
        for number in range(given.turns):
            for which in ("before", "now") if number % 2 == 0 else ("now", "before"):
                checkout = given.before.resolve() if which == "before" else now
                seconds[which].append(turn(checkout, Path(scratch)))
    middle = {
        which: {name: statistics.median(t[name] for t in turns) for name in turns[0]}
        for which, turns in seconds.items()
    }
    ratios = {name: middle["before"][name] / middle["now"][name] for name in middle["now"]}
    found = {
        "turns": given.turns, "cores": os.cpu_count(), "seconds": middle, "ratios": ratios, "each": seconds,
        "passed": all(ratio >= LEAST_RATIO for name, ratio in ratios.items() if name != READING),
    }  # fmt: skip
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({key: found[key] for key in ("seconds", "ratios", "passed")}, indent=1))


if __name__ == "__main__":
    main()

"""Training on images that do not fit in memory: anonymous memory, and speed against the same from memory.

    python -m benchmarks.larger_than_memory --folder DISK --prepare      makes the files, decodes them
    python -m benchmarks.larger_than_memory --folder DISK [--out benchmarks/results/…]      trains

The first step takes what room there is and may stand beside other work, the second is timed: on a quiet
machine. Without `--folder` both go one after the other in a folder that is removed; `--images`, `--subset`.

JPEGs of 256×256 are made, decoded once by `image_folder` and trained on, each step in a process of its own
whose anonymous memory is looked at fifty times a second (`RssAnon` of /proc/PID/status: pages of mapped files
are not in it, as the system drops them when it needs the room). The network is as small as one of images can
be (a convolution of 16×16 and a mean), so that reading weighs more than in any training that is worth while.
Resident is what the harness does with data that fit: here forced, on a subset, before and after; the faster
of the two counts.

Gate: under 1.5 GB while decoding, training and scoring; ≥ .9 of the examples a second.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES, MOST_GB, LEAST_SHARE = 256, 4, 1.5, 0.9
RESIDENT = 1 << 62
PREPARED = "prepared.json"


def build(task: Any) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 32, 16, stride=16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, task.num_classes),
    )  # fmt: skip


def make(folder: Path, images: int) -> None:
    """JPEGs of coarse noise, each class a little brighter than the one before."""
    from PIL import Image

    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)

    def one(i: int) -> None:
        rng = np.random.default_rng(i)
        coarse = rng.integers(0, 200, (16, 16, 3), dtype=np.uint8) + np.uint8(10 * (i % CLASSES))
        path = folder / f"class{i % CLASSES}" / f"{i:06d}.jpg"
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(path, quality=80)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(images)))


def apart(step: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """What a step gives in a process of its own, its seconds and the most anonymous memory it had."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe(False)
    process = multiprocessing.get_context("spawn").Process(target=_watched, args=(theirs, step, args))
    process.start()
    theirs.close()
    found: dict[str, Any] = ours.recv()
    process.join()
    return found


def _watched(pipe: Any, step: Callable[..., Any], args: tuple[Any, ...]) -> None:
    most, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            status = Path("/proc/self/status").read_text()
            kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
            most[0] = max(most[0], int(kilobytes))

    watcher = threading.Thread(target=look)
    watcher.start()
    started = time.perf_counter()
    found = step(*args)
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    pipe.send({**(found or {}), "seconds": round(seconds, 1), "most_anonymous_gb": most[0] * 1024 / 1e9})


def decode(folder: str) -> None:
    from harness.datasets import image_folder

    image_folder.load(path=folder, size=SIDE)


def train(folder: str, out: str, train_size: int | None, resident: bool, scored: bool) -> dict[str, Any]:
    from harness.datasets import decoding, mapped
    from harness.protocols import Job
    from harness.record import Trial
    from harness.suite.schema import Training
    from harness.tasks import supervised

    if resident:
        decoding.IN_MEMORY = mapped.IN_MEMORY = RESIDENT  # type: ignore[attr-defined]
    recipe = Training.model_validate({"precision": "fp32", "epochs": 1, "batch_size": 64})
    spec = {
        "candidate": "c", "task": "image_classification", "model": "benchmarks.larger_than_memory:build",
        "args": {}, "training": recipe.model_dump(
            mode="json", exclude={"seeds", "resources", "time_limit", "tuning"}),
        "data": {"name": "image_folder", "args": {"path": folder, "size": SIDE}, "validation": 0.1,
                 "seed": 0},
        "train_size": train_size, "seed": 0, "code": "",
    }  # fmt: skip
    trained, answered = Path(out) / "train", Path(out) / "score"
    trained.mkdir(parents=True)
    answered.mkdir()
    supervised.train(Job(Trial("train", "c", spec, seed=0), trained, {}, lambda _: None))
    if scored:
        whole = {**spec, "fitted": "train-0", "runtime": "torch"}
        trial = Trial("score", "c", whole, runtime="torch", seed=0, needs=("train-0",))
        supervised.score(Job(trial, answered, {"train-0": trained}, lambda _: None))
    rows = (trained / "history.csv").read_text().splitlines()
    place = rows[0].split(",").index("examples_per_s")
    return {"examples_per_s": max(float(row.split(",")[place]) for row in rows[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=40_000)
    parser.add_argument("--subset", type=int, default=4_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/larger_than_memory.json"))
    parser.add_argument("--folder", type=Path, help="where the files are made, and kept")
    parser.add_argument("--prepare", action="store_true", help="make and decode the files, no more")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        folder = given.folder or Path(own)
        os.environ["HARNESS_DATA"] = f"{folder}/cache"
        prepared = folder / PREPARED
        if given.prepare or not prepared.is_file():
            prepared.write_text(json.dumps(prepare(folder, given.images)))
        if not given.prepare:
            found = trained(folder, json.loads(prepared.read_text()), given.subset)
            given.out.write_text(json.dumps(found, indent=1) + "\n")
            print(json.dumps(found, indent=1))


def prepare(folder: Path, images: int) -> dict[str, Any]:
    """Makes the files and decodes them: how many there are, and what that took."""
    started = time.perf_counter()
    make(folder / "photos", images)
    made = round(time.perf_counter() - started, 1)
    return {"images": images, "made_seconds": made, "decode": apart(decode, f"{folder}/photos")}


def trained(folder: Path, prepared: dict[str, Any], subset: int) -> dict[str, Any]:
    """The training on all images, before and after it one on as many as fit, and what the gate says."""
    photos, images = f"{folder}/photos", prepared["images"]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        steps = {
            "decode": prepared["decode"],
            "resident_before": apart(train, photos, f"{out}/1", subset, True, False),
            "mapped": apart(train, photos, f"{out}/2", None, False, True),
            "resident_after": apart(train, photos, f"{out}/3", subset, True, False),
        }
    resident = max(steps[name]["examples_per_s"] for name in ("resident_before", "resident_after"))
    share = steps["mapped"]["examples_per_s"] / resident
    most = max(steps[name]["most_anonymous_gb"] for name in ("decode", "mapped"))
    return {
        "images": images, "subset": subset, "side": SIDE, "cores": os.cpu_count(),
        "decoded_gb": images * 3 * SIDE**2 / 1e9, "made_seconds": prepared["made_seconds"], "steps": steps,
        "most_anonymous_gb": most, "share_of_resident_speed": share,
        "passed": most < MOST_GB and share >= LEAST_SHARE and images >= 40_000,
    }  # fmt: skip


if __name__ == "__main__":
    main()

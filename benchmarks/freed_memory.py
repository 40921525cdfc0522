"""Trainings whose freed memory stays with the process, beside the same in the C library's usual way.

    python -m benchmarks.freed_memory [--turns 6] [--out FILE]

The flagship's networks, by the loop that trials train by, one thread: an epoch of 1,500 images of noise in
batches of 64, then 2,000 answered. Each turn is a process of its own, since what the C library does rests on
all that it has done before; the ways come as A B B A, so that a slow moment of the machine meets both. Told
are the seconds of the process, of these the kernel's, page faults, the most memory, and the ratio of the
medians with the middle half of the turns' own ratios.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

NETWORKS: Mapping[str, tuple[str, dict[str, object]]] = {
    "small_cnn": ("small_cnn", {}),
    "resnet": ("resnet", {"width": 16}),
    "convnext": ("timm:convnext_atto", {}),
    "vit": ("vit", {"patch": 4, "dim": 96, "depth": 6}),
}
TRAINED, ANSWERED = 1500, 2000
WAYS = ("usual", "kept")


class Taken(TypedDict):
    """What one training took, and what came out."""

    seconds: float
    kernel_seconds: float
    faults: float
    most_mb: float
    mode: str
    loss: float


TOLD: tuple[Literal["seconds", "kernel_seconds", "faults", "most_mb"], ...] = (
    "seconds", "kernel_seconds", "faults", "most_mb",
)  # fmt: skip


def train(name: str, is_kept: bool) -> Taken:
    """One training in this process."""
    import torch

    from harness.models.build import build_model
    from harness.protocols import Task
    from harness.suite.schema import Augmentation, Training
    from harness.training.batches import TensorBatches
    from harness.training.loop import classification, fit
    from harness.trial.freed_memory import keep_freed_memory

    keep_freed_memory(is_kept)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, args = NETWORKS[name]
    network = build_model(model, Task("image_classification", input_shape=(1, 28, 28), num_classes=10), args)
    parts = [
        tensor
        for rows in (TRAINED, ANSWERED)
        for tensor in (torch.rand(rows, 1, 28, 28), torch.randint(0, 10, (rows,)))
    ]
    training = Training(epochs=1, batch_size=64, precision="fp32")
    inputs, targets, others, theirs = parts
    batches = TensorBatches(inputs, targets, others, theirs, training.batch_size, Augmentation(), 0)
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = fit(network, batches, classification(), training, seed=0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    kernel = after.ru_stime - before.ru_stime
    return {
        "seconds": after.ru_utime - before.ru_utime + kernel,
        "kernel_seconds": kernel,
        "faults": after.ru_minflt - before.ru_minflt,
        "most_mb": after.ru_maxrss / 1024,
        "mode": found.mode.label,
        "loss": found.history[-1].train_loss,
    }


def compared(name: str, turns: int) -> dict[str, object]:
    """Both ways of a network, in turns."""
    taken: dict[str, list[Taken]] = {way: [] for way in WAYS}
    for turn in range(2 * turns):
        way = WAYS[turn % 4 in (1, 2)]
        command = [sys.executable, "-m", "benchmarks.freed_memory", "--network", name, "--way", way]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        taken[way].append(json.loads(said))
    losses = {(one["mode"], one["loss"]) for each in taken.values() for one in each}
    assert len(losses) == len({mode for mode, _ in losses}), "the same numbers come out, layout by layout"
    seconds = {way: np.array([one["seconds"] for one in taken[way]]) for way in WAYS}
    ratios = np.quantile(seconds["kept"] / seconds["usual"], [0.25, 0.75])
    told: dict[str, object] = {
        f"{key}_{way}": round(float(np.median([one[key] for one in taken[way]])), 2)
        for key in TOLD
        for way in WAYS
    }
    ratio = float(np.median(seconds["kept"]) / np.median(seconds["usual"]))
    return {"ratio": round(ratio, 3), "middle_half": [round(float(r), 3) for r in ratios], **told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--network", choices=list(NETWORKS), help="one turn of this one")
    parser.add_argument("--way", choices=WAYS, default="usual")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/freed_memory.json"))
    arguments = parser.parse_args()
    if arguments.network:
        print(json.dumps(train(arguments.network, arguments.way == "kept")))
        return
    found = {}
    for name in NETWORKS:
        found[name] = compared(name, arguments.turns)
        print(name, found[name], flush=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Images a second beside a hand-written loop, Lightning, the Trainer of transformers and timm's `train.py`.

    python -m benchmarks.training_beside [--device cuda] [--images 4000] [--batch 64] [--turns 3]
                                         [--networks small_cnn resnet vit …] [--out benchmarks/results/….json]
                                         [--timm CHECKOUT]    # a copy of timm's repository: its train.py

All train the same network on the same drawn images of 28×28 with the same steps: AdamW, a rate that rises
and falls, gradients clipped at 1. The harness computes in the way that `precision: auto` chooses, the others
in the fastest of those that PyTorch's own switches give (number format, memory layout). Images lie ready as
tensors on the device for all but Lightning and the Trainer, which have loaders of their own over the same
tensors, and timm's `train.py`, which runs in a process of its own and reads the images as PNG files
(`benchmarks.training_beside_timm`). Subjects take turns (forwards, then backwards) in one process; of each
training the first epoch warms up, compiles, and does not count. A figure
is the median over turns of the images a second of the other epochs, validation left out; a ratio is to the
hand-written loop.
On a processor seconds are the process's own (one thread), since neighbours take turns on a small machine.

Gates: harness ≥ .98 of the hand-written loop; on CNN and ResNet `harness, compiled` ≥ 1.25 times it. Other
networks are told. What is not installed is left out by name.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import environment
from harness.models import torchvision_shim
from harness.models.fitted import Scaling
from harness.models.servable import Scaled, build_network
from harness.protocols import Task
from harness.suite.schema import Augmentation, Training
from harness.training import compiling
from harness.training.batches import TensorBatches
from harness.training.loop import classification, fit
from harness.training.precision import choose_mode, possible_modes

BY_HAND, HARNESS, COMPILED = "by hand", "harness", "harness, compiled"
LEAST, LEAST_COMPILED, CONVOLUTIONS = 0.98, 1.25, ("small_cnn", "resnet")
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "small_cnn": ("small_cnn", {}),
    "resnet": ("resnet", {"width": 16}),
    "vit": ("vit", {"patch": 4, "dim": 96, "depth": 6}),
    "convnext": ("timm:convnext_atto", {}),
    "resnet18": ("timm:resnet18", {}),
}
TASK = Task("image_classification", 10, tuple("abcdefghij"), (1, 28, 28))
EPOCHS = 3


class Bench:
    """Images, settings and one network's way of computing."""

    def __init__(self, name: str, device: str, images: int, batch: int) -> None:
        self.name, self.device = name, device
        self.clock = time.process_time if device == "cpu" else time.perf_counter
        rng = np.random.default_rng(0)
        self.x = torch.from_numpy(rng.integers(0, 256, (images, 1, 28, 28), dtype=np.uint8)).to(device)
        self.y = torch.from_numpy(rng.integers(0, 10, images)).to(device)
        self.training = Training.model_validate(
            {"epochs": EPOCHS, "batch_size": batch, "optimizer": {"name": "adamw", "lr": 0.001}}
        )
        self.batches = TensorBatches(self.x, self.y, self.x[:0], self.y[:0], batch, Augmentation(), 0)
        first = next(iter(self.batches.training(0)))
        self.mode, self.tried = choose_mode(self.model(), first, classification().loss, device, "auto")
        seconds = self.tried.get("tried_seconds_per_step")
        assert isinstance(seconds, dict)
        plain = [m for m in possible_modes(self.model(), first[0], device, "auto") if not m.products]
        self.plain = min(plain, key=lambda mode: seconds.get(mode.label, float("inf")))
        """What the others compute in."""

    def model(self) -> nn.Module:
        torch.manual_seed(0)
        reference, args = NETWORKS[self.name]
        network = build_network(reference, TASK, args, None)
        return Scaled(network, Scaling((0.5,), (0.25,)), TASK).to(self.device)

    def rounds(self) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
        """The batches of each epoch, cut by hand."""
        size, n = self.training.batch_size, len(self.y)
        for epoch in range(EPOCHS):
            order = torch.randperm(n, generator=torch.Generator().manual_seed(epoch)).to(self.device)
            yield ((self.x[i], self.y[i]) for i in order.split(size))


def by_hand(bench: Bench, compiled: bool = False) -> list[float]:
    """The loop that one would write."""
    model = bench.plain.place(bench.model(), bench.device).train()
    network = torch.compile(model, dynamic=False) if compiled else model
    fused = {"fused": True} if compiled and bench.device == "cuda" else {}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, **fused)
    steps = EPOCHS * -(-len(bench.y) // bench.training.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.001, total_steps=steps)
    speeds = []
    for batches in bench.rounds():
        started, seen = bench.clock(), 0
        total = torch.zeros((), device=bench.device)
        for inputs, targets in batches:
            with bench.plain.active(bench.device):
                out = network(inputs)
            loss = nn.functional.cross_entropy(out.float(), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            total += loss.detach()
            seen += len(targets)
        assert np.isfinite(float(total))
        speeds.append(seen / (bench.clock() - started))
    return speeds


def harness(bench: Bench, long_enough_s: float = float("inf")) -> list[float]:
    kept, compiling.LONG_ENOUGH_S = compiling.LONG_ENOUGH_S, long_enough_s
    try:
        given = bench.model(), bench.batches, classification(), bench.training
        done = fit(*given, seed=0, device=bench.device)
    finally:
        compiling.LONG_ENOUGH_S = kept
    if long_enough_s == 0.0:
        told = {"compiling": done.facts.compiling_seconds_per_step, "chosen": done.mode.label}
        bench.tried = {**bench.tried, **told}
    if bench.device == "cpu":
        return [len(bench.y) / epoch.cpu_seconds for epoch in done.history]
    return [epoch.examples_per_s for epoch in done.history]


def lightning(bench: Bench) -> list[float]:
    import logging

    import lightning as L

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    mode, seconds = bench.plain, []

    class Net(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = mode.place(bench.model(), bench.device)

        def training_step(self, batch: Any, index: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]).float(), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.001)

        def on_train_epoch_start(self) -> None:
            self.started = bench.clock()

        def on_train_epoch_end(self) -> None:
            if bench.device == "cuda":
                torch.cuda.synchronize()
            seconds.append(bench.clock() - self.started)

    data = torch.utils.data.TensorDataset(bench.x.cpu(), bench.y.cpu())
    loader = torch.utils.data.DataLoader(data, bench.training.batch_size, shuffle=True)
    L.Trainer(
        max_epochs=EPOCHS, accelerator="gpu" if bench.device == "cuda" else "cpu", devices=1,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, logger=False,
        gradient_clip_val=1.0, precision="bf16-mixed" if mode.precision == "bf16" else "32-true",
    ).fit(Net(), loader)  # fmt: skip
    return [len(bench.y) / s for s in seconds]


def transformers_trainer(bench: Bench) -> list[float]:
    import tempfile

    from transformers import Trainer, TrainerCallback, TrainingArguments

    ends: list[float] = []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = bench.plain.place(bench.model(), bench.device)

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.model(x)
            return {"loss": nn.functional.cross_entropy(logits.float(), labels), "logits": logits}

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
            self.started = bench.clock()

        def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
            if bench.device == "cuda":
                torch.cuda.synchronize()
            ends.append(bench.clock() - self.started)

    rows = [{"x": x, "labels": y} for x, y in zip(bench.x.cpu(), bench.y.cpu(), strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=EPOCHS, per_device_train_batch_size=bench.training.batch_size,
            bf16=bench.plain.precision == "bf16", use_cpu=bench.device == "cpu", report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, learning_rate=0.001,
        )  # fmt: skip
        Trainer(model=Net(), args=arguments, train_dataset=rows, callbacks=[Clock()]).train()
    return [len(bench.y) / s for s in ends]


def timm_script(bench: Bench, checkout: Path) -> list[float]:
    mode = bench.plain
    if len(bench.y) % bench.training.batch_size:
        raise ValueError("train.py leaves out a last batch that is not full: ask for full ones")
    command = [
        sys.executable, "-m", "benchmarks.training_beside_timm", str(checkout), bench.name,
        "--images", str(len(bench.y)), "--batch", str(bench.training.batch_size), "--device", bench.device,
        "--threads", str(torch.get_num_threads()),
        *(["--channels-last"] if mode.channels_last else []),
        *(["--bf16"] if mode.precision == "bf16" else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return [len(bench.y) / s for s in json.loads(done.stdout.splitlines()[-1])]


def subjects(timm: Path | None) -> dict[str, Callable[[Bench], list[float]]]:
    found: dict[str, Callable[[Bench], list[float]]] = {
        HARNESS: harness,
        BY_HAND: by_hand,
        COMPILED: lambda bench: harness(bench, 0.0),
        "by hand, compiled": lambda bench: by_hand(bench, compiled=True),
    }
    if importlib.util.find_spec("lightning"):
        found["Lightning"] = lightning
    if importlib.util.find_spec("accelerate"):
        found["Trainer of transformers"] = transformers_trainer
    if timm is not None:
        found["train.py of timm"] = lambda bench: timm_script(bench, timm)
    return found


def measure(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    device, images, batch, turns = asked.device, asked.images, asked.batch, asked.turns
    bench = Bench(name, device, images, batch)
    speeds: dict[str, list[float]] = {}
    refused: dict[str, str] = {}
    order = list(subjects(asked.timm).items())
    for turn in range(turns):
        for subject, run in order if turn % 2 == 0 else order[::-1]:
            try:
                speeds.setdefault(subject, []).append(statistics.median(run(bench)[1:]))
            except Exception as error:  # told, not hidden: the others go on
                refused[subject] = f"{type(error).__name__}: {str(error)[:200]}"
    medians = {subject: statistics.median(found) for subject, found in speeds.items() if found}
    return {
        "mode": bench.mode.label,
        "mode of the others": bench.plain.label,
        "tried": bench.tried,
        "images_per_s": {s: round(v, 1) for s, v in medians.items()},
        "ratio_to_by_hand": {s: round(v / medians[BY_HAND], 3) for s, v in medians.items()},
        "turns": {s: [round(v, 1) for v in found] for s, found in speeds.items()},
        "refused": refused,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", nargs="+", default=["small_cnn", "resnet", "vit", "convnext"])
    parser.add_argument("--timm", type=Path, metavar="CHECKOUT")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torchvision_shim.prepare()  # Lightning's metrics import it
    found = {}
    for name in asked.networks:
        found[name] = measure(name, asked)
        print(name, json.dumps(found[name]["ratio_to_by_hand"]), found[name]["mode"], flush=True)
    gates = {}
    for name, said in found.items():
        ratios = said["ratio_to_by_hand"]
        gates[f"{name}: harness ≥ {LEAST}"] = ratios.get(HARNESS, 0) >= LEAST
        if name in CONVOLUTIONS:
            gates[f"{name}: compiled ≥ {LEAST_COMPILED}"] = ratios.get(COMPILED, 0) >= LEAST_COMPILED
    machine = environment.hardware()
    versions = {
        k: v for k, v in environment.versions().items() if k in ("torch", "lightning", "transformers", "timm")
    }
    kept = {
        "protocol": {k: v for k, v in vars(asked).items() if k not in ("out", "timm")} | {"epochs": EPOCHS},
        "machine": {k: machine[k] for k in ("cpu", "cores", "gpu")},  # type: ignore[literal-required]
        "versions": versions,
        "networks": found,
        "gates": gates,
    }
    print(json.dumps(kept, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if all(gates.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

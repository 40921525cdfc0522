"""Two workers of Ray Train beside one process: examples a second, and whether the loss curves agree.

    python -m benchmarks.workers_training [--images 6000] [--repeats 2] [--out benchmarks/results/…]

The flagship's ResNet (18 layers, width 16, batches of 64, fp32) on Fashion-MNIST, each trial on Ray as `run`
starts it, one with one core and one with two workers of a core each, by turns, after a warm-up. The figure is
the median over epochs of `examples_per_s` in `history.csv`, which counts the training part alone, shares and
gradients' exchange included; `whole` is from a started trial to its record, Ray Train's start included. The
network has batch normalisation, by each worker's own 32 rows where one process has 64: the curves are near
and not the same (tests/test_training_together.py shows a network without it to 1e-5).

Gate: ≥ 1.6 times the examples a second of one process, on two cores that nothing else uses; mean training
losses within 10 % in every epoch.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from harness import environment
from harness.planning.trials import plan_trials
from harness.progress import Silent
from harness.reading import read_suite
from harness.record import Trial
from harness.schedule import Kept, SchedulerSettings, run_trials
from harness.store.runs import RunFolder, open_run

LEAST, LOSSES = 1.6, 0.10

SUITE = """\
name: workers_training
task: image_classification
data: {{name: fashion_mnist, train_sizes: [{images}], validation: 0.1}}
training:
  seeds: {seeds}
  epochs: {epochs}
  batch_size: 64
  optimizer: {{name: adamw, lr: 0.004, weight_decay: 0.05}}
  precision: fp32
candidates:
  one: {{model: resnet, args: {{width: 16}}}}
  two: {{model: resnet, args: {{width: 16}}, training: {{resources: {{workers: 2}}}}}}
"""


def by_turns(path: Path) -> list[Trial]:
    trials = [t for t in plan_trials(read_suite(path)) if t.kind == "train"]
    return sorted(trials, key=lambda t: (t.seed or 0, t.candidate))


def trained(run: RunFolder, trial: Trial, kept: Kept, folder: Path) -> dict[str, Any]:
    """The curve, the speed and the whole time of one trial."""
    settings = SchedulerSettings(paths=(str(folder),))
    (record,) = run_trials([trial], run, Silent(), settings, kept=kept)
    assert record.failure is None, record.failure
    with (run.trial_folder(trial.id) / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        "candidate": trial.candidate,
        "seed": trial.seed,
        "examples_per_s": [round(float(row["examples_per_s"]), 1) for row in rows],
        "train_loss": [round(float(row["train_loss"]), 4) for row in rows],
        "validation_score": [round(float(row["validation_score"]), 4) for row in rows],
        "epochs_seconds": round(sum(float(row["seconds"]) for row in rows), 1),
        "whole_seconds": round(record.seconds, 1),
        "load_average": round(os.getloadavg()[0], 2),
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Ratios of two workers to one process, and how far the curves are apart."""

    def of(name: str, key: str) -> list[Any]:
        return [each[key] for each in found if each["candidate"] == name]

    one, two = (median(v for run in of(name, "examples_per_s") for v in run) for name in ("one", "two"))
    pairs = zip(of("one", "train_loss"), of("two", "train_loss"), strict=True)
    apart = max(abs(b / a - 1) for ones, twos in pairs for a, b in zip(ones, twos, strict=True))
    scores = {name: median(run[-1] for run in of(name, "validation_score")) for name in ("one", "two")}
    return {
        "examples_per_s": {"one": one, "two": two},
        "speed_up": round(two / one, 3),
        "speed_up_of_epochs": round(
            median(of("one", "epochs_seconds")) / median(of("two", "epochs_seconds")), 3
        ),
        "speed_up_of_whole": round(
            median(of("one", "whole_seconds")) / median(of("two", "whole_seconds")), 3
        ),
        "train_losses_apart": round(apart, 4),
        "last_validation_score": scores,
        "passed": two / one >= LEAST and apart <= LOSSES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=6_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/workers_training.json"))
    given = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, Kept() as kept:
        folder = Path(scratch)
        os.environ.setdefault("HARNESS_LOCKS", f"{scratch}/locks")
        run = open_run(folder / "out", "workers_training", "0123456789abcdef")
        for images, epochs, seeds in ((500, 1, [99]), (given.images, given.epochs, [*range(given.repeats)])):
            path = folder / f"suite{images}.yaml"
            path.write_text(SUITE.format(images=images, epochs=epochs, seeds=seeds))
            for trial in by_turns(path):
                each = trained(run, trial, kept, folder)
                print(json.dumps(each))
                if images == given.images:  # else it only warmed up
                    found.append(each)
    kept_result = {
        "images": given.images,
        "cores": environment.cpus_allowed(),
        "machine": environment.capture()["machine"],
        **summary(found),
        "runs": found,
    }
    given.out.write_text(json.dumps(kept_result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in kept_result.items() if k != "runs"}, indent=1))


if __name__ == "__main__":
    main()

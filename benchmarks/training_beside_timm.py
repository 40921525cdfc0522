"""One training by timm's `train.py` in a process of its own: each epoch's seconds, JSON on the last line.

    python -m benchmarks.training_beside_timm CHECKOUT small_cnn --images 1280 [--channels-last] [--bf16]

The script is not in timm's package: CHECKOUT is a copy of its repository, whose own timm it is run with. The
network is the one that `benchmarks.training_beside` gives the others, entered into timm's registry; the same
drawn images lie in a folder of PNG files, as the script wants them. On a processor the seconds are the
training process's own: the worker that reads the files (it wants one at least) works beside it and is not
counted. Mean and deviation of pixels are the network's; its rate falls after each epoch, where the others'
rises and falls with each step; augmentation and validation are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("network")
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    sys.path.insert(0, str(asked.checkout))
    register(asked.network)
    script = load(asked.checkout / "train.py")
    seconds = timed(script, time.process_time if asked.device == "cpu" else time.perf_counter)
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "train", asked.images)
        sys.argv = ["train.py", *arguments(asked, folder)]
        script.main()
    print(json.dumps(seconds))
    return 0


def register(network: str) -> None:
    """The network under the name `beside`."""
    from timm.models import register_model

    from benchmarks.training_beside import NETWORKS, TASK
    from harness.models.servable import build_network

    def beside(pretrained: bool = False, **_: Any) -> torch.nn.Module:
        torch.manual_seed(0)
        reference, args = NETWORKS[network]
        return build_network(reference, TASK, args, None)

    beside.__module__ = __name__
    register_model(beside)


def load(path: Path) -> Any:
    found = importlib.util.spec_from_file_location("timm_train", path)
    assert found is not None and found.loader is not None
    script = importlib.util.module_from_spec(found)
    sys.modules["timm_train"] = script
    found.loader.exec_module(script)
    return script


def timed(script: Any, clock: Any) -> list[float]:
    """Each epoch's seconds, filled while the script runs."""
    seconds: list[float] = []
    plain = script.train_one_epoch

    def train_one_epoch(*args: Any, **kwargs: Any) -> Any:
        started = clock()
        try:
            return plain(*args, **kwargs)
        finally:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(clock() - started)

    script.train_one_epoch = train_one_epoch
    return seconds


def write_images(folder: Path, count: int) -> None:
    """The drawn images of `benchmarks.training_beside`."""
    from PIL import Image

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    for k, (image, label) in enumerate(zip(pixels, rng.integers(0, 10, count), strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / str(label) / f"{k}.png")


def arguments(asked: argparse.Namespace, folder: str) -> list[str]:
    from benchmarks.training_beside import EPOCHS

    settings = (
        f"--data-dir {folder} --model beside --num-classes 10 --input-size 1 28 28 --input-img-mode L "
        f"--mean 0.5 --std 0.25 --crop-pct 1 --no-aug --val-split= --workers 1 --device {asked.device} "
        f"--batch-size {asked.batch} --epochs {EPOCHS} --opt adamw --lr 0.001 --weight-decay 0.01 "
        "--clip-grad 1 --sched cosine --warmup-epochs 0 --smoothing 0 --log-interval 1000000"
    ).split()
    settings += ["--output", f"{folder}/said"]
    settings += ["--channels-last"] if asked.channels_last else []
    return settings + (["--amp", "--amp-dtype", "bfloat16"] if asked.bf16 else [])


if __name__ == "__main__":
    raise SystemExit(main())

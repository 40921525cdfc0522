"""Untrained models as artifacts, for the serving benchmarks: speed does not need training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.protocols import Split, Task

TASK = Task("image_classification", 10, tuple("0123456789"), (1, 28, 28))
DATA = {"name": "fashion_mnist", "args": {}, "validation": 0.1, "seed": 0}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "CNN": ("small_cnn", {}),
    "ResNet-18 w16": ("resnet", {}),
    "ViT 96": ("vit", {}),
    "ConvNeXt-atto": ("timm:convnext_atto", {}),
}


def fitted(name: str, folder: Path) -> Path:
    """`fitted/` of an untrained network."""
    import torch

    from harness.models.build import build_model
    from harness.models.fitted import Meta
    from harness.models.servable import save_network

    model, args = MODELS[name]
    torch.manual_seed(0)
    network = build_model(model, TASK, args).eval()
    save_network(folder / "fitted", network, Meta("torch", model, args, TASK, mean=(0.2861,), std=(0.353,)))
    return folder / "fitted"


def images(n: int, seed: int = 0) -> Split:
    """Random images; their classes are of no consequence."""
    random = np.random.default_rng(seed)
    inputs = random.integers(0, 256, (n, *TASK.input_shape), dtype=np.uint8)
    return Split(inputs, random.integers(0, 10, n), np.arange(n))


def serve_spec(runtime: str, scenario: dict[str, Any], round_: int = 0) -> dict[str, Any]:
    """The specification of a serve trial of the artifact `score`."""
    return {
        "candidate": "model",
        "task": TASK.name,
        "data": {"name": "digits", "args": {}, "validation": 0.1, "seed": 0},
        "subject": "benchmarks.serving_models",
        "runtime": runtime,
        "threads": 1,
        "artifact": "score",
        "scenario": scenario,
        "round": round_,
        "seed": round_,
    }


def load_variant(spec: dict[str, Any], artifact: Path, threads: int, device: str) -> Any:
    """As `harness.serving.plain`, on random images instead of a data set's."""
    from harness.serving.plain import load_variant as load

    return load(spec, artifact, threads, device)


def examples(spec: dict[str, Any]) -> np.ndarray:
    """Random images."""
    return images(200, 7).inputs

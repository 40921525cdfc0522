"""Loading a variant whose raw examples go into its artifact as they are: images, texts and tables.

A task's own module also trains, so it imports torch (1.5 s and 200 MB that an ONNX server never
sees). The measured process therefore loads these tasks' variants here; every other task goes
through its module's `load_variant` and `examples`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.datasets.parts import load_parts
from harness.protocols import Inputs, Predict
from harness.runtimes import texts


def load_variant(spec: Mapping[str, Any], artifact: Path, threads: int, device: str) -> Predict:
    """The deployable artifact, ready to answer raw examples."""
    return texts.load(spec["runtime"], artifact, threads, device)


def examples(spec: Mapping[str, Any]) -> Inputs:
    """Raw test examples, without their targets."""
    return load_parts(spec["data"], spec.get("train_size"), ("test",)).test.inputs

"""`endpoint`: a service elsewhere, over HTTP or gRPC: its latency holds the network and its own queue."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from harness.codec import JsonObject
from harness.models import endpoint
from harness.models.fitted import load_meta
from harness.protocols import Inputs, Predict, Split
from harness.suite.model_ref import parse_model


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """The artifact is how the service is spoken to."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fitted / "model.json", folder / "model.json")
    return {}


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Connect; neither threads nor device are the service's."""
    meta = load_meta(folder)
    ask = endpoint.connect(parse_model(meta.model).name, endpoint.build(meta.task, **meta.args))
    kind = str(meta.ends["gives"])

    def predict(inputs: Inputs) -> np.ndarray:
        return endpoint.as_answers(ask(inputs), kind)

    return predict

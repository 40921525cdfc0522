"""`torch-bf16`: PyTorch in eager mode under bfloat16 autocast.

Fused attention in bfloat16 is slow on CPUs (543 against 240 ms a step for a small ViT), convolutions
gain: so both ways of attention are timed when the artifact is made, and the faster one is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.codec import JsonObject
from harness.protocols import Inputs, Predict, Split
from harness.runtimes import torch_eager
from harness.runtimes.common import (
    as_arrays,
    example_input,
    parity,
    read_facts,
    reference,
    task_of,
    write_facts,
)

if TYPE_CHECKING:
    from torch import nn

ATTENTION = ("fused", "math")
CALLS = 5


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """Copy the fitted model, and choose how its attention is computed."""
    from harness.models.servable import load_servable

    torch_eager.prepare(fitted, folder, calibration, validation)
    examples = example_input(fitted, calibration, n=8)
    module = load_servable(fitted)
    ways = {way: predictor(module, "cpu", way) for way in ATTENTION}
    seconds = {way: typical_seconds(predict, examples) for way, predict in ways.items()}
    # Within a tenth the two are the same code path, and the usual one stays.
    chosen = "math" if seconds["math"] < 0.9 * seconds["fused"] else "fused"
    write_facts(folder, {"attention": chosen})
    facts: JsonObject = {"precision": "bf16 autocast", "attention": chosen, "attention_seconds": seconds}
    return {**facts, **parity(reference(fitted)(examples), ways[chosen](examples), task_of(fitted))}


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Load the module; `threads` is torch's intra-op pool."""
    import torch

    from harness.models.servable import load_servable

    torch.set_num_threads(threads)
    # The choice was timed on a CPU; a GPU's fused attention is never the slower one.
    attention = read_facts(folder)["attention"] if device == "cpu" else "fused"
    return predictor(load_servable(folder).to(device), device, attention)


def predictor(module: nn.Module, device: str, attention: str) -> Predict:
    """A module as a function from raw examples to float32 answers, computed in bfloat16."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kind = device.partition(":")[0]

    def predict(inputs: Inputs) -> np.ndarray:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(torch.autocast(kind, dtype=torch.bfloat16))
            stack.enter_context(without_fast_path())
            if attention == "math":
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            answer = module(*(torch_eager.to_tensor(array, device) for array in as_arrays(inputs)))
            return np.asarray(answer.float().cpu().numpy())

    return predict


@contextmanager
def without_fast_path() -> Iterator[None]:
    """Within, `nn.TransformerEncoder` is computed layer by layer: its fused way takes no autocast numbers."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def typical_seconds(predict: Predict, examples: np.ndarray) -> float:
    """Median CPU time of a few calls, after one that warms up."""
    predict(examples)
    times = []
    for _ in range(CALLS):
        start = time.process_time()
        predict(examples)
        times.append(time.process_time() - start)
    return float(np.median(times))

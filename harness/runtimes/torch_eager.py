"""`torch`: PyTorch in eager mode, fp32. The reference that every other runtime is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.codec import JsonObject
from harness.protocols import Inputs, Predict, Split
from harness.record import TrialError
from harness.runtimes.common import as_arrays, copy_fitted, kind

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """The artifact is the fitted model itself."""
    if kind(fitted) != "torch":
        raise TrialError(f"the model is not a torch network: serve it on runtime {kind(fitted)}")
    copy_fitted(fitted, folder)
    return {"precision": "fp32"}


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Load the module onto a device; `threads` is torch's intra-op pool."""
    import torch

    from harness.models.servable import load_servable

    torch.set_num_threads(threads)
    return predictor(load_servable(folder).to(device), device)


def predictor(module: nn.Module, device: str) -> Predict:
    """A module as a function from raw examples to answers in the caller's memory."""
    import torch

    def predict(inputs: Inputs) -> np.ndarray:
        with torch.inference_mode():
            answer = module(*(to_tensor(array, device) for array in as_arrays(inputs)))
            return np.asarray(answer.float().cpu().numpy())

    return predict


def to_tensor(array: np.ndarray, device: str) -> Tensor:
    """An array as a tensor, without a copy where torch can share the memory."""
    import torch

    # torch warns when it shares memory that numpy calls read-only (a memory-mapped test set).
    shared = array if array.flags.writeable and array.flags.c_contiguous else np.array(array, order="C")
    tensor = torch.from_numpy(shared)
    return tensor if device == "cpu" else tensor.to(device)

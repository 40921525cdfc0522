"""`openvino-int8`: OpenVINO with 8-bit integers, quantised by NNCF the way that suits the model.

Convolutions and attention want different ways: all are made, scored on validation data and timed, and the
fastest that keeps the accuracy is kept. What was tried stands in the record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.codec import JsonObject
from harness.protocols import Split
from harness.runtimes import openvino as fp32
from harness.runtimes.quantising import CALIBRATION, made, quantise

load = fp32.load


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """Quantise in every way, choose one, write it as `model.xml` and `model.bin`.

    Raises:
        TrialError: the model is not a network, there is nothing to calibrate with, or no way works.
    """
    return quantise(fp32.prepare, load, quantised, fitted, folder, calibration, validation)


def quantised(base: Path, calibration: Split, scratch: Path) -> dict[str, Path]:
    """The fp32 model quantised in each way: way → folder with `model.xml`, or with why there is none.

    static: weights and activations, ranges from calibration, for convolutions.
    static-attention: the same with the patterns of attention left in fp32 and activations smoothed.
    weights: 8-bit weights alone; what is computed with them is up to the processor's kernels.
    """
    openvino = fp32.library()
    import nncf

    nncf.set_log_level(logging.ERROR)
    rows = [np.ascontiguousarray(row[None]) for row in calibration.inputs[:CALIBRATION]]

    def write(folder: Path, make: Callable[[Any], Any]) -> None:
        fresh = openvino.Core().read_model(str(base / fp32.MODEL))  # NNCF changes what it is given
        openvino.save_model(make(fresh), str(folder / fp32.MODEL), compress_to_fp16=False)

    def static(network: Any, model_type: Any) -> Any:
        return nncf.quantize(
            network,
            nncf.Dataset(rows),
            preset=nncf.QuantizationPreset.MIXED,  # activations are rarely symmetric about zero
            model_type=model_type,
            subset_size=len(rows),
        )

    return made(
        {
            "static": lambda folder: write(folder, lambda net: static(net, None)),
            "static-attention": lambda folder: write(
                folder, lambda net: static(net, nncf.ModelType.TRANSFORMER)
            ),
            "weights": lambda folder: write(folder, nncf.compress_weights),
        },
        scratch,
    )

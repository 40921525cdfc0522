"""`onnx-int8`: ONNX Runtime with 8-bit integers, quantised the way that suits the model.

No way suits all: dynamic quantisation makes convolutions 3-8 times slower, static quantisation costs
a transformer 8-16 points of accuracy. So both are made, scored on validation data and timed, and the
fastest that keeps the accuracy is kept. What was tried stands in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from harness.codec import JsonObject
from harness.protocols import Split
from harness.runtimes import onnx as fp32
from harness.runtimes.common import silence
from harness.runtimes.quantising import CALIBRATION, made, quantise

MATRIX_OPERATORS = ("MatMul", "Gemm", "Attention", "LSTM", "EmbedLayerNormalization", "Gather")

KEPT_FLOAT = ("Softmax", "LayerNormalization", "InstanceNormalization", "Sigmoid")
"""Operators that static quantisation leaves alone: 8-bit probabilities do not sum to 1."""

SEVEN_BITS = True
"""Weights of 7 bits. Without VNNI a processor adds two products of 8-bit numbers in 16 bits, where they stop
at the largest number in silence: static networks lost 1.4 to 2.2 points of accuracy so, with 7 bits none, at
the same speed. On every processor, since an artifact is exported to others than it was judged on.
"""

load = fp32.load


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """Quantise in every way, choose one, write it as `model.onnx`.

    Raises:
        TrialError: the model is not a network, there is nothing to calibrate with, or no way works.
    """
    return quantise(fp32.prepare, load, quantised, fitted, folder, calibration, validation)


def quantised(base: Path, calibration: Split, scratch: Path) -> dict[str, Path]:
    """The fp32 model quantised in each way: way → folder with `model.onnx`, or with why there is none.

    static: QDQ, unsigned 8-bit activations, signed 7-bit weights per channel, ranges from calibration.
    dynamic: activations' ranges at run time, weights per channel, all operators that have such a form.
    dynamic-matmul: the same for matrix products alone, convolutions stay fp32.
    """
    ready = _preprocessed(base / fp32.MODEL, scratch)
    makers: dict[str, Callable[[Path], None]] = {
        "static": lambda folder: _static(ready, folder / fp32.MODEL, calibration),
        "dynamic": lambda folder: _dynamic(ready, folder / fp32.MODEL, None),
        "dynamic-matmul": lambda folder: _dynamic(ready, folder / fp32.MODEL, MATRIX_OPERATORS),
    }
    return made(makers, scratch)


def _preprocessed(model: Path, scratch: Path) -> Path:
    """Shapes inferred and constants folded, as static quantisation wants; the model itself if that fails."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = scratch / "ready.onnx"
    try:
        with silence():
            quant_pre_process(str(model), str(ready), skip_symbolic_shape=True)
    except Exception:  # it is an optimisation, and raises bare Exception
        return model
    return ready


def _static(model: Path, path: Path, calibration: Split) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.registry import QDQRegistry

    inputs = calibration.inputs[:CALIBRATION]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = iter([inputs[i : i + 20] for i in range(0, len(inputs), 20)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"input": np.ascontiguousarray(batch)}

    quantize_static(
        str(model),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=[name for name in QDQRegistry if name not in KEPT_FLOAT],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        reduce_range=SEVEN_BITS,
    )


def _dynamic(model: Path, path: Path, operators: Sequence[str] | None) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(model),
        str(path),
        op_types_to_quantize=list(operators) if operators else None,
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=SEVEN_BITS,
    )

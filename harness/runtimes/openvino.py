"""`openvino`: OpenVINO on the processor, fp32, dynamic batch, its pre-processing inside.

Converted from the ONNX form. Loading imports neither torch nor any training code.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.protocols import Inputs, Predict, Split
from harness.record import TrialError
from harness.runtimes import onnx
from harness.runtimes.answered import exact_answers
from harness.runtimes.common import (
    as_arrays,
    example_input,
    first_line,
    in_batches,
    judged,
    kind,
    silence,
    task_of,
)

MODEL = "model.xml"
"""The graph; its weights are in `model.bin` beside it."""


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> Mapping[str, Any]:
    """Convert the fitted model and compare its answers with the reference's.

    Raises:
        TrialError: it has no ONNX form, OpenVINO lacks one of its operators, or it answers otherwise.
    """
    if kind(fitted) == "sklearn":
        raise TrialError(
            "OpenVINO has no operators for estimators: serve it on runtime onnx or its own library"
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fitted / "model.json", folder / "model.json")
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        exported = onnx.prepare(fitted, base, calibration, validation)
        convert(base / onnx.MODEL, folder)
        rows = onnx.judging_rows(validation, calibration, example_input(fitted, calibration, n=8))
        if kind(fitted) == "onnx":
            exact = in_batches(onnx.load(base, threads=1), rows)
        else:
            exact = exact_answers(fitted, validation, rows)
        facts = judged(exact, in_batches(load(folder, threads=1), rows), task_of(fitted), "OpenVINO")
    return {"exporter": f"{exported['exporter']}, openvino.convert_model", "precision": "fp32", **facts}


def convert(model: Path, folder: Path) -> None:
    """An ONNX file as `model.xml` and `model.bin`, weights in fp32.

    Raises:
        TrialError: OpenVINO lacks one of its operators.
    """
    openvino = library()
    try:
        with silence():
            # Unless told otherwise, it stores weights as float16.
            openvino.save_model(
                openvino.convert_model(str(model)), str(folder / MODEL), compress_to_fp16=False
            )
    except Exception as error:  # its front ends raise kinds of their own
        raise TrialError(f"cannot be converted to OpenVINO: {_told(error)}") from error


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Compile the model for this processor; `threads` is the size of its pool."""
    if device.startswith("cuda"):
        raise TrialError("OpenVINO does not serve on CUDA: serve this runtime on cpu")
    hints = {
        # Where the processor has bfloat16, OpenVINO computes in it unless it is told not to.
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Every process would pin its threads to the same first cores; several workers share a machine here.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        request = library().Core().compile_model(str(folder / MODEL), "CPU", hints).create_infer_request()
    except RuntimeError as error:
        raise TrialError(f"OpenVINO cannot load the model: {_told(error)}") from error

    def predict(inputs: Inputs) -> np.ndarray:
        arrays = [np.ascontiguousarray(array) for array in as_arrays(inputs)]
        return np.asarray(request.infer(arrays, share_inputs=True)[0])

    return predict


def library() -> Any:
    """The package, without its telemetry: importing it starts threads that report over the network.

    Raises:
        TrialError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise TrialError(
            "OpenVINO is not installed: pip install -c constraints.txt -e '.[openvino]'"
        ) from error
    return openvino


def _told(error: BaseException) -> str:
    """What an exception of OpenVINO says, without the lines on where in its source it was raised."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [x for x in lines if x and not x.startswith(("Exception from", "Check '", "While validating"))]
    return first_line(RuntimeError(" ".join(said) or str(error)))

"""`onnx`: ONNX Runtime, fp32. One file, dynamic batch, its pre-processing inside.

Loading imports neither torch nor any training code: `model.onnx` is all that a server needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.datasets.mapped import is_array
from harness.exported import tables
from harness.models.estimator import load_estimator
from harness.models.tokenizers import weighed_words
from harness.protocols import Inputs, Predict, Split
from harness.record import TrialError
from harness.runtimes.answered import exact_answers
from harness.runtimes.common import (
    JUDGED_ROWS,
    TOKENIZER,
    as_arrays,
    dynamic_axes,
    example_input,
    first_line,
    in_batches,
    judged,
    kind,
    model_card,
    reference,
    task_of,
)

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = "model.onnx"


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> Mapping[str, Any]:
    """Export the fitted model to `model.onnx` and compare its answers with the reference's.

    Raises:
        TrialError: the model cannot be expressed in ONNX; the reason names what could not.
    """
    source = kind(fitted)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fitted / "model.json", folder / "model.json")
    if source == "onnx":
        shutil.copyfile(fitted / MODEL, folder / MODEL)
        return {"exporter": "finished file"}
    from harness.runtimes.exporting import OPSET, export_estimator, export_module
    from harness.runtimes.graphs import architecture_of

    if source == "sklearn" and task_of(fitted).takes == "text":
        return _prepare_words(fitted, folder, calibration)
    examples = example_input(fitted, calibration, n=8)
    rows = judging_rows(validation, calibration, examples)
    if source == "sklearn":
        if (fitted / tables.FILE).exists() and tables.read(fitted / tables.FILE).categorical:
            raise TrialError(
                "trees over categories have no ONNX form: write `encoding: target` (or one_hot) for this "
                "candidate, or serve it by its own library alone"
            )
        estimator = load_estimator(fitted)
        classes = tuple(model_card(fitted).get("classes") or ())
        export_estimator(estimator, task_of(fitted), classes, examples.dtype, folder / MODEL)
        exporter = "skl2onnx and onnxmltools"
    else:
        from harness.models.servable import load_servable

        axes, alike = dynamic_axes(fitted), architecture_of(fitted)
        export_module(load_servable(fitted), examples, axes, folder / MODEL, alike)
        exporter = "torch.onnx.export(dynamo=True)"
    answers, exact = in_batches(load(folder, threads=1), rows), exact_answers(fitted, validation, rows)
    facts = {"exporter": exporter, "precision": "fp32", "opset": OPSET}
    return {**facts, **judged(exact, answers, task_of(fitted))}


def judging_rows(validation: Split | None, calibration: Split | None, examples: np.ndarray) -> np.ndarray:
    """What an export is judged on: validation rows, else training rows, else the example itself."""
    for part in (validation, calibration):
        if part is not None and len(part) and is_array(part.inputs):
            return np.ascontiguousarray(part.inputs[:JUDGED_ROWS])
    return examples


def _prepare_words(fitted: Path, folder: Path, calibration: Split | None) -> Mapping[str, Any]:
    """A linear model over TF-IDF: its words go into `tokenizer.json`, its weights into `model.onnx`."""
    from harness.runtimes.exporting import OPSET, export_word_weights

    pipeline = load_estimator(fitted)
    words, estimator = pipeline[0], pipeline[-1]
    try:
        tokenizer = weighed_words(words)
    except ValueError as error:
        raise TrialError(str(error)) from error
    classes = tuple(model_card(fitted).get("classes") or ())
    export_word_weights(estimator, task_of(fitted).num_classes, classes, len(tokenizer.terms), folder / MODEL)
    tokenizer.save(folder / TOKENIZER)
    texts = list(calibration.inputs[:64]) if calibration is not None and len(calibration) else [""]
    answers = load(folder, threads=1)(tokenizer.encode(texts))
    facts = {"exporter": "harness (weighed words)", "precision": "fp32", "opset": OPSET}
    return {**facts, **judged(reference(fitted)(texts), answers, task_of(fitted))}


def load(folder: Path, threads: int, device: str = "cpu") -> Predict:
    """Open a session; `threads` is ONNX Runtime's intra-op pool, which waits without spinning."""
    opened = session(folder / MODEL, threads, device)
    takes = [(item.name, NUMPY[item.type]) for item in opened.get_inputs()]
    gives = [answer_name([item.name for item in opened.get_outputs()])]

    def predict(inputs: Inputs) -> np.ndarray:
        arrays = as_arrays(inputs)
        feed = {
            name: np.ascontiguousarray(array, dtype=dtype)
            for (name, dtype), array in zip(takes, arrays, strict=True)
        }
        return np.asarray(opened.run(gives, feed)[0])

    return predict


def session(path: Path, threads: int, device: str = "cpu") -> InferenceSession:
    """An ONNX Runtime session.

    Raises:
        TrialError: ONNX Runtime cannot run an operator, or cuda is asked of a CPU build.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning pools ruin each other on few cores and make CPU time meaningless.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise TrialError("onnxruntime has no CUDA provider: pip install onnxruntime-gpu, or serve on cpu")
        providers.insert(0, "CUDAExecutionProvider")
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # its exceptions share no public base but Exception
        raise TrialError(f"ONNX Runtime cannot load the model: {first_line(error)}") from error


def answer_name(names: list[str]) -> str:
    """Which output is the answer: skl2onnx gives labels first and probabilities second."""
    return "probabilities" if "probabilities" in names else names[0]


NUMPY: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}

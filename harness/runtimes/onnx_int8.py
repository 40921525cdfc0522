"""`onnx-int8`: ONNX Runtime with 8-bit integers, quantised the way that suits the model.

No way suits all: dynamic quantisation makes convolutions 3-8 times slower, static quantisation costs
a transformer 8-16 points of accuracy. So both are made, scored on validation data and timed, and the
fastest that keeps the accuracy is kept. What was tried stands in the record.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.codec import JsonObject
from harness.models.encoding import PAD
from harness.protocols import Predict, Split
from harness.record import TrialError
from harness.runtimes import onnx as fp32
from harness.runtimes.common import first_line, kind, parity, silence, task_of

CALIBRATION = 200
"""Training examples that ranges of activations are taken from."""
JUDGES = 1000
"""Validation examples that the ways are scored on."""
ALLOWED_DROP = 0.01
"""Accuracy (or R²) that a way may lose against fp32 and still be chosen for its speed."""
TIMING = ((1, 40), (32, 6))
"""(batch size, calls) that speed is judged by, interleaved between the ways."""
MATRIX_OPERATORS = ("MatMul", "Gemm", "Attention", "LSTM", "EmbedLayerNormalization", "Gather")

KEPT_FLOAT = ("Softmax", "LayerNormalization", "InstanceNormalization", "Sigmoid")
"""Operators that static quantisation leaves alone: 8-bit probabilities do not sum to 1."""

load = fp32.load


@dataclass(frozen=True)
class Tried:
    """One way of quantising, and what came of it.

    Args:
        quality: accuracy, or R² of a regression, on the judging examples.
        relative_time: CPU time per example, geometric mean over batch sizes, relative to fp32.
    """

    way: str
    quality: float | None = None
    relative_time: float | None = None
    size_mb: float | None = None
    milliseconds: Mapping[str, float] | None = None
    failure: str = ""


def prepare(
    fitted: Path, folder: Path, calibration: Split | None = None, validation: Split | None = None
) -> JsonObject:
    """Quantise in every way, choose one, write it as `model.onnx`.

    Raises:
        TrialError: the model is not a network, there is nothing to calibrate with, or no way works.
    """
    if kind(fitted) == "sklearn":
        raise TrialError("int8 is for networks: an estimator has no weights that it would make faster")
    if calibration is None or not len(calibration):
        raise TrialError("int8 needs calibration examples from the training part")
    folder.mkdir(parents=True, exist_ok=True)
    judges, judged_on = _judges(calibration, validation)
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "fp32"
        exported = fp32.prepare(fitted, base, calibration)
        ways = quantised(base / fp32.MODEL, calibration, Path(scratch))
        tried = compare(base, ways, judges)
        chosen = choose(tried)
        shutil.copyfile(ways[chosen.way].parent / fp32.MODEL, folder / fp32.MODEL)
        shutil.copyfile(fitted / "model.json", folder / "model.json")
        answers = parity(
            fp32.load(base, 1)(judges.inputs[:64]), load(folder, 1)(judges.inputs[:64]), task_of(fitted)
        )
    return {
        "precision": "int8",
        "exporter": exported["exporter"],
        "quantised": chosen.way,
        "reason": reason(chosen, tried),
        "tried": [asdict(way) for way in tried],
        "judged_on": judged_on,
        "calibration_examples": min(len(calibration), CALIBRATION),
        **answers,
    }


def quantised(model: Path, calibration: Split, scratch: Path) -> dict[str, Path]:
    """The fp32 model quantised in each way: way → file; a way that fails leaves no file.

    static: QDQ, unsigned 8-bit activations, signed 8-bit weights per channel, ranges from calibration.
    dynamic: activations' ranges at run time, weights per channel, all operators that have such a form.
    dynamic-matmul: the same for matrix products alone, convolutions stay fp32.
    """
    ready = _preprocessed(model, scratch)
    makers: dict[str, Callable[[Path], None]] = {
        "static": lambda path: _static(ready, path, calibration),
        "dynamic": lambda path: _dynamic(ready, path, None),
        "dynamic-matmul": lambda path: _dynamic(ready, path, MATRIX_OPERATORS),
    }
    ways = {}
    for way, make in makers.items():
        path = scratch / way / fp32.MODEL
        path.parent.mkdir()
        try:
            with silence():
                make(path)
        except Exception as error:  # onnxruntime.quantization raises whatever its steps raise
            (path.parent / "failure").write_text(first_line(error))
        ways[way] = path
    return ways


def compare(base: Path, ways: Mapping[str, Path], judges: Split) -> list[Tried]:
    """Score and time fp32 and every way, calls interleaved, judged by CPU time."""
    loaded: dict[str, Predict] = {"fp32": fp32.load(base, 1)}
    failures: dict[str, str] = {}
    for way, path in ways.items():
        try:
            if not path.exists():
                raise TrialError((path.parent / "failure").read_text())
            loaded[way] = load(path.parent, 1)
            loaded[way](judges.inputs[:1])
        except Exception as error:  # an operator without an int8 kernel shows only when it runs
            loaded.pop(way, None)
            failures[way] = first_line(error)
    times = _times(loaded, judges)
    tried = []
    for way, predict in loaded.items():
        ratios = [times[way][batch] / times["fp32"][batch] for batch, _ in TIMING]
        path = base / fp32.MODEL if way == "fp32" else ways[way]
        tried.append(
            Tried(
                way,
                quality=_quality(predict, judges),
                relative_time=float(np.exp(np.mean(np.log(ratios)))),
                size_mb=path.stat().st_size / 1e6,
                milliseconds={str(batch): times[way][batch] * 1e3 for batch, _ in TIMING},
            )
        )
    return tried + [Tried(way, failure=text) for way, text in failures.items()]


def choose(tried: Sequence[Tried]) -> Tried:
    """The fastest way that keeps the accuracy; where none does, the most accurate.

    Raises:
        TrialError: no way works.
    """
    reference = next(way for way in tried if way.way == "fp32")
    ways = [way for way in tried if way.way != "fp32" and way.quality is not None]
    if not ways:
        raise TrialError(
            "cannot be quantised: " + "; ".join(f"{w.way}: {w.failure}" for w in tried if w.failure)
        )
    floor = (reference.quality or 0.0) - ALLOWED_DROP
    keeping = [way for way in ways if (way.quality or 0.0) >= floor]
    if keeping:
        return min(keeping, key=lambda way: way.relative_time or np.inf)
    return max(ways, key=lambda way: way.quality or -np.inf)


def reason(chosen: Tried, tried: Sequence[Tried]) -> str:
    """One sentence for the report."""
    reference = next(way for way in tried if way.way == "fp32")
    assert chosen.quality is not None and reference.quality is not None and chosen.relative_time is not None
    drop = reference.quality - chosen.quality
    kept = "keeps the accuracy" if drop <= ALLOWED_DROP else "loses least accuracy"
    others = ", ".join(
        f"{w.way} {w.quality - reference.quality:+.3f} at {w.relative_time:.2f} times the time"
        for w in tried
        if w is not chosen and w.way != "fp32" and w.quality is not None and w.relative_time is not None
    )
    text = f"{chosen.way} {kept} ({-drop:+.3f}) at {chosen.relative_time:.2f} times the time of fp32"
    return text + (f"; {others}" if others else "")


def _judges(calibration: Split, validation: Split | None) -> tuple[Split, str]:
    if validation is not None and len(validation):
        part, name = validation, "validation"
    else:  # a suite without a validation part: training examples that did not calibrate
        part, name = _rows(calibration, slice(CALIBRATION, None)), "training examples not used to calibrate"
        if not len(part):
            part, name = calibration, "calibration examples"
    judges = _rows(part, slice(0, JUDGES))
    return judges, f"{len(judges)} {name} examples" if name == "validation" else f"{len(judges)} {name}"


def _rows(part: Split, rows: slice) -> Split:
    return Split(part.inputs[rows], part.targets[rows], part.ids[rows])


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
    )


def _dynamic(model: Path, path: Path, operators: Sequence[str] | None) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(model),
        str(path),
        op_types_to_quantize=list(operators) if operators else None,
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def _times(loaded: Mapping[str, Predict], judges: Split) -> dict[str, dict[int, float]]:
    """Way → batch size → median CPU seconds of a call; the ways take turns."""
    found: dict[str, dict[int, float]] = {way: {} for way in loaded}
    for batch, calls in TIMING:
        request = _request(judges.inputs, batch)
        times: dict[str, list[float]] = {way: [] for way in loaded}
        for number in range(calls + 2):
            for way, predict in loaded.items():
                start = time.thread_time()
                predict(request)
                if number >= 2:
                    times[way].append(time.thread_time() - start)
        for way in loaded:
            found[way][batch] = float(np.median(times[way]))
    return found


def _request(inputs: np.ndarray, batch: int) -> np.ndarray:
    """A call's rows; of texts from one of median length on, padded as far as these need it and no further."""
    first = 0
    if inputs.dtype == np.int64:
        lengths = (inputs != PAD).sum(axis=1)
        first = int(np.argsort(lengths, kind="stable")[len(lengths) // 2])
    request = inputs[(first + np.arange(batch)) % len(inputs)]
    if inputs.dtype == np.int64:
        request = request[:, : max(int((request != PAD).sum(axis=1).max()), 1)]
    return np.ascontiguousarray(request)


def _quality(predict: Predict, judges: Split) -> float:
    answers = np.concatenate([predict(judges.inputs[i : i + 100]) for i in range(0, len(judges), 100)])
    if judges.targets.ndim == 2:  # labels, each right or wrong
        return float(np.mean((answers > 0.5) == (judges.targets > 0.5)))
    if answers.ndim == 2:
        return float(np.mean(answers.argmax(1) == judges.targets))
    spread = float(np.sum((judges.targets - judges.targets.mean()) ** 2)) or 1.0
    return 1.0 - float(np.sum((answers - judges.targets) ** 2)) / spread

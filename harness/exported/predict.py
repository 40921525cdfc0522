"""Answers of the model in this folder, with its pre-processing inside.

    python predict.py inputs.npy          # images (n, channels, height, width) uint8, tables (n, columns)
    python predict.py table.csv           # a table of numbers without a header; rows with one where
                                          # signature.json names columns
    python predict.py rows.jsonl          # such rows, a JSON object each: {"age": 39, "job": null, …}
    python predict.py texts.txt           # texts, one per line; of several lines in .jsonl: a JSON text each
    python predict.py a.jpg b.png         # image files, of models that were trained on some
    python predict.py --check             # does it answer here as it did where it was measured?

One JSON object per example is printed. From Python: `from predict import load, read`, then
`load()(inputs)` or `load()(read("a.jpg"))`: image files are turned upright, laid on a colour, cropped and
resized as in training, which arrays must have been. What it takes and gives is in signature.json; what must
be installed is in requirements.txt.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, cast

import numpy as np

if TYPE_CHECKING:
    import torch

HERE = Path(__file__).resolve().parent


class Words(Protocol):
    """What cuts texts as in training."""

    def encode(self, texts: Sequence[str]) -> np.ndarray | tuple[np.ndarray, ...]: ...


class NamedRows(Protocol):
    """What makes numbers of a table's rows."""

    def rows(self, given: Sequence[dict[str, object]]) -> np.ndarray: ...

    def encode(self, rows: np.ndarray) -> np.ndarray: ...


class TakenInputs(TypedDict, total=False):
    """What an example is: `image`, `table`, `text`, or `rows` of named cells; the keys that go with it."""

    kind: str
    dtype: str
    shape: list[int]
    tokenizer: str
    columns: list[dict[str, str]]
    notation: dict[str, str]
    separator: str
    pictures: dict[str, Any]


class ExportSignature(TypedDict):
    """`signature.json`: what the model takes and answers, and how exactly it must answer as measured."""

    variant: str
    runtime: str
    reader: str
    task: str
    input: TakenInputs
    classes: list[str]
    targets: str
    fitted_classes: list[int]
    tolerance: float


SIGNATURE: ExportSignature = json.loads((HERE / "signature.json").read_text())

Examples = np.ndarray | Sequence[str] | Sequence[dict[str, object]] | str | dict[str, object]
Arrays = tuple[np.ndarray | list[str], ...]
Predict = Callable[[Examples], np.ndarray]
Answer = Callable[[Arrays], np.ndarray]


def load(threads: int = 1) -> Predict:
    """Raw examples → (n, classes) probabilities in the order of signature.json, or (n,) values."""
    answer = LOADERS[SIGNATURE["reader"]](threads)

    def predict(raw: Examples) -> np.ndarray:
        return np.asarray(answer(prepare(raw)))

    return predict


def prepare(raw: Examples) -> Arrays:
    """Examples as the arrays that the model takes.

    Raises:
        ValueError: they have another shape than the model was trained on, lack a column, or hold what is not
            of its kind.
    """
    if SIGNATURE["input"]["kind"] == "text":
        return encoded(list(map(text_of, [raw] if isinstance(raw, (str, dict)) else raw)))
    if TABLE is not None:
        rows = [raw] if isinstance(raw, dict) else list(cast("Sequence[dict[str, object]]", raw))
        return (TABLE.encode(TABLE.rows(rows)),)
    shape = tuple(SIGNATURE["input"]["shape"])
    array = np.asarray(raw)
    if array.shape == shape:
        array = array[None]  # a single example
    if array.shape[1:] != shape:
        raise ValueError(f"examples are of shape {array.shape[1:]}, the model takes {shape}")
    if SIGNATURE["input"]["dtype"] == "uint8" and array.dtype != np.uint8:
        raise ValueError(
            f"images are {array.dtype}: give raw uint8 values of 0 to 255, the model scales them"
        )
    return (np.ascontiguousarray(array, dtype=SIGNATURE["input"]["dtype"]),)


def text_of(given: object) -> str:
    """One text; also of a row that holds a text and nothing else, and nothing of a cell without one.

    Raises:
        ValueError: it is something else, which would be read as the words that Python prints for it.
    """
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    if given is None or (isinstance(given, float) and given != given):
        return ""
    if not isinstance(given, str):
        raise ValueError(f"{str(given)[:60]} is no text: give texts, or rows with one text each")
    return str(given)


def encoded(texts: list[str]) -> Arrays:
    """Texts as the numbers that the model takes; texts themselves where it takes those."""
    if TOKENIZER is None:
        return (texts,)
    numbers = TOKENIZER.encode(texts)
    return numbers if isinstance(numbers, tuple) else (numbers,)


def read_tokenizer() -> Words | None:
    """What cuts texts as in training, None where the model does it itself or takes no texts."""
    path = HERE / "model" / "tokenizer.json"
    if not path.exists():
        return None
    found: Words = beside("texts").read(path)
    return found


def read_table() -> NamedRows | None:
    """What makes numbers of a table's rows; None where the model takes no such rows."""
    path = HERE / "model" / "columns.json"
    found: NamedRows | None = beside("tables").read(path) if path.exists() else None
    return found


def beside(name: str) -> ModuleType:
    """A module of this folder, by its path, so that `python -I` and imports from anywhere find it."""
    found = importlib.util.spec_from_file_location(f"exported_{name}", HERE / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


def load_onnx(threads: int) -> Answer:
    """ONNX Runtime on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = str(HERE / "model" / "model.onnx")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    outputs = [item.name for item in session.get_outputs()]
    output = "probabilities" if "probabilities" in outputs else outputs[0]

    def predict(arrays: Arrays) -> np.ndarray:
        return np.asarray(session.run([output], dict(zip(names, arrays, strict=True)))[0])

    return predict


def load_openvino(threads: int) -> Answer:
    """OpenVINO on the CPU, in the precision that was measured."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing it reports home
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    path = str(HERE / "model" / "model.xml")
    request = openvino.Core().compile_model(path, "CPU", hints).create_infer_request()

    def predict(arrays: Arrays) -> np.ndarray:
        return np.asarray(request.infer(list(arrays))[0])

    return predict


def load_torch(threads: int) -> Answer:
    """A program exported by PyTorch; no code of the model's own is needed."""
    import torch

    torch.set_num_threads(threads)
    module: Callable[..., torch.Tensor]
    if SIGNATURE["reader"] == "library":
        module = torch._inductor.aoti_load_package(str(HERE / "model" / "model.pt2"))
    else:
        module = torch.export.load(HERE / "model" / "model.pt2").module()

    def predict(arrays: Arrays) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(*map(torch.from_numpy, arrays)).float().numpy())

    return predict


def load_sklearn(threads: int) -> Answer:
    """An estimator; types from outside its library are refused."""
    from threadpoolctl import threadpool_limits

    reader = beside("estimator")
    classes, present = len(SIGNATURE["classes"]), SIGNATURE["fitted_classes"]
    estimator = beside("estimator").read(HERE / "model", classes, threads)
    threadpool_limits(limits=threads)

    def predict(arrays: Arrays) -> np.ndarray:
        table = arrays[0]
        if SIGNATURE["input"]["kind"] != "text" and isinstance(table, np.ndarray):
            table = table.reshape(len(table), -1).astype(np.float32)
        if not classes:
            return np.asarray(reader.values(estimator, table))
        return np.asarray(reader.class_answers(estimator, table, present, classes))

    return predict


TOKENIZER = read_tokenizer()
TABLE = read_table()

LOADERS: dict[str, Callable[[int], Answer]] = {
    "onnx": load_onnx,
    "openvino": load_openvino,
    "program": load_torch,
    "library": load_torch,
    "estimator": load_sklearn,
}


def check(predict: Predict) -> str:
    """Answer the examples of check.npz and compare with the answers that were measured.

    Raises:
        ValueError: they differ by more than signature.json allows.
    """
    stored = np.load(HERE / "check.npz")
    inputs = stored["inputs"]
    if inputs.dtype.kind == "U":
        inputs = [str(text) if TABLE is None else json.loads(str(text)) for text in inputs]
    answers = predict(inputs)
    if not np.isfinite(answers).all():
        raise ValueError("the answers are not finite")
    if not len(stored["expected"]):
        return f"answers {len(answers)} examples (there are no measured answers to compare with)"
    worst = float(np.abs(answers - stored["expected"]).max())
    if worst > SIGNATURE["tolerance"]:
        raise ValueError(f"answers differ by up to {worst:.3g} from those that were measured")
    return f"answers {len(answers)} examples as measured, to within {worst:.2g}"


def read(path: Path | str) -> Examples:
    """Examples from a file, by its ending."""
    path, pictures = Path(path), SIGNATURE["input"].get("pictures")
    if pictures is not None and path.suffix.lower() not in (".npy", ".csv", ".jsonl", ".txt"):
        shape, colour = tuple(SIGNATURE["input"]["shape"]), tuple(pictures["background"])
        return np.asarray(beside("pictures").decode(path, shape, colour, pictures["white"]))[None]
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    if path.suffix == ".csv" and TABLE is not None:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter=SIGNATURE["input"].get("separator") or ","))
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter=",", ndmin=2)
    if path.suffix == ".txt":
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        return lines[:-1] if lines[-1] == "" else lines
    raise ValueError(f"{path}: give a .npy, .csv, .jsonl or .txt file{' or an image' * bool(pictures)}")


def said(answer: np.ndarray) -> dict[str, object]:
    """An answer for people: the likeliest class and its probability, the labels, or the value."""
    classes = SIGNATURE["classes"]
    if SIGNATURE.get("targets") == "labels":
        shares = {name: round(float(share), 6) for name, share in zip(classes, answer, strict=True)}
        return {"labels": [name for name, share in shares.items() if share > 0.5], "probabilities": shares}
    if not classes:
        return {"value": float(answer)}
    best = int(np.argmax(answer))
    return {"class": classes[best], "probability": round(float(answer[best]), 6)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help=".npy, .csv, .jsonl, .txt, or images")
    parser.add_argument("--check", action="store_true", help="compare with the measured answers")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.check == bool(options.files):
        parser.error("give a file, or --check")
    try:
        predict = load(options.threads)
        if options.check:
            print(check(predict))
        else:
            for file in options.files:
                for answer in predict(read(file)):
                    print(json.dumps(said(answer)))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

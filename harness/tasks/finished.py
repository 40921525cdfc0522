"""Finished models as ONNX files, from any framework: checked and wrapped, not trained.

The file is rewritten so that it takes what every artifact takes (raw uint8 images, float32 tables) and
answers probabilities: cast, scaling, channel order and softmax become nodes of its graph. Then
every runtime that reads ONNX serves it like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.facts import TrainFacts
from harness.kinds import kind_of
from harness.kinds.classification import SMALLEST
from harness.protocols import Inputs, Predict, Task
from harness.record import TrialError

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

OPSET, OLDEST, IR = 20, 13, 10
"""Standard operators: the version for a file that names none, the oldest whose Softmax and broadcasting are
those of the nodes that are put around; and the file format that they are written in."""

PREFIX = "finished/"
"""Before the file's own names, so that the wrapper's `input` and `output` are free."""


@dataclass(frozen=True)
class Wants:
    """What a file takes and gives; see `build`."""

    layout: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    output: str


@dataclass(frozen=True)
class Adopted:
    """A wrapped model as bytes, its learnt numbers, and what was found in or assumed about the file."""

    model: bytes
    parameters: int
    facts: TrainFacts


def build(
    task: Task,
    *,
    layout: str = "auto",
    scale: float | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    output: str = "auto",
) -> Wants:
    """The arguments of an `onnx:` candidate.

    Args:
        layout: `nchw` (PyTorch), `nhwc` (Keras, TensorFlow), `flat` (the input's own shape, rows of an
            image one after the other), `auto`: by the shape of the file's input.
        scale: what raw values are multiplied by first; 1/255 for images unless given, 1 for tables. Not
            used where the file takes uint8: such a file scales for itself.
        mean, std: per channel or column, subtracted and divided by after that.
        output: `probabilities`, `logits`, `auto`: by whether rows sum to 1 (of labels: by
            whether all lie in 0…1). What lies in 0…1 and sums to something else, as sigmoids of classes do,
            is divided by its sum.
    """
    if layout not in ("auto", "nchw", "nhwc", "flat"):
        raise TrialError(f"layout {layout!r}: write auto, nchw, nhwc or flat")
    if output not in ("auto", "probabilities", "logits"):
        raise TrialError(f"output {output!r}: write auto, probabilities or logits")
    is_image = task.takes == "image"
    scale = (1 / 255 if is_image else 1.0) if scale is None else scale
    return Wants(layout, scale, tuple(mean) or (0.0,), tuple(std) or (1.0,), output)


def adopt(path: Path, task: Task, args: Mapping[str, Any], examples: np.ndarray) -> Adopted:
    """Check a finished model against the task and wrap it.

    Args:
        examples: some raw inputs, to see what the file answers.

    Raises:
        TrialError: it is unreadable, or its shapes do not fit the task; the message names both.
    """
    import onnx
    from onnx import compose, numpy_helper

    try:
        wants = build(task, **args)
    except TypeError as error:
        raise TrialError(f"{path.name}: {error}; there are layout, scale, mean, std, output") from error
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, onnx and the file system each raise kinds of their own
        raise TrialError(f"{path.name} is not a readable ONNX file: {_line(error)}") from error
    before = _modern(model, path.name)
    parameters = sum(numpy_helper.to_array(w).size for w in model.graph.initializer if w.data_type in _FLOATS)
    model = compose.add_prefix(model, PREFIX)
    wants = _wrap_input(model, path.name, task, wants)
    answer = _find_answer(model, task, wants, examples, path.name)
    if before is not None:
        _answers_as_before(before, model, examples, path.name)
    _end(model, task, answer)
    takes = {k: v for k, v in asdict(wants).items() if k != "output"}
    facts = TrainFacts(trained=False, takes=takes, gives=answer)
    return Adopted(model.SerializeToString(), parameters, facts)


def _modern(model: ModelProto, name: str) -> ModelProto | None:
    """Bring an older file to where nodes can be put before and behind its own.

    CatBoost writes format 3, which has no weights but inputs, and names no version of the standard operators;
    boosting libraries end in a ZipMap, whose answer is not a tensor.

    Returns:
        the model as it came, where its operators had to be converted.

    Raises:
        TrialError: its operators are of a version before 13, and some cannot be brought there.
    """
    from onnx import helper, version_converter

    before = None
    versions = {item.domain: item.version for item in model.opset_import}
    if "" not in versions:
        model.opset_import.add(domain="", version=OPSET)
    elif versions[""] < OLDEST:
        before = type(model)()
        before.CopyFrom(model)
        try:
            model.CopyFrom(version_converter.convert_version(model, OLDEST))
        except Exception as error:  # the converter raises kinds of its own
            raise TrialError(
                f"{name} is of opset {versions['']}, {OLDEST} or later is needed: export it again "
                f"({_line(error)})"
            ) from error
        if versions[""] < 11:  # the one way to resize until then; the converter leaves 11's default, another
            for node in (n for n in model.graph.node if n.op_type == "Resize"):
                ways = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
                node.attribute.extend(helper.make_attribute(key, value) for key, value in ways.items())
    model.ir_version = max(model.ir_version, IR)
    maps = [node for node in model.graph.node if node.op_type == "ZipMap"]
    for node in maps:
        for output in model.graph.output:
            if output.name == node.output[0]:
                _as_floats(output, node.input[0])
        model.graph.node.remove(node)
    return before


def _as_floats(output: Any, name: str) -> None:
    from onnx import TensorProto, helper

    output.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]))


def _wrap_input(model: ModelProto, name: str, task: Task, wants: Wants) -> Wants:
    """Put cast, scaling and channel order before the graph; return what is now known."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    weights = {w.name for w in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights]
    if len(inputs) != 1:
        raise TrialError(f"{name} takes {len(inputs)} inputs, one is needed")
    taken = inputs[0].type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in taken.shape.dim][1:]
    layout = layout_of(dims, name, task, wants.layout)
    is_image = task.takes == "image"
    wants = replace(wants, layout=layout, scale=1.0 if taken.elem_type == TensorProto.UINT8 else wants.scale)

    shape = (-1, 1, 1) if is_image else (-1,)
    mean, std = (np.asarray(v, np.float32).reshape(shape) for v in (wants.mean, wants.std))
    constants: dict[str, np.ndarray] = {
        "factor": (wants.scale / std).astype(np.float32),
        "offset": (-mean / std).astype(np.float32),
        "own_shape": np.array([-1, *(dims if all(dims) else [int(np.prod(task.input_shape))])], np.int64),
    }
    steps = [
        helper.make_node("Cast", ["input"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["as_float", "factor"], ["multiplied"]),
        helper.make_node("Add", ["multiplied", "offset"], ["scaled"]),
    ]
    last = "scaled"
    if layout == "nhwc":
        steps.append(helper.make_node("Transpose", [last], ["channels_last"], perm=[0, 2, 3, 1]))
        last = "channels_last"
    elif layout == "flat":
        steps.append(helper.make_node("Reshape", [last, "own_shape"], ["reshaped"]))
        last = "reshaped"
    steps.append(helper.make_node("Cast", [last], [inputs[0].name], to=taken.elem_type))

    raw_type = TensorProto.UINT8 if is_image else TensorProto.FLOAT
    later = list(graph.node)
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info("input", raw_type, ["batch", *task.input_shape]))
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    graph.node.extend([*steps, *later])
    return wants


def layout_of(dims: list[int], name: str, task: Task, asked: str) -> str:
    """How the file wants its input; a dimension of 0 is a dynamic one and fits anything."""

    def fits(shape: tuple[int, ...]) -> bool:
        return len(dims) == len(shape) and all(d in (0, s) for d, s in zip(dims, shape, strict=True))

    choices = {"nchw": task.input_shape}
    if task.takes == "image":
        channels, height, width = task.input_shape
        choices["nhwc"] = (height, width, channels)
    for layout, shape in choices.items():
        if asked in ("auto", layout) and fits(shape):
            return layout
    if asked in ("auto", "flat") and all(dims) and int(np.prod(dims)) == int(np.prod(task.input_shape)):
        return "flat"
    wanted = " or ".join(str(("batch", *shape)) for shape in choices.values())
    how = "" if asked == "auto" else f" as {asked}"
    raise TrialError(f"{name} takes {('batch', *dims)}{how}, the data are {wanted}")


def _find_answer(
    model: ModelProto, task: Task, wants: Wants, examples: np.ndarray, name: str
) -> dict[str, Any]:
    """Choose the output that answers the task, and see what it answers."""
    outputs = [o.name for o in model.graph.output]
    for output in model.graph.output:  # a batch of fixed size is tried as a dynamic one
        if output.type.tensor_type.shape.dim:
            output.type.tensor_type.shape.dim[0].dim_param = "batch"
    try:
        answers = _session(model.SerializeToString()).run(outputs, {"input": examples})
    except Exception as error:  # ONNX Runtime's exceptions share no public base but Exception
        raise TrialError(
            f"{name} cannot answer {len(examples)} examples at once: export it with a dynamic batch "
            f"({_line(error)})"
        ) from error
    k, n = task.num_classes, len(examples)
    for output, answer in zip(outputs, answers, strict=True):
        kind = what_answers(answer, n, task, wants.output)
        if kind is not None:
            return {"output": output, "kind": kind, "type": str(answer.dtype)}
    shapes = ", ".join(str(getattr(a, "shape", type(a).__name__)) for a in answers)
    raise TrialError(
        f"{name} answers {n} examples with {shapes}, the task needs {(n, k) if k else (n,)} floats"
    )


def _answers_as_before(before: ModelProto, model: ModelProto, examples: np.ndarray, name: str) -> None:
    """Refuse a file that answers otherwise since its operators were converted.

    The converter takes some operators over by name alone, though what they do has changed (Hardmax in 13).
    """
    weights = {w.name for w in before.graph.initializer}
    (taken,) = (i for i in before.graph.input if i.name not in weights)
    shared = {PREFIX + o.name for o in before.graph.output} & {o.name for o in model.graph.output}
    probe = type(model)()
    probe.CopyFrom(model)
    probe.graph.output.add(name=PREFIX + taken.name).type.CopyFrom(taken.type)
    del before.graph.value_info[:]
    for value in (taken, *probe.graph.output, *before.graph.output):  # as in _find_answer
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    outputs, session = sorted(shared), _session(probe.SerializeToString())
    given, *now = session.run([PREFIX + taken.name, *outputs], {"input": examples})
    try:
        session = _session(before.SerializeToString())
        then = session.run([o.removeprefix(PREFIX) for o in outputs], {taken.name: given})
    except Exception:  # operators so old that ONNX Runtime has none of them: nothing to compare with
        return
    for old, new in zip(then, now, strict=True):
        if old.dtype.kind not in "fiub":
            continue
        if old.shape != new.shape or not np.allclose(old, new, rtol=1e-3, atol=1e-4, equal_nan=True):
            raise TrialError(
                f"{name} answers otherwise once its operators are brought to opset {OLDEST}: export it again "
                "with that or a later one"
            )


def what_answers(answer: object, n: int, task: Task, asked: str) -> str | None:
    """What a file's answer to n examples is: `probabilities`, `logits`, `shares` (a sigmoid for each class),
    `values`, `positive_probability` or `positive_logit`; None where it does not answer the task.

    Args:
        asked: the candidate's `output`.
    """
    k = task.num_classes
    of_labels = kind_of(task.name).targets == "labels"
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        return None
    if not k:
        return "values" if answer.size == n else None
    if answer.shape == (n, k):
        if asked != "auto":
            return asked
        if of_labels:
            return "logits" if kind_of(task.name).check(answer, "probabilities") else "probabilities"
        if (answer >= -1e-3).all() and np.allclose(answer.sum(axis=1), 1, atol=1e-2):
            return "probabilities"
        return "shares" if ((answer >= 0) & (answer <= 1)).all() else "logits"
    if k == 2 and answer.size == n and not of_labels:
        in_range = ((answer >= 0) & (answer <= 1)).all()
        return "positive_probability" if asked != "logits" and in_range else "positive_logit"
    return None


def _end(model: ModelProto, task: Task, answer: Mapping[str, Any]) -> None:
    """Leave one float32 output: probabilities (batch, k), or values (batch,)."""
    from onnx import TensorProto, helper, numpy_helper

    graph, kind = model.graph, answer["kind"]
    steps = [helper.make_node("Cast", [answer["output"]], ["answer"], to=TensorProto.FLOAT)]
    if kind == "probabilities":
        steps.append(helper.make_node("Identity", ["answer"], ["output"]))
    elif kind == "logits":
        if kind_of(task.name).targets == "labels":
            steps.append(helper.make_node("Sigmoid", ["answer"], ["output"]))
        else:
            steps.append(helper.make_node("Softmax", ["answer"], ["output"], axis=1))
    elif kind == "shares":
        graph.initializer.append(numpy_helper.from_array(np.array(SMALLEST, np.float32), "smallest"))
        graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "of_classes"))
        steps.append(helper.make_node("Max", ["answer", "smallest"], ["shares"]))
        steps.append(helper.make_node("ReduceSum", ["shares", "of_classes"], ["whole"], keepdims=1))
        steps.append(helper.make_node("Div", ["shares", "whole"], ["output"]))
    elif kind == "values":
        graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "flat_shape"))
        steps.append(helper.make_node("Reshape", ["answer", "flat_shape"], ["output"]))
    else:
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "column_shape"))
        graph.initializer.append(numpy_helper.from_array(np.array([1], np.float32), "one"))
        steps.append(helper.make_node("Reshape", ["answer", "column_shape"], ["column"]))
        squash = "Sigmoid" if kind == "positive_logit" else "Identity"
        steps.append(helper.make_node(squash, ["column"], ["positive"]))
        steps.append(helper.make_node("Sub", ["one", "positive"], ["negative"]))
        steps.append(helper.make_node("Concat", ["negative", "positive"], ["output"], axis=1))
    graph.node.extend(steps)
    del graph.output[:]
    width = [task.num_classes] if task.num_classes else []
    graph.output.append(helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *width]))


def load(path: Path) -> Predict:
    """A wrapped model in ONNX Runtime on one thread of the CPU."""
    session = _session(path.read_bytes())

    def predict(raw: Inputs) -> np.ndarray:
        return np.asarray(session.run(["output"], {"input": np.ascontiguousarray(raw)})[0])

    return predict


def _session(model: bytes) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


_FLOATS = (1, 10, 11, 16)
"""ONNX's numbers for float32, float16, float64, bfloat16."""


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""Fitted models as ONNX graphs: torch modules, scikit-learn estimators and linear models of weighed words,
silently, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.exported.estimator import answer_kind
from harness.protocols import Task
from harness.record import TrialError
from harness.runtimes.common import first_line, silence

if TYPE_CHECKING:
    import onnx_ir as ir
    from onnx import GraphProto, ModelProto, NodeProto
    from sklearn.base import BaseEstimator
    from torch import nn

OPSET = 20
IR = 10
"""The file format that the first runtimes of opset 20 read."""


def export_module(
    servable: nn.Module, examples: np.ndarray, axes: Mapping[int, str], path: Path, architecture: str = ""
) -> None:
    """Export a torch module from raw examples to answers, with dynamic axes; `architecture` as below.

    Raises:
        TrialError: an operator has no ONNX form, or the network needs a fixed batch.
    """
    export_network(servable, [examples], [axes], path, ("input",), architecture)


def export_network(
    network: nn.Module, examples: Sequence[np.ndarray], axes: Sequence[Mapping[int, str]], path: Path,
    names: Sequence[str] = (), architecture: str = "",
) -> None:  # fmt: skip
    """Export a torch module of any number of inputs, each with its dynamic axes, as one file.

    Args:
        names: of the inputs; without them `input_0`, `input_1`, …
        architecture: what its graph follows from, where that may be kept for another's weights (`graphs`).
    Raises:
        TrialError: an operator has no ONNX form, or the network needs a fixed batch.
    """
    import torch

    from harness.runtimes import graphs

    dimensions = tuple(dict.fromkeys(own, torch.export.Dim.DYNAMIC) for own in axes)
    names = names or [f"input_{number}" for number in range(len(examples))]

    def export() -> torch.onnx.ONNXProgram:
        made = torch.onnx.export(
            network,
            tuple(torch.from_numpy(np.array(one)) for one in examples),
            dynamo=True,
            dynamic_shapes=dimensions,
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            optimize=False,
        )
        assert made is not None
        return made

    try:
        with silence(), torch.no_grad():
            program = graphs.with_weights(network, architecture, examples, axes, export)
            program.optimize()
            graph = program.model.graph
            for value, name in [*zip(graph.inputs, names, strict=True), (graph.outputs[0], "output")]:
                value.name = name
            _without_sources(program.model)
            program.save(str(path), external_data=False)
    except Exception as error:  # the exporter raises a dozen types of its own
        raise TrialError(f"cannot be exported to ONNX: {first_line(error.__cause__ or error)}") from error


def _without_sources(model: ir.Model) -> None:
    """Take off what the exporter notes of each node: where its source lies on this computer, its lines, and
    names of classes. A file that is shipped tells of nobody's folders, and has one size in all of them."""
    graphs: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for graph in graphs:
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            for value in node.outputs:
                value.metadata_props.clear()
        for value in graph.inputs:
            value.metadata_props.clear()
        graph.metadata_props.clear()
    for value in model.graph.initializers.values():
        value.metadata_props.clear()
        if value.const_value is not None:
            value.const_value.metadata_props.clear()


def export_estimator(
    estimator: BaseEstimator, task: Task, classes: tuple[int, ...], dtype: np.dtype, path: Path
) -> None:
    """Export an estimator; flattening and the order of classes go into the graph.

    Args:
        classes: the class of each probability column, where the training data lacked some.
        dtype: of the raw inputs.
    Raises:
        TrialError: there is no converter for a step.
    """
    from harness.runtimes.converters import convert

    gives = answer_kind(estimator) if task.num_classes else "probabilities"
    try:
        with silence():
            model = convert(estimator, int(np.prod(task.input_shape)), gives == "scores")
    except Exception as error:  # the converters raise RuntimeError, TypeError and kinds of their own
        raise TrialError(f"cannot be exported to ONNX: {first_line(error)}") from error
    import onnx

    assert isinstance(model, onnx.ModelProto)
    model = _put_right(model)
    _raw_inputs(model.graph, task, dtype)
    _answer(model.graph, task, classes, gives)
    path.write_bytes(model.SerializeToString())


def export_word_weights(
    estimator: BaseEstimator, num_classes: int, classes: tuple[int, ...], columns: int, path: Path
) -> None:
    """Export a linear model over TF-IDF: only the columns of a text's own terms are looked up and summed.

    The graph takes terms (n, L) int64 and their weights (n, L) float32, 0 where there is no term, and gives
    (n, num_classes) float32. skl2onnx has converters for the words too, but those ask the server for an
    English locale and cut words by another pattern.

    Args:
        estimator: fitted, with `coef_` and `intercept_` (or naive Bayes' `feature_log_prob_`).
        classes: the class of each of its answers. columns: how many terms there are.
    Raises:
        TrialError: it is not of a kind in `LINEAR_ANSWERS`.
    """
    from onnx import TensorProto, helper, numpy_helper

    each = list(estimator.estimators_) if type(estimator).__name__ == OF_LABELS else []
    kind = type(each[0] if each else estimator).__name__
    if kind not in LINEAR_ANSWERS or any(type(one).__name__ != kind for one in each):
        raise TrialError(
            f"{kind} over TF-IDF has no ONNX form: serve it on runtime sklearn, or take one of "
            f"{', '.join(LINEAR_ANSWERS)}"
        )
    weights, bias = _of_labels(each) if each else _two_sided(estimator)
    how = LINEAR_ANSWERS[kind]
    order = np.zeros((len(bias), num_classes), np.float32)
    order[np.arange(len(bias)), list(classes or range(num_classes))] = 1.0
    constants: dict[str, np.ndarray] = {
        "table": weights.T.astype(np.float32).reshape(columns, len(bias)),
        "bias": bias.astype(np.float32),
        "class_order": order,
        "last": np.array([-1], np.int64),
        "terms_axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["looked_up"], axis=0),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["looked_up", "column"], ["terms"]),
        helper.make_node("ReduceSum", ["terms", "terms_axis"], ["sums"], keepdims=0),
        helper.make_node("Add", ["sums", "bias"], ["scores"]),
        *_linear_answer("sigmoid" if each and how == "softmax" else how, constants),
        helper.make_node("MatMul", ["answer", "class_order"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "weighed_words",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", "terms"]),
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["batch", "terms"]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", num_classes])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    path.write_bytes(model.SerializeToString())


LINEAR_ANSWERS: Mapping[str, str] = {
    "LogisticRegression": "softmax",
    "LogisticRegressionCV": "softmax",
    "MultinomialNB": "softmax",
    "LinearSVC": "scores",
    "RidgeClassifier": "scores",
    "RidgeClassifierCV": "scores",
    "Perceptron": "scores",
}
"""Linear estimators over words that have an ONNX form → how their scores become an answer: probabilities,
or scores between 0 and 1."""


OF_LABELS = "OneVsRestClassifier"
"""What holds an estimator for each label."""


def _of_labels(each: Sequence[BaseEstimator]) -> tuple[np.ndarray, np.ndarray]:
    """Weights (labels, terms) and bias (labels,): each label's score for yes, less that for no."""
    both = [_two_sided(one) for one in each]
    is_shares = [LINEAR_ANSWERS[type(one).__name__] == "softmax" for one in each]
    weights = [w[1] - w[0] if share else w[1] for (w, _), share in zip(both, is_shares, strict=True)]
    bias = [b[1] - b[0] if share else b[1] for (_, b), share in zip(both, is_shares, strict=True)]
    return np.stack(weights), np.array(bias)


def _two_sided(estimator: BaseEstimator) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, terms) and bias (classes,): one score per class, also where two share one."""
    if hasattr(estimator, "feature_log_prob_"):
        return estimator.feature_log_prob_, estimator.class_log_prior_
    weights = np.atleast_2d(estimator.coef_)
    bias = np.broadcast_to(np.ravel(estimator.intercept_), (len(weights),))
    if len(weights) > 1:
        return weights, bias
    # The softmax of (0, s) is the sigmoid of s; as scores they are (−s, s).
    other = 0.0 if LINEAR_ANSWERS[type(estimator).__name__] == "softmax" else -1.0
    return np.vstack([other * weights, weights]), np.concatenate([other * bias, bias])


def _linear_answer(how: str, constants: dict[str, np.ndarray]) -> list[NodeProto]:
    """Nodes from `scores` (n, classes) to `answer`; adds the constants that they need."""
    from onnx import helper

    if how == "softmax":
        return [helper.make_node("Softmax", ["scores"], ["answer"], axis=-1)]
    if how == "sigmoid":
        return [helper.make_node("Sigmoid", ["scores"], ["answer"])]
    return _between_0_and_1("scores", "answer", constants)


def _between_0_and_1(scores: str, out: str, constants: dict[str, np.ndarray]) -> list[NodeProto]:
    """Nodes that bring scores d to (1 + d / (1 + |d|)) / 2, as `harness.exported.estimator` does."""
    from onnx import helper

    constants |= {"one": np.array(1, np.float32), "half": np.array(0.5, np.float32)}
    return [
        helper.make_node("Abs", [scores], ["size"]),
        helper.make_node("Add", ["size", "one"], ["beyond"]),
        helper.make_node("Div", [scores, "beyond"], ["signed"]),
        helper.make_node("Mul", ["signed", "half"], ["halved"]),
        helper.make_node("Add", ["halved", "half"], [out]),
    ]


def _put_right(model: ModelProto) -> ModelProto:
    """One version of each set of operators, the highest that is named, a format that has them, and names
    that leave `input` and `output` free."""
    from onnx import compose

    model = compose.add_prefix(model, "made/")
    opsets: dict[str, int] = {}
    for item in model.opset_import:
        opsets[item.domain] = max(item.version, opsets.get(item.domain, 0))
    del model.opset_import[:]
    for domain, version in opsets.items():
        model.opset_import.add(domain=domain, version=version)
    if "" not in opsets:
        model.opset_import.add(domain="", version=OPSET)
    model.ir_version = max(model.ir_version, IR)
    return model


def _raw_inputs(graph: GraphProto, task: Task, dtype: np.dtype) -> None:
    """Put cast and flatten before a graph that takes rows of float32 or float64."""
    from onnx import helper

    raw = helper.make_tensor_value_info(
        "input", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["batch", *task.input_shape]
    )
    nodes = [
        helper.make_node("Cast", ["input"], ["as_float"], to=graph.input[0].type.tensor_type.elem_type),
        helper.make_node("Flatten", ["as_float"], [graph.input[0].name], axis=1),
    ]
    later = list(graph.node)
    del graph.input[:], graph.node[:]
    graph.input.append(raw)
    graph.node.extend([*nodes, *later])


def _answer(graph: GraphProto, task: Task, classes: tuple[int, ...], gives: str) -> None:
    """Leave one output: answers (n, num_classes) in the task's order, or values (n,)."""
    from onnx import TensorProto, helper, numpy_helper

    outputs = [item.name for item in graph.output]
    if not task.num_classes:
        shape = numpy_helper.from_array(np.array([-1], np.int64), "flat_shape")
        graph.initializer.append(shape)
        graph.node.append(helper.make_node("Reshape", [outputs[0], "flat_shape"], ["output"]))
    elif gives != "classes":
        order = np.eye(task.num_classes, dtype=np.float32)[list(classes or range(task.num_classes))]
        constants = {"class_order": order}
        told = outputs[-1]
        if gives == "scores":
            graph.node.extend(_between_0_and_1(told, "told", constants))
            told = "told"
        if graph.output[-1].type.tensor_type.elem_type == TensorProto.DOUBLE:
            graph.node.append(helper.make_node("Cast", [told], ["told_single"], to=TensorProto.FLOAT))
            told = "told_single"
        graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
        graph.node.append(helper.make_node("MatMul", [told, "class_order"], ["output"]))
    else:
        depth = numpy_helper.from_array(np.array(task.num_classes, np.int64), "depth")
        values = numpy_helper.from_array(np.array([0, 1], np.float32), "off_on")
        graph.initializer.extend([depth, values])
        graph.node.append(helper.make_node("OneHot", [outputs[0], "depth", "off_on"], ["output"], axis=-1))
    width = [task.num_classes] if task.num_classes else []
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *width]))

#!/usr/bin/env bash
# Two tools that make ONNX files smaller merge nodes that may not be merged, in silence. onnxoptimizer's fuse and elimination passes: zeros put around a picture before
# a maximum (the first layers of Keras' ResNetV2, without a ReLU between) become the padding of MaxPool, which is minus infinity: at the edges the answer is
# another wherever all is negative. And of two reshapes the first is dropped, though a 0 in the second ("this dimension as it is") means the first's: another
# shape comes out. onnxslim: a convolution whose answer is multiplied by a mask along the width, as many columns as there are channels, gets its
# *channels* multiplied; with another number of columns, as in a test, it is right. onnxsim and ONNX Runtime's own optimisations are right of all four.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnx==1.23.2' 'onnxsim==0.8.1' 'onnxslim==0.1.98' 'onnxoptimizer==0.4.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import logging
from importlib.metadata import version

import numpy as np, onnx, onnxoptimizer, onnxruntime, onnxsim, onnxslim
from onnx import TensorProto, helper, numpy_helper

logging.disable(logging.CRITICAL)
rng = np.random.default_rng(0)
node = helper.make_node

def file(nodes, shape, answered, **constants):
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, answered)], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model

def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)

def masked(columns):
    return file(
        [node("Conv", ["x", "weights"], ["a"], pads=[1, 1, 1, 1]), node("Mul", ["a", "mask"], ["y"])], [2, 3, 8, columns], [2, 6, 8, columns],
        weights=draw(6, 3, 3, 3), mask=draw(1, 1, 1, columns))

files = {
    "zeros around, then a maximum": file(
        [node("Pad", ["x", "pads"], ["a"]), node("MaxPool", ["a"], ["y"], kernel_shape=[3, 3], strides=[2, 2])], [2, 4, 8, 8], [2, 4, 4, 4], pads=np.int64([0, 0, 1, 1, 0, 0, 1, 1])),
    "reshaped twice": file([node("Reshape", ["x", "first"], ["a"]), node("Reshape", ["a", "second"], ["y"])], [2, 4, 8], [8, 8], first=np.int64([8, 4, 2]), second=np.int64([0, -1])),
    "six channels, a mask of six columns": masked(6),
    "six channels, a mask of seven columns": masked(7),
}
tools = {
    "onnxruntime": lambda model: model, "onnxsim": lambda model: onnxsim.simplify(model)[0], "onnxslim": onnxslim.slim,
    "onnxoptimizer": lambda model: onnxoptimizer.optimize(model, onnxoptimizer.get_fuse_and_elimination_passes()),
}

def answer(model, x, optimised=False):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]

print(", ".join(f"{name} {version(name)}" for name in tools))
found = {}
for name, model in files.items():
    x = draw(*[dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim])
    right = answer(model, x)
    for tool, change in tools.items():
        got = answer(change(onnx.ModelProto.FromString(model.SerializeToString())), x, tool == "onnxruntime")
        found[name, tool] = bool(got.shape == right.shape and np.allclose(got, right, atol=1e-4))
        off = f"off by up to {np.abs(got - right).max():.2g}" if got.shape == right.shape else f"of shape {got.shape} in place of {right.shape}"
        print(f"  {name}, {tool}: {'right' if found[name, tool] else off}")
wrong = {case for case, right in found.items() if not right}
names = list(files)
assert wrong == {(names[0], "onnxoptimizer"), (names[1], "onnxoptimizer"), (names[2], "onnxslim")}, wrong
PY

#!/usr/bin/env bash
# Tools that make ONNX files smaller (onnxsim, onnxslim, onnxoptimizer with its fuse and elimination passes) take two equal nodes for one, random ones too: two draws of noise become one
# draw that is used twice. Their difference is 0; two dropouts of a half that stay on when served (Monte Carlo dropout), of which a quarter passes both, let a
# half pass, so that means and the spread that one serves for are those of another model. In silence, with the number of nodes as praise. onnxslim also
# draws noise of a fixed shape once, and writes it into the file: every call gets the same. Comparing outputs cannot tell, since they differ anyway.
# ONNX Runtime's own optimisations leave draws alone. A seed of its own for each node keeps them apart.
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
FLOAT = TensorProto.FLOAT

def file(nodes, constants=()):
    shape = [1, 4096]
    graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", FLOAT, shape)], [helper.make_tensor_value_info("y", FLOAT, shape)], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model

def constant(name, values):
    return numpy_helper.from_array(np.asarray(values, np.float32), name)

node = helper.make_node
files = {  # each adds noise to x = 0, so that the noise is what is answered
    "the difference of two draws": file([node("RandomNormalLike", ["x"], ["a"]), node("RandomNormalLike", ["x"], ["b"]), node("Sub", ["a", "b"], ["y"])]),
    "the difference of two draws, seeds of their own": file([
        node("RandomNormalLike", ["x"], ["a"], seed=1.0), node("RandomNormalLike", ["x"], ["b"], seed=2.0), node("Sub", ["a", "b"], ["y"])]),
    "dropout of a half, twice": file([
        node("RandomUniformLike", ["x"], ["a"]), node("RandomUniformLike", ["x"], ["b"]), node("Less", ["a", "half"], ["c"]), node("Less", ["b", "half"], ["d"]),
        node("And", ["c", "d"], ["e"]), node("Cast", ["e"], ["f"], to=FLOAT), node("Add", ["x", "f"], ["y"])], [constant("half", 0.5)]),
    "a draw of fixed shape": file([node("RandomNormal", [], ["a"], shape=[1, 4096]), node("Add", ["x", "a"], ["y"])]),
}
tools = {
    "as it is": lambda model: model, "onnxruntime, all optimisations": None, "onnxsim": lambda model: onnxsim.simplify(model)[0], "onnxslim": onnxslim.slim,
    "onnxoptimizer": lambda model: onnxoptimizer.optimize(model, onnxoptimizer.get_fuse_and_elimination_passes()),
}
print(", ".join(f"{name} {version(name)}" for name in ("onnxsim", "onnxslim", "onnxoptimizer", "onnxruntime")))
found = {}
for name, model in files.items():
    for tool, change in tools.items():
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if change:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        changed = (change or tools["as it is"])(onnx.ModelProto.FromString(model.SerializeToString()))
        session = onnxruntime.InferenceSession(changed.SerializeToString(), options, providers=["CPUExecutionProvider"])
        first, second = (session.run(None, {"x": np.zeros((1, 4096), np.float32)})[0] for _ in "ab")
        found[name, tool] = float(first.std()), float(first.mean()), bool(np.array_equal(first, second))
        print(f"  {name}, {tool}: mean {found[name, tool][1]:.2f}, deviation {found[name, tool][0]:.2f}{', the same each time' if found[name, tool][2] else ''}")
for tool in ("onnxsim", "onnxslim", "onnxoptimizer"):
    assert found["the difference of two draws", tool][0] == 0 and abs(found["dropout of a half, twice", tool][1] - 0.5) < 0.05, (tool, found)
    assert abs(found["the difference of two draws, seeds of their own", tool][0] - 1.4) < 0.1, (tool, found)
for tool in ("as it is", "onnxruntime, all optimisations"):
    assert abs(found["the difference of two draws", tool][0] - 1.4) < 0.1 and abs(found["dropout of a half, twice", tool][1] - 0.25) < 0.05, (tool, found)
assert [tool for tool in tools if found["a draw of fixed shape", tool][2]] == ["onnxslim"], found
PY

#!/usr/bin/env bash
# onnxruntime-gpu where CUDA's libraries are not to be had (a plain `pip install`, a container without them, a driver that is gone): a
# session that is asked for CUDA alone, `providers=["CUDAExecutionProvider"]`, is opened all the same, on the processor, and answers
# rightly. `get_available_providers()` goes on to name CUDA, since it says what the package was built with. There is a line on stderr,
# which a server's log levels hide (here: severity 4), and no exception. Who measures is told the processor's times as the GPU's.
# What the session runs on is in its `get_providers()`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnxruntime-gpu==1.31.1' 'onnx==1.23.2' 'numpy==2.4.6'
cd "$work"
CUDA_VISIBLE_DEVICES="" "$work/venv/bin/python" - 2>log <<'PY' || { cat log >&2; exit 1; }
import numpy as np, onnxruntime
from onnx import TensorProto, helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "twice", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
session = onnxruntime.InferenceSession(model, options, providers=["CUDAExecutionProvider"])
answer = session.run(None, {"x": np.array([1.0, 2.0], np.float32)})[0].tolist()
built_with, runs_on = onnxruntime.get_available_providers(), session.get_providers()
print(f"onnxruntime-gpu {onnxruntime.__version__}: available {built_with}; a session for CUDA alone runs on {runs_on}, twice [1, 2] is {answer}")
assert "CUDAExecutionProvider" in built_with and runs_on == ["CPUExecutionProvider"] and answer == [2.0, 4.0]
PY

#!/usr/bin/env bash
# ONNX Runtime on a CPU: a maximum or minimum over readings of which one is NaN is NaN only if the NaN stands in some places (seen: first for
# ReduceMax and ReduceMin, torch's amax and amin; last for GlobalMaxPool and MaxPool). Anywhere else it is passed over and the file answers an
# ordinary number. numpy, torch and ONNX's own reference (but for its MaxPool) say NaN wherever it stands, and so do sums, means, Relu
# and Clip of this runtime, so that nobody expects it: a reading that failed comes out as a usual one.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

operators = {
    "ReduceMean": {"axes": [2]}, "GlobalAveragePool": {}, "ReduceMax": {"axes": [2]}, "ReduceMin": {"axes": [2]},
    "GlobalMaxPool": {}, "MaxPool": {"kernel_shape": [8]},
}
print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}: eight readings, the NaN at each place in turn; 1 where the answer is NaN")
found = {}
for name, settings in operators.items():
    ends = [helper.make_tensor_value_info(letter, TensorProto.FLOAT, [1, 1, size]) for letter, size in (("x", 8), ("y", 1))]
    graph = helper.make_graph([helper.make_node(name, ["x"], ["y"], **settings)], "one", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    reference = ReferenceEvaluator(model)
    seen = [[], []]
    for place in range(8):
        readings = np.arange(8, dtype=np.float32).reshape(1, 1, 8)
        readings[..., place] = np.nan
        for answers, engine in zip(seen, (session, reference)):
            answers.append(bool(np.isnan(engine.run(None, {"x": readings})[0]).all()))
    found[name] = seen
    print(f"  {name}: " + ", ".join(f"{who} {''.join(str(int(nan)) for nan in answers)}" for who, answers in zip(("runtime", "reference"), seen)))
assert all(all(found[name][0]) for name in ("ReduceMean", "GlobalAveragePool"))
assert all(all(found[name][1]) for name in operators if name != "MaxPool")
for name in ("ReduceMax", "ReduceMin", "GlobalMaxPool", "MaxPool"):
    assert sum(found[name][0]) < 8, (name, found[name])
PY

#!/usr/bin/env bash
# onnx.version_converter, the official way from one opset to a later one: where what an operator does was changed between them it may take over the name alone, in silence.
# "Resize" of opset 10, and "Upsample" of 7 and 9, lay pixels in one way, which is called "asymmetric" since 11; the default of 11 is another, and the converter writes none. A
# linear enlargement, as segmentation networks and upscalers of that time have it, is then moved: by a quarter of a pixel where it doubles, by half where it halves (issue 8480, open). "Hardmax" below 13
# answers one 1 over all axes from `axis` on, from 13 on one in each row of that axis. "Softmax" and "LogSoftmax", which changed in the same way, are rewritten rightly, and so are
# reductions, slices, paddings, poolings and 60 more that were tried, so that one who converted a classifier expects it of any network. `onnx.checker` passes all of them. With
# the attribute written into the converted node the answers are the file's again.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter

rng = np.random.default_rng(0)


def file(operator, opset, shape, constants=(), **attributes):
    weights = [numpy_helper.from_array(np.array(value, np.float32), f"c{i}") for i, value in enumerate(constants)]
    node = helper.make_node(operator, ["x", *(weight.name for weight in weights)], ["y"], **attributes)
    takes, gives = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * len(shape)) for name in "xy")
    return helper.make_model(helper.make_graph([node], "g", [takes], [gives], weights), opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def answer(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, {"x": inputs})[0]


ramp = np.arange(4, dtype=np.float32)[None, None, None]
table = rng.normal(size=(1, 2, 3)).astype(np.float32)
cases = {
    "Resize linear 10": (file("Resize", 10, ramp.shape, [[1, 1, 1, 2]], mode="linear"), ramp),
    "Upsample linear 9": (file("Upsample", 9, ramp.shape, [[1, 1, 1, 2]], mode="linear"), ramp),
    "Hardmax 11": (file("Hardmax", 11, table.shape, axis=1), table),
    "Softmax 11": (file("Softmax", 11, table.shape, axis=1), table),
    "LogSoftmax 11": (file("LogSoftmax", 11, table.shape, axis=1), table),
}
print(f"onnx {version('onnx')}, onnxruntime {version('onnxruntime')}: a file's answer before and after convert_version(model, 13)")
for name, (before, inputs) in cases.items():
    after = version_converter.convert_version(before, 13)
    onnx.checker.check_model(after)
    old, new = answer(before, inputs), answer(after, inputs)
    print(f"  {name}: {np.round(old.ravel(), 2).tolist()} -> {np.round(new.ravel(), 2).tolist()}")
    assert np.allclose(old, new, atol=1e-6) == ("oftmax" in name), name
    if "Resize" in name or "Upsample" in name:
        (node,) = (node for node in after.graph.node if node.op_type == "Resize")
        assert "coordinate_transformation_mode" not in {attribute.name for attribute in node.attribute}
        node.attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
        assert np.array_equal(old, answer(after, inputs))
        assert abs(np.abs(old - new).max() - 0.25) < 1e-6, (old, new)
print("  with coordinate_transformation_mode=asymmetric in the converted node the resized answers are the file's again")
PY

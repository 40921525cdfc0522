#!/usr/bin/env bash
# torch.onnx.export (the exporter by torch.export, the default since torch 2.9): what ONNX's operator has no word for is left out in silence. The
# mean of `scatter_reduce(..., "mean")`, with which a graph network gathers neighbours or a ragged batch its items, is written with
# reduction "none": the file answers the *last* item. A pooling sum, AvgPool2d(divisor_override=1), is written as the mean. Sum, maximum and
# minimum of scatter_reduce are right. The exporter before it (`dynamo=False`) refuses the mean; this one exports it, and logs the difference if
# asked to compare with `verify=True`.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
(cd "$work" && "$work/venv/bin/python" -W ignore - <<'PY'
import logging, warnings

import onnxruntime, torch
from torch import nn

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

said = []
logging.getLogger("torch.onnx").addHandler(Said(logging.WARNING))
logging.getLogger("torch.onnx").propagate = False

def unwarned(export):
    said.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        export()
    told = said + [str(w.message) for w in warned if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    assert not [text for text in told if not text.startswith("torchvision is not installed")], told

class Gathered(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how
    def forward(self, items, owners):
        return torch.zeros(2).scatter_reduce(0, owners, items, self.how, include_self=False)

def through_onnx(module, *inputs):
    unwarned(lambda: torch.onnx.export(module.eval(), inputs, "model.onnx", dynamo=True, verbose=False))
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    given = {spot.name: tensor.numpy() for spot, tensor in zip(session.get_inputs(), inputs)}
    return session.run(None, given)[0].ravel().tolist()

items, owners = torch.tensor([1.0, 3.0, 5.0, 7.0, 3.0]), torch.tensor([0, 0, 1, 1, 1])
picture = torch.arange(4.0).reshape(1, 1, 2, 2)
cases = {f"scatter_reduce {how}": (Gathered(how), items, owners) for how in ("sum", "amax", "amin", "mean")}
cases["AvgPool2d(2)"] = nn.AvgPool2d(2), picture
cases["AvgPool2d(2, divisor_override=1)"] = nn.AvgPool2d(2, divisor_override=1), picture
found = {name: (module(*inputs).ravel().tolist(), through_onnx(module, *inputs)) for name, (module, *inputs) in cases.items()}
print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}: items 1 and 3 of one owner, 5, 7 and 3 of the other; a picture of 0, 1, 2, 3")
for name, (right, answered) in found.items():
    print(f"  {name}: {right} in torch, {answered} in the file")
wrong = {name: answered for name, (right, answered) in found.items() if right != answered}
assert wrong == {"scatter_reduce mean": [3.0, 3.0], "AvgPool2d(2, divisor_override=1)": [1.5]}, wrong
PY
)

#!/usr/bin/env bash
# onnxruntime.quantization.quantize_dynamic of an LSTM exported by torch: torch's exporter reorders the gates at run time, so the weights
# are results of operators and no constants; the quantiser skips the layer without a word and the "int8" file keeps its float32 LSTM.
# After quant_pre_process, which folds the constants, the same call makes a DynamicQuantizeLSTM. The name of the file says nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'sympy' 'numpy==2.4.6'
(cd "$work" && OMP_NUM_THREADS=1 "$work/venv/bin/python" - 2>"$work/log" <<'PY'
import collections, os
import onnx, onnxruntime, torch
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

class Last(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(32, 64, batch_first=True)
    def forward(self, x):
        return self.lstm(x)[0][:, -1]

torch.onnx.export(Last().eval(), (torch.zeros(2, 8, 32),), "float.onnx", dynamo=True, verbose=False, external_data=False)
quantize_dynamic("float.onnx", "int8.onnx")
quant_pre_process("float.onnx", "folded.onnx")
quantize_dynamic("folded.onnx", "folded_int8.onnx")
def kinds(path):
    count = collections.Counter(node.op_type for node in onnx.load(path).graph.node)
    return {k: count[k] for k in ("LSTM", "DynamicQuantizeLSTM")}, os.path.getsize(path)
found = {path: kinds(path) for path in ("float.onnx", "int8.onnx", "folded_int8.onnx")}
print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}: {found}")
assert found["int8.onnx"][0] == {"LSTM": 1, "DynamicQuantizeLSTM": 0}
assert found["folded_int8.onnx"][0] == {"LSTM": 0, "DynamicQuantizeLSTM": 1}
PY
) || { cat "$work/log" >&2; exit 1; }

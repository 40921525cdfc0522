#!/usr/bin/env bash
# OpenVINO on a CPU: remainders, quotients, sums and maxima of whole numbers are computed in float32, in silence, above 16,777,216, though "i32" stands in its
# documentation's list of supported precisions and goes in and comes out: 123,456,789 % 1000, by which a network chooses a row of an embedding, is 792.
# Additions, comparisons and sorting of the same ids are exact, so no range of ids is safe or unsafe as such. Whole numbers of 64 bits (hashes, times in
# milliseconds) are cut to 32 first: sums wrap around, comparisons stop at 2,147,483,647; float64 becomes float32. All of it comes out under the type that
# the network has. Small ids are exact, which is what examples have, and ONNX Runtime is right with the same network. (Of the 64 bits there are issues,
# 35823 among them.)
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "seen on x86-64 processors; elsewhere other kernels are used"; exit 0; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openvino==2026.4.1' 'torch==2.13.0' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - 2>log <<'PY' || { cat log >&2; exit 1; }
import sys

sys.modules["openvino_telemetry"] = None  # importing it starts threads that report to its maker

import numpy as np, onnxruntime, openvino, torch
from torch import nn

class Of(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what = what
    def forward(self, numbers):
        return self.what(numbers)

def engines(what, numbers):
    network = Of(what).eval()
    converted = openvino.convert_model(network, example_input=numbers)
    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    torch.onnx.export(network, (numbers,), "model.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    answers = network(numbers).numpy(), session.run(None, {session.get_inputs()[0].name: numbers.numpy()})[0], compiled(numbers.numpy())[0]
    assert answers[2].dtype == answers[0].dtype and np.array_equal(answers[0], answers[1]), answers
    return answers[0].tolist(), answers[2].tolist()

small, ids = (torch.tensor(numbers, dtype=torch.int32) for numbers in ([7, 123_456], [123_456_789, 1_999_999_999]))
times = torch.tensor([1_764_028_800_000, 1_764_028_860_750])
seconds = times.double() / 1000
exact = {
    "small ids % 1000": (lambda ids: ids % 1000, small), "id + 2": (lambda ids: ids + 2, ids),
    "id == 123,456,789": (lambda ids: (ids == 123_456_789).long(), ids), "ids sorted": (lambda ids: torch.sort(ids, descending=True)[0], ids),
}
wrong = {
    "id % 1000": (lambda ids: ids % 1000, ids), "id // 1000": (lambda ids: ids // 1000, ids), "largest id": (lambda ids: torch.amax(ids, 0, keepdim=True), ids),
    "time % a day": (lambda times: times % 86_400_000, times), "time > 1.7e12": (lambda times: (times > 1_700_000_000_000).long(), times),
    "seconds between, float64": (lambda times: times[1:] - times[:-1], seconds),
}
print(f"openvino {openvino.__version__.split('-')[0]}; torch {torch.__version__} and onnxruntime {onnxruntime.__version__} agree on")
found = {}
for name, (what, numbers) in (exact | wrong).items():
    found[name] = engines(what, numbers)
    print(f"  {name} ({str(numbers.dtype).removeprefix('torch.')}): {found[name][0]}, OpenVINO {found[name][1]}")
assert all(found[name][0] == found[name][1] for name in exact), found
assert all(found[name][0] != found[name][1] for name in wrong), found
PY

#!/usr/bin/env bash
# torch on a CPU: under autocast in bfloat16 nn.Linear, nn.Conv2d, nn.RNN and nn.GRU run on a processor with AVX2 alone; nn.LSTM raises
# "could not create a primitive descriptor" in its forward pass, since autocast hands it to oneDNN, whose LSTM in bf16 begins at AVX-512.
# (nn.GRU answers in float32: autocast leaves it alone.) A processor with more is made to behave like one with AVX2 by oneDNN's own variable.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "needs an x86-64 processor"; exit 0; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6'
ONEDNN_MAX_CPU_ISA=AVX2 "$work/venv/bin/python" - <<'PY'
import torch
from torch import nn

layers = {
    "Linear": (nn.Linear(8, 8), torch.ones(2, 8)),
    "Conv2d": (nn.Conv2d(1, 2, 3), torch.ones(2, 1, 8, 8)),
    "RNN": (nn.RNN(8, 8, batch_first=True), torch.ones(2, 5, 8)),
    "GRU": (nn.GRU(8, 8, batch_first=True), torch.ones(2, 5, 8)),
    "LSTM": (nn.LSTM(8, 8, batch_first=True), torch.ones(2, 5, 8)),
}
found = {}
for name, (layer, inputs) in layers.items():
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            out = layer(inputs)
        found[name] = str((out[0] if isinstance(out, tuple) else out).dtype).removeprefix("torch.")
    except RuntimeError as error:
        found[name] = "raises: " + str(error)[:47]
print(f"torch {torch.__version__}, oneDNN up to AVX2: {found}")
assert found == {
    "Linear": "bfloat16", "Conv2d": "bfloat16", "RNN": "bfloat16", "GRU": "float32",
    "LSTM": "raises: could not create a primitive descriptor for the",
}
PY

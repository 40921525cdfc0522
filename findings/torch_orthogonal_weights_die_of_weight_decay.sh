#!/usr/bin/env bash
# torch, nn.utils.parametrizations.orthogonal: of a matrix that is not square (by the default map, Householder's) the weight becomes exactly 0
# with the first step of an optimizer with weight decay, AdamW's default say, and stays 0: the layer is dead, in silence. The signs of R stand
# as ±1 on the diagonal of a parameter and are read back by `.int()`; decay makes them .99999, which is 0. SGD and Adam without decay, and
# `orthogonal_map="matrix_exp"` with it, keep an orthogonal weight.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal

torch.manual_seed(0)
inputs, targets = torch.randn(64, 16), torch.randn(64, 8)
found = {}
for name, decay, options in (("as it comes", 0.0, {}), ("as it comes", 0.01, {}), ("matrix_exp", 0.01, {"orthogonal_map": "matrix_exp"})):
    layer = orthogonal(nn.Linear(16, 8), **options)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=decay)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(layer(inputs), targets).backward()
        optimizer.step()
    weight = layer.weight.detach()
    found[name, decay] = float(weight.abs().max()), float((weight @ weight.T - torch.eye(8)).abs().max())
print(f"torch {torch.__version__}, an orthogonal 8 × 16 layer after three steps of AdamW:")
for (name, decay), (largest, off) in found.items():
    print(f"  {name}, weight decay {decay}: the largest weight is {largest:.4f}, W Wᵀ is off from 1 by {off:.1e}")
assert found.pop(("as it comes", 0.01)) == (0.0, 1.0)
assert all(largest > 0.1 and off < 1e-4 for largest, off in found.values()), found
PY

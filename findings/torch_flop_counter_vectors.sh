#!/usr/bin/env bash
# torch.utils.flop_counter.FlopCounterMode reads 0 for `matrix @ vector` and for nn.Bilinear, although `vector @ matrix`, the same
# work, is counted: the one dispatches to aten.mv, the other to aten.mm. A scoring head that is a weight vector is free, then.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import torch
from torch.utils.flop_counter import FlopCounterMode

def count(work):
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        work()
    return counter.get_total_flops()

matrix, vector, pairs = torch.ones(6, 6), torch.ones(6), torch.nn.Bilinear(6, 6, 4)
found = {
    "vector @ matrix": count(lambda: vector @ matrix),
    "matrix @ vector": count(lambda: matrix @ vector),
    "Bilinear": count(lambda: pairs(matrix, matrix)),
}
print(f"torch {torch.__version__}: {found} (each product with a vector is 72 operations, the bilinear form 2016)")
assert found == {"vector @ matrix": 72, "matrix @ vector": 0, "Bilinear": 0}
PY

#!/usr/bin/env bash
# torchmetrics, curves and areas (AUROC, average precision, ROC) take logits or probabilities, and find out which: outside of 0…1 they are
# logits. It finds out for each `update`: of a perfect ranking by logits a batch that happens to lie in 0…1 is left as it is and the others
# go through a sigmoid, so that the area depends on how the same rows are cut into batches. In one batch it is 1. (An empty or tiny last
# batch does it too; probabilities are not affected.)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import torch, torchmetrics
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

classes = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
logits = torch.tensor([-3.0, -0.5, 0.05, 0.1, 0.2, 0.3, 1.2, 3.0])  # in order of their classes: nothing is wrong
print(f"torchmetrics {torchmetrics.__version__}, eight rows ranked perfectly by logits; one batch, and three of the same rows:")
found = {}
for metric in (BinaryAUROC, BinaryAveragePrecision):
    for cuts in ([8], [2, 4, 2]):
        for name, scores in {"logits": logits, "probabilities": logits.sigmoid()}.items():
            one = metric()
            for part, truth in zip(scores.split(cuts), classes.split(cuts)):
                one.update(part, truth)
            found[metric.__name__, name, tuple(cuts)] = round(float(one.compute()), 3)
for key, value in found.items():
    print(f"  {key}: {value}")
assert all(value == 1.0 for (_, name, cuts), value in found.items() if name == "probabilities" or cuts == (8,)), found
assert found["BinaryAUROC", "logits", (2, 4, 2)] == 0.875 and found["BinaryAveragePrecision", "logits", (2, 4, 2)] in (0.887, 0.888), found
PY

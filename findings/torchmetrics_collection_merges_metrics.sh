#!/usr/bin/env bash
# torchmetrics, MetricCollection: metrics whose counts are equal after the *first batch* share one state from then on, whatever their
# settings. Recall at a threshold of .5 and at .7 are equal on a batch of sure answers; from the second batch on both are the one that comes
# first in the alphabet, and the collection says of the other what it never was: .333 in place of 1. Which metrics are merged depends on the
# data, on their order and on names; alone, and with `compute_groups=False`, each says the truth.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import torch, torchmetrics
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryRecall

sure = torch.tensor([0.9, 0.95, 0.1, 0.05]), torch.tensor([1, 1, 0, 0])
unsure = torch.tensor([0.6, 0.6, 0.6, 0.6, 0.3, 0.2]), torch.tensor([1, 1, 1, 1, 0, 0])


def recalls(batches, **options):
    together = MetricCollection({"low": BinaryRecall(threshold=0.5), "high": BinaryRecall(threshold=0.7)}, **options)
    for answers, classes in batches:
        together.update(answers, classes)
    return {name: round(float(value), 3) for name, value in together.compute().items()}


found = {
    "sure answers first": recalls([sure, unsure]),
    "unsure answers first": recalls([unsure, sure]),
    "compute_groups=False": recalls([sure, unsure], compute_groups=False),
}
print(f"torchmetrics {torchmetrics.__version__}, the recall of the same ten answers by two thresholds in one collection:")
for how, values in found.items():
    print(f"  {how}: {values}")
truth = {"low": 1.0, "high": 0.333}
assert found["compute_groups=False"] == found["unsure answers first"] == truth, found
assert found["sure answers first"] == {"low": 0.333, "high": 0.333}, found
PY

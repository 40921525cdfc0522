#!/usr/bin/env bash
# torchmetrics, retrieval metrics: recall, precision, MRR and MAP count a relevant item only where its *score* is above 0. Scores of a
# ranker are logits or distances and have no zero point: the same perfect order scores 1 when all scores are positive and 0 when the
# same scores are shifted below 0. NDCG of the same library is not affected.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import torch, torchmetrics
from torchmetrics.functional import retrieval as R

scores, relevant = torch.tensor([3.0, 2.0, 1.0, 0.5]), torch.tensor([True, True, False, False])
names = ("retrieval_recall", "retrieval_precision", "retrieval_reciprocal_rank", "retrieval_average_precision", "retrieval_normalized_dcg")
found = {}
for shift in (0.0, -10.0):
    for name in names:
        options = {"top_k": 2} if name in ("retrieval_recall", "retrieval_precision") else {}
        found.setdefault(name, []).append(round(float(getattr(R, name)(scores + shift, relevant, **options)), 3))
print(f"torchmetrics {torchmetrics.__version__}, a perfect order with positive scores, and the same order with negative ones:")
for name, values in found.items():
    print(f"  {name}: {values}")
assert all(values[0] == 1.0 for values in found.values())
changed = [name for name, values in found.items() if values[1] != values[0]]
assert changed == list(names[:4]), changed
PY

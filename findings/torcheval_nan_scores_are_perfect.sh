#!/usr/bin/env bash
# What a network that has diverged, so that all its scores are NaN, is worth: to torcheval 1, the most there is. `hit_rate`, `reciprocal_rank` and
# `multiclass_accuracy(k=2)` count how many scores are larger than that of the right item; of NaN none is, and of a model that gives all items one
# score none is either. Areas under curves of torcheval and torchmetrics, and torchmetrics' retrieval NDCG, depend on where in the file the relevant
# rows stand then, from nearly 0 to nearly 1. None of it raises or warns. (torchmetrics' top-k accuracy takes NaN as a wrong answer.)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'torcheval==0.0.7' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import warnings
from importlib.metadata import version

import torch
from torcheval.metrics import functional as by_torcheval
from torchmetrics.functional import classification as by_torchmetrics
from torchmetrics.functional.retrieval import retrieval_normalized_dcg

warnings.simplefilter("error")
right = torch.arange(20) % 10
models = {"right": torch.eye(10)[right], "one score for all": torch.zeros(20, 10), "NaN": torch.full((20, 10), torch.nan)}
first, last = torch.tensor([1] * 5 + [0] * 15), torch.tensor([0] * 15 + [1] * 5)
print(f"torcheval {version('torcheval')}, torchmetrics {version('torchmetrics')}, 20 rows of ten items")
of_items, of_rows = {}, {}
for name, scores in models.items():
    measures = {
        "hit rate@1": by_torcheval.hit_rate(scores, right, k=1).mean(),
        "reciprocal rank": by_torcheval.reciprocal_rank(scores, right).mean(),
        "top-2 accuracy": by_torcheval.multiclass_accuracy(scores, right, k=2, num_classes=10, average="micro"),
        "top-2 by torchmetrics": by_torchmetrics.multiclass_accuracy(scores, right, 10, top_k=2, average="micro"),
    }
    of_items[name] = [round(float(value), 3) for value in measures.values()]
    print(f"  {name}: " + ", ".join(f"{what} {value}" for what, value in zip(measures, of_items[name])))
for name, relevant in {"the relevant rows first": first, "last": last}.items():
    broken = torch.full((20,), torch.nan)
    measures = {
        "AUC": by_torcheval.binary_auroc(broken, relevant),
        "AUC by torchmetrics": by_torchmetrics.binary_auroc(broken, relevant),
        "NDCG by torchmetrics": retrieval_normalized_dcg(broken, relevant, top_k=5),
    }
    of_rows[name] = [round(float(value), 3) for value in measures.values()]
    print(f"  NaN, {name}: " + ", ".join(f"{what} {value}" for what, value in zip(measures, of_rows[name])))
assert of_items["right"] == [1, 1, 1, 1] and of_items["NaN"][:3] == of_items["one score for all"][:3] == [1, 1, 1], of_items
assert of_items["NaN"][3] < 0.5 and of_items["one score for all"][3] < 0.5, of_items
assert all(abs(one - other) > 0.3 for one, other in zip(*of_rows.values())), of_rows
PY

#!/usr/bin/env bash
# Cornac 3.0.1, MovieLens 100K, the example of its README (RatioSplit, seed 123): MAE, RMSE and AUC are the README's to the
# fourth digit, NDCG@10 of BPR is .150 where the README prints .0975. The README's ranking metrics rank the training
# part's items too; 3.0.1 leaves out those that a user rated at or above the threshold (and not those rated below).
# AUC cannot tell the two apart: it compares the same positives with the same negatives either way.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet cornac==3.0.1
"$work/venv/bin/pip" download --quiet --no-deps --dest "$work" recbole==1.2.1
"$work/venv/bin/python" - "$work" <<'PYTHON'
import csv, glob, io, sys, zipfile

import cornac
import numpy as np
from cornac.eval_methods import RatioSplit
from cornac.metrics import AUC, NDCG
from cornac.models import BPR

with zipfile.ZipFile(glob.glob(f"{sys.argv[1]}/recbole-*.whl")[0]) as wheel:
    text = wheel.read("recbole/dataset_example/ml-100k/ml-100k.inter").decode()
rows = list(csv.reader(io.StringIO(text), delimiter="\t"))[1:]
split = RatioSplit([(u, i, float(r)) for u, i, r, _ in rows], test_size=0.2, rating_threshold=4.0, seed=123)
model = BPR(k=10, max_iter=200, learning_rate=0.001, lambda_reg=0.01, seed=123)
result, _ = split.evaluate(model, [NDCG(k=10), AUC()], user_based=True)
ndcg, auc = result.metric_avg_results["NDCG@10"], result.metric_avg_results["AUC"]

test, known = split.test_set.csr_matrix, split.train_set.num_items
unmasked = []
for user in set(split.test_set.uir_tuple[0]):
    row = test.getrow(user)
    liked = row.indices[row.data >= 4.0]
    if len(liked):
        order = np.argsort(-np.asarray(model.score(user))[:known])[:10]
        gain = np.isin(order, liked) / np.log2(np.arange(10) + 2)
        unmasked.append(gain.sum() / (1 / np.log2(np.arange(min(len(liked), 10)) + 2)).sum())
print(f"cornac {cornac.__version__}: AUC {auc:.4f}, NDCG@10 {ndcg:.4f}; nothing left out: {np.mean(unmasked):.4f}")
assert abs(auc - 0.8695) < 0.0005 and abs(ndcg - 0.1500) < 0.001 and abs(np.mean(unmasked) - 0.0975) < 0.001
PYTHON

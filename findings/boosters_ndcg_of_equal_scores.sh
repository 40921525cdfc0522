#!/usr/bin/env bash
# The NDCG that three boosting libraries print while they train, and stop early by, for a model that gives all rows of a query one score:
# LightGBM and XGBoost leave the rows in the order of the file, so data that is sorted by relevance, as exports of judgements often are,
# scores 1 before anything is learned, and sorted the other way 0. CatBoost takes the worst order and says 0 either way; scikit-learn
# takes the mean over all orders. A query without a relevant row is 1 to all three boosters (a quarter of such queries lifts the mean
# by as much) and 0 to scikit-learn. On scores without ties and queries with a relevant row the four agree.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'lightgbm==4.7.0' 'xgboost-cpu==3.2.0' 'catboost==1.2.10' 'scikit-learn==1.9.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import catboost, lightgbm, numpy as np, sklearn, xgboost
from catboost.utils import eval_metric
from sklearn.metrics import ndcg_score

def of_lightgbm(relevance, scores):
    rows = lightgbm.Dataset(np.zeros((6, 1)), relevance, group=[6], init_score=scores)
    options = {"objective": "lambdarank", "metric": "ndcg", "eval_at": [3], "verbose": -1, "num_threads": 1}
    seen = {}  # no split is possible on a constant column: the model that is judged is the initial score
    lightgbm.train(options, rows, 1, valid_sets=[rows], callbacks=[lightgbm.record_evaluation(seen)])
    return seen["training"]["ndcg@3"][0]

def of_xgboost(relevance, scores):
    rows, seen = xgboost.DMatrix(np.zeros((6, 1)), relevance, base_margin=scores, group=[6]), {}
    options = {"objective": "rank:ndcg", "eval_metric": "ndcg@3", "eta": 0.0, "nthread": 1}
    xgboost.train(options, rows, 1, evals=[(rows, "rows")], evals_result=seen, verbose_eval=False)
    return seen["rows"]["ndcg@3"][0]

def of_catboost(relevance, scores):
    return eval_metric(relevance, scores, "NDCG:top=3;type=Exp", group_id=np.zeros(6, int), thread_count=1)[0]

def of_sklearn(relevance, scores):
    return ndcg_score([2**relevance - 1], [scores], k=3)

cases = {
    "perfect order": ([3, 2, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1]),
    "swapped at the top": ([2, 3, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1]),
    "one score, relevant rows first": ([3, 2, 1, 0, 0, 0], [0] * 6),
    "one score, relevant rows last": ([0, 0, 0, 1, 2, 3], [0] * 6),
    "nothing relevant": ([0] * 6, [6, 5, 4, 3, 2, 1]),
}
print(f"NDCG@3 by lightgbm {lightgbm.__version__}, xgboost {xgboost.__version__}, catboost {catboost.__version__}, scikit-learn {sklearn.__version__}")
found = {}
for name, case in cases.items():
    relevance, scores = (np.array(part, float) for part in case)
    found[name] = tuple(round(float(of(relevance, scores)), 3) for of in (of_lightgbm, of_xgboost, of_catboost, of_sklearn))
    print(f"  {name}: {found[name]}")
assert found["perfect order"] == (1, 1, 1, 1) and len(set(found["swapped at the top"])) == 1
assert found["one score, relevant rows first"] == (1, 1, 0, 0.416)
assert found["one score, relevant rows last"] == (0, 0, 0, 0.416)
assert found["nothing relevant"] == (1, 1, 1, 0)
PY

#!/usr/bin/env bash
# CatBoost, loss_function="Cox" (survival: a hazard per row): exact up to 500 rows, and wrong of more, in silence. Who was still there when another went is sought
# among 500 rows of the file at a time, since derivatives are taken in blocks of so many, and this loss needs all rows. So the log hazard ratio of one flag
# depends on how many rows there are and on their order: of 600 rows that are sorted by time, as such tables often are, a flag that triples the hazard
# has a quarter of its effect; of 1,000 rows as they came it is a quarter off. The metric of that name, by which one stops early and compares, is right of the
# whole table. XGBoost's "survival:cox" is right of the same rows. And `weight` is passed over: any weights give the answer of none, to the last digit,
# though fit() and Pool take them for every loss (issue 2637, open, asks for them; nothing is said when they are given).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'catboost==1.2.10' 'xgboost-cpu==3.2.0' 'scipy==1.17.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import catboost, numpy as np, xgboost
from catboost.utils import eval_metric
from scipy.optimize import minimize_scalar

rng = np.random.default_rng(0)
both = np.array([[0.0], [1.0]])

def likelihood(flag, label, beta):
    """Cox's partial log-likelihood, row by row from the last time to the first."""
    late = np.argsort(-np.abs(label))
    score = beta * flag[late, 0]
    return float((score - np.logaddexp.accumulate(score))[label[late] > 0].sum())

def by_hand(flag, label):
    return float(minimize_scalar(lambda beta: -likelihood(flag, label, beta), bounds=(-5, 5), method="bounded").x)

def by_catboost(flag, label, weight=None):
    model = catboost.CatBoostRegressor(
        loss_function="Cox", depth=1, iterations=150, learning_rate=0.1, l2_leaf_reg=1e-3, thread_count=1, verbose=False, allow_writing_files=False)
    first, second = model.fit(catboost.Pool(flag, label, weight=weight)).predict(both, prediction_type="RawFormulaVal")
    return float(second - first)

def by_xgboost(flag, label):
    options = {"objective": "survival:cox", "eta": 0.3, "max_depth": 1, "lambda": 0, "min_child_weight": 0, "nthread": 1}
    first, second = xgboost.train(options, xgboost.DMatrix(flag, label), 300).predict(xgboost.DMatrix(both))
    return float(np.log(second / first))

print(f"catboost {catboost.__version__}, xgboost {xgboost.__version__}: log hazard ratio of a flag (1.1 in truth)")
found = {}
for rows in (500, 501, 600, 1000):
    flag = rng.integers(0, 2, rows).astype(float)
    time, end = rng.exponential(np.exp(-1.1 * flag)), rng.exponential(2, rows)
    label, flag = np.where(time <= end, time, -end), flag[:, None]
    order = np.argsort(np.abs(label))
    found[rows] = by_hand(flag, label), by_xgboost(flag, label), by_catboost(flag, label), by_catboost(flag[order], label[order])
    print(f"  {rows} rows: by hand {found[rows][0]:.3f}, XGBoost {found[rows][1]:.3f}, CatBoost {found[rows][2]:.3f}, sorted by time {found[rows][3]:.3f}")
flag, label = flag[:500], label[:500]
light = by_catboost(flag, label), by_catboost(flag, label, np.where(flag[:, 0] > label, 9.0, 1.0))
print(f"  500 of these: CatBoost {light[0]:.6f}; where some count nine times {light[1]:.6f}")
metric = abs(eval_metric(label, flag[:, 0], "Cox", thread_count=1)[0]), -likelihood(flag, label, 1.0)
print(f"  its metric of a score {metric[0]:.3f}, by hand {metric[1]:.3f}")
assert max(np.abs(np.array(found[500]) - found[500][0])) < 0.01, found
assert all(abs(found[rows][1] - found[rows][0]) < 0.01 for rows in found), found
assert found[600][3] < 0.5 * found[600][0] and abs(found[1000][2] - found[1000][0]) > 0.1, found
assert abs(light[0] - light[1]) < 1e-6 and abs(metric[0] - metric[1]) < 0.01, (light, metric)
PY

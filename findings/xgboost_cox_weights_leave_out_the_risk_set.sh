#!/usr/bin/env bash
# XGBoost, objective "survival:cox", with weights: a row of weight 8 is not eight such rows, as it is with its other objectives. A weight multiplies its own row's
# gradient and is left out of the sums over all who were still there, so that it is taken by half. Weights that follow a column of the model (one group
# was sampled at an eighth of its rate) change nothing at all: the log hazard ratio of the column is that without weights, to four digits. Weights by
# something else move it, but not to where repeated rows, and the weighted likelihood worked out by hand, have it. The metric "cox-nloglik", by which one
# stops early, does not look at weights. Inverse probabilities, of being sampled or censored, are the reason to weigh survival data.
# Of "count:poisson" and others weights are repetition, to the last digits; the documentation names no exception.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'xgboost-cpu==3.2.0' 'scipy==1.17.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W error::UserWarning - <<'PY'
import numpy as np, xgboost
from scipy.optimize import minimize_scalar

rng = np.random.default_rng(0)
rows, both = 3000, xgboost.DMatrix(np.array([[0.0], [1.0]]))
flag, hidden = (rng.integers(0, 2, (rows, 1)).astype(float) for _ in "ab")
time = rng.exponential(1 / np.exp(flag * (1 - hidden) + 2 * hidden))[:, 0]
end = rng.exponential(2, rows)
label = np.where(time <= end, time, -end)

def by_hand(label, weight):
    """Cox's log hazard ratio of the flag; a row of weight w stands for w rows."""
    late = np.argsort(-np.abs(label))
    one, events, weights = flag[late, 0], label[late] > 0, weight[late]

    def loss(beta):
        return -float((weights * (beta * one - np.log(np.cumsum(weights * np.exp(beta * one)))))[events].sum())

    return float(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x)

def learned(label, weight=None, repeat=None, objective="survival:cox"):
    """The log of the ratio that the model predicts for the flag, and the metric of a score equal to the flag."""
    took = np.arange(rows) if repeat is None else np.repeat(np.arange(rows), repeat.astype(int))
    table = xgboost.DMatrix(flag[took], label[took], weight=weight)
    options = {"objective": objective, "eta": 0.3, "max_depth": 1, "lambda": 0, "min_child_weight": 0, "nthread": 1}
    first, second = xgboost.train(options, table, 200).predict(both)
    table.set_base_margin(flag[took, 0])
    seen = {}
    xgboost.train({**options, "eta": 0}, table, 1, evals=[(table, "rows")], evals_result=seen, verbose_eval=False)
    return float(np.log(second / first)), next(iter(seen["rows"].values()))[0]

print(f"xgboost {xgboost.__version__}: log ratio of a flag: by hand, weighted, rows repeated, without weights")
found, metrics = {}, {}
for name, weight in (("by the flag", 1 + 7 * flag[:, 0]), ("by a column that is not in the model", 8 - 7 * hidden[:, 0])):
    answers = learned(label, weight), learned(label, repeat=weight), learned(label)
    found[name], metrics[name] = (by_hand(label, weight), *(ratio for ratio, _ in answers)), [metric for _, metric in answers]
    print(f"  Cox, weights {name}: " + ", ".join(f"{ratio:.4f}" for ratio in found[name]) + f"; its metric weighted {metrics[name][0]:.4f}, without {metrics[name][2]:.4f}")
counts = [learned(np.abs(label), weight, objective="count:poisson")[0], learned(np.abs(label), repeat=weight, objective="count:poisson")[0]]
print(f"  Poisson, the same weights: {counts[0]:.4f}, {counts[1]:.4f}")
for hand, weighted, repeated, without in found.values():
    assert abs(hand - repeated) < 0.01 and abs(hand - weighted) > 0.05, found
assert abs(found["by the flag"][1] - found["by the flag"][3]) < 1e-3, found
assert all(metric[0] == metric[2] for metric in metrics.values()), metrics
assert abs(counts[0] - counts[1]) < 1e-4, counts
PY

#!/usr/bin/env bash
# XGBoost, `missing=-999` of XGBClassifier (XGBRegressor and XGBRanker too), by which a table that writes -999 for "not known" is told to the trees: `save_model`
# does not keep it. Its documentation says that a file holds what is needed to predict and leaves out how the trees were grown; this one decides how a
# row is read. A model that is loaded from the file, and the booster of the fitted model itself, take -999 as a number, smaller than any threshold,
# and answer in silence: rows with a gap get the probability of another model, those without are equal to the last digit, so that a check on
# complete rows passes. A pickle keeps it. Whoever serves the file must say `missing` once more, or write NaN into the table before fitting.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'xgboost-cpu==3.2.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W error - <<'PY'
import pickle

import numpy as np, xgboost
from sklearn.metrics import log_loss, roc_auc_score

rng = np.random.default_rng(0)
table = rng.normal(size=(6000, 3)).astype(np.float32)
labels = (table[:, 0] + 0.5 * table[:, 1] + rng.normal(size=6000) > 0).astype(int)
table[rng.random(table.shape) < 0.2] = -999
learned, test, truth = table[:4000], table[4000:], labels[4000:]
gap = (test == -999).any(axis=1)
model = xgboost.XGBClassifier(missing=-999, n_estimators=40, max_depth=4, n_jobs=1).fit(learned, labels[:4000])
model.save_model("model.json")
loaded, told = xgboost.XGBClassifier(n_jobs=1), xgboost.XGBClassifier(missing=-999, n_jobs=1)
loaded.load_model("model.json")
told.load_model("model.json")
answers = {
    "fitted": model.predict_proba(test)[:, 1],
    "pickled": pickle.loads(pickle.dumps(model)).predict_proba(test)[:, 1],
    "loaded from its file": loaded.predict_proba(test)[:, 1],
    "its booster": model.get_booster().inplace_predict(test),
    "loaded, told missing=-999": told.predict_proba(test)[:, 1],
}
print(f"xgboost {xgboost.__version__}: {gap.sum()} of {len(test)} rows have a gap, written -999; `missing` once loaded is {loaded.missing}")
off = {}
for name, answer in answers.items():
    off[name] = float(np.abs(answer - answers["fitted"])[gap].max()), float(np.abs(answer - answers["fitted"])[~gap].max())
    print(f"  {name}: AUC {roc_auc_score(truth, answer):.3f}, log loss {log_loss(truth, answer.astype(float)):.3f}; differs by up to {off[name][0]:.2f} where there is "
          f"a gap, {off[name][1]:.1g} elsewhere; {np.mean((answer > 0.5) != (answers['fitted'] > 0.5))[()]:.1%} of the labels are others")
assert np.isnan(loaded.missing)
for name in ("loaded from its file", "its booster"):
    assert off[name][0] > 0.3 and off[name][1] < 1e-5, (name, off[name])
    assert roc_auc_score(truth, answers[name]) < roc_auc_score(truth, answers["fitted"]) - 0.02
for name in ("pickled", "loaded, told missing=-999"):
    assert max(off[name]) < 1e-5, (name, off[name])
PY

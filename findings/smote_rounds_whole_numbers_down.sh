#!/usr/bin/env bash
# imbalanced-learn (SMOTE, ADASYN, BorderlineSMOTE, SVMSMOTE), a DataFrame with columns of whole numbers beside one of floats, which is what tables are:
# the new rows lie between two old ones, and are then made whole again by cutting off what is behind the point, without a word. A flag becomes 1
# only where both neighbours have it: .52 of the rare class is .34 in the rows made up for it; a count loses a third of one. What the rare class has more
# often than the other it then seems to have less often: a logistic regression on the resampled table gets the sign wrong. The same table with
# `.astype(float)` keeps the means. The documentation of SMOTE speaks of interpolation and of no rounding; categories have
# SMOTENC, which keeps the flags it is told of and cuts the counts just so.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'imbalanced-learn==0.14.2' 'scikit-learn==1.9.1' 'pandas==3.1.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W error - <<'PY'
import imblearn, numpy as np, pandas as pd
from imblearn.over_sampling import ADASYN, SMOTE, SMOTENC, SVMSMOTE, BorderlineSMOTE
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)

def customers(many):
    """5 % leave; those who do complain more often, and order as often as the others."""
    leaves = rng.random(many) < 0.05
    table = {"complained": rng.random(many) < np.where(leaves, 0.55, 0.45), "orders": rng.poisson(3, many), "amount": rng.normal(100, 30, many)}
    return pd.DataFrame(table).astype({"complained": int}), leaves.astype(int)

rows, leaves = customers(8000)
old = rows[leaves == 1].mean()
print(f"imbalanced-learn {imblearn.__version__}: {int(leaves.sum())} of {len(rows)} rows are of the rare class; means of the columns in it: "
      f"{old.round(2).to_dict()}; in the rows made up:")
found = {}
for name, sampler in (
    ("SMOTE", SMOTE(random_state=0)), ("ADASYN", ADASYN(random_state=0)), ("BorderlineSMOTE", BorderlineSMOTE(random_state=0)),
    ("SVMSMOTE", SVMSMOTE(random_state=0)), ("SMOTENC", SMOTENC(["complained"], random_state=0)),
):
    found[name] = [sampler.fit_resample(given, leaves)[0].iloc[len(rows):].mean() for given in (rows, rows.astype(float))]
    print(f"  {name}: " + "; ".join(f"{kind} {means.round(2).to_dict()}" for kind, means in zip(("as it is", "as floats"), found[name])))
test, truth = customers(40_000)
weights = {}
for kind, given in (("as it is", rows), ("as floats", rows.astype(float))):
    model = LogisticRegression(max_iter=1000).fit(*SMOTE(random_state=0).fit_resample(given, leaves))
    weights[kind] = dict(zip(rows, model.coef_[0].round(2).tolist()))
print(f"  a logistic regression on SMOTE's table: {weights}")
for name in ("SMOTE", "ADASYN", "BorderlineSMOTE", "SVMSMOTE"):
    whole, floats = found[name]
    assert whole["complained"] < floats["complained"] - 0.1 and whole["orders"] < floats["orders"] - 0.2, (name, whole, floats)
assert abs(found["SMOTE"][1]["complained"] - old["complained"]) < 0.05 and abs(found["SMOTE"][1]["orders"] - old["orders"]) < 0.15
assert found["SMOTENC"][0]["complained"] > 0.45 and found["SMOTENC"][0]["orders"] < found["SMOTENC"][1]["orders"] - 0.2
assert weights["as it is"]["complained"] < 0 < weights["as floats"]["complained"], weights
PY

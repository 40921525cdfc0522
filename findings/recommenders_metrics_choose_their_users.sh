#!/usr/bin/env bash
# recommenders (once Microsoft's): each ranking metric takes the mean over users of its own choosing. `precision_at_k`, `recall_at_k` and `map` leave out users
# for whom a model has no recommendation, so that one which answers where it is sure and skips the rest, new users say, looks best; `ndcg_at_k`, of the
# same table, counts them as 0; `r_precision_at_k` leaves out users for whom nothing was *found* as well: a model that finds one user's items and nobody
# else's is perfect. Nothing is said. So a model that skips users and a fallback that serves all of them cannot be compared, nor two metrics of
# one model. ir_measures counts who has no answer as 0. Give every user of the test part rows, and take R-precision from elsewhere.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pandas==3.1.1' 'scikit-learn==1.9.1' 'numpy==2.4.6' 'ir_measures==0.4.3' 'pytrec_eval-terrier==0.5.11'
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps 'recommenders==1.2.1'
"$work/venv/bin/python" -W error::UserWarning -W error::RuntimeWarning - <<'PY'
from importlib.metadata import version

import ir_measures, numpy as np, pandas as pd
from recommenders.evaluation import python_evaluation as by_recommenders

users, wanted = np.arange(100), 2
truth = pd.DataFrame({"userID": np.repeat(users, wanted), "itemID": np.tile([1, 2], 100), "rating": 1.0})

def answer(served, right):
    """Ten items for each user served; the two wanted ones first for those in `right`."""
    rows = [(user, item, float(10 - place)) for user in served for place, item in enumerate([1, 2, *range(10, 18)] if user in right else range(20, 30))]
    return pd.DataFrame(rows, columns=["userID", "itemID", "prediction"])

models = {
    "all served, 60 of 100 rightly": answer(users, users[:60]),
    "10 served, all rightly": answer(users[:10], users[:10]),
    "all served, 1 rightly": answer(users, users[:1]),
}
names = ["recall_at_k", "precision_at_k", "map", "ndcg_at_k", "r_precision_at_k"]
print(f"recommenders {version('recommenders')}: 100 users who want two items each, of ten places")
found = {}
relevant = {str(user): {"1": 1, "2": 1} for user in users}
for model, rows in models.items():
    found[model] = {name: round(float(getattr(by_recommenders, name)(truth, rows, k=10)), 3) for name in names}
    run = {str(user): dict(zip(of["itemID"].astype(str), of["prediction"])) for user, of in rows.groupby("userID")}
    found[model]["recall by ir_measures"] = round(ir_measures.calc_aggregate([ir_measures.R @ 10], relevant, run)[ir_measures.R @ 10], 3)
    print(f"  {model}: " + ", ".join(f"{name} {value}" for name, value in found[model].items()))
many, few, one = found.values()
assert many["recall_at_k"] == many["ndcg_at_k"] == many["recall by ir_measures"] == 0.6, many
assert few["recall_at_k"] == few["map"] == 1 and few["ndcg_at_k"] == few["recall by ir_measures"] == 0.1, few
assert one["recall_at_k"] == one["ndcg_at_k"] == 0.01 and one["r_precision_at_k"] == few["r_precision_at_k"] == many["r_precision_at_k"] == 1, one
PY

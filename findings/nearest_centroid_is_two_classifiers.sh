#!/usr/bin/env bash
# scikit-learn, NearestCentroid: `predict` and `predict_proba` are two classifiers. `predict` measures the distance to the centroids in
# the columns' own units; `predict_proba` divides every column by its deviation within classes first (as a discriminant analysis does).
# On load_wine the highest probability names the right class of 95 % of the rows and `predict` that of 73 %: a pipeline that is judged by
# its probabilities (log loss, ROC AUC, a calibrated or soft-voting wrapper) is another model than the one whose `predict` is served.
# Where a column of a class hardly varies (the edge pixels of digits, centred) the deviation is a rounding error and it turns round.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np, sklearn
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import NearestCentroid

def both(x, y):
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[: len(x) // 2], order[len(x) // 2 :]
    model = NearestCentroid().fit(x[train], y[train])
    told = model.predict(x[test])
    likeliest = model.classes_[model.predict_proba(x[test]).argmax(axis=1)]
    return np.mean(told == y[test]), np.mean(likeliest == y[test]), np.mean(told == likeliest)

print(f"scikit-learn {sklearn.__version__}: accuracy of predict, of the highest probability, and how often both name one class")
wine = both(*load_wine(return_X_y=True))
pixels, digits = load_digits(return_X_y=True)
centred = both((pixels - pixels.mean()) / pixels.std(), digits)
for name, (told, likeliest, same) in (("wine", wine), ("digits, centred and scaled as a whole", centred)):
    print(f"  {name}: {told:.3f}, {likeliest:.3f}, {same:.3f}")
assert wine[1] > wine[0] + 0.1 and wine[2] < 0.9
assert centred[1] < 0.2 < 0.8 < centred[0]
PY

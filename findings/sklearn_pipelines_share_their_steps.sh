#!/usr/bin/env bash
# A scikit-learn Pipeline fits the very objects it is given, where Voting, Stacking, ColumnTransformer and GridSearchCV fit copies.
# Two pipelines made with one PCA share it, and fitting the second spoils the first, which goes on answering without a word.
# scikit-learn's own example "Importance of Feature Scaling" is made so: the 35.19 % that it prints for unscaled wine, as the
# price of not scaling, are those of a pipeline whose PCA was fitted on other data afterwards. On its own it reaches 70.37 %.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
import sklearn
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
train, test, train_kinds, kinds = train_test_split(*load_wine(return_X_y=True), test_size=0.30, random_state=42)
strengths, pca = np.logspace(-5, 5, 20), PCA(n_components=2)
unscaled = make_pipeline(pca, LogisticRegressionCV(Cs=strengths)).fit(train, train_kinds)
alone = unscaled.score(test, kinds)
scaled = make_pipeline(StandardScaler(), pca, LogisticRegressionCV(Cs=strengths)).fit(train, train_kinds)
shared = unscaled.score(test, kinds)
print(f"scikit-learn {sklearn.__version__}: unscaled {alone:.2%}, and {shared:.2%} once the scaled one is fitted ({scaled.score(test, kinds):.2%})")
assert (round(alone, 4), round(shared, 4)) == (0.7037, 0.3519)
PY

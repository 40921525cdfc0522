#!/usr/bin/env bash
# Hummingbird (Microsoft), hummingbird.ml.convert: trees of scikit-learn and LightGBM as tensors of torch, "without having to re-engineer" a model, with the methods that scikit-learn has. Of the
# trees with default settings and rows without gaps it is exact. In silence: (1) a missing value fails every comparison and goes right, whatever side was learned:
# where it belongs right all is well, where it belongs left a third of the rows, which is all of those with a gap, get the other class. (2) The last
# step is that of the plain loss: a Poisson regression, scikit-learn's and LightGBM's, answers the logarithm (a mean of -.1 for 1.6 events), LightGBM's sigmoid=2 and scikit-learn's
# exponential loss have other probabilities, with the same ranking. (3) LightGBM's random forest answers the sum of its trees, 100 times the mean,
# and its linear trees lose their slopes. Its README names the libraries and no exception (issue 531 answers one who found gaps off that they have to
# be filled first). torch.jit as the target does the same.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'hummingbird-ml==0.4.12' 'torch==2.13.0' 'lightgbm==4.7.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from hummingbird.ml import convert
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.metrics import log_loss

rng = np.random.default_rng(0)
table = rng.normal(size=(2000, 3)).astype(np.float32)
events = rng.poisson(np.exp(table[:, 0]))
bought = (rng.random(2000) < 1 / (1 + np.exp(-table[:, 0]))).astype(int)
is_gone = rng.random(2000) < 0.3
gaps = table.copy()
gaps[is_gone, 0] = np.nan
low, high = (((np.where(is_gone, value, table[:, 0]) + 0.3 * table[:, 1]) > 0).astype(int) for value in (-2, 2))
quiet = {"verbose": -1, "n_jobs": 1}
print(f"hummingbird-ml {version('hummingbird-ml')}, scikit-learn {version('scikit-learn')}, lightgbm {version('lightgbm')}: the library, and the same trees in torch")

for name, model in {
    "LGBMRegressor": LGBMRegressor(**quiet),
    "HistGradientBoostingRegressor": HistGradientBoostingRegressor(),
    "LGBMRegressor poisson": LGBMRegressor(objective="poisson", **quiet),
    "HistGradientBoostingRegressor poisson": HistGradientBoostingRegressor(loss="poisson"),
    "LGBMRegressor rf": LGBMRegressor(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **quiet),
    "LGBMRegressor linear_tree": LGBMRegressor(linear_tree=True, **quiet),
}.items():
    model.fit(table, events)
    ours, theirs = model.predict(table), convert(model, "torch").predict(table).ravel()
    print(f"  {name}: mean {ours.mean():.2f}, {theirs.mean():.2f}; largest difference {np.abs(ours - theirs).max():.2g}")
    if " " not in name:
        assert np.allclose(ours, theirs, atol=1e-3)
    elif "poisson" in name:
        assert np.allclose(np.log(ours), theirs, atol=1e-3) and theirs.mean() < 0 < ours.mean()
    elif " rf" in name:
        assert np.allclose(100 * ours, theirs, rtol=1e-3)
    else:
        assert np.abs(ours - theirs).max() > 0.5

for name, model in {
    "LGBMClassifier": LGBMClassifier(**quiet),
    "GradientBoostingClassifier": GradientBoostingClassifier(),
    "LGBMClassifier sigmoid=2": LGBMClassifier(sigmoid=2.0, **quiet),
    "GradientBoostingClassifier exponential": GradientBoostingClassifier(loss="exponential"),
}.items():
    model.fit(table, bought)
    ours, theirs = model.predict_proba(table)[:, 1], convert(model, "torch").predict_proba(table)[:, 1]
    print(f"  {name}: log loss {log_loss(bought, ours):.3f}, {log_loss(bought, theirs.astype(float)):.3f}")
    assert np.allclose(ours, theirs, atol=1e-4) == (" " not in name), name
    assert np.abs(ours - theirs).max() > 0.1 or " " not in name

for name, model in {
    "LGBMClassifier": LGBMClassifier(**quiet),
    "HistGradientBoostingClassifier": HistGradientBoostingClassifier(),
    "RandomForestClassifier": RandomForestClassifier(20, random_state=0),
}.items():
    shares = []
    for labels in (high, low):
        model.fit(gaps, labels)
        is_same = model.predict(gaps) == convert(model, "torch").predict(gaps)
        assert is_same[~is_gone].all()
        shares.append(is_same[is_gone].mean())
    print(f"  {name}: of rows with a gap {shares[0]:.0%} keep their class where gaps mean high, {shares[1]:.0%} where they mean low")
    assert shares[0] > 0.98 and shares[1] < 0.1, (name, shares)
PY

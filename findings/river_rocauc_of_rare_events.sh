#!/usr/bin/env bash
# river, metrics.ROCAUC: the curve is read at 10 thresholds that are spread evenly over 0…1. Its documentation says that the error does not
# matter where probabilities are well calibrated, and that models can be compared by it in any case. Of events as rare as clicks, calibrated
# probabilities all lie below the second threshold: a model of the true probabilities gets .5, as a constant does, and a worse one that
# exaggerates gets more. `n_thresholds` would have to grow with the rarity; RollingROCAUC, which keeps what it saw, is exact.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'river==0.26.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from river import metrics
from sklearn.metrics import log_loss, roc_auc_score

rng = np.random.default_rng(0)
rates = rng.beta(1, 199, 20_000)  # one click in 200, on average
clicked = rng.random(20_000) < rates
noisy = rates * rng.lognormal(0, 1.0, 20_000)
models = {"the true rates": rates, "worse, and 50 times too large": np.minimum(50 * noisy, 1), "one rate for all": np.full(20_000, 0.005)}
print(f"river {version('river')}, 20,000 views, {clicked.sum()} clicks: AUC by ROCAUC(), RollingROCAUC and scikit-learn, and log loss")
found = {}
for name, scores in models.items():
    measures = metrics.ROCAUC(), metrics.RollingROCAUC(window_size=20_000)
    for truth, score in zip(clicked.tolist(), scores.tolist()):
        for measure in measures:
            measure.update(truth, score)
    found[name] = [round(float(value), 3) for value in (measures[0].get(), measures[1].get(), roc_auc_score(clicked, scores))]
    print(f"  {name}: {found[name]}, {log_loss(clicked, scores):.3f}")
true, worse, constant = found.values()
assert true[0] == 0.5 == constant[0] and true[1] == true[2] > 0.75, true
assert worse[0] > 0.6 and worse[2] < true[2] - 0.1, worse
PY

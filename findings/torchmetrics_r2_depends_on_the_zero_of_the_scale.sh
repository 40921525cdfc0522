#!/usr/bin/env bash
# torchmetrics (R2Score, ExplainedVariance, RelativeSquaredError) and torcheval (R2Score) add up squares in 32 bits from batch to batch and take
# the variance as a difference of two sums. Where targets lie far from 0 for their spread, most of that is rounding: of days of delivery counted
# from 1970 (20,150 ± 4) a model that always says the mean gets an R² of 1.09 and a good one 1.01, both above 1 and in the wrong order. Counted
# from their middle the same days get 0 and .89, and scikit-learn says so either way from the same 32-bit numbers, which hold all of them
# exactly. Of years (2015 ± 4) the mean gets -.16. In one batch all of it is different. The mean squared error does not move.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'torchmetrics==1.9.0' 'torcheval==0.0.7' 'scikit-learn==1.9.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np, torch
from sklearn.metrics import r2_score
from torcheval.metrics import R2Score
from torchmetrics import ExplainedVariance, MeanSquaredError, R2Score as OfTorchmetrics, RelativeSquaredError

rng = np.random.default_rng(0)
spread = rng.integers(-7, 8, 50_000).astype(np.float32)
models = {"a good model": spread + rng.integers(-2, 3, spread.size).astype(np.float32), "always the mean": np.zeros_like(spread)}
print(f"torchmetrics {version('torchmetrics')}, torcheval {version('torcheval')}, 50,000 whole numbers ± 4: R² of torchmetrics, by its "
      "explained variance, by its relative squared error, of torcheval, of scikit-learn; mean squared error")
found = {}
for zero, batch in ((0, 64), (2015, 64), (20_150, 64), (20_150, 50_000)):
    for model, answers in models.items():
        measures = OfTorchmetrics(), ExplainedVariance(), RelativeSquaredError(), R2Score(), MeanSquaredError()
        truth, said = spread + np.float32(zero), answers + np.float32(zero)
        assert np.array_equal(truth - np.float32(zero), spread) and np.array_equal(said - np.float32(zero), answers)
        for start in range(0, len(truth), batch):
            for measure in measures:
                measure.update(torch.from_numpy(said[start : start + batch]), torch.from_numpy(truth[start : start + batch]))
        r2, explained, relative, other, squared = (float(measure.compute()) for measure in measures)
        found[zero, batch, model] = [r2, explained, 1 - relative, other, float(r2_score(truth, said)), squared]
        print(f"  about {zero}, batches of {batch}, {model}: {[float(f'{v:.3g}') for v in found[zero, batch, model]]}")
for (zero, batch, model), (*theirs, right, squared) in found.items():
    good = model == "a good model"
    assert abs(right - 0.892 * good) < 0.001 and abs(squared - (2 if good else 18.6)) < 0.05
    assert max(abs(value - right) for value in theirs) < 0.001 if zero == 0 else max(abs(value - right) for value in theirs) > 0.01
for model in range(4):  # the four ways to an R²
    assert abs(found[20_150, 64, "always the mean"][model]) > 0.5 and abs(found[2015, 64, "always the mean"][model]) > 0.05
PY

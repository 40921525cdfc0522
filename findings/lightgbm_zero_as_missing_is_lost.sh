#!/usr/bin/env bash
# LightGBM, zero_as_missing=True, by which a 0 that stands for "not asked" goes the way of what is missing: onnxmltools and treelite both read such a model without
# a word and send 0 the way of the number 0. The setting stands in each split of LightGBM's own file (`decision_type`); neither looks at that bit, and treelite,
# which refuses linear trees, does not refuse these. Rows without a 0 agree to the last digits, of rows with one the answers are those of another model: R²
# falls from .59 to below 0. Missing values that are NaN, of the same trees without the setting, keep their side in both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'lightgbm==4.7.0' 'onnxmltools==1.16.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'treelite==4.8.1' \
    'scikit-learn==1.9.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import lightgbm, numpy as np, onnxmltools, onnxruntime, treelite
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import r2_score

def unwarned(export):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        answer = export()
    told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    assert not told, told
    return answer

rng = np.random.default_rng(0)
score = rng.integers(1, 11, 6000)  # of 1 to 10; who was not asked is as content as the average
extra = rng.normal(size=6000)
target = 10.0 * score + 5 * extra + rng.normal(0, 5, 6000)
unasked = rng.random(6000) < 0.4
print(f"lightgbm {lightgbm.__version__}, onnxmltools {onnxmltools.__version__}, treelite {treelite.__version__}: R² of LightGBM, of the ONNX file, of treelite; "
      "largest difference in rows where all were asked, in the others")
found = {}
for name, absent, settings in (("0 is missing", 0.0, {"zero_as_missing": True}), ("NaN is missing", np.nan, {})):
    rows = np.stack([np.where(unasked, absent, score), extra], axis=1).astype(np.float32)
    model = lightgbm.LGBMRegressor(n_estimators=60, num_leaves=15, n_jobs=1, verbose=-1, **settings).fit(rows[:4000], target[:4000])
    test, truth, gap = rows[4000:], target[4000:], unasked[4000:]
    file = unwarned(lambda: onnxmltools.convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, 2]))]))
    onnx = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": test})[0].ravel()
    forest = unwarned(lambda: treelite.frontend.from_lightgbm(model.booster_))
    answers = model.predict(test), onnx, np.asarray(treelite.gtil.predict(forest, test.astype(float))).ravel()
    off = [(float(np.abs(a - answers[0])[~gap].max()), float(np.abs(a - answers[0])[gap].max())) for a in answers[1:]]
    found[name] = [float(r2_score(truth, a)) for a in answers], off
    print(f"  {name}: {', '.join(f'{value:.3f}' for value in found[name][0])}; " + "; ".join(f"{asked:.2g} and {not_asked:.2g}" for asked, not_asked in off))
r2, off = found["0 is missing"]
assert all(value < r2[0] - 0.1 for value in r2[1:]), r2
assert all(asked < 1e-3 and not_asked > 10 for asked, not_asked in off), off
assert all(asked < 1e-3 and not_asked < 1e-3 for asked, not_asked in found["NaN is missing"][1]), found
PY

#!/usr/bin/env bash
# onnxmltools converts the trees of XGBoost and LightGBM exactly and leaves out, in silence, what is done with their sum. XGBRegressor(objective="reg:logistic"), and
# "binary:logistic", which learn a rate between 0 and 1: the file answers log-odds, and adds to them the mean *rate* that was to be turned into log-odds
# first: .033 is -.79. LGBMRegressor(reg_sqrt=True), which learns the root of the target: the file answers the root, 20 for 410. LGBMClassifier(sigmoid=2):
# the file takes a sigmoid of 1, so that labels and AUC are equal in every row and the probabilities are not. Poisson, tweedie and gamma, whose last step is an
# exponential, are right in both, so that a test on those passes; LightGBM's cross_entropy is refused.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'lightgbm==4.7.0' 'xgboost-cpu==3.2.0' 'onnxmltools==1.16.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' \
    'scikit-learn==1.9.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import lightgbm, numpy as np, onnxmltools, onnxruntime, xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

rng = np.random.default_rng(0)
rows = rng.normal(size=(4000, 5)).astype(np.float32)
rate = 1 / (1 + np.exp(3 - rows[:, 0] - rows[:, 1] / 2))
amount = (20 + 3 * rows[:, 0] + rng.normal(size=4000)) ** 2
bought, visits = (rng.random(4000) < 1 / (1 + np.exp(-rows[:, 0]))).astype(int), rng.poisson(np.exp(0.3 * rows[:, 0] + 1))
few = {"n_estimators": 40, "n_jobs": 1}
quiet = onnxruntime.SessionOptions()
quiet.log_severity_level = 3  # of the shapes that onnxmltools declares
ours = {
    "XGBoost, reg:logistic": (xgboost.XGBRegressor(objective="reg:logistic", **few), rate),
    "XGBoost, binary:logistic": (xgboost.XGBRegressor(objective="binary:logistic", **few), rate),
    "LightGBM, reg_sqrt": (lightgbm.LGBMRegressor(reg_sqrt=True, verbose=-1, **few), amount),
    "LightGBM, sigmoid=2": (lightgbm.LGBMClassifier(sigmoid=2.0, verbose=-1, **few), bought),
    "XGBoost, count:poisson": (xgboost.XGBRegressor(objective="count:poisson", **few), visits),
    "LightGBM, poisson": (lightgbm.LGBMRegressor(objective="poisson", verbose=-1, **few), visits),
    "LightGBM, sigmoid=1": (lightgbm.LGBMClassifier(verbose=-1, **few), bought),
}
print(f"onnxmltools {onnxmltools.__version__}, xgboost {xgboost.__version__}, lightgbm {lightgbm.__version__}: answers of the first three rows, in the library "
      "and in the file; largest difference")
off = {}
for name, (model, target) in ours.items():
    model.fit(rows[:3000], target[:3000])
    by_xgboost, test = name.startswith("XGBoost"), rows[3000:]
    convert, settings = (onnxmltools.convert_xgboost, {}) if by_xgboost else (onnxmltools.convert_lightgbm, {"zipmap": False})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        file = convert(model, initial_types=[("x", FloatTensorType([None, 5]))], **settings)
    told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    assert not told, told
    labels, *more = onnxruntime.InferenceSession(file.SerializeToString(), quiet, providers=["CPUExecutionProvider"]).run(None, {"x": test})
    right, answered = (model.predict_proba(test)[:, 1], more[0][:, 1]) if more else (model.predict(test), labels.ravel())
    if more:
        assert np.array_equal(labels, model.predict(test))
    off[name] = float(np.abs(right - answered).max())
    print(f"  {name}: {np.round(right[:3].astype(float), 3).tolist()} and {np.round(answered[:3].astype(float), 3).tolist()}; {off[name]:.2g}" + "; all labels are equal" * bool(more))
assert off["XGBoost, reg:logistic"] > 1 and off["XGBoost, binary:logistic"] > 1 and off["LightGBM, reg_sqrt"] > 100 and off["LightGBM, sigmoid=2"] > 0.05, off
assert all(off[name] < 1e-3 for name in ("XGBoost, count:poisson", "LightGBM, poisson", "LightGBM, sigmoid=1")), off
PY

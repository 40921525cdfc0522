#!/usr/bin/env bash
# LightGBM through onnxmltools, `boosting_type: rf`: the converted model divides the sum of its trees by 100, however many there are. With
# the default of 100 trees it is exact, with 20 every answer is a fifth of the library's, in silence; so a test on defaults passes. A model with
# `linear_tree` loses the linear part of its leaves, in silence too. Ordinary boosting converts exactly.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'lightgbm==4.7.0' 'onnxmltools==1.16.0' 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" - <<'PY'
import warnings
import lightgbm, numpy as np, onnxmltools, onnxruntime
from onnxmltools.convert.common.data_types import FloatTensorType

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 5)).astype(np.float32)
y = (3 * x[:, 0] + x[:, 1] ** 2).astype(np.float32)
forest = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}

def compared(trees, **options):
    """Slope of the converted model's answers over the library's, and the mean difference in deviations of the target."""
    model = lightgbm.LGBMRegressor(n_estimators=trees, verbose=-1, random_state=0, **options).fit(x, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = onnxmltools.convert_lightgbm(model, initial_types=[("input", FloatTensorType([None, 5]))], target_opset=15)
    told.extend(str(w.message) for w in caught if "linear" in str(w.message) or "forest" in str(w.message))
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    mine, theirs = model.predict(x), session.run(None, {"input": x})[0].ravel()
    return round(float(np.polyfit(mine, theirs, 1)[0]), 3), round(float(np.abs(theirs - mine).mean() / y.std()), 4)

told = []
found = {
    "boosting, 20 trees": compared(20),
    "rf, 20 trees": compared(20, **forest),
    "rf, 100 trees": compared(100, **forest),
    "linear_tree, 20 trees": compared(20, linear_tree=True),
}
print(f"lightgbm {lightgbm.__version__}, onnxmltools {onnxmltools.__version__}, (slope, mean difference): {found}; warnings: {told}")
assert found["boosting, 20 trees"] == (1.0, 0.0) and found["rf, 100 trees"] == (1.0, 0.0)
assert found["rf, 20 trees"][0] == 0.2 and found["linear_tree, 20 trees"][1] > 0.05 and not told
PY

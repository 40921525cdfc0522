#!/usr/bin/env bash
# scikit-learn's HistGradientBoosting with native categorical features, through skl2onnx: splits by *sets* of categories are written as
# numeric thresholds, without a warning. The file loads, runs and answers; its answers are those of another model.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-learn==1.9.1' 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'protobuf==6.33.2' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" - <<'PY'
import warnings
import numpy as np, onnxruntime, skl2onnx, sklearn
from sklearn.ensemble import HistGradientBoostingClassifier

rng = np.random.default_rng(0)
codes = rng.integers(0, 12, (2000, 1)).astype(np.float32)
target = np.isin(codes[:, 0], [1, 4, 5, 9, 10]).astype(int)  # no threshold separates this set
model = HistGradientBoostingClassifier(max_iter=20, categorical_features=[0], random_state=0).fit(codes, target)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    made = skl2onnx.to_onnx(model, codes[:1], options={"zipmap": False})
session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
answers = session.run(None, {session.get_inputs()[0].name: codes})[0]
mine, theirs, majority = (model.predict(codes) == target).mean(), (answers == target).mean(), max(target.mean(), 1 - target.mean())
relevant = [w for w in told if "categor" in str(w.message).lower()]
print(f"scikit-learn {sklearn.__version__}, skl2onnx {skl2onnx.__version__}: accuracy {mine:.3f} in scikit-learn, {theirs:.3f} in ONNX "
      f"(the larger class alone: {majority:.3f}); warnings about categories: {len(relevant)}")
assert mine > 0.99 and theirs < 0.9 and not relevant
PY

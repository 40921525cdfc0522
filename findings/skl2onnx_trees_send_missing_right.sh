#!/usr/bin/env bash
# scikit-learn's trees and forests take missing values and learn at each split which side they go to. Through skl2onnx the side is lost: in
# the file a missing value fails every comparison and goes right. Where it belongs right, the two agree row by row, so that a test on one
# data set may pass; where it belongs left, the same trees answer wrongly for those rows, without a warning. The file of
# HistGradientBoosting, out of the same converter, keeps the side.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-learn==1.9.1' 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'protobuf==6.33.2' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np, onnxruntime, skl2onnx, sklearn
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

rng = np.random.default_rng(0)
rows = rng.normal(size=(300, 2)).astype(np.float32)
missing = rng.random(300) < 0.3
rows[missing, 0] = np.nan

def through_onnx(model):
    made = skl2onnx.to_onnx(model, rows[:1], options={"zipmap": False})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows})[0]

def compared(model, side):
    """Accuracy on rows with a missing value in scikit-learn and in ONNX, and on the others in ONNX."""
    labels = np.where(missing, side == "right", rows[:, 0] > 0).astype(int)
    model.fit(rows, labels)
    mine, theirs = model.predict(rows) == labels, through_onnx(model) == labels
    return mine[missing].mean(), theirs[missing].mean(), round(theirs[~missing].mean(), 2)

print(f"scikit-learn {sklearn.__version__}, skl2onnx {skl2onnx.__version__}, onnxruntime {onnxruntime.__version__}: accuracy on rows with "
      "a missing value in scikit-learn, in ONNX; on the others in ONNX")
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for kind, options in (
        (DecisionTreeClassifier, {"max_depth": 3}), (RandomForestClassifier, {"n_estimators": 5}),
        (ExtraTreesClassifier, {"n_estimators": 25}), (HistGradientBoostingClassifier, {"max_iter": 20}),
    ):
        for side in ("left", "right"):
            found[kind.__name__, side] = compared(kind(random_state=0, **options), side)
            print(f"  {kind.__name__}, missing belongs {side}: {tuple(float(v) for v in found[kind.__name__, side])}")
assert all(mine == 1 and others >= 0.95 for mine, _, others in found.values())
for (kind, side), (_, theirs, _) in found.items():
    assert theirs == (1 if side == "right" or kind == "HistGradientBoostingClassifier" else 0), (kind, side)
assert not [w for w in told if "missing" in str(w.message).lower() or "nan" in str(w.message).lower()]
PY

#!/usr/bin/env bash
# LightGBM's objective "multiclassova" and CatBoost's loss "MultiClassOneVsAll" learn for each class whether it is this one or not, and answer a probability for
# each that stands alone: they need not add up to 1, and "none of them" is all of them low. In ONNX files, LightGBM's by onnxmltools and CatBoost's by its own
# save_model, the same sums go through a softmax: they add up to 1 in every row, where the library's add up to .7
# or 1.3, and a threshold that was set by the one is crossed by other rows in the other. The largest is the same one, so that all labels are equal and
# a test on them passes. The ordinary losses for several classes are right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'lightgbm==4.7.0' 'catboost==1.2.10' 'onnxmltools==1.16.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' \
    'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import catboost, lightgbm, numpy as np, onnxmltools, onnxruntime
from onnxmltools.convert.common.data_types import FloatTensorType

rng = np.random.default_rng(0)
centres = np.array([[0, 0], [3, 0], [0, 3], [3, 3]], dtype=np.float32)
classes = rng.integers(0, 4, 6000)
rows = (centres[classes] + rng.normal(size=(6000, 2))).astype(np.float32)
few = {"n_estimators": 60, "random_state": 0}
quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
silent = onnxruntime.SessionOptions()
silent.log_severity_level = 3  # of the shapes that the files declare
models = {
    "LightGBM, multiclassova": lightgbm.LGBMClassifier(objective="multiclassova", n_jobs=1, verbose=-1, **few),
    "CatBoost, MultiClassOneVsAll": catboost.CatBoostClassifier(loss_function="MultiClassOneVsAll", **quiet, **few),
    "LightGBM, multiclass": lightgbm.LGBMClassifier(objective="multiclass", n_jobs=1, verbose=-1, **few),
    "CatBoost, MultiClass": catboost.CatBoostClassifier(loss_function="MultiClass", **quiet, **few),
}
print(f"lightgbm {lightgbm.__version__}, catboost {catboost.__version__}, onnxmltools {onnxmltools.__version__}: what a row's probabilities add up to, least and most; "
      "rows in which no class reaches .5, in the library and in the file")
found = {}
for name, model in models.items():
    model.fit(rows[:4000], classes[:4000])
    test = rows[4000:]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if name.startswith("LightGBM"):
            file = onnxmltools.convert_lightgbm(model, initial_types=[("features", FloatTensorType([None, 2]))], zipmap=False).SerializeToString()
        else:
            model.save_model("model.onnx", format="onnx")
            file = "model.onnx"
    told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    assert not told, told
    labels, answered = onnxruntime.InferenceSession(file, silent, providers=["CPUExecutionProvider"]).run(None, {"features": test})
    if isinstance(answered, list):
        answered = np.array([[row[label] for label in range(4)] for row in answered])
    right = model.predict_proba(test)
    assert np.array_equal(np.ravel(labels), np.ravel(model.predict(test)))
    sums = right.sum(axis=1), answered.sum(axis=1)
    unsure = [int((probabilities.max(axis=1) < 0.5).sum()) for probabilities in (right, answered)]
    least = int(right.max(axis=1).argmin())
    found[name] = [float(s.min()) for s in sums] + [float(s.max()) for s in sums], unsure, float(np.abs(right - answered).max())
    print(f"  {name}: {sums[0].min():.2f} to {sums[0].max():.2f} and {sums[1].min():.2f} to {sums[1].max():.2f}; {unsure[0]} and {unsure[1]} of {len(test)}; "
          f"the least sure row {np.round(right[least], 2).tolist()} and {np.round(answered[least].astype(float), 2).tolist()}; all labels are equal")
for name, ((least, least_file, most, most_file), unsure, off) in found.items():
    alone = name in ("LightGBM, multiclassova", "CatBoost, MultiClassOneVsAll")
    assert abs(least_file - 1) < 1e-3 and abs(most_file - 1) < 1e-3, name
    assert (max(abs(least - 1), abs(most - 1)) > 0.1 and off > 0.1) if alone else off < 1e-3, (name, least, most, off)
PY

#!/usr/bin/env bash
# scikit-learn's KNeighborsClassifier and KNeighborsRegressor with weights="distance" through skl2onnx: the file has operators that weigh by
# the distance, and answers as weights="uniform" does, to the last digits, in silence. Labels are mostly the same, so that a test on them passes;
# with an even number of neighbours, where distances break ties, one in ten is another. The gap grows with the number of neighbours that a
# regressor takes, which is what one raises when weights are there to keep the far ones from counting.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import numpy as np, onnxruntime, skl2onnx, sklearn
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

def unwarned(export):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        file = export()
    assert not said, [str(w.message) for w in said]
    return file

x, y = make_classification(2_000, n_features=8, n_informative=4, class_sep=0.7, flip_y=0.02, random_state=0)
x = x.astype(np.float32)
target = np.sin(x).sum(axis=1)
train, test = x[:1_000], x[1_000:]

def answered(model, options=None):
    file = unwarned(lambda: skl2onnx.to_onnx(model, train[:1], options=options))
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    operators = {node.op_type for node in file.graph.node}
    return *session.run(None, {"X": test}), operators

print(f"skl2onnx {skl2onnx.__version__}, scikit-learn {sklearn.__version__}, onnxruntime {onnxruntime.__version__}")
for neighbours in (2, 5):
    model = KNeighborsClassifier(neighbours, weights="distance").fit(train, y[:1_000])
    uniform = clone(model).set_params(weights="uniform").fit(train, y[:1_000])
    labels, probabilities, operators = answered(model, {"zipmap": False})
    off = [float(np.abs(other.predict_proba(test) - probabilities).max()) for other in (model, uniform)]
    differ = float(np.mean(labels != model.predict(test)))
    print(f"  classifier of {neighbours}: probabilities off by up to {off[0]:.2f} from the library's, {off[1]:.0e} from uniform weights; {differ:.1%} of the labels differ")
    assert off[0] > 0.1 and off[1] < 1e-5 and "Reciprocal" in operators, (off, operators)
    assert differ > 0.05 if neighbours == 2 else differ < 0.05
for neighbours in (5, 50, 500):
    model = KNeighborsRegressor(neighbours, weights="distance").fit(train, target[:1_000])
    uniform = clone(model).set_params(weights="uniform").fit(train, target[:1_000])
    values = answered(model)[0].ravel()
    r2 = [float(r2_score(target[1_000:], found)) for found in (model.predict(test), values)]
    off = float(np.abs(values - uniform.predict(test)).max())
    print(f"  regressor of {neighbours}: R² {r2[0]:.3f} in the library, {r2[1]:.3f} in the file, which is off by {off:.0e} from uniform weights")
    assert r2[1] < r2[0] and off < 1e-4, (r2, off)
PY

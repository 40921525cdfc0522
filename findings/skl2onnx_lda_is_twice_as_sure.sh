#!/usr/bin/env bash
# scikit-learn's LinearDiscriminantAnalysis of two classes through skl2onnx: the probability in the file is that of twice the score, sigmoid(2 d)
# where the library says sigmoid(d). Labels and rankings are the library's in every row, so that accuracy and AUC are equal and a test on labels
# passes; .73 has become .88, the log loss on the breast cancer table rises by three quarters, and who pays by the probability pays wrongly.
# With three classes, and for LogisticRegression of two, which the file writes with the same operator, it is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import numpy as np, onnxruntime, skl2onnx, sklearn
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def unwarned(export):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        file = export()
    assert not said, [str(w.message) for w in said]
    return file

print(f"skl2onnx {skl2onnx.__version__}, scikit-learn {sklearn.__version__}, onnxruntime {onnxruntime.__version__}: log loss in the library, in the file")
found = {}
for name, model, load in (
    ("LDA, two classes", LinearDiscriminantAnalysis(), load_breast_cancer),
    ("LogisticRegression, two classes", LogisticRegression(), load_breast_cancer),
    ("LDA, three classes", LinearDiscriminantAnalysis(), load_iris),
):
    x, y = load(return_X_y=True)
    train, test, classes, truth = train_test_split(x.astype(np.float32), y, random_state=0, stratify=y)
    model = make_pipeline(StandardScaler(), model).fit(train, classes)
    file = unwarned(lambda: skl2onnx.to_onnx(model, train[:1], options={"zipmap": False}))
    labels, answered = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"X": test})
    right = model.predict_proba(test)
    assert np.array_equal(labels, model.predict(test))
    off = float(np.abs(answered - right).max())
    found[name] = off, log_loss(truth, right), log_loss(truth, answered.astype(float))
    print(f"  {name}: {found[name][1]:.3f}, {found[name][2]:.3f}; probabilities differ by up to {off:.2g}, all {len(labels)} labels are equal")
    if name == "LDA, two classes":
        with np.errstate(over="ignore"):
            assert np.allclose(answered[:, 1], 1 / (1 + np.exp(-2 * model.decision_function(test))), atol=1e-3)
assert found["LDA, two classes"][0] > 0.1 and found["LDA, two classes"][2] > 1.4 * found["LDA, two classes"][1], found
assert all(off < 1e-3 for name, (off, _, _) in found.items() if name != "LDA, two classes"), found
PY

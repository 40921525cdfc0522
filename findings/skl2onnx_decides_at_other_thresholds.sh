#!/usr/bin/env bash
# Two of scikit-learn's classifiers whose labels, through skl2onnx, fall at another threshold, in silence. TunedThresholdClassifierCV looks for the
# threshold at which a score is best: the file holds its model and decides at .5, as if nothing had been tuned; of rare positives it finds a third
# of what the library finds. Probabilities are equal, and they are what one compares. (FixedThresholdClassifier, which is told its threshold, is
# refused.) OneVsRestClassifier of a LinearSVC for two classes decides by the sign of a distance: the file decides at a distance of .5.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'skl2onnx==1.20.0' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
"$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import numpy as np, onnxruntime, skl2onnx, sklearn
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

def unwarned(export):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        file = export()
    assert not said, [str(w.message) for w in said]
    return file

def parts(**options):
    x, y = make_classification(8_000, n_features=8, n_informative=4, flip_y=0.02, random_state=0, **options)
    return train_test_split(x.astype(np.float32), y, random_state=0, stratify=y)

def answers(model, test, **options):
    file = unwarned(lambda: skl2onnx.to_onnx(model, test[:1], options=options or None))
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    return model.predict(test), *session.run(None, {"X": test})

print(f"skl2onnx {skl2onnx.__version__}, scikit-learn {sklearn.__version__}, onnxruntime {onnxruntime.__version__}: in the library, in the file")
train, test, classes, truth = parts(weights=[0.95], class_sep=1.5)
tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring="f1").fit(train, classes)
library, file, probabilities = answers(tuned, test, zipmap=False)
assert np.allclose(probabilities, tuned.predict_proba(test), atol=1e-5) and np.array_equal(file, probabilities.argmax(1))
recall = [float(recall_score(truth, labels)) for labels in (library, file)]
f1 = [float(f1_score(truth, labels)) for labels in (library, file)]
print(f"  threshold {tuned.best_threshold_:.2f}, {truth.sum()} positives of {len(truth)}: recall {recall[0]:.3f}, {recall[1]:.3f}; F1 {f1[0]:.3f}, {f1[1]:.3f}")
train, test, classes, truth = parts(class_sep=0.7)
support = OneVsRestClassifier(LinearSVC(random_state=0)).fit(train, classes)
library, file, *_ = answers(support, test)
distance = support.decision_function(test).ravel()
right = [float((labels == truth).mean()) for labels in (library, np.ravel(file))]
print(f"  one against the rest: {np.mean(library != np.ravel(file)):.0%} of the labels differ, accuracy {right[0]:.3f}, {right[1]:.3f}")
assert recall[1] < recall[0] / 2 and f1[1] < f1[0] - 0.1, (recall, f1)
assert np.array_equal(library, distance > 0) and np.mean(np.ravel(file) == (distance > 0.5)) > 0.999 and right[1] < right[0] - 0.05, right
PY

#!/usr/bin/env bash
# CatBoost's own ONNX export: a two-class model of the labels 3 and 7 answers 0 and 1, and a Poisson model answers the logarithm of what
# the library predicts. The trees are right, the last step is that of another task; nothing is said.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'catboost==1.2.10' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
(cd "$work" && "$work/venv/bin/python" - <<'PY'
import catboost, numpy as np, onnxruntime

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 4)).astype(np.float32)
options = {"iterations": 20, "verbose": False, "thread_count": 1, "allow_writing_files": False, "random_seed": 0}

def through_onnx(model):
    model.save_model("model.onnx", format="onnx")
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]

labels = np.where(x[:, 0] > 0, 7, 3)
classifier = catboost.CatBoostClassifier(**options).fit(x, labels)
answered = through_onnx(classifier)
counts = rng.poisson(np.exp(1 + x[:, 0]))
poisson = catboost.CatBoostRegressor(loss_function="Poisson", **options).fit(x, counts)
raw, mine = through_onnx(poisson).ravel(), poisson.predict(x, prediction_type="Exponent")
print(f"catboost {catboost.__version__}: labels {sorted(set(classifier.predict(x).ravel().tolist()))} in the library, {sorted(set(np.ravel(answered).tolist()))} "
      f"in ONNX; Poisson mean {mine.mean():.2f} in the library, {raw.mean():.2f} in ONNX, {np.exp(raw).mean():.2f} after exp")
assert set(classifier.predict(x).ravel().tolist()) == {3, 7} and set(np.ravel(answered).tolist()) == {0, 1}
assert np.allclose(np.exp(raw), mine, rtol=1e-3) and abs(raw.mean() - mine.mean()) > 0.5
PY
)

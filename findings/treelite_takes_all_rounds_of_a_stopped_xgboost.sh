#!/usr/bin/env bash
# XGBoost with early stopping keeps the rounds after the best one and notes which was the best: XGBClassifier.predict stops there. treelite, on which GPU and C
# runtimes for trees stand, reads all rounds, from the model as from its file, in silence: what is served is the over-trained model that early stopping
# was to prevent, and the more patience, the worse. XGBoost's own Booster.predict does the same; onnxmltools, of the same model, stops at the best.
# Of LightGBM, whose files end with the best round, treelite is right, so that one who knows the pair expects no other. (FIL, which reads models by treelite, was
# asked about it in 2021: issue 3547 of cuML, open.) `model.get_booster()[: model.best_iteration + 1]` is the model that was meant.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'xgboost-cpu==3.2.0' 'lightgbm==4.7.0' 'treelite==4.8.1' 'onnxmltools==1.16.0' 'onnx==1.23.2' \
    'onnxruntime==1.32.0' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import lightgbm, numpy as np, onnxmltools, onnxruntime, treelite, xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import log_loss

rng = np.random.default_rng(0)
table = rng.normal(size=(4000, 5)).astype(np.float32)
labels = (table[:, 0] + rng.normal(0, 1.5, 4000) > 0).astype(int)
(learned, held, test), (its, their, truth) = np.split(table, [1000, 2000]), np.split(labels, [1000, 2000])
grown = {"n_estimators": 500, "learning_rate": 0.5, "n_jobs": 1}
stopped = xgboost.XGBClassifier(early_stopping_rounds=50, **grown).fit(learned, its, eval_set=[(held, their)], verbose=False)
stopped.save_model("model.json")
light = lightgbm.LGBMClassifier(verbose=-1, **grown).fit(learned, its, eval_set=[(held, their)], callbacks=[lightgbm.early_stopping(50, verbose=False)])

def by_treelite(model):
    return treelite.gtil.predict(model, test).reshape(-1)

def by_onnx(model):
    file = onnxmltools.convert_xgboost(model, initial_types=[("features", FloatTensorType([None, 5]))]).SerializeToString()
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"features": test})[1][:, 1]

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    right = stopped.predict_proba(test)[:, 1]
    booster = stopped.get_booster()
    answers = {
        "XGBClassifier": right,
        "treelite, of the model": by_treelite(treelite.frontend.from_xgboost(booster)),
        "treelite, of its file": by_treelite(treelite.frontend.load_xgboost_model("model.json")),
        "Booster.predict": booster.predict(xgboost.DMatrix(test)),
        "ONNX": by_onnx(stopped),
        "treelite, of the booster cut at the best": by_treelite(treelite.frontend.from_xgboost(booster[: stopped.best_iteration + 1])),
    }
told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
assert not told, told
print(f"xgboost {xgboost.__version__}, treelite {treelite.__version__}, onnxmltools {onnxmltools.__version__}: best is round {stopped.best_iteration + 1} of "
      f"{booster.num_boosted_rounds()}; a constant has a log loss of {log_loss(truth, np.full(len(truth), its.mean())):.3f}")
off = {name: float(np.abs(answer - right).max()) for name, answer in answers.items()}
for name, answer in answers.items():
    print(f"  {name}: log loss {log_loss(truth, answer.astype(float)):.3f}, differs by up to {off[name]:.2g}")
same = float(np.abs(by_treelite(treelite.frontend.from_lightgbm(light.booster_)) - light.predict_proba(test)[:, 1]).max())
print(f"  LightGBM, best is round {light.best_iteration_}: treelite differs by up to {same:.2g}")
for name in ("treelite, of the model", "treelite, of its file", "Booster.predict"):
    assert off[name] > 0.2 and log_loss(truth, answers[name].astype(float)) > log_loss(truth, right.astype(float)) + 0.1, (name, off[name])
assert off["ONNX"] < 1e-4 and off["treelite, of the booster cut at the best"] < 1e-4 and same < 1e-4, (off, same)
PY

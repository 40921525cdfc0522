#!/usr/bin/env bash
# A column that had no gap in training and has one when the model is asked, as a sensor has that fails for the first time: LightGBM takes NaN for the number 0,
# however far from anything the column ever held (of kelvin the coldest day there is), XGBoost for a number above all others, CatBoost for one below all.
# Each answers as at an extreme, in silence, two to four times as far off as with the column's mean in its place; and three models that agree on whole
# rows part there. One gap among 3,000 rows of training changes it. LightGBM's and XGBoost's documentation have NaN as missing, with a side that is
# learned, and not what becomes of it where none was (LightGBM's issues 2292, 2706, 6139). scikit-learn's histogram boosting goes with the larger part,
# as it says, and is about as good as the mean. treelite follows LightGBM; daal4py.mb.convert_model (scikit-learn-intelex), which is to serve the same model
# faster "without any loss", goes by a side that stands unused in the file, and answers otherwise in those rows alone.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'lightgbm==4.7.0' 'xgboost-cpu==3.2.0' 'catboost==1.2.10' \
    'scikit-learn-intelex==2026.2.0' 'treelite==4.8.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings
from importlib.metadata import version

import catboost, daal4py, lightgbm, numpy as np, treelite, xgboost
from sklearn.ensemble import HistGradientBoostingRegressor

rng = np.random.default_rng(0)
table = rng.normal([290, -40, 0], [8, 8, 1], (3300, 3)).astype(np.float32)  # kelvin, metres above the sea, anything
truth = 2 * (table[:, 0] - 290) / 8 + (table[:, 1] + 40) / 8
learned, test = table[:3000], table[3000:].copy()
gaps = {"kelvin": (np.arange(100), 0), "metres": (np.arange(100, 200), 1)}
filled, zeros = test.copy(), test.copy()
for rows, column in gaps.values():
    test[rows, column], filled[rows, column], zeros[rows, column] = np.nan, learned[:, column].mean(), 0
one_gap = learned.copy()
one_gap[:1, :2] = np.nan

def off(answer):
    return [float(np.abs(answer - truth[3000:])[part].mean()) for part in (slice(0, 100), slice(100, 200), slice(200, 300))]

light = lightgbm.LGBMRegressor(n_estimators=50, n_jobs=1, verbose=-1).fit(learned, truth[:3000])
light.booster_.save_model("model.txt")
extreme = xgboost.XGBRegressor(n_estimators=50, n_jobs=1, learning_rate=0.1).fit(learned, truth[:3000])
cat = catboost.CatBoostRegressor(iterations=300, thread_count=1, verbose=False, allow_writing_files=False).fit(learned, truth[:3000])
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    answers = {
        "LightGBM": light.predict(test),
        "the mean in place of each gap": light.predict(filled),
        "LightGBM, one gap in training": lightgbm.LGBMRegressor(n_estimators=50, n_jobs=1, verbose=-1).fit(one_gap, truth[:3000]).predict(test),
        "XGBoost": extreme.predict(test),
        "CatBoost": cat.predict(test),
        "HistGradientBoosting": HistGradientBoostingRegressor().fit(learned, truth[:3000]).predict(test),
        "LightGBM's file by treelite": treelite.gtil.predict(treelite.frontend.load_lightgbm_model("model.txt"), test).reshape(-1),
        "LightGBM's model by daal4py": daal4py.mb.convert_model(light.booster_).predict(test).reshape(-1),
    }
told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
print(f"lightgbm {lightgbm.__version__}, scikit-learn-intelex {version('scikit-learn-intelex')}: mean error of rows without their kelvin, without their metres, whole")
for name, answer in answers.items():
    print(f"  {name}: " + ", ".join(f"{error:.2f}" for error in off(answer)))
assert not told, told
high, low = (np.where(np.isnan(test), np.float32(end), test) for end in (1e30, -1e30))
assert np.array_equal(answers["LightGBM"], light.predict(zeros)) and np.array_equal(answers["XGBoost"], extreme.predict(high)) and np.array_equal(answers["CatBoost"], cat.predict(low))
errors = {name: off(answer) for name, answer in answers.items()}
for column in (0, 1):
    assert all(errors[name][column] > 1.8 * errors["the mean in place of each gap"][column] for name in ("LightGBM", "XGBoost", "CatBoost")), errors
    assert errors["HistGradientBoosting"][column] < 1.2 * errors["the mean in place of each gap"][column], errors
    assert np.allclose(errors["LightGBM's file by treelite"], errors["LightGBM"], atol=1e-4), errors
assert abs(errors["LightGBM's model by daal4py"][1] - errors["LightGBM"][1]) > 0.1 and abs(errors["LightGBM's model by daal4py"][2] - errors["LightGBM"][2]) < 1e-4, errors
PY

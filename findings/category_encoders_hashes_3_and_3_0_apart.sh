#!/usr/bin/env bash
# category_encoders, HashingEncoder, which its documentation recommends since it needs nothing learned and takes any value at any time: it hashes the text of a
# value, and pandas turns a column of whole numbers into floats as soon as one cell of it is missing. Shop 3 is then "3.0", and every row of the batch goes
# to the columns of another shop, in silence, not only the row with the gap. A model whose training table had no gap, and whose batches of a day have one,
# answers at random for that day. The other encoders here (ordinal, one-hot, target, binary) look numbers up as numbers and agree either way.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'category_encoders==2.11.2' 'scikit-learn==1.9.1' 'pandas==3.1.1' 'numpy==2.4.6'
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import warnings

import category_encoders, numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

rng = np.random.default_rng(0)
shops = rng.normal(100, 30, 40)
learned = pd.DataFrame({"shop": rng.integers(0, 40, 4000)})
sales = shops[learned["shop"]] + rng.normal(0, 5, len(learned))
batch = pd.DataFrame({"shop": rng.integers(0, 40, 1000)})
truth = shops[batch["shop"]]
gap = pd.concat([batch, pd.DataFrame({"shop": [None]}, dtype=float)], ignore_index=True)  # as read from a CSV with one empty cell
assert (gap["shop"][:1000] == batch["shop"]).all()
print(f"category_encoders {category_encoders.__version__}: R² of 1000 rows, alone and beside a row without a shop ({batch['shop'].dtype}, {gap['shop'].dtype})")
found = {}
for encoder in (
    category_encoders.HashingEncoder(cols=["shop"], n_components=256, max_process=1), category_encoders.OrdinalEncoder(cols=["shop"]),
    category_encoders.OneHotEncoder(cols=["shop"]), category_encoders.TargetEncoder(cols=["shop"]), category_encoders.BinaryEncoder(cols=["shop"]),
):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = LinearRegression().fit(encoder.fit_transform(learned, sales), sales)
        alone, beside = encoder.transform(batch), encoder.transform(gap)[:1000]
    told = [str(w.message) for w in said if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    assert not told, told
    name = type(encoder).__name__
    found[name] = float((alone.to_numpy() == beside.to_numpy()).all(axis=1).mean()), r2_score(truth, model.predict(alone)), r2_score(truth, model.predict(beside))
    print(f"  {name}: {found[name][1]:.2f} and {found[name][2]:.2f}; {found[name][0]:.3f} of the rows are encoded alike")
equal, before, after = found.pop("HashingEncoder")
assert equal < 0.1 and before > 0.8 and after < 0.2, (equal, before, after)
assert all(equal == 1 for equal, _, _ in found.values()), found
PY

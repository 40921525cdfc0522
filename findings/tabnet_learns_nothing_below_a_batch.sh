#!/usr/bin/env bash
# pytorch-tabnet, a table of fewer rows than `batch_size`, which is 1,024 unless told otherwise: `drop_last=True`, the default of `fit`, leaves out the last
# incomplete batch, which here is the only one. It goes through all its epochs without a single step, logs a loss of 0 for each, and predicts with the
# weights that it began with, in silence: 1,000 rows give a coin's AUC, 1,100 of the same table a good one. Between, up to half of
# an epoch's rows are left out. Whoever compares models on growing tables sees a network that "needs 1,024 rows".
# `drop_last=False`, or a batch of a tenth of the rows, cures it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pytorch-tabnet==4.1.0' 'torch==2.13.0' 'pandas==3.1.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import contextlib, io, warnings
from importlib.metadata import version

import numpy as np, torch
from pytorch_tabnet.tab_model import TabNetClassifier
from sklearn.metrics import roc_auc_score

torch.set_num_threads(1)
rng = np.random.default_rng(0)
table = rng.normal(size=(3100, 6)).astype(np.float32)
labels = (table[:, 0] + table[:, 1] + rng.normal(0, 0.5, 3100) > 0).astype(int)
test, truth = table[1100:], labels[1100:]
print(f"pytorch-tabnet {version('pytorch-tabnet')}: AUC of 2000 other rows after 15 epochs, loss of the first and last epoch")
found = {}
for name, rows, options in (("1000 rows", 1000, {}), ("1100 rows", 1100, {}), ("1000 rows, drop_last=False", 1000, {"drop_last": False})):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model = TabNetClassifier(seed=0, verbose=0, device_name="cpu")
        model.fit(table[:rows], labels[:rows], max_epochs=15, **options)
    told = [str(w.message) for w in warned if not issubclass(w.category, (DeprecationWarning, FutureWarning))]
    losses = [round(float(loss), 3) for loss in model.history["loss"]]
    found[name] = roc_auc_score(truth, model.predict_proba(test)[:, 1]), losses[0], losses[-1]
    print(f"  {name}: AUC {found[name][0]:.3f}, {len(losses)} epochs, loss {losses[0]} and {losses[-1]}; says {said.getvalue().strip() or 'nothing'} {told}")
untrained, more, whole = found.values()
assert untrained[1:] == (0, 0) and abs(untrained[0] - 0.5) < 0.25, untrained
assert more[0] > 0.9 and whole[0] > 0.9, (more, whole)
PY

#!/usr/bin/env bash
# implicit, evaluation.AUC_at_k: a model that puts every held-out item at the top does not get 1. The area counts only what stands among
# the first K, and items beyond K count as half: with 25 relevant items, K=10 and a catalogue of 100, a perfect ranking gets .7 and
# worse models are measured against that, not against 1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'implicit==0.7.3' 'numpy==2.4.6' 'scipy<1.18'
OPENBLAS_NUM_THREADS=1 "$work/venv/bin/python" - <<'PY'
import implicit, numpy as np, scipy.sparse as sp
from implicit.evaluation import ranking_metrics_at_k

class Perfect(implicit.recommender_base.RecommenderBase if hasattr(implicit, "recommender_base") else object):
    """Answers the held-out items first, all others after."""
    def fit(self, *a, **k): ...
    def similar_items(self, *a, **k): ...
    def similar_users(self, *a, **k): ...
    def save(self, *a): ...
    @classmethod
    def load(cls, *a): ...
    def recommend(self, userid, user_items, N=10, **k):
        ids = np.tile(np.arange(N, dtype=np.int32), (len(np.atleast_1d(userid)), 1))
        return ids, np.tile(np.arange(N, 0, -1, dtype=np.float32), (len(ids), 1))

users, items = 4, 100
held = sp.csr_matrix((np.ones(users * 25), (np.repeat(np.arange(users), 25), np.tile(np.arange(25), users))), shape=(users, items))
seen = sp.csr_matrix((users, items))
found = {k: ranking_metrics_at_k(Perfect(), seen, held, K=k, show_progress=False) for k in (10, 25)}
print(f"implicit {implicit.__version__}, a perfect ranking with 25 relevant of 100 items: "
      + "; ".join(f"K={k}: AUC {v['auc']:.3f}, precision {v['precision']:.3f}" for k, v in found.items()))
assert abs(found[10]["precision"] - 1) < 1e-9 and abs(found[10]["auc"] - 0.7) < 0.01
assert abs(found[25]["auc"] - 1) < 1e-9
PY

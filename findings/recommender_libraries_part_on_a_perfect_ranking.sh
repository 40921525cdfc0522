#!/usr/bin/env bash
# A hundred users, of whom nine in ten have one held-out item and the rest twenty, and a model that puts all of them first. What three libraries call precision and NDCG of its first ten: pytrec_eval, as papers have it, .19
# and 1. implicit: a precision of 1, since it divides by what was held out where that is less than K, and so it *grows* with K, to 1 for any model: of random rankings it is .10 at 10, .26 at 50 and 1 at the end of the list. And it pools
# all users' items, where the MAP and NDCG beside it in the same answer are means over users: of a model that serves the ten heavy users and nobody else they say .10, it says .53. RecTools: an NDCG of .30, since the ideal has ten relevant
# items for everybody, of whom most have one, so that a model for users with one item cannot get above .22. So a figure of one library beside one of another is a factor of 3 to 5 that no model made. RecTools' documentation
# has the formula, and `divide_by_achievable=True`; implicit's says "P@K" (issues 158, 412 and 713, open since 2018, 2020 and 2024). Give the lists to one library for all models.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/a" && python3 -m venv "$work/b"
"$work/a/bin/pip" install --quiet --disable-pip-version-check 'implicit==0.7.3' 'pytrec_eval-terrier==0.5.11' 'scipy==1.17.1' 'numpy==2.4.6'
"$work/b/bin/pip" install --quiet --disable-pip-version-check 'RecTools==0.19.0' 'pandas==2.3.3' 'numpy==1.26.4'
cd "$work"
cat > users.py <<'PY'
import numpy as np

rng = np.random.default_rng(0)
users, items = 100, 200
held = np.zeros((users, items))
for user in range(users):
    held[user, rng.choice(items, 1 if user < 90 else 20, replace=False)] = 1


def order(served):
    """Every user's items, held-out ones first for whom the model serves and last for others; None is at random."""
    rows = [rng.permutation(items) if served is None else np.argsort(-held[user] if served(user) else held[user], kind="stable") for user in range(users)]
    return np.array(rows)


models = {"perfect": order(lambda user: True), "serves ten heavy users": order(lambda user: user >= 90), "random": order(None)}
PY
cat > a.py <<'PY'
from importlib.metadata import version

import implicit, numpy as np, pytrec_eval, scipy.sparse
from implicit.evaluation import ranking_metrics_at_k
from users import held, items, models, users


class Given(implicit.recommender_base.RecommenderBase):
    """Answers a given order of items."""

    def __init__(self, order):
        self.order = order

    def fit(self, *_, **__): ...
    def similar_items(self, *_, **__): ...
    def similar_users(self, *_, **__): ...
    def save(self, *_): ...

    @classmethod
    def load(cls, *_): ...

    def recommend(self, userid, user_items, N=10, **_):
        first = self.order[np.atleast_1d(userid)][:, :N]
        return first.astype(np.int32), np.tile(np.arange(N, 0, -1, dtype=np.float32), (len(first), 1))


truth = {str(user): {str(item): 1 for item in np.flatnonzero(held[user])} for user in range(users)}
found = {}
for name, order in models.items():
    run = {str(user): {str(item): float(items - place) for place, item in enumerate(order[user])} for user in range(users)}
    rows = pytrec_eval.RelevanceEvaluator(truth, {"P.10", "ndcg_cut.10"}).evaluate(run).values()
    theirs = {k: ranking_metrics_at_k(Given(order), scipy.sparse.csr_matrix((users, items)), scipy.sparse.csr_matrix(held), K=k, show_progress=False) for k in (10, 50, items)}
    found[name] = [float(np.mean([row[measure] for row in rows])) for measure in ("P_10", "ndcg_cut_10")] + [theirs[10]["precision"], theirs[10]["ndcg"], theirs[50]["precision"], theirs[items]["precision"]]
    print(f"  {name}: pytrec_eval {version('pytrec_eval-terrier')} precision@10 {found[name][0]:.3f}, NDCG@10 {found[name][1]:.3f}; implicit {implicit.__version__} {found[name][2]:.3f}, {found[name][3]:.3f}, "
          f"its precision@50 {found[name][4]:.3f}, @{items} {found[name][5]:.3f}")
assert abs(found["perfect"][0] - 0.19) < 1e-9 and abs(found["perfect"][1] - 1) < 1e-9 and abs(found["perfect"][2] - 1) < 1e-9
assert abs(found["serves ten heavy users"][2] - 100 / 190) < 1e-6 and abs(found["serves ten heavy users"][3] - 0.1) < 1e-6
assert all(abs(after[1] - after[3]) < 1e-6 for after in found.values())
random = found["random"]
assert random[2] < random[4] < random[5] and abs(random[5] - 1) < 1e-9
PY
cat > b.py <<'PY'
from importlib.metadata import version

import numpy as np, pandas as pd
from rectools import Columns
from rectools.metrics import NDCG, Precision, calc_metrics
from users import held, models, users

user, item = np.nonzero(held)
truth = pd.DataFrame({Columns.User: user, Columns.Item: item, Columns.Weight: 1, Columns.Datetime: 0})
found = {}
for name, order in models.items():
    lists = pd.DataFrame({Columns.User: np.repeat(np.arange(users), 10), Columns.Item: order[:, :10].ravel(), Columns.Rank: np.tile(np.arange(1, 11), users)})
    found[name] = calc_metrics({"precision": Precision(10), "ndcg": NDCG(10), "achievable": NDCG(10, divide_by_achievable=True)}, lists, truth)
    print(f"  {name}: RecTools {version('RecTools')} precision@10 {found[name]['precision']:.3f}, NDCG@10 {found[name]['ndcg']:.3f}, divided by what is achievable {found[name]['achievable']:.3f}")
perfect = found["perfect"]
assert abs(perfect["precision"] - 0.19) < 1e-9 and 0.29 < perfect["ndcg"] < 0.31 and abs(perfect["achievable"] - 1) < 1e-9
PY
OPENBLAS_NUM_THREADS=1 "$work/a/bin/python" -W ignore a.py
OPENBLAS_NUM_THREADS=1 "$work/b/bin/python" -W ignore b.py

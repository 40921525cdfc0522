#!/usr/bin/env bash
# ranx, `fuse` with its default norm="min-max": of each retriever and query scores are stretched so that the best is 1 and the last 0. Where a retriever
# found one document only, as a search by words does for a rare name, best and last are the same and it gets 0: as much as a document that was not found.
# The surest answer of the one counts for nothing, and `optimize_fusion` finds no weight that would change it, since any weight times 0 is 0. Several
# documents with one score, as a filter gives, all get 0 too. norm="max", norm="rank" and method="rrf" keep the hit. The documentation
# has the formula, (s - min) / (max - min), which is 0 / 0 there and leaves open what comes of it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'ranx==0.3.21' 'numpy==2.4.6'
cd "$work"
NUMBA_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import numpy as np
from ranx import Qrels, Run, evaluate, fuse, optimize_fusion

rng = np.random.default_rng(0)
truth, vectors, words = {}, {}, {}
for query in (f"q{number}" for number in range(60)):
    right = f"d{rng.integers(500)}"
    near = [f"d{number}" for number in rng.permutation(500)[:10] if f"d{number}" != right]
    near.insert(int(rng.integers(1, 9)), right)  # a search by vectors has the right one somewhere in its list, never first
    truth[query] = {right: 1}
    vectors[query] = {name: float(1 - 0.05 * place) for place, name in enumerate(near)}
    words[query] = {right: 8.5}  # a search by words finds it, and nothing else
qrels, by_vectors, by_words = Qrels(truth), Run(vectors, name="vectors"), Run(words, name="words")
runs = [by_vectors, by_words]
print(f"ranx {version('ranx')}: MRR of 60 queries")
found = {"vectors": evaluate(qrels, by_vectors, "mrr"), "words": evaluate(qrels, by_words, "mrr"), "fused, min-max": evaluate(qrels, fuse(runs, method="sum"), "mrr")}
best = optimize_fusion(qrels, runs, method="wsum", metric="mrr", show_progress=False)
found["fused, min-max, weights tuned"] = evaluate(qrels, fuse(runs, method="wsum", params=best), "mrr")
for norm in ("max", "rank"):
    found[f'fused, norm="{norm}"'] = evaluate(qrels, fuse(runs, norm=norm, method="sum"), "mrr")
found["fused, rrf"] = evaluate(qrels, fuse(runs, method="rrf"), "mrr")
for name, value in found.items():
    print(f"  {name}: {value:.3f}")
assert found["words"] == 1 and found["vectors"] < 0.5, found
assert found["fused, min-max"] == found["fused, min-max, weights tuned"] == found["vectors"], found
assert all(found[name] == 1 for name in ('fused, norm="max"', 'fused, norm="rank"', "fused, rrf")), found
PY

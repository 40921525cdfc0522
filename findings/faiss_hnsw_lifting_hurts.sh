#!/usr/bin/env bash
# FAISS, HNSW for the largest inner products: the textbook reduction (one more coordinate makes all vectors equally long, then
# search by distance) is meant to repair what inner products break in a graph. Where lengths differ at random, as the item
# vectors of matrix factorization do, the plain index with METRIC_INNER_PRODUCT finds more than the repaired one; where vectors
# share a direction that no query has, it is the other way round and the plain index finds next to nothing. Neither may be assumed.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'faiss-cpu==1.15.1' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import faiss, numpy as np

faiss.omp_set_num_threads(1)

def recalls(vectors, queries):
    vectors, queries = vectors.astype("float32"), queries.astype("float32")
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :50]
    squared = (vectors**2).sum(1)
    lifted = np.concatenate([vectors, np.sqrt(squared.max() - squared)[:, None]], 1)
    out = []
    for stored, asked, metric in (
        (vectors, queries, faiss.METRIC_INNER_PRODUCT),
        (lifted, np.pad(queries, ((0, 0), (0, 1))), faiss.METRIC_L2),
    ):
        index = faiss.IndexHNSWFlat(stored.shape[1], 32, metric)
        index.hnsw.efConstruction, index.hnsw.efSearch = 100, 64
        index.add(np.ascontiguousarray(stored))
        found = index.search(asked, 50)[1]
        out.append(float(np.mean([np.isin(e, f).mean() for e, f in zip(exact, found)])))
    return out

rng = np.random.default_rng(0)
unlike = rng.normal(size=(4000, 16)) * rng.lognormal(0, 0.5, (4000, 1))
plain, lifted = recalls(unlike, rng.normal(size=(200, 16)))
shared, queries = rng.normal(size=(4000, 16)), rng.normal(size=(200, 16))
shared[:, 0], queries[:, 0] = 3 * rng.lognormal(0, 0.5, 4000), 0
plain2, lifted2 = recalls(shared, queries)
print(f"faiss {faiss.__version__}, recall@50: lengths at random: plain {plain:.2f}, equally long {lifted:.2f}; "
      f"a shared direction: plain {plain2:.2f}, equally long {lifted2:.2f}")
assert plain > lifted + 0.03 and lifted2 > plain2 + 0.3
PY

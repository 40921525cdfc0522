#!/usr/bin/env bash
# FAISS, IVF-PQ for inner products: the clustering of an index with METRIC_INNER_PRODUCT is `spherical` unless told otherwise
# (centres scaled to length 1), also for vectors of unlike length. Codes hold what is left after subtracting a centre, so
# stretched centres leave more to encode: recall is lower than with `cp.spherical = False`, at the same size and probes.
# A reader of the API would expect the default to be the better setting for the metric that turns it on.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'faiss-cpu==1.15.1' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import faiss, numpy as np

faiss.omp_set_num_threads(1)
rng = np.random.default_rng(0)
dim = 64
centres = rng.normal(size=(64, dim)) * rng.lognormal(0, 0.5, (64, 1))
vectors = 0.2 * (centres[rng.integers(0, 64, 20_000)] + 0.5 * rng.normal(size=(20_000, dim))).astype("float32")
queries = (centres[rng.integers(0, 64, 200)] + 0.5 * rng.normal(size=(200, dim))).astype("float32")
exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :50]

def recall(spherical=None):
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(dim), dim, 128, 8, 8, faiss.METRIC_INNER_PRODUCT)
    default = bool(index.cp.spherical)
    if spherical is not None:
        index.cp.spherical = spherical
    index.cp.seed = index.pq.cp.seed = 1
    index.train(vectors)
    index.add(vectors)
    index.nprobe = 32
    found = index.search(queries, 50)[1]
    return default, float(np.mean([np.isin(e, f).mean() for e, f in zip(exact, found)]))

default, as_it_comes = recall()
_, off = recall(spherical=False)
print(f"faiss {faiss.__version__}: spherical by default: {default}; recall@50 {as_it_comes:.3f} as it comes, {off:.3f} with it off")
assert default and off > as_it_comes + 0.05
PY

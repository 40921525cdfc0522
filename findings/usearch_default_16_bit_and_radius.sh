#!/usr/bin/env bash
# usearch, float32 vectors given and nothing said of their type: they are kept in 16 bits (bfloat16), so that an exact search of its own
# loses neighbours that lie close together, and distances come back rounded. dtype="f32" cures it. And `radius`, which search takes
# as the farthest a match may lie, is not looked at: matches beyond it come back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'usearch==2.26.6' 'numpy==2.4.6'
"$work/venv/bin/python" - <<'PY'
import numpy as np, usearch
from usearch.index import Index

rng = np.random.default_rng(0)
vectors = (10 + 0.05 * rng.normal(size=(2000, 16))).astype("float32")
truth = np.argsort(((vectors[:50, None] - vectors[None]) ** 2).sum(-1), axis=1)[:, :10]
recall = {}
for dtype in (None, "f32"):
    index = Index(ndim=16, metric="l2sq", dtype=dtype)
    index.add(np.arange(2000), vectors, threads=1)
    found = index.search(vectors[:50], 10, exact=True, threads=1)
    recall[dtype] = float(np.mean([np.isin(t, f).mean() for t, f in zip(truth, found.keys)]))
radius = 1e-6
beyond = int((np.asarray(index.search(vectors[0], 10, radius=radius).distances) > radius).sum())
print(f"usearch {usearch.__version__}: recall@10 of exact search {recall[None]:.2f} by default, {recall['f32']:.2f} with dtype f32; "
      f"{beyond} of 10 matches lie beyond the radius asked for")
assert recall[None] < 0.7 and recall["f32"] > 0.99 and beyond == 9
PY

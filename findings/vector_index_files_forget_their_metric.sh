#!/usr/bin/env bash
# What an index file says of the vectors in it differs by library, and a wrong guess when it is opened is not an error.
#
# hnswlib 0.8.0 writes neither the metric nor the number of dimensions: a file of inner products opened as "l2" answers
# by distance, one of 8 dimensions opened as one of 4 answers by the first 4 numbers. Nor does it write `ef`: what was
# set to 500 is 10 after loading.
# usearch 2.26.6 writes both, and `load` obeys the file; `metric_kind` goes on saying what the constructor was given:
# an index that says L2sq answers by inner product. The dimensions it takes over without a word.
# faiss-cpu 1.15.1 writes metric, dimensions and efSearch, and `read_index` brings all three back.
#
# So whoever keeps an index beside its settings must keep the metric, the dimensions and the effort of a search there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.3.5 hnswlib==0.8.0 usearch==2.26.6 faiss-cpu==1.15.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import faiss
import hnswlib
import numpy as np
from usearch.index import Index, MetricKind

rng = np.random.default_rng(0)
vectors = (rng.normal(size=(500, 8)) * rng.uniform(0.2, 3, size=(500, 1))).astype(np.float32)
queries = rng.normal(size=(50, 8)).astype(np.float32)
product = np.argmax(queries @ vectors.T, 1)
distance = np.argmin(((queries[:, None] - vectors[None]) ** 2).sum(2), 1)
print("shares of 50 queries: nearest by inner product, nearest by distance")


def shares(found: np.ndarray) -> tuple[float, float]:
    first = np.asarray(found).reshape(50, -1)[:, 0]
    return float((first == product).mean()), float((first == distance).mean())


built = hnswlib.Index("ip", 8)
built.init_index(len(vectors), random_seed=1, ef_construction=200, M=16)
built.add_items(vectors, num_threads=1)
built.set_ef(500)
built.save_index("h.bin")
seen = {}
for space, width in (("ip", 8), ("l2", 8), ("ip", 4)):
    opened = hnswlib.Index(space, width)
    opened.load_index("h.bin")
    effort = opened.ef
    opened.set_ef(500)
    seen[space, width] = shares(opened.knn_query(queries[:, :width], 1)[0])
    print(f"hnswlib {version('hnswlib')}, built as ip of 8, opened as {space} of {width}: "
          f"{seen[space, width]}, ef {effort}")
    assert effort == 10
assert seen["ip", 8] == (1.0, 0.0) and seen["l2", 8] == (0.0, 1.0) and 0 < seen["ip", 4][0] < 0.9

built = Index(ndim=8, metric="ip", dtype="f32")
built.add(np.arange(len(vectors)), vectors)
built.save("u.bin")
for metric, width in (("ip", 8), ("l2sq", 8), ("ip", 4)):
    opened = Index(ndim=width, metric=metric, dtype="f32", expansion_search=500)
    opened.load("u.bin")
    found = shares(opened.search(queries, 1).keys)
    print(f"usearch {version('usearch')}, built as ip of 8, opened as {metric} of {width}: {found}, "
          f"says {opened.metric_kind} of {opened.ndim}")
    assert found[0] >= 0.9 and opened.ndim == 8
    assert opened.metric_kind == (MetricKind.L2sq if metric == "l2sq" else MetricKind.IP)

built = faiss.IndexHNSWFlat(8, 16, faiss.METRIC_INNER_PRODUCT)
built.hnsw.efSearch = 500
built.add(vectors)
faiss.write_index(built, "f.bin")
opened = faiss.read_index("f.bin")
found = shares(opened.search(queries, 1)[1])
print(f"faiss-cpu {version('faiss-cpu')}: {found}, metric kept: "
      f"{opened.metric_type == faiss.METRIC_INNER_PRODUCT}, of {opened.d}, efSearch {opened.hnsw.efSearch}")
assert found[0] == 1.0 and opened.hnsw.efSearch == 500 and opened.metric_type == faiss.METRIC_INNER_PRODUCT
PYTHON

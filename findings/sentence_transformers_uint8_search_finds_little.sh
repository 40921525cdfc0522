#!/usr/bin/env bash
# sentence-transformers, `quantize_embeddings(..., precision="uint8")` and `semantic_search_faiss(..., corpus_precision="uint8")`, the way it documents for
# small vectors in FAISS: codes run from 0 to 255 with 0 of the vector at about 128, and it compares them by their inner product as they stand. The 128 is
# not taken off, so most of a score is how large the codes of a text are altogether, whatever was asked. Of the ten nearest it finds a
# fraction, with and without rescoring (which can only reorder what was found), and comes up with neighbours and scores that look in order. "int8" of the
# same numbers, where the 128 is taken off, compared by hand, finds six of seven; so the codes are good and the search is not.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'sentence-transformers==6.2.0' 'torch==2.13.0' 'faiss-cpu==1.15.1' 'numpy==2.4.6'
cd "$work"
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$work/venv/bin/python" -W error::UserWarning -W error::RuntimeWarning - <<'PY'
import logging
from importlib.metadata import version

import numpy as np
from sentence_transformers.util import quantize_embeddings
from sentence_transformers.util.quantization import semantic_search_faiss

rng = np.random.default_rng(0)

def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

def recall(found):
    return float(np.mean([len(set(ids) & set(wanted)) / 10 for ids, wanted in zip(found, best)]))

said = []
class Kept(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
logging.getLogger("sentence_transformers").addHandler(Kept())

topics = rng.normal(size=(200, 128))
corpus = unit(topics[rng.integers(0, 200, 5000)] + 0.7 * rng.normal(size=(5000, 128)))
queries = unit(corpus[rng.choice(5000, 200, replace=False)] + 0.04 * rng.normal(size=(200, 128)))
best = np.argsort(-queries @ corpus.T, axis=1)[:, :10]
ranges = np.vstack([corpus.min(axis=0), corpus.max(axis=0)])
codes = {kind: (quantize_embeddings(corpus, precision=kind, ranges=ranges), quantize_embeddings(queries, precision=kind, ranges=ranges)) for kind in ("uint8", "int8")}

def searched(precision, rescore, **options):
    kept = corpus if precision == "float32" else quantize_embeddings(corpus, precision=precision, ranges=ranges)
    hits, _ = semantic_search_faiss(queries, corpus_embeddings=kept, corpus_precision=precision, top_k=10, rescore=rescore, **options)
    return [[hit["corpus_id"] for hit in row] for row in hits]

found = {
    "float32": recall(searched("float32", False)),
    "uint8": recall(searched("uint8", False, ranges=ranges)),
    "uint8, rescored": recall(searched("uint8", True, ranges=ranges)),
    "ubinary, rescored": recall(searched("ubinary", True)),
}
for kind, (mine, asked) in codes.items():
    found[f"{kind}, inner product by hand"] = recall(np.argsort(-(asked.astype(int) @ mine.astype(int).T), axis=1)[:, :10])
print(f"sentence-transformers {version('sentence-transformers')}: 5000 vectors of length 1, 200 queries, how many of the ten nearest are found; it says {said or 'nothing'}")
for name, share in found.items():
    print(f"  {name}: {share:.3f}")
assert not said, said
assert found["float32"] > 0.999 and found["int8, inner product by hand"] > 0.8, found
assert found["uint8"] < 0.4 and found["uint8, rescored"] < 0.6 and abs(found["uint8"] - found["uint8, inner product by hand"]) < 0.02, found
PY

"""The mock shop at size: CPU-seconds and memory of the log, of a million items, and of indexes over them.

    python benchmarks/recommendation_scale.py world     20,000 items, a million impressions: at most 20 CPU-s
    python benchmarks/recommendation_scale.py items     1,000,000 items × 64 dimensions within 8 GB

Ends with one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from harness.tasks.recommendation.retrieval.index import build_index, recall_against
from harness.tasks.recommendation.retrieval.options import read_index
from harness.tasks.recommendation.world.log import run_shop
from harness.tasks.recommendation.world.truth import Shop, build_truth

QUERIES = 200


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else "world"
    results = {"world": world, "items": items}[what]()
    results["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({what: {name: round(value, 3) for name, value in results.items()}}))


def world() -> dict[str, float]:
    start = time.process_time()
    truth = build_truth(Shop(items=20_000, users=5_000, impressions=1_000_000))
    log, _ = run_shop(truth)
    return {
        "cpu_seconds": time.process_time() - start,
        "impressions": len(log),
        "ctr": float(log.clicked.mean()),
    }


def items() -> dict[str, float]:
    start = time.process_time()
    truth = build_truth(Shop(items=1_000_000, users=5_000, impressions=100_000, days=7))
    log, _ = run_shop(truth)
    results = {"world_cpu_seconds": time.process_time() - start, "impressions": float(len(log))}
    rng = np.random.default_rng(0)
    lift = (
        rng.normal(size=(truth.vectors.shape[1], 64)).astype(np.float32) / 4
    )  # clustered, as learned vectors are
    vectors = truth.vectors @ lift + 0.05 * rng.standard_normal((len(truth.vectors), 64), dtype=np.float32)
    queries = truth.tastes[0, :QUERIES] @ lift
    for kind in ("flat", {"ivf": {"nlist": 1024, "nprobe": 32}}, {"ivf_pq": {"nlist": 1024, "nprobe": 32}}):
        spec = read_index(kind)
        start = time.process_time()
        index = build_index(vectors, np.arange(len(vectors)), spec, 0, 1)
        results[f"{spec.kind}_build_cpu_seconds"] = time.process_time() - start
        start = time.process_time()
        found, _ = index.search(queries, 100)
        results[f"{spec.kind}_ms_per_query"] = 1000 * (time.process_time() - start) / QUERIES
        if spec.kind == "flat":
            exact = found
        results[f"{spec.kind}_recall"] = float(recall_against(found, exact).mean())
        del index
    return results


if __name__ == "__main__":
    main()

"""The mock shop at size: CPU-seconds and memory of the log, of a million items, and of indexes over them.

    python -m benchmarks.recommendation_scale [--only world items flat ivf ivf_pq] [--queries 200]

`world`: 20,000 items and a million impressions in at most 20 CPU-s. `items`: a shop of a million items.
The indexes: 1,000,000 × 64 dimensions, clustered as learned vectors are, built and searched within 8 GB;
recall is against exact search for the same 100 items. Each part runs in a process of its own, so that its
peak memory is its own; what was measured is kept in `benchmarks/results/recommendation_scale.json`, part
by part, so that the benchmark can be run in pieces.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from harness.datasets.shop.log import run_shop
from harness.datasets.shop.truth import Shop, Truth, build_truth
from harness.environment import machine_class
from harness.tasks.recommendation.retrieval.index import Exact, build_index, exact_search
from harness.tasks.recommendation.retrieval.options import read_index
from harness.tasks.recommendation.served import Index

ITEMS, DIM, CANDIDATES, THREADS = 1_000_000, 64, 100, 1
PARTS = ("world", "items", "flat", "ivf", "ivf_pq")
NLIST, PROBES = 1024, (1, 4, 16, 64)
LIMITS = {"world": ("cpu_seconds", 20.0)}
"""Beside 8 GB, which holds for every part."""
MEMORY_GB = 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recommendation_scale.json"))
    parser.add_argument("--here", action="store_true", help="measure one part in this process, print JSON")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.only[0], given.queries)))
        return
    kept = json.loads(given.out.read_text()) if given.out.exists() else {}
    for part in given.only:
        command = [sys.executable, "-m", "benchmarks.recommendation_scale", "--here", "--only", part]
        done = subprocess.run(
            [*command, "--queries", str(given.queries)], stdout=subprocess.PIPE, check=True, text=True
        )
        kept[part] = json.loads(done.stdout.splitlines()[-1])
        print(part, json.dumps(kept[part]), flush=True)
        given.out.write_text(json.dumps(kept, indent=1) + "\n")
    if missed := [part for part in kept if not kept[part]["within_limits"]]:
        sys.exit(f"over the limits: {', '.join(missed)}")


def measure(part: str, queries: int) -> dict[str, object]:
    """One part's figures, its peak memory, and whether both are within the limits."""
    start = time.process_time()
    figures: dict[str, object] = {"world": world, "items": items}.get(part, lambda: index(part, queries))()
    figures["cpu_seconds"] = round(time.process_time() - start, 2)
    figures["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    name, limit = LIMITS.get(part, ("peak_memory_gb", MEMORY_GB))
    figures["within_limits"] = figures[name] <= limit and figures["peak_memory_gb"] <= MEMORY_GB
    figures["machine"] = machine_class()
    return figures


def world() -> dict[str, object]:
    log, _ = run_shop(build_truth(Shop(items=20_000, users=5_000, impressions=1_000_000)))
    return {"items": 20_000, "impressions": len(log), "ctr": round(float(log.clicked.mean()), 4)}


def items() -> dict[str, object]:
    log, _ = run_shop(_million())
    return {"items": ITEMS, "impressions": len(log), "ctr": round(float(log.clicked.mean()), 4)}


def index(kind: str, queries: int) -> dict[str, object]:
    """Build seconds, size, and for each way of asking: milliseconds per query and recall."""
    vectors, users = _vectors(queries)
    everything = np.arange(len(vectors))
    given = kind if kind == "flat" else {kind: {"nlist": NLIST}}
    built = build_index(vectors, everything, read_index(given), 0, THREADS)
    figures: dict[str, object] = {
        "vectors": list(vectors.shape), "threads": THREADS, "queries": queries,
        "build_seconds": round(built.build_seconds, 2), "size_mb": round(built.size_bytes / 1e6, 1),
    }  # fmt: skip
    exact = exact_search(users, vectors, everything, CANDIDATES)
    ways = [{}] if kind == "flat" else [{"nprobe": nprobe} for nprobe in PROBES]
    figures["curve"] = [_asked(built.asked(**way), users, exact, way) for way in ways]
    return figures


def _asked(index: Index, users: np.ndarray, exact: Exact, way: dict[str, int]) -> dict[str, float]:
    """One query at a time, as a shop asks."""
    start = time.perf_counter()
    found = np.concatenate([index.search(user[None], CANDIDATES)[0] for user in users])
    ms = 1000 * (time.perf_counter() - start) / len(users)
    return {
        **way, "ms_per_query": round(ms, 3), "recall": round(float(exact.recall(found).mean()), 4),
    }  # fmt: skip


def _million() -> Truth:
    return build_truth(Shop(items=ITEMS, users=5_000, impressions=100_000, days=7))


def _vectors(queries: int) -> tuple[np.ndarray, np.ndarray]:
    """(ITEMS, 64) and (queries, 64): the shop's clustered truth, lifted and with a little noise."""
    truth, rng = _million(), np.random.default_rng(0)
    lift = rng.normal(size=(truth.vectors.shape[1], DIM)).astype(np.float32) / 4
    noise = 0.05 * rng.standard_normal((ITEMS, DIM), dtype=np.float32)
    return truth.vectors @ lift + noise, truth.tastes[0, :queries] @ lift


if __name__ == "__main__":
    main()

"""What an index loses against exact search, and how fast it is.

As it is asked, in the ways of its sweep, after items have been inserted, and where only some may be answered.
"""

from __future__ import annotations

import time

import numpy as np

from harness.facts.recommending import Filtered, IndexFacts, Inserted, SearchWay
from harness.streams import generator
from harness.tasks.recommendation.history import Requests
from harness.tasks.recommendation.pipeline import Pipeline
from harness.tasks.recommendation.retrieval.index import Exact, exact_search, index_one_way
from harness.tasks.recommendation.served import Index

ROUNDS = 5
"""Of one timed batch: the unit of its interval."""
_T_ROUNDS = 2.776
"""The .975 quantile of Student's t with ROUNDS − 1 degrees of freedom."""


def index_quality(pipeline: Pipeline, requests: Requests, launched: np.ndarray) -> IndexFacts:
    """Recall of the candidates asked for, against exact search, and milliseconds per query in one batch.

    Args:
        requests: by which it is judged. launched: (num_items,) when each item came, for the insertions.
    """
    index = pipeline.index
    assert index is not None
    k = min(int(pipeline.settings["candidates"]), len(index.items))
    queries = np.asarray(pipeline.encode(requests), np.float32)
    vectors = np.asarray(pipeline.retriever.item_vectors(), np.float32)
    exact = exact_search(queries, vectors[index.items], index.items, k)
    name, effort = next(iter(index.spec.query.items()), ("", 0))
    ways = [
        _way(index.asked(**{name: value}) if name else index, queries, exact)
        for value in dict.fromkeys((effort, *index.spec.sweep))
    ]
    seed = int(pipeline.settings["seed"])
    return IndexFacts(
        index.spec.kind, ways[0].recall, index.size_bytes / 1e6, tuple(ways), len(index.items),
        index.spec.recall or None,
        _inserted(index, vectors, queries, exact, launched, seed) if index.spec.inserts else None,
        _filtered(index, vectors, queries, k, seed) if index.spec.filter else None,
    )  # fmt: skip


def _way(index: Index, queries: np.ndarray, exact: Exact) -> SearchWay:
    found, times = _timed(index, queries, exact.k)
    shares = exact.recall(found)
    low, high = _interval(shares, 1.96)
    fast, slow = _interval(times, _T_ROUNDS)
    query = index.spec.query
    return SearchWay(
        float(shares.mean()), float(times.mean()), query.get("nprobe"), query.get("ef_search"),
        low, min(high, 1.0), max(fast, 0.0), slow,
    )  # fmt: skip


def _inserted(
    index: Index, vectors: np.ndarray, queries: np.ndarray, exact: Exact, launched: np.ndarray, seed: int
) -> Inserted:
    """An index of the older items, to which the newest are added, beside the one of all at once."""
    ties = generator(seed, "index", "inserts").random(len(index.items))
    by_age = index.items[np.lexsort((ties, launched[index.items]))]
    old = len(by_age) - round(index.spec.inserts * len(by_age))
    before, after = by_age[:old], by_age[old:]
    spec = index.spec
    plain = {name: value for name, value in spec.build.items() if name != "length"}
    fresh = type(spec)(spec.kind, plain, spec.query)
    grown = index_one_way(vectors[before], before, fresh, seed, 1, lift=index.lifted)
    start = time.perf_counter()
    grown = grown.with_inserted(vectors[after], after, 1)
    seconds = time.perf_counter() - start
    k = exact.k
    whole = exact.recall(index.search(queries, k)[0])
    kept = exact.recall(grown.search(queries, k)[0])
    ratio = float(kept.mean() / whole.mean())
    low, high = _interval((kept - ratio * whole) / whole.mean(), 1.96)  # by the delta method
    return Inserted(
        len(after) / len(by_age), float(kept.mean()), ratio, ratio + low, ratio + high,
        1000 * seconds / max(len(after), 1),
    )  # fmt: skip


def _filtered(index: Index, vectors: np.ndarray, queries: np.ndarray, k: int, seed: int) -> Filtered:
    """A search among a random share of the items, with the same effort."""
    rng = generator(seed, "index", "filter")
    allowed = rng.random(len(index.items)) < index.spec.filter
    allowed[rng.integers(len(allowed))] = True  # of few items, one at least
    items = index.items[allowed]
    exact = exact_search(queries, vectors[items], items, min(k, len(items)))
    found, times = _timed(index, queries, exact.k, allowed)
    shares = exact.recall(found)
    low, high = _interval(shares, 1.96)
    return Filtered(float(allowed.mean()), float(shares.mean()), low, min(high, 1.0), float(times.mean()))


def _timed(
    index: Index, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) answers; (ROUNDS,) milliseconds per query, after one round that warms up."""
    found, _ = index.search(queries, k, allowed)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        index.search(queries, k, allowed)
        times.append(1000 * (time.perf_counter() - start) / len(queries))
    return found, np.array(times)


def _interval(values: np.ndarray, quantile: float) -> tuple[float, float]:
    """The mean's 95 % interval."""
    error = quantile * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return float(values.mean()) - error, float(values.mean()) + error

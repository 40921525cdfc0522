"""Metrics by name: the one table of what is known of each, and nothing guesses any of it.

Names of the form `stem@K` stand in the table once, with their usual cut-off; `ndcg@20` is known from it.
`metrics_of` adds the metrics that a suite declares: they are the suite's, and no other suite knows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.kinds import KINDS, kind_of
from harness.names import hint
from harness.protocols import Better, Metric
from harness.record import SuiteError
from harness.specification import Spec

if TYPE_CHECKING:
    from harness.suite.schema import OwnMetric, Suite

__all__ = [
    "CAPACITY",
    "METRICS",
    "Metric",
    "MetricTable",
    "metric",
    "metrics_of",
    "own_metric",
    "stem",
    "watched_metric",
]

CAPACITY = "throughput_at_slo_qps"
"""The load that keeps the limit on latency."""

METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        # Quality, as the kinds of task measure it.
        *(metric for kind in KINDS.values() for metric in kind.own),
        # Ranking and what it earns; measured by the recommendation task.
        Metric(
            "ndcg@10",
            "fraction",
            "higher",
            "Normalised discounted cumulative gain of the first K",
            label="NDCG",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "dcg@10",
            "gain",
            "higher",
            "Discounted cumulative gain of the first K, not normalised",
            label="DCG",
        ),
        Metric(
            "recall@100",
            "fraction",
            "higher",
            "Share of the relevant items found among the first K",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "precision@10",
            "fraction",
            "higher",
            "Share of relevant items among the first K",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "hit_rate@10",
            "fraction",
            "higher",
            "Share of users with a relevant item among the first K",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "mrr@10",
            "fraction",
            "higher",
            "Mean of 1 / rank of the first relevant item among the first K",
            label="MRR",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "catalog_coverage@10",
            "fraction",
            "higher",
            "Share of the eligible catalogue that stands among somebody's first K",
            label="catalogue coverage",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "ctr",
            "fraction",
            "higher",
            "Clicks per item shown",
            label="click-through rate",
            low=0.0,
            high=1.0,
        ),
        Metric(
            "conversion_rate",
            "fraction",
            "higher",
            "Share of sessions with an order",
            low=0.0,
            high=1.0,
        ),
        Metric("revenue_per_session_usd", "usd", "higher", "Revenue per session"),
        Metric("margin_per_session_usd", "usd", "higher", "Margin per session"),
        Metric(
            "punished_margin_per_session_usd",
            "usd",
            "higher",
            "Margin per session where customers punish dear pages",
        ),
        # Serving.
        Metric(
            "latency_p50_ms",
            "ms",
            "lower",
            "Median time from request to answer, one at a time",
            about="speed",
            label="p50 latency",
            quantile=0.5,
            low=0.0,
            scenarios=("single_stream",),
        ),
        Metric(
            "latency_p90_ms",
            "ms",
            "lower",
            "Time within which 90 % of the answers come",
            about="speed",
            label="p90 latency",
            quantile=0.9,
            low=0.0,
            scenarios=("single_stream",),
        ),
        Metric(
            "latency_p99_ms",
            "ms",
            "lower",
            "Time within which 99 % of the answers come",
            about="speed",
            label="p99 latency",
            quantile=0.99,
            low=0.0,
            scenarios=("single_stream",),
        ),
        Metric(
            "throughput_offline_per_s",
            "1/s",
            "higher",
            "Examples per second when all are there at once",
            about="speed",
            label="offline throughput",
            scenarios=("offline",),
        ),
        Metric(
            CAPACITY,
            "1/s",
            "higher",
            "Highest load of random arrivals that keeps the 99th percentile of latency under the limit",
            about="speed",
            label="load within the limit",
            scenarios=("server",),
        ),
        Metric(
            "cold_start_ms",
            "ms",
            "lower",
            "Time in a fresh process to load the model, its library included, and answer once",
            about="start",
            low=0.0,
            is_compared=False,
        ),
        Metric(
            "cpu_seconds_per_example",
            "s",
            "lower",
            "CPU time of all threads per example",
            about="speed",
            label="CPU time per example",
            low=0.0,
            read_as=(1e6, "µs"),
            is_told_by_load=True,
        ),
        Metric(
            "peak_memory_mb",
            "MB",
            "lower",
            "Highest resident memory of the serving process",
            about="memory",
            low=0.0,
            is_told_by_load=True,
        ),
        Metric(
            "peak_gpu_memory_mb",
            "MB",
            "lower",
            "What the serving process holds on the GPU",
            about="memory",
            label="peak GPU memory",
            low=0.0,
            is_told_by_load=True,
        ),
        Metric(
            "working_memory_mb",
            "MB",
            "lower",
            "Memory that answering takes beyond what rests in memory",
            about="memory",
            low=0.0,
            is_compared=False,
            is_told_by_load=True,
        ),
        Metric(
            "model_size_mb",
            "MB",
            "lower",
            "Size of the deployable files",
            about="size",
            low=0.0,
        ),
        Metric(
            "energy_per_million_kwh",
            "kWh",
            "lower",
            "Energy for a million examples, from a counter",
            about="energy",
            low=0.0,
        ),
        # The model, and what it costs to have and to run.
        Metric("parameters", "1", "lower", "Learnt numbers in the model", about="size", low=0.0),
        Metric(
            "flops_per_example",
            "FLOP",
            "lower",
            "Operations per example (a multiply-add is two)",
            about="size",
            label="FLOPs per example",
            low=0.0,
        ),
        Metric(
            "train_seconds",
            "s",
            "lower",
            "Wall time of training, validation included",
            about="training",
            label="training time",
            low=0.0,
        ),
        Metric(
            "train_cost_usd",
            "usd",
            "lower",
            "Price of the machine while training",
            about="money",
            label="training cost",
            low=0.0,
        ),
        Metric(
            "cost_per_million_usd",
            "usd",
            "lower",
            "Price of a million answers at the suite's traffic",
            about="money",
            low=0.0,
            scenarios=("offline", "server", "single_stream"),
        ),
        Metric(
            "cost_per_month_usd",
            "usd",
            "lower",
            "Price of serving the suite's peak traffic for a month",
            about="money",
            low=0.0,
            scenarios=("offline", "server", "single_stream"),
        ),
    )
}


def stem(name: str) -> str:
    """A metric's name without its slice: `accuracy[class=3]` → `accuracy`."""
    return name.partition("[")[0]


class MetricTable(Mapping[str, Metric]):
    """The metrics that a question knows: the harness's and those that its suite declares.

    `stem@K` is known with any positive K where the table has the stem; `metric[column=value]`, a metric on
    a slice of the test examples, is the metric itself.
    """

    def __init__(self, own: Mapping[str, Metric] | None = None) -> None:
        self.own = dict(own or {})

    def __getitem__(self, name: str) -> Metric:
        """The metric of a name.

        Raises:
            SuiteError: no such metric; the message names the nearest one.
        """
        found = self._find(stem(name))
        if found is None:
            cure = hint(name, self, "`python -m harness list metrics` shows them all")
            raise SuiteError(f"unknown metric {name!r}: {cure}")
        return found

    def get(self, name: str, default: Any = None) -> Any:
        found = self._find(stem(name))
        return default if found is None else found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(stem(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter({**METRICS, **self.own})

    def __len__(self) -> int:
        return len({**METRICS, **self.own})

    def _find(self, name: str) -> Metric | None:
        known = METRICS.get(name) or self.own.get(name)
        if known is None and (at_k := re.fullmatch(r"(\w+)@([1-9]\d*)", name)):
            known = next((m for m in METRICS.values() if m.name.startswith(f"{at_k[1]}@")), None)
            return replace(known, name=name) if known else None
        return known

    @property
    def units(self) -> dict[str, str]:
        """Metric → unit."""
        return {name: self[name].unit for name in self}


_TABLE = MetricTable()


def metric(name: str) -> Metric:
    """The harness's metric of a name, `stem@K` with any positive K included.

    Raises:
        SuiteError: no such metric; the message names the nearest one.
    """
    return _TABLE[name]


def metrics_of(suite: Suite | None) -> MetricTable:
    """The metrics that a suite's question knows; None: the harness's alone."""
    return _declared(tuple(sorted(suite.metrics.items()))) if suite is not None and suite.metrics else _TABLE


@lru_cache(maxsize=64)
def _declared(metrics: tuple[tuple[str, OwnMetric], ...]) -> MetricTable:
    return MetricTable({n: own_metric(n, own.unit, own.better, f"Own: {own.function}") for n, own in metrics})


def own_metric(name: str, unit: str, better: Better, description: str = "") -> Metric:
    """A metric that a suite declares: a fraction lies between 0 and 1."""
    own = Metric(name, unit, better, description)
    return replace(own, low=0.0, high=1.0) if unit == "fraction" else own


def watched_metric(spec: Spec) -> str:
    """The metric that the best epoch and the search of a training trial look at."""
    return str(spec.get("watch") or kind_of(str(spec["task"])).watched)

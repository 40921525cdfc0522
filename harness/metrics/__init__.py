"""Metrics by name: the one table of units and directions, and nothing guesses either.

Names of the form `stem@K` stand in the table once, with their usual cut-off; `metric("ndcg@20")`
knows every other one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.metrics import quality
from harness.protocols import Metric
from harness.record import SuiteError
from harness.suite import declared

__all__ = ["METRICS", "Metric", "metric", "units"]

METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        # Quality of classifiers. Shares are fractions of 1, never percentages.
        Metric(
            "accuracy",
            "fraction",
            "higher",
            "Share of examples whose most probable class is the right one",
            quality.accuracy,
            quality.correct,
        ),
        Metric(
            "balanced_accuracy",
            "fraction",
            "higher",
            "Mean over classes of the share of that class's examples that are found",
            quality.balanced_accuracy,
        ),
        Metric("f1_macro", "fraction", "higher", "F1 score, mean over classes", quality.f1_macro),
        Metric(
            "precision_macro",
            "fraction",
            "higher",
            "Share of a class's predictions that are right, mean over classes",
            quality.precision_macro,
        ),
        Metric(
            "recall_macro",
            "fraction",
            "higher",
            "Share of a class's examples that are found, mean over classes",
            quality.recall_macro,
        ),
        Metric(
            "roc_auc",
            "fraction",
            "higher",
            "Area under the ROC curve; with more than two classes each against the rest, mean over classes",
            quality.roc_auc,
        ),
        Metric(
            "pr_auc",
            "fraction",
            "higher",
            "Average precision; with more than two classes each against the rest, mean over classes",
            quality.pr_auc,
        ),
        Metric(
            "log_loss",
            "nats",
            "lower",
            "Mean of -log of the probability given to the right class",
            quality.log_loss,
            quality.log_losses,
        ),
        Metric(
            "ece",
            "fraction",
            "lower",
            "Expected calibration error: |confidence - accuracy| over 15 bins of equal width",
            quality.ece,
        ),
        Metric(
            "brier",
            "squared probability",
            "lower",
            "Mean squared error of the probabilities: the second of two classes', or all summed",
            quality.brier,
            quality.brier_scores,
        ),
        # Quality of regressors.
        Metric("mse", "squared target", "lower", "Mean squared error", quality.mse, quality.squared_errors),
        Metric("mae", "target", "lower", "Mean absolute error", quality.mae, quality.absolute_errors),
        Metric("r2", "fraction", "higher", "Share of the targets' variance that is explained", quality.r2),
        # Ranking and what it earns; measured by the recommendation task.
        Metric("ndcg@10", "fraction", "higher", "Normalised discounted cumulative gain of the first K"),
        Metric("dcg@10", "gain", "higher", "Discounted cumulative gain of the first K, not normalised"),
        Metric("recall@100", "fraction", "higher", "Share of the relevant items found among the first K"),
        Metric("precision@10", "fraction", "higher", "Share of relevant items among the first K"),
        Metric("hit_rate@10", "fraction", "higher", "Share of users with a relevant item among the first K"),
        Metric(
            "mrr@10", "fraction", "higher", "Mean of 1 / rank of the first relevant item among the first K"
        ),
        Metric(
            "catalog_coverage@10",
            "fraction",
            "higher",
            "Share of the eligible catalogue that stands among somebody's first K",
        ),
        Metric("ctr", "fraction", "higher", "Clicks per item shown"),
        Metric("conversion_rate", "fraction", "higher", "Share of sessions with an order"),
        Metric("revenue_per_session_usd", "usd", "higher", "Revenue per session"),
        Metric("margin_per_session_usd", "usd", "higher", "Margin per session"),
        # Serving.
        Metric("latency_p50_ms", "ms", "lower", "Median time from request to answer, one at a time"),
        Metric("latency_p90_ms", "ms", "lower", "Time within which 90 % of the answers come"),
        Metric("latency_p99_ms", "ms", "lower", "Time within which 99 % of the answers come"),
        Metric("throughput_offline_per_s", "1/s", "higher", "Examples per second when all are there at once"),
        Metric(
            "throughput_at_slo_qps",
            "1/s",
            "higher",
            "Highest load of random arrivals that keeps the 99th percentile of latency under the limit",
        ),
        Metric("cold_start_ms", "ms", "lower", "Time of the first call in a fresh process"),
        Metric("cpu_seconds_per_example", "s", "lower", "CPU time of all threads per example"),
        Metric("peak_memory_mb", "MB", "lower", "Highest resident memory of the serving process"),
        Metric("peak_gpu_memory_mb", "MB", "lower", "What the serving process holds on the GPU"),
        Metric("working_memory_mb", "MB", "lower", "Memory that answering takes beyond what rests in memory"),
        Metric("model_size_mb", "MB", "lower", "Size of the deployable files"),
        Metric("energy_per_million_kwh", "kWh", "lower", "Energy for a million examples, from a counter"),
        # The model, and what it costs to have and to run.
        Metric("parameters", "1", "lower", "Learnt numbers in the model"),
        Metric("flops_per_example", "FLOP", "lower", "Operations per example (a multiply-add is two)"),
        Metric("train_seconds", "s", "lower", "Wall time of training, validation included"),
        Metric("train_cost_usd", "usd", "lower", "Price of the machine while training"),
        Metric("cost_per_million_usd", "usd", "lower", "Price of a million answers at the suite's traffic"),
        Metric("cost_per_month_usd", "usd", "lower", "Price of serving the suite's peak traffic for a month"),
    )
}


def metric(name: str) -> Metric:
    """The metric of a name: of the table, `stem@K` with any positive K where the table has the stem, or a
    suite's own.

    Raises:
        SuiteError: no such metric; the message names the nearest one.
    """
    if name in METRICS:
        return METRICS[name]
    if name in declared.METRICS:
        return declared.METRICS[name]
    at_k = re.fullmatch(r"(\w+)@([1-9]\d*)", name)
    if at_k:
        for known in METRICS.values():
            if known.name.startswith(f"{at_k[1]}@"):
                return replace(known, name=name)
    near = difflib.get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`harness list metrics` shows them all"
    raise SuiteError(f"unknown metric {name!r}: {hint}")


def units() -> dict[str, str]:
    """Metric → unit, of the table and of what suites declared."""
    return {name: m.unit for name, m in {**METRICS, **declared.METRICS}.items()}


SCORES = {"tabular_regression": "r2", "recommendation": "ndcg@10"}
"""Task → the validation metric that settings are chosen by, higher is better; accuracy elsewhere."""


def watched_metric(spec: Mapping[str, Any]) -> str:
    """The metric that the best epoch and the search of a training trial look at."""
    return str(spec.get("watch") or SCORES.get(str(spec["task"]), "accuracy"))

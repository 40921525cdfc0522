"""Metrics against scikit-learn and against numbers worked out on paper."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.kinds import quality
from harness.metrics import METRICS, metric
from harness.record import SuiteError

PUBLIC = [
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "precision_macro",
    "recall_macro",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "ece",
    "brier",
    "mse",
    "mae",
    "r2",
    "ndcg@10",
    "recall@100",
    "catalog_coverage@10",
    "ctr",
    "conversion_rate",
    "revenue_per_session_usd",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "throughput_offline_per_s",
    "throughput_at_slo_qps",
    "peak_memory_mb",
    "peak_gpu_memory_mb",
    "model_size_mb",
    "parameters",
    "flops_per_example",
    "train_seconds",
    "train_cost_usd",
    "cost_per_million_usd",
    "cost_per_month_usd",
    "energy_per_million_kwh",
    "cold_start_ms",
    "cpu_seconds_per_example",
]


def sklearn_oracle(name: str, p: np.ndarray, y: np.ndarray) -> float:
    """The same metric by scikit-learn, told of all k classes."""
    from sklearn import metrics as sk
    from sklearn.preprocessing import label_binarize

    k, best = p.shape[1], p.argmax(axis=1)
    binary = k == 2
    one_hot = y[:, None] if binary else label_binarize(y, classes=range(k))
    scores = p[:, 1:] if binary else p
    seen = [c for c in range(scores.shape[1]) if one_hot[:, c].any()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match name:
            case "accuracy":
                return sk.accuracy_score(y, best)
            case "balanced_accuracy":
                return sk.balanced_accuracy_score(y, best)
            case "precision_macro":
                return sk.precision_score(y, best, average="macro", zero_division=0)
            case "recall_macro":
                return sk.recall_score(y, best, average="macro", zero_division=0)
            case "f1_macro":
                return sk.f1_score(y, best, average="macro", zero_division=0)
            case "roc_auc":
                return np.mean([sk.roc_auc_score(one_hot[:, c], scores[:, c]) for c in seen])
            case "pr_auc":
                return np.mean([sk.average_precision_score(one_hot[:, c], scores[:, c]) for c in seen])
            case "log_loss":
                return sk.log_loss(y, p, labels=range(k))
            case "brier":
                return sk.brier_score_loss(y, p, labels=range(k))
    raise AssertionError(name)


CLASSIFICATION = [
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
]


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, and targets that hold at least two classes (k at least 2)."""
    k = draw(st.integers(2, 5))
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(1, draw(st.sampled_from([3, 1000])), size=(n, k)).astype(np.float64)
    p = weights / weights.sum(axis=1, keepdims=True)
    y = rng.integers(0, k, size=n)
    y[:2] = rng.permutation(k)[:2]
    return p, y


@pytest.mark.parametrize("name", CLASSIFICATION)
@given(case=predictions())
@settings(max_examples=60, deadline=None)
def test_a_classification_metric_equals_scikit_learns(name: str, case: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = case
    measure = METRICS[name].measure
    assert measure is not None
    assert measure(p, y) == pytest.approx(sklearn_oracle(name, p, y), abs=1e-9)


def test_macro_roc_auc_equals_scikit_learns_one_against_rest() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), size=200)
    y = rng.integers(0, 4, size=200)
    expected = roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert quality.roc_auc(p, y) == pytest.approx(expected, abs=1e-9)


@given(
    values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_a_regression_metric_equals_scikit_learns(values: list[float], seed: int) -> None:
    from sklearn import metrics as sk

    v = np.asarray(values)
    y = np.random.default_rng(seed).normal(size=len(v)) * 100
    assert quality.mse(v, y) == pytest.approx(sk.mean_squared_error(y, v), rel=1e-9, abs=1e-9)
    assert quality.mae(v, y) == pytest.approx(sk.mean_absolute_error(y, v), rel=1e-9, abs=1e-9)
    assert quality.r2(v, y) == pytest.approx(sk.r2_score(y, v), rel=1e-9, abs=1e-9)


@given(case=predictions())
@settings(max_examples=30, deadline=None)
def test_the_mean_of_per_example_scores_is_the_metric(case: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = case
    for m in METRICS.values():
        if m.per_example and m.measure and m.name in CLASSIFICATION:
            scores = m.per_example(p, y)
            assert scores.shape == y.shape
            assert scores.mean() == pytest.approx(m.measure(p, y), abs=1e-12)


@given(case=predictions(), bins=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_calibration_error_equals_a_loop_over_the_documented_bins(
    case: tuple[np.ndarray, np.ndarray], bins: int
) -> None:
    p, y = case
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    expected = 0.0
    for b in range(bins):
        inside = (confidence * bins > b) & (confidence * bins <= b + 1)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    counts, mean_confidence, share_right = quality.reliability(p, y, bins)
    got = np.nansum(counts * np.abs(mean_confidence - share_right)) / counts.sum()
    assert got == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_a_case_on_paper() -> None:
    # Confidences .9 .9 (one right) and .6 .6 (both right): 1/2 * |.9 - .5| + 1/2 * |.6 - 1| = .4
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    assert quality.ece(p, np.array([0, 1, 1, 1])) == pytest.approx(0.4, abs=1e-12)


def test_confusion_matrix_has_the_truth_in_rows_and_names_the_weakest_class() -> None:
    best = np.array([0, 1, 1, 2, 2, 2])
    p = np.eye(4)[best]
    y = np.array([0, 0, 1, 2, 2, 1])
    matrix = quality.confusion_matrix(p, y)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(quality.per_class_accuracy(p, y), [0.5, 0.5, 1.0, np.nan])
    assert quality.weakest_class(p, y) == 0


def test_a_float32_probability_of_zero_costs_what_scikit_learn_charges() -> None:
    from sklearn.metrics import log_loss

    p = np.array([[0.0, 1.0], [0.25, 0.75]], dtype=np.float32)
    y = np.array([0, 1])
    assert quality.log_loss(p, y) == pytest.approx(log_loss(y, p), rel=1e-6)
    assert quality.log_losses(p, y)[0] == pytest.approx(15.942385)


def test_what_cannot_be_estimated_is_nan_not_a_number() -> None:
    p = np.array([[0.2, 0.8], [0.4, 0.6]])
    assert np.isnan(quality.roc_auc(p, np.array([1, 1])))
    assert np.isnan(quality.pr_auc(p, np.array([0, 0])))
    assert np.isnan(quality.r2(np.array([1.0, 2.0]), np.array([3.0, 3.0])))


def test_every_public_name_is_in_the_table_with_unit_direction_and_description() -> None:
    assert set(PUBLIC) <= set(METRICS)
    for name, m in METRICS.items():
        assert m.name == name and m.unit and m.description and m.better in ("higher", "lower")


def test_a_cut_off_that_the_table_does_not_list_is_known_with_its_direction() -> None:
    assert metric("ndcg@20").name == "ndcg@20"
    assert metric("ndcg@20").better == METRICS["ndcg@10"].better
    assert metric("recall@5").unit == "fraction"
    assert metric("accuracy") is METRICS["accuracy"]


@pytest.mark.parametrize("name", ["acuracy", "ndcg@0", "ndcg@", "ndgc@10", "accuracy@10"])
def test_an_unknown_metric_is_refused_with_a_cure(name: str) -> None:
    with pytest.raises(SuiteError, match="unknown metric .* (did you mean|harness list metrics)"):
        metric(name)


def test_the_table_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, harness.metrics; print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

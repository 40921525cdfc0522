"""Thresholds: curves as scikit-learn's, goals against trying all thresholds, intervals against formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import auc, f1_score, precision_recall_curve, precision_score, recall_score, roc_curve

from harness.analysis import thresholds
from harness.analysis.thresholds import choose, gained, measured_at, sweep
from harness.suite.schema import Threshold


def answers(n: int = 200, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, and targets."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 2, n)
    return np.round(np.clip(random.normal(0.3 + 0.2 * targets, 0.2), 0, 1), 2), targets


def test_the_curves_are_those_of_scikit_learn() -> None:
    positive, targets = answers()
    s = sweep(positive, targets)
    rates = roc_curve(targets, positive, drop_intermediate=False)
    np.testing.assert_allclose(s.false_positive_rate, rates[0], atol=1e-9)
    np.testing.assert_allclose(s.recall, rates[1], atol=1e-9)
    precision, recall, _ = precision_recall_curve(targets, positive)
    np.testing.assert_allclose(s.precision, precision[::-1], atol=1e-9)
    np.testing.assert_allclose(s.recall, recall[::-1], atol=1e-9)
    f1 = [f1_score(targets, positive >= cut, zero_division=0) for cut in s.thresholds]
    np.testing.assert_allclose(s.f1, f1, atol=1e-9)
    assert auc(s.false_positive_rate, s.recall) == pytest.approx(auc(rates[0], rates[1]), abs=1e-9)


EVERY = np.linspace(0, 1.01, 102)
"""Answers are rounded to hundredths: other thresholds change nothing."""


def cost(targets: np.ndarray, said: np.ndarray) -> float:
    return float((said & (targets == 0)).sum() + 5 * (~said & (targets == 1)).sum())


def test_each_goal_gets_the_best_of_all_thresholds() -> None:
    positive, targets = answers()
    said = [positive >= cut for cut in EVERY]
    best_f1 = max(f1_score(targets, s, zero_division=0) for s in said)
    chosen = choose(positive, targets, Threshold())
    assert f1_score(targets, positive >= chosen) == pytest.approx(best_f1, abs=1e-12)

    chosen = choose(positive, targets, Threshold(goal="cost", false_alarm=1, miss=5))
    assert cost(targets, positive >= chosen) == min(cost(targets, s) for s in said)

    goal = Threshold(goal="recall_at_precision", precision=0.7)
    chosen = choose(positive, targets, goal)
    assert precision_score(targets, positive >= chosen) >= 0.7
    reached = [s for s in said if s.any() and precision_score(targets, s) >= 0.7]
    assert recall_score(targets, positive >= chosen) == max(recall_score(targets, s) for s in reached)
    assert choose(np.array([0.9, 0.1]), np.array([0, 1]), goal) is None, "not within reach"


def test_of_equally_good_thresholds_the_nearest_to_a_half_is_taken() -> None:
    assert choose(np.array([0.1, 0.9]), np.array([0, 1]), Threshold()) == pytest.approx(0.5)
    free = Threshold(goal="cost", false_alarm=0, miss=0)
    assert choose(np.array([0.2, 0.6]), np.array([0, 1]), free) == pytest.approx(0.4)


def test_figures_at_a_threshold_are_exact_and_their_intervals_as_wide_as_the_formula_says() -> None:
    positive, targets = answers(2000)
    goal = Threshold(goal="cost", miss=5)
    at = measured_at(positive, targets, 0.4, goal)
    said = positive >= 0.4
    assert at["precision"].value == pytest.approx(precision_score(targets, said), abs=1e-6)
    assert at["recall"].value == pytest.approx(recall_score(targets, said), abs=1e-6)
    assert at["f1"].value == pytest.approx(f1_score(targets, said), abs=1e-6)
    assert at["cost"].value == pytest.approx(cost(targets, said) / 2, rel=1e-6)
    share, count = at["recall"].value, int((targets == 1).sum())
    wanted = 2 * 1.96 * np.sqrt(share * (1 - share) / count)
    assert at["recall"].high - at["recall"].low == pytest.approx(wanted, rel=0.15)
    change = gained(positive, targets, 0.4, goal)["f1"]
    assert change.value == pytest.approx(at["f1"].value - f1_score(targets, positive >= 0.5), abs=1e-6)
    assert gained(positive, targets, 0.5, goal)["f1"].high == 0.0


def test_rows_of_one_owner_are_drawn_together() -> None:
    """200 owners of ten equal rows are 200 rows: intervals over 2,000 were a third as wide."""
    positive, targets = (np.repeat(x, 10) for x in answers(200))
    goal, owners = Threshold(goal="cost", miss=5), np.repeat(np.arange(200), 10)
    whole = measured_at(positive, targets, 0.4, goal, owners)
    alone = measured_at(positive[::10], targets[::10], 0.4, goal)
    rows = measured_at(positive, targets, 0.4, goal)
    for name in ("precision", "recall", "f1", "cost"):
        assert whole[name].value == pytest.approx(rows[name].value, rel=1e-6)
        assert (whole[name].low, whole[name].high) == pytest.approx(
            (alone[name].low, alone[name].high), rel=0.01
        ), "as wide as t is of 200"
        assert whole[name].high - whole[name].low > 2 * (rows[name].high - rows[name].low)


def test_what_cannot_be_estimated_is_no_number() -> None:
    positive, targets = np.array([0.1, 0.2, 0.3]), np.array([0, 1, 0])
    assert np.isnan(measured_at(positive, targets, 0.9, Threshold())["precision"].value)
    assert np.isnan(sweep(positive, np.zeros(3, int)).recall).all()
    assert thresholds.weights(3).sum(1).tolist() == [3.0] * (1 + thresholds.REPEATS)


def test_the_threshold_that_nobody_reaches_is_above_an_answer_of_exactly_one() -> None:
    positive = np.array([1.0, 0.6, 0.2], dtype=np.float32)
    never = choose(positive, np.array([0, 0, 1]), Threshold(goal="cost", false_alarm=100.0, miss=1.0))
    assert never is not None and not (positive >= never).any()
    assert sweep(positive, np.array([0, 0, 1])).alarms[0] == 0


def test_few_answers_without_an_error_are_not_known_to_be_without() -> None:
    """Of five alarms that are all right, resamples have none that is wrong: precision was 1, without an
    interval, and so were recall, F1 and a cost of 0."""
    positive, targets = np.r_[np.full(5, 0.9), np.full(195, 0.1)], np.r_[np.ones(5, int), np.zeros(195, int)]
    at = measured_at(positive, targets, 0.5, Threshold(goal="cost", miss=5))
    least = beta(5.5, 0.5).ppf(0.025)
    assert (at["precision"].low, at["precision"].high) == pytest.approx((least, 1.0), abs=0.03)
    assert at["recall"].low == pytest.approx(least, abs=0.03) and 0.5 < at["f1"].low < 0.85
    # Of 200 that cost nothing one in 80 may be missed, which costs 5 each.
    assert at["cost"].value == 0 and 1000 * 5 / 160 < at["cost"].high < 1000 * 5 / 40
    owners = measured_at(positive, targets, 0.5, Threshold(), np.r_[np.zeros(5, int), np.arange(195)])
    assert owners["recall"].low == pytest.approx(beta(1.5, 0.5).ppf(0.025), abs=0.03), "of one owner"


@pytest.mark.parametrize(
    ("rows", "share", "found", "alarms"), [(300, 0.05, 0.8, 0.005), (500, 0.3, 0.9, 0.02)]
)
def test_intervals_at_a_threshold_hold_the_truth(
    rows: int, share: float, found: float, alarms: float
) -> None:
    """300 worlds: nominal .95; less than .92 with probability .01 if it is so."""
    rng, goal = np.random.default_rng(5), Threshold(goal="cost", miss=5)
    hits, wrong, missed = share * found, (1 - share) * alarms, share * (1 - found)
    truth = {
        "precision": hits / (hits + wrong), "recall": found, "f1": 2 * hits / (2 * hits + wrong + missed),
        "cost": 1000 * (wrong + 5 * missed),
    }  # fmt: skip
    held = dict.fromkeys(truth, 0)
    for _ in range(300):
        targets = (rng.random(rows) < share).astype(int)
        said = rng.random(rows) < np.where(targets == 1, found, alarms)
        at = measured_at(np.where(said, 0.9, 0.1), targets, 0.5, goal)
        for name, true in truth.items():
            held[name] += at[name].low <= true <= at[name].high
    assert all(count / 300 >= 0.92 for count in held.values()), held

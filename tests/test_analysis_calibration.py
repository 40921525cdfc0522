"""The statistics keep what they promise, in simulation: equal and unequal variances, heavy tails.

Seeds are fixed, so the tests are deterministic. With fresh seeds the Monte Carlo errors would be .0045 on
a false-positive rate of .05 (2,400 A/A pairs), .004 on a coverage, 8 % on the realised regret (600
decisions): a gate would raise a false alarm in at most 3 % of fresh runs. Long-run figures are in
benchmarks/results/calibration.json.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration import WORLDS, Calibration, calibrate

DECISIONS = 600


@pytest.fixture(scope="module", params=list(WORLDS))
def found(request: pytest.FixtureRequest) -> Calibration:
    return calibrate(WORLDS[request.param], DECISIONS, seed=11, draws=1000)


def test_false_alarms_between_equals_stay_near_one_in_twenty(found: Calibration) -> None:
    """Fewer, since seeds vary less here than the examples' residual does: where they vary more it is one in
    twenty. That leads are seen nonetheless is tested beside the formula."""
    assert 0.02 <= found.false_positives <= 0.06


def test_intervals_cover_the_truth(found: Calibration) -> None:
    assert found.coverage_accuracy >= 0.93
    assert found.coverage_difference >= 0.93
    assert found.coverage_latency >= 0.93
    assert found.coverage_latency_t >= 0.93


def test_probabilities_come_true_as_often_as_they_say(found: Calibration) -> None:
    assert found.ece_front <= 0.04
    assert found.ece_feasible <= 0.04
    assert found.ece_best <= 0.04


def test_the_predicted_regret_is_the_realised_one_within_a_quarter(found: Calibration) -> None:
    """600 decisions leave the realised regret an error of 8 %: the gate is met with room to spare."""
    assert 0.75 <= found.regret_predicted / found.regret_realised <= 1.25


def test_two_seeds_are_enough_for_honest_intervals() -> None:
    found = calibrate(replace(WORLDS["unequal, normal"], seeds=2), 300, seed=5, draws=1000, pairs=2400)
    assert found.coverage_accuracy >= 0.93 and found.coverage_difference >= 0.93
    assert 0.02 <= found.false_positives <= 0.06


def test_the_gates_notice_overconfidence() -> None:
    """A calibration whose intervals are too narrow must be called so."""
    good = calibrate(WORLDS["equal, normal"], 40, seed=0, draws=200)
    bad = replace(good, coverage_accuracy=0.85, false_positives=0.12, ece_best=0.1, regret_predicted=1e-9)
    assert len(bad.misses()) >= 4
    assert np.isfinite(good.ece_front)

"""Rows that come in groups count as groups on the pages too: by simulation, and of few groups."""

from __future__ import annotations

import numpy as np

from benchmarks.groups import compared, held
from harness.analysis.thresholds import FEWEST_GROUPS, gained, measured_at
from harness.suite.schema import Threshold


def test_equal_candidates_are_told_apart_as_seldom_as_claimed_where_groups_are_the_units() -> None:
    """200 worlds: at 5 % more than 10.5 % come in under one of a thousand."""
    for whole in (True, False):
        found = compared(200, 30, 10, whole, by_group=True)
        assert max(found.values()) <= 0.105, found
    assert compared(200, 30, 10, True, by_group=False)["mcnemar"] > 0.105


def test_intervals_at_a_threshold_and_of_shares_hold_the_truth_where_groups_are_the_units() -> None:
    """150 worlds: at .92 under .85 come in under one of a thousand."""
    found = held(150, 30, 10, by_group=True)
    assert min(found.values()) >= 0.85, found
    assert min(held(150, 30, 10, by_group=False).values()) < 0.85


def test_of_few_groups_there_is_a_figure_and_no_interval() -> None:
    groups = np.repeat(np.arange(FEWEST_GROUPS - 1), 20)
    rng = np.random.default_rng(0)
    positive, targets = rng.random(len(groups)), rng.integers(0, 2, len(groups))
    found = measured_at(positive, targets, 0.5, Threshold(), groups)["recall"]
    assert 0 < found.value < 1 and np.isnan(found.low) and found.why == "not estimable: 14 groups"
    assert gained(positive, targets, 0.3, Threshold(), groups)["f1"].why == found.why

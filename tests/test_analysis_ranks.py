"""Rank correlations over few systems: how often unrelated figures are called related."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.analysis.ranks import rank_agreement


def test_four_systems_in_the_same_order_are_no_evidence() -> None:
    """One order of 24 is theirs, one the opposite: p = 0.083. A bootstrap said 1.00, from 1.00 to 1.00."""
    value, low, high = rank_agreement(np.arange(4.0), np.arange(4.0) ** 3)
    assert value == high == 1.0 and low < 0
    value, low, high = rank_agreement(np.arange(4.0), -np.arange(4.0))
    assert value == low == -1.0 and high > 0
    assert np.isnan(rank_agreement(np.arange(3.0), np.arange(3.0))).all()


def test_eight_systems_in_the_same_order_are() -> None:
    value, low, high = rank_agreement(np.arange(8.0), np.arange(8.0) ** 2)
    assert value == high == 1.0 and 0.7 < low < 1


@pytest.mark.parametrize("systems", [4, 5, 6, 8, 12])
def test_unrelated_figures_are_called_related_in_one_of_twenty_at_most(systems: int) -> None:
    """400 worlds: more than 36 by chance in fewer than 1 of 1,000."""
    rng = np.random.default_rng(systems)
    found = [rank_agreement(*rng.standard_normal((2, systems))) for _ in range(400)]
    assert sum(not low <= 0 <= high for _, low, high in found) <= 36
    value, _, _ = found[0]
    assert value == stats.spearmanr(*np.random.default_rng(systems).standard_normal((2, systems))).statistic

from __future__ import annotations

import numpy as np
import pytest

from harness.serving.quantiles import half_width, percentile, settled, steady


def test_a_percentile_is_a_number_once_there_are_calls_and_windows_enough() -> None:
    calls = np.arange(1, 1001) / 10
    assert percentile(calls, 50, 10) == (pytest.approx(50.05), "")
    assert percentile(calls, 99, 5) == (pytest.approx(99.01, abs=0.02), "")


def test_a_p99_of_too_few_calls_is_not_estimable() -> None:
    assert percentile(np.ones(120), 99, 10) == (None, "not estimable (120 of 662 calls)")


def test_a_p90_of_calls_from_one_stretch_of_time_is_not_estimable() -> None:
    assert percentile(np.ones(5000), 90, 2) == (None, "not estimable (2 of 5 windows)")


def test_the_half_width_is_that_of_a_t_interval_on_the_log_scale() -> None:
    # Three values whose logs are -s, 0, s: standard deviation s, t(2) = 4.303.
    s = 0.01
    assert half_width(list(np.exp([-s, 0, s]))) == pytest.approx(np.expm1(4.303 * s / np.sqrt(3)), rel=1e-6)


def test_one_window_has_no_interval() -> None:
    assert half_width([1.0]) == float("inf")


def test_measuring_settles_on_quiet_windows_and_not_on_scattered_ones() -> None:
    random = np.random.default_rng(0)
    quiet = [random.normal(1.0, 0.005, 200) for _ in range(10)]
    scattered = [random.normal(1.0 + 0.2 * (i % 2), 0.005, 200) for i in range(10)]
    assert settled(quiet)
    assert not settled(scattered)
    assert not settled(quiet[:3])


def test_a_trend_is_not_steady_and_noise_is() -> None:
    random = np.random.default_rng(0)
    assert steady(list(random.normal(1.0, 0.02, 40)))
    assert not steady(list(np.linspace(2.0, 1.0, 40)))
    assert not steady([1.0] * 5)

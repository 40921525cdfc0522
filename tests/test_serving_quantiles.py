from __future__ import annotations

import numpy as np
import pytest

from harness.serving.closed import latencies, remark, steadiness, stopped
from harness.serving.noise import Noise
from harness.serving.quantiles import half_width, percentile, settled, steady
from harness.serving.windows import Window, Windows

QUIET = Noise(1.0, 0.0, 0, 0, 0.0, 0.0, 0, 0.0)


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


def test_a_level_that_moved_is_said_and_one_that_never_settled_is_no_figure() -> None:
    def run(*levels_us: int) -> Windows:
        times = np.arange(10) * 1_000_000
        return Windows([Window(1, times, times + us * 1000, 0.1, QUIET) for us in levels_us])

    moved = run(100, 100, 100, 130, 130, 130)
    assert steadiness(moved, "steady") == (pytest.approx(0.3), False)
    assert steadiness(moved, "unsteady") == (pytest.approx(0.3), True)
    assert steadiness(run(100, 101, 100, 101), "unsteady")[1] is False, "only the warm-up was restless"
    assert remark(moved) == "drifted 30% between the halves of a run" and remark(run(100, 100)) == ""
    assert {m.note for m in latencies(moved, unsteady=True)} == {"unsteady"}
    (p50, *_) = latencies(moved, unsteady=False)
    assert p50.value == pytest.approx(0.115, abs=0.016) and p50.note.startswith("drifted")


def test_why_measuring_stopped_is_kept_with_how_well_it_knew() -> None:
    times = np.arange(200) * 1_000_000
    windows = Windows([Window(1, times, times + 100_000 + i * 100, 0.1, QUIET) for i in range(5)])
    told = stopped("budget", windows)
    assert told.by == "budget"
    assert told.half_width.p50 == pytest.approx(0.002, abs=0.001)
    assert told.half_width.p99 is not None, "1,000 calls are enough for a p99"

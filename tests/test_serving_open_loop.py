from __future__ import annotations

import time

import numpy as np
import pytest

from harness.record import TrialError
from harness.serving.load import Settings
from harness.serving.open_loop import closed_seconds, observed, run_load
from harness.serving.subject import Subject

pytestmark = pytest.mark.quiet


def subject_of(predict: object) -> Subject:
    return Subject(predict, np.zeros((16, 4), np.float32), {}, (2,))  # type: ignore[arg-type]


def answer(inputs: np.ndarray) -> np.ndarray:
    return np.zeros((len(inputs), 2), np.float32)


def test_a_stall_counts_for_all_that_arrived_meanwhile() -> None:
    calls = 0

    def stalls_once(inputs: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 20:
            time.sleep(0.1)
        return answer(inputs)

    arrivals = np.arange(100) * 0.005
    point, raw = run_load(subject_of(stalls_once), arrivals, 200.0, 0.5, Settings(20.0, 1, 0.0))
    waited = (raw["answered_ns"] - raw["scheduled_ns"]) / 1e6
    # 100 ms at 200 per s: about 16 arrivals wait more than 20 ms; a closed loop would see one.
    assert point.violations >= 14
    assert np.sum(waited > 20) >= 14
    assert point.requests == 95  # the first 5 % settle


def test_requests_that_arrive_together_are_answered_together() -> None:
    sizes = []

    def remember(inputs: np.ndarray) -> np.ndarray:
        sizes.append(len(inputs))
        return answer(inputs)

    arrivals = np.repeat(np.arange(5) * 0.02, 6)
    point, _ = run_load(subject_of(remember), arrivals, 300.0, 0.1, Settings(50.0, 4, 1.0))
    assert max(sizes) == 4
    assert sum(sizes) == 30
    assert point.batch == pytest.approx(np.mean(sizes))


def test_a_hopeless_backlog_is_given_up_and_counted() -> None:
    def slow(inputs: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return answer(inputs)

    arrivals = np.arange(400) * 0.001
    start = time.monotonic()
    point, raw = run_load(subject_of(slow), arrivals, 1000.0, 0.4, Settings(5.0, 1, 0.0))
    assert time.monotonic() - start < 3
    assert point.unanswered > 300
    assert point.violations >= point.unanswered
    assert np.sum(raw["answered_ns"] == 0) >= point.unanswered


def test_a_failed_call_is_a_violation_and_ten_are_a_failure() -> None:
    calls = 0

    def fails_at_times(inputs: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls in (30, 40):
            raise ValueError("now and then")
        return answer(inputs)

    arrivals = np.arange(100) * 0.002
    point, _ = run_load(subject_of(fails_at_times), arrivals, 500.0, 0.2, Settings(1000.0, 1, 0.0))
    assert point.errors == 2
    assert point.violations == 2

    def fails(inputs: np.ndarray) -> np.ndarray:
        raise ValueError("always")

    with pytest.raises(TrialError, match="fails under load: raised ValueError"):
        run_load(subject_of(fails), arrivals, 500.0, 0.2, Settings(1000.0, 1, 0.0))


def test_arrivals_seen_late_make_a_run_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    import harness.serving.queueing as module

    def oversleep(target_ns: int) -> None:
        while time.perf_counter_ns() < target_ns + 3_000_000:
            pass

    monkeypatch.setattr(module, "sleep_until", oversleep)
    point, _ = run_load(subject_of(answer), np.arange(50) * 0.01, 100.0, 0.5, Settings(5.0, 1, 0.0))
    assert not point.valid
    assert "of arrivals were seen late" in point.note
    assert point.lateness_ms >= 3.0


def test_closed_loop_times_between_the_measured_sizes_lie_on_lines() -> None:
    seconds = closed_seconds({1: np.full(9, 2.0), 4: np.full(9, 5.0)}, 4)
    assert seconds == pytest.approx([0.002, 0.003, 0.004, 0.005])


def test_a_run_is_told_with_its_calls_and_its_late_requests() -> None:
    settings = Settings(50.0, 4, 1.0)
    arrivals = np.repeat(np.arange(5) * 0.02, 6)
    point, raw = run_load(subject_of(answer), arrivals, 300.0, 0.1, settings)
    seen = observed(point, raw, arrivals, settings)
    assert seen.calls.size.sum() == 30
    assert len(seen.late) == point.requests
    assert seen.late.sum() == point.violations

"""Speeds of several hours: the session is the unit, and its rounds are no further evidence of other hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from harness.analysis.joint import MOST_SD, launch_draws
from harness.analysis.sessions import ServingSession, by_session, sessions_of
from harness.record import Record, Trial, Variant

START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


def served(*minutes: tuple[str, int, float], seconds: float = 30) -> dict[Variant, list[Record]]:
    """Records of (candidate, round, minutes after the start)."""
    found: dict[Variant, list[Record]] = {}
    for name, number, after in minutes:
        trial = Trial("serve", name, {"round": number}, runtime="onnx", scenario="server", round=number)
        started = (START + timedelta(minutes=after)).isoformat()
        record = Record(trial, "finished", started=started, seconds=seconds)
        found.setdefault(Variant(name, "onnx"), []).append(record)
    return found


def test_rounds_ten_minutes_apart_are_of_two_sessions_that_say_when_they_were() -> None:
    first = [(name, r, 2.0 * r) for name in "ab" for r in range(3)]
    second = [(name, 3 + r, 60 + 2.0 * r) for name in "ab" for r in range(3)]
    early, late = sessions_of(served(*second, *first))
    assert (early.rounds, late.rounds) == ((0, 1, 2), (3, 4, 5))
    assert early.said == "1 Mar 20:00–20:04 UTC" and late.said == "1 Mar 21:00–21:04 UTC"


def test_long_rounds_without_a_break_are_one_session() -> None:
    rounds = [(name, r, 40.0 * r + 8 * k) for r in range(3) for k, name in enumerate("abcde")]
    (only,) = sessions_of(served(*rounds, seconds=400))
    assert only.rounds == (0, 1, 2)


def test_a_trial_that_was_tried_again_the_next_day_is_no_session() -> None:
    rounds = [(name, r, 2.0 * r) for name in "abc" for r in range(3)]
    (only,) = sessions_of(served(*rounds[:-1], ("c", 2, 24 * 60.0)))
    assert only.rounds == (0, 1, 2)


def test_a_variant_that_alone_was_served_again_does_not_make_sessions_of_the_others_rounds() -> None:
    rounds = [(name, r, 2.0 * r) for name in "abc" for r in range(3)]
    (only,) = sessions_of(served(*rounds, ("a", 3, 60.0)))
    assert only.rounds == (0, 1, 2, 3)


def test_records_that_tell_no_time_are_of_no_session() -> None:
    trial = Trial("serve", "a", {}, runtime="onnx", round=0)
    assert sessions_of({Variant("a", "onnx"): [Record(trial, "finished")]}) == ()


def test_a_sessions_value_is_its_rounds_mean_geometric_where_all_are_positive() -> None:
    two = (ServingSession((0, 1), 0, 1), ServingSession((2, 3), 2, 3))
    assert by_session({0: 2.0, 1: 8.0, 2: 5.0}, two) == pytest.approx({0: 4.0, 1: 5.0})
    assert by_session({0: 0.0, 1: 8.0}, two) == {0: 4.0}
    assert by_session({0: 2.0, 1: 8.0}, two[:1]) == {0: 2.0, 1: 8.0}


def covered(apart: float, sessions: int, worlds: int = 150) -> tuple[float, float]:
    """How often a 95 % interval holds what many sessions would give: over rounds, over sessions."""
    rng = np.random.default_rng(7)
    hits = np.zeros(2)
    for _ in range(worlds):
        shared, own = rng.standard_normal((sessions, 1, 1)), rng.standard_normal((sessions, 1, 4))
        rounds = 0.1 * rng.standard_normal((sessions, 3, 4))
        values = apart * (0.9 * shared + 0.44 * own) + rounds
        for k, (table, most) in enumerate(((values.reshape(-1, 4), np.inf), (values.mean(1), MOST_SD))):
            draws = launch_draws(table, rng.spawn(1)[0], 1000, most_sd=most)
            low, high = np.quantile(draws, [0.025, 0.975], axis=0)
            hits[k] += ((low <= 0) & (high >= 0)).mean() / worlds
    return float(hits[0]), float(hits[1])


@pytest.mark.parametrize("sessions", [2, 3])
def test_intervals_over_sessions_hold_for_other_hours_and_over_rounds_they_do_not(sessions: int) -> None:
    over_rounds, over_sessions = covered(0.3, sessions)
    assert over_rounds < 0.8 and over_sessions > 0.87


def test_where_hours_do_not_differ_intervals_over_sessions_still_hold() -> None:
    assert covered(0.0, 3)[1] > 0.9

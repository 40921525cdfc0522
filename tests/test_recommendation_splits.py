"""Splits keep their promise, and a log that cannot be split says what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.datasets.interactions import Events, Protocol
from harness.record import DataError
from harness.tasks.recommendation.history import History
from harness.tasks.recommendation.splits import cut_events


def _events(n: int = 500, users: int = 20, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 60, n) / 2.0)  # many ties
    return Events(
        rng.integers(0, users, n).astype(np.int32), rng.integers(0, 50, n).astype(np.int32), time,
        np.zeros(n, bool), np.full(n, -1),
    )  # fmt: skip


def _cut(events: Events, split: str, validation: float = 0.1, test: float = 0.1):  # type: ignore[no-untyped-def]
    return cut_events(events, Protocol(split, test), validation, np.random.default_rng(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("split", ["global_time", "leave_one_out", "random"])
def test_every_event_is_in_exactly_one_part(split: str) -> None:
    cut = _cut(_events(), split)
    assert (cut.train.astype(int) + cut.validation + cut.test == 1).all()
    assert cut.validation.any()


def test_global_time_puts_all_training_before_validation_before_the_test() -> None:
    events = _events()
    cut = _cut(events, "global_time")
    assert events.time[cut.train].max() < cut.validation_from <= events.time[cut.validation].min()
    assert events.time[cut.validation].max() < cut.deploy <= events.time[cut.test].min()


def test_leave_one_out_asks_each_user_about_one_last_event() -> None:
    events = _events()
    cut = _cut(events, "leave_one_out")
    for user in range(20):
        mine = events.user == user
        assert (cut.test & mine).sum() == 1 and (cut.validation & mine).sum() == 1
        assert events.time[cut.test & mine] == events.time[mine].max()


def test_random_takes_a_tenth_of_each_user() -> None:
    events = _events()
    cut = _cut(events, "random", validation=1 / 9)
    sizes = np.bincount(events.user, minlength=20)
    np.testing.assert_array_equal(np.bincount(events.user[cut.test], minlength=20), np.round(sizes * 0.1))
    np.testing.assert_array_equal(
        np.bincount(events.user[cut.validation], minlength=20), np.round(sizes * 0.1)
    )


def test_unsorted_times_make_no_difference_to_who_is_tested() -> None:
    events = _events()
    shuffled = events.rows(np.random.default_rng(3).permutation(len(events)))
    a, b = _cut(events, "global_time"), _cut(shuffled, "global_time")
    assert sorted(events.time[a.test]) == sorted(shuffled.time[b.test])


@pytest.mark.parametrize("split", ["global_time", "leave_one_out", "random"])
def test_a_log_with_one_event_is_an_error_that_says_what_to_give(split: str) -> None:
    with pytest.raises(DataError, match="longer log"):
        _cut(_events(1), split)


def test_a_user_with_one_event_is_learned_from_and_not_asked_about() -> None:
    events = _events()
    lonely = Events(
        *(
            np.append(c, v)
            for c, v in zip(
                vars(events).values(), (99, 1, 99.0, False, -1, 1.0, np.nan, len(events)), strict=True
            )
        )
    )
    assert _cut(lonely, "leave_one_out").train[-1]


def test_the_test_part_of_a_fixed_seed_is_the_end_of_numpy_s_permutation_of_the_source_s_rows() -> None:
    """As Cornac's RatioSplit cuts, however the events are sorted here."""
    events = _events()
    source = np.random.default_rng(1).permutation(len(events))
    events = replace(events, row=source)
    protocol = Protocol("random_events", 0.2, split_seed=123)
    cut = cut_events(events, protocol, 0.0, np.random.default_rng(0))
    size = int(np.ceil(0.2 * len(events)))
    last = np.random.RandomState(123).permutation(len(events))[-size:]
    assert sorted(events.row[cut.test]) == sorted(last)
    with pytest.raises(ValueError, match="split_seed is for split random_events"):
        Protocol("random", 0.2, split_seed=1)


def test_what_is_rated_below_the_threshold_is_learned_from_and_neither_asked_for_nor_masked() -> None:
    user, item = np.repeat(np.arange(4), 5), np.tile(np.arange(5), 4)
    events = Events(
        user.astype(np.int32), item.astype(np.int32), np.arange(20.0), np.zeros(20, bool), np.full(20, -1),
        rating=np.tile([5, 1, 5, 1, 5], 4).astype(np.float32),
    )  # fmt: skip
    protocol = Protocol("random", 0.4, relevant_from=4.0)
    history = History.of(events, 4, protocol.relevant(events))
    rows, masked = history.masked(np.array([2, 0]))
    assert rows.tolist() == [0, 0, 0, 1, 1, 1] and masked.tolist() == [0, 2, 4, 0, 2, 4]
    assert len(history.seen(np.array([2, 0]))[0]) == 10
    assert history.holds(np.array([1, 1]), np.array([0, 1])).tolist() == [True, False]


def test_an_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="global_time, leave_one_out, random"):
        Protocol("sampled")  # type: ignore[arg-type]

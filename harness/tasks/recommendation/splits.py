"""How a log is cut into what may be learned from and what is asked.

Global time is the default, since in production the future is unknown: with the other two a model may
learn from what happened after the moment it is asked about. What must not leak is asserted on every cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.datasets.interactions import Events, Protocol, last_stretch
from harness.record import DataError


@dataclass(frozen=True)
class Cut:
    """One log, cut. Masks over its events, (n,) bool, no event in two.

    Args:
        deploy: the time (days) at which the test questions are asked; for splits by user, after all.
        validation_from: with `global_time`, where the validation part starts.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    deploy: float
    validation_from: float


def cut_events(events: Events, protocol: Protocol, validation: float, rng: np.random.Generator) -> Cut:
    """Cut a log by a protocol; the validation part is cut off the training part by the same rule.

    Args:
        validation: share of the training part, 0 for none.
    Raises:
        DataError: nothing is left to learn from or nothing to ask.
    """
    if not 0 <= validation < 1:
        raise ValueError(f"validation must be a share from 0 to below 1, not {validation}")
    if protocol.split == "random_events":
        cut = _random_events(events, protocol, validation, rng)
    else:
        cut = _CUTTERS[protocol.split](events, protocol.test, validation, rng)
    for part, mask in (("training", cut.train), ("test", cut.test)):
        if not mask.any():
            raise DataError(
                f"split {protocol.split} leaves no {part} event of {len(events)}: "
                "give a longer log, or another split (data.args.split) or share (data.args.test)"
            )
    _assert_no_leak(events, cut, protocol)
    return cut


def _global_time(events: Events, test: float, validation: float, rng: np.random.Generator) -> Cut:
    """Whole days where the log is longer than ten of them, so that no day is cut in two."""
    start = float(events.time.min())
    deploy = last_stretch(start, float(events.time.max()), test)
    validation_from = last_stretch(start, deploy, validation) if validation else deploy
    if validation and validation_from >= deploy:
        validation_from = deploy - 1.0
    return Cut(
        train=events.time < validation_from,
        validation=(events.time >= validation_from) & (events.time < deploy),
        test=events.time >= deploy,
        deploy=deploy,
        validation_from=validation_from,
    )


def _leave_one_out(events: Events, test: float, validation: float, rng: np.random.Generator) -> Cut:
    """Each user's last event, among those of one time a random one; the one before it validates."""
    order = np.lexsort((rng.random(len(events)), events.time, events.user))
    from_end = _from_end(events.user[order])
    back = np.empty(len(events), int)
    back[order] = from_end
    # A user with one event keeps it for training: nothing can be asked about a user nothing is known of.
    size = np.bincount(events.user, minlength=int(events.user.max()) + 1)[events.user]
    is_test = (back == 0) & (size > 1)
    is_validation = (back == 1) & (size > 2) & bool(validation)
    return _by_user(events, is_validation, is_test)


def _random(events: Events, test: float, validation: float, rng: np.random.Generator) -> Cut:
    """A share of each user's events; `validation` is of what remains, so 0.1 and 1/9 give 8/1/1."""
    order = np.lexsort((rng.random(len(events)), events.user))
    from_end = np.empty(len(events), int)
    from_end[order] = _from_end(events.user[order])
    size = np.bincount(events.user, minlength=int(events.user.max()) + 1)[events.user]
    num_test = np.round(size * test)
    num_validation = np.round((size - num_test) * validation)
    is_test = from_end < num_test
    return _by_user(events, ~is_test & (from_end < num_test + num_validation), is_test)


def _random_events(events: Events, protocol: Protocol, validation: float, rng: np.random.Generator) -> Cut:
    """A share of all events; with `split_seed` the rows that others cut off with this seed."""
    n, seed = len(events), protocol.split_seed
    drawn = rng.permutation(n) if seed is None else np.random.RandomState(seed).permutation(n)
    place = np.empty(n, int)  # in the drawn order, of each row of the source
    place[drawn] = np.arange(n)
    from_end = n - 1 - place[np.argsort(np.argsort(events.row, kind="stable"), kind="stable")]
    num_test = int(np.ceil(n * protocol.test))
    num_validation = round((n - num_test) * validation)
    is_test = from_end < num_test
    return _by_user(events, ~is_test & (from_end < num_test + num_validation), is_test)


def _by_user(events: Events, is_validation: np.ndarray, is_test: np.ndarray) -> Cut:
    after_all = float(events.time.max())
    return Cut(~is_validation & ~is_test, is_validation, is_test, after_all, after_all)


def _from_end(sorted_users: np.ndarray) -> np.ndarray:
    """For users in sorted order, how many of the same user follow."""
    ends = np.searchsorted(sorted_users, sorted_users, side="right")
    return np.asarray(ends - 1 - np.arange(len(sorted_users)))


def _assert_no_leak(events: Events, cut: Cut, protocol: Protocol) -> None:
    parts = cut.train.astype(int) + cut.validation + cut.test
    assert (parts == 1).all(), "an event is in two parts"
    if protocol.split == "global_time":
        past = events.time[cut.train | cut.validation]
        assert past.max() < events.time[cut.test].min(), "training reaches into the future of the test part"
    if protocol.split == "leave_one_out":
        last = np.full(int(events.user.max()) + 1, -np.inf)
        np.maximum.at(last, events.user[~cut.test], events.time[~cut.test])
        assert (last[events.user[cut.test]] <= events.time[cut.test]).all(), (
            "a test event is not its user's last"
        )


_CUTTERS = {"global_time": _global_time, "leave_one_out": _leave_one_out, "random": _random}

"""Reasons of figures: read from the notes of records of any age in one place, and put in words in one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.reasons import Reason, reason_of, reasons_in
from harness.record import Measurement
from harness.report.reasons import MARKS, MEANINGS, mark, meaning
from harness.results import Estimate
from harness.serving.quantiles import percentile


@pytest.mark.parametrize(
    ("note", "first", "all_"),
    [
        ("", None, ()),
        ("not estimable (120 of 662 calls)", Reason.NOT_ESTIMABLE, (Reason.NOT_ESTIMABLE,)),
        ("too noisy (3 of 9 windows quiet)", Reason.TOO_NOISY, (Reason.TOO_NOISY,)),
        (
            "noisy: 4 count; drifted 7% (2 of 3 rounds)",
            Reason.NOISY,
            (Reason.NOISY, Reason.DRIFTED),
        ),
        ("priced at the lower end: the load is not confirmed", None, (Reason.NOT_CONFIRMED,)),
        ("failed: out of memory at batch 32", Reason.FAILED, (Reason.FAILED,)),
        ("failed: too noisy below 1 MB, not measured", Reason.FAILED, (Reason.FAILED,)),
        ("ruled out: accuracy clearly below 0.87 (0.81)", Reason.RULED_OUT, (Reason.RULED_OUT,)),
        ("one seed: holds for this checkpoint only", None, ()),
    ],
)
def test_a_note_tells_its_reasons(note: str, first: Reason | None, all_: tuple[Reason, ...]) -> None:
    assert (reason_of(note), reasons_in(note)) == (first, all_)
    assert Measurement("latency_p99_ms", None, note=note).reason == first
    assert Estimate(None, note=note).reasons == all_


def test_too_few_calls_are_said_as_they_are_read() -> None:
    value, note = percentile(np.ones(5), 99, 3)
    assert value is None and reason_of(note) is Reason.NOT_ESTIMABLE


def test_no_sign_hides_a_longer_one_that_holds_it() -> None:
    order = list(Reason)
    for i, longer in enumerate(order):
        assert not any(shorter.value in longer.value for shorter in order[:i])


def test_words_follow_the_first_reason_that_has_some() -> None:
    assert mark("drifted 7 %; not confirmed: 2 % were late") == MARKS[Reason.NOT_CONFIRMED]
    assert meaning("too noisy (0 of 5 runs)") == MEANINGS[Reason.TOO_NOISY]
    assert (mark("one launch"), meaning("not measured")) == ("", "")
    assert meaning("ruled out after scoring: accuracy clearly below 0.87 (0.82)") == ""  # no load was tried

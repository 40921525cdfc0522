"""What is sent to a variant that is measured: rows of the whole test part, whatever the order of its file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from harness.facts.serving import SentFacts, ServeFacts
from harness.record import Record, Trial, TrialError
from harness.report.evidence import Evidence
from harness.report.sections.validity import _requests
from harness.serving.load import ServerSettings
from harness.serving.queueing import own_queue, work_off
from harness.serving.subject import DISTINCT, Subject, cut, order_of, sent_facts, take
from harness.streams import generator

LENGTHS = np.sort(np.clip(np.random.default_rng(0).lognormal(np.log(25), 0.8, 3000), 3, 250).astype(int))
TEXTS = [" ".join(["word"] * n) for n in LENGTHS]
"""A file that is sorted by length."""


def subject_of(inputs: Any, seed: int = 0) -> Subject:
    order = order_of(inputs, generator(seed, "requests"))
    return Subject(lambda rows: np.zeros((len(rows), 2)), inputs, {}, (2,), order=order)


def words(requests: list[list[str]]) -> np.ndarray:
    return np.array([len(text.split()) for request in requests for text in request])


def test_texts_of_a_file_that_is_sorted_by_length_are_sent_as_long_as_they_are() -> None:
    subject = subject_of(TEXTS)
    single, batched = words(subject.requests(1)), words(subject.requests(8))
    assert len(single) == DISTINCT and len(batched) == 8 * DISTINCT
    assert abs(single.mean() / LENGTHS.mean() - 1) < 0.02
    assert abs(np.quantile(single, 0.99) / np.quantile(LENGTHS, 0.99) - 1) < 0.1
    assert abs(batched.mean() / LENGTHS.mean() - 1) < 0.1  # .03 is one standard error of 896 at random
    assert LENGTHS[:DISTINCT].mean() < 0.2 * LENGTHS.mean(), "as the file has them"
    assert len(set(subject.order)) == len(TEXTS)
    assert np.corrcoef(single, np.arange(DISTINCT))[0, 1] < 0.4, "in no order"


def test_rows_of_a_file_that_is_sorted_by_class_are_sent_from_all_of_it() -> None:
    rows = np.repeat(np.arange(10), 300)[:, None].astype(np.float32)
    first = np.concatenate(subject_of(rows).requests(1))
    # Of 128 at random 12.8 of each class, with a standard deviation of 3.4.
    assert np.bincount(first[:, 0].astype(int), minlength=10).min() >= 2


def test_all_variants_are_sent_the_same_and_another_seed_sends_others() -> None:
    assert subject_of(TEXTS).requests(1) == subject_of(list(TEXTS)).requests(1)
    assert list(subject_of(TEXTS, 1).order) != list(subject_of(TEXTS).order)


def test_requests_that_are_put_together_under_load_are_those_that_come_alone() -> None:
    subject = subject_of([f"text {number}" for number in range(1000)])
    asked: list[list[str]] = []
    answer = subject.predict
    subject.predict = lambda rows: (asked.append(rows), answer(rows))[1]  # type: ignore[func-returns-value]
    alone = {request[0] for request in subject.requests(1)}
    work_off(subject, own_queue(np.zeros(300, np.int64)), 0, 1e12, ServerSettings(1e12, 8, 0.0))
    assert {len(rows) for rows in asked} == {8, 4}
    assert {row for rows in asked for row in rows} == alone


@pytest.mark.parametrize("inputs", [
    np.arange(40).reshape(20, 2), [f"text {k}" for k in range(20)], (np.arange(20), np.arange(20.0)),
    {"words": np.arange(20), "mask": np.arange(20) % 2}, pd.DataFrame({"a": range(20), "b": range(20)}),
])  # fmt: skip
def test_a_batch_under_load_is_a_piece_of_the_requests_one_after_the_other(inputs: Any) -> None:
    subject = subject_of(inputs)
    ring, total = subject.ring(8)
    for first in (0, 3, 17, 19):
        asked = take(inputs, [subject.order[k % total] for k in range(first, first + 8)])
        assert str(cut(ring, first, first + 8)) == str(asked) or cut(ring, first, first + 8).equals(
            asked.set_axis(range(first, first + 8))
        )


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_an_answer_is_refused_for_what_is_not_finite_and_not_for_what_is_large(kind: str) -> None:
    subject = subject_of(np.zeros((4, 1)))
    largest = np.full((3, 2), np.finfo(kind).max / 8, kind)
    subject.check(largest, 3)
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(TrialError, match="not finite"):
            subject.check(np.where([[False, True]], np.array(wrong, kind), largest), 3)
    with pytest.raises(TrialError, match="wrong shape"):
        subject.check(largest, 2)


def test_few_rows_are_all_sent() -> None:
    subject = subject_of(["a", "b b", "c c c"])
    assert sorted(subject.order) == [0, 1, 2]
    assert [len(batch) for batch in subject.requests(8)] == [8]


def test_what_is_sent_is_told() -> None:
    told = sent_facts(subject_of(TEXTS))
    assert (told.rows, told.of, told.shape) == (DISTINCT, 3000, ())
    assert told.words is not None
    assert [round(w) for w in told.words] == sorted(round(w) for w in told.words)
    assert abs(told.words[1] / np.median(LENGTHS) - 1) < 0.05
    chinese = sent_facts(subject_of(["这部电影很好看。" * 5] * 3 + ["不好"] * 2))
    assert chinese.words is None and chinese.signs == (2.0, 40.0, 40.0, 40.0)
    images = sent_facts(subject_of(np.zeros((50, 3, 8, 8), np.uint8)))
    assert (images.rows, images.of, images.words, images.shape) == (50, 50, None, (3, 8, 8))


@pytest.mark.parametrize(
    ("task", "sent", "said"),
    [
        (
            "text_classification",
            SentFacts(128, 3000, (3, 25, 161, 250)),
            "128 of 3,000 texts of the test part, in drawn order: 3 to 250 words, half of them up to 25 and "
            "99 in 100 up to 161",
        ),
        (
            "text_classification",
            SentFacts(5, 5, signs=(2, 40, 40, 40)),
            "5 texts of the test part, in drawn order: 2 to 40 signs, half of them up to 40 and "
            "99 in 100 up to 40",
        ),
        (
            "image_classification",
            SentFacts(50, 50, shape=(1, 28, 28)),
            "50 images of the test part, in drawn order: 28 × 28 pixels",
        ),
        (
            "tabular_regression",
            SentFacts(128, 200, shape=(7,)),
            "128 of 200 rows of the test part, in drawn order",
        ),
        (
            "recommendation",
            SentFacts(128, 1000),
            "128 of 1,000 requests of users of the test part, in drawn order",
        ),
    ],
)
def test_the_page_says_what_was_sent(task: str, sent: SentFacts, said: str) -> None:
    served = Record(Trial("serve", "cnn", {}), "finished", facts=ServeFacts(sent=sent))
    e = SimpleNamespace(of=lambda kind, **more: [served, served], suite=SimpleNamespace(task=task))
    assert list(_requests(cast(Evidence, e))) == [f"Each variant is sent the same {said}."]


def test_older_records_which_do_not_say_what_was_sent_are_passed_over() -> None:
    e = SimpleNamespace(
        of=lambda kind, **more: [Record(Trial("serve", "cnn", {}), "finished", facts=ServeFacts())]
    )
    assert list(_requests(cast(Evidence, e))) == []

"""A p99 that decides is measured of slow models too, or the plan says why not and what to write."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from harness.analysis.criteria import NEEDED_CALLS
from harness.planning.tails import min_calls, tail_note
from harness.reading import read_suite, suite_from_text, suite_to_text
from harness.suite.schema import Suite

TEXT = """
name: tails
question: Which one is fast enough?
task: image_classification
data: {name: digits}
candidates: {linear: "sklearn:LogisticRegression"}
serving: {rounds: 3, time_limit: LIMIT, scenarios: {single_stream: {STREAM}}}
decision: {objective: OBJECTIVE, constraints: [CONSTRAINT]}
"""


def asked(
    constraint: str = "accuracy >= 0.5",
    stream: str = "",
    time_limit: str = "300s",
    objective: str = "maximize accuracy",
) -> Suite:
    words = {"LIMIT": time_limit, "STREAM": stream, "OBJECTIVE": objective, "CONSTRAINT": constraint}
    text = TEXT
    for word, value in words.items():
        text = text.replace(word, value, 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "suite.yaml"
        file.write_text(text)
        return read_suite(file)


@pytest.mark.parametrize("constraint", ["accuracy >= 0.5", "latency_p50_ms <= 100", "latency_p99_ms <= 10"])
def test_the_seconds_are_enough_where_no_p99_decides_or_only_of_fast_variants(constraint: str) -> None:
    """3 s of calls of 10 ms are 300, and three rounds of them 900."""
    assert (min_calls(asked(constraint)), tail_note(asked(constraint))) == (100, "")


@pytest.mark.parametrize(
    "suite",
    [asked("latency_p99_ms <= 100"), asked(objective="minimize latency_p99_ms")],
    ids=["limit", "objective"],
)
def test_a_p99_that_decides_is_given_the_calls_that_it_needs(suite: Suite) -> None:
    assert min_calls(suite) * suite.serving.rounds >= NEEDED_CALLS["latency_p99_ms"]
    assert "a variant slower than 13.6 ms a call is called so often" in tail_note(suite)


def test_the_plan_says_how_long_a_variant_takes_that_is_as_slow_as_the_limit() -> None:
    """221 calls of 100 ms."""
    assert "up to 22 s a round at 100 ms each" in tail_note(asked("latency_p99_ms <= 100"))


def test_a_number_that_the_suite_gives_is_kept_and_one_too_low_is_told_with_its_cure() -> None:
    few = asked("latency_p99_ms <= 100", "min_calls: 100")
    assert min_calls(few) == 100
    cure = re.search(r"set min_calls to (\d+), or leave it out", tail_note(few))
    assert cure, tail_note(few)
    cured = asked("latency_p99_ms <= 100", f"min_calls: {cure[1]}")
    assert (min_calls(cured), tail_note(cured)) == (int(cure[1]), "")


def test_where_the_calls_do_not_fit_a_trial_the_plan_says_which_time_limit_they_want() -> None:
    suite = asked("latency_p99_ms <= 5000")
    assert min_calls(suite) == 100
    cure = re.search(r"at 5000 ms each 1,105 s; set serving.time_limit to (\d+m) or more", tail_note(suite))
    assert cure, tail_note(suite)
    assert min_calls(asked("latency_p99_ms <= 5000", time_limit=cure[1])) == 221


def test_too_few_calls_allowed_are_told_whatever_the_speed() -> None:
    suite = asked("latency_p99_ms <= 1", "min_calls: 10, max_calls: 50")
    assert tail_note(suite).startswith("no variant will have the p99 that decides")
    assert tail_note(suite).endswith("set max_calls to 221 or more")


def test_a_run_folder_keeps_what_was_left_to_the_plan() -> None:
    suite = asked("latency_p99_ms <= 100")
    assert min_calls(suite_from_text(suite_to_text(suite))) == 221

"""What a question asks beyond which candidate to ship, and whether a run stops once it is decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.planning.request import RunRequest, measures_until_decided
from harness.reading import read_suite, read_suites
from harness.suite.asks import Asks, asked_by, why_all_is_measured
from tests.small_suites import ROOT, write_suite


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("Which classifier should we ship?", ()),
        ("From how many images on does a small network catch up?", (Asks.EXAMPLES,)),
        ("How much data does the transformer need?", (Asks.EXAMPLES,)),
        ("From which image size does attention cost more?", (Asks.SIZE,)),
        ("Which runtime, and what does INT8 cost in accuracy?", (Asks.INT8,)),
        ("Which retrieval with which ranking earns most?", (Asks.RANKERS,)),
    ],
)
def test_a_question_is_known_by_its_words(question: str, kinds: tuple[Asks, ...]) -> None:
    assert asked_by(question) == kinds


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cnn_vs_vit", ""),
        ("lstm_vs_transformer", ""),
        ("quickstart", "neither budget nor decision.tolerance"),
        ("finetune", "more than which candidate"),
        ("many_tables", "several data sets"),
        ("reproduced/guide_iris", "figures to be met"),
    ],
)
def test_shipped_suites_stop_where_only_the_choice_is_asked_and_a_budget_is_set(name: str, why: str) -> None:
    suites = read_suites(
        ROOT / "suites" / f"{name}.yaml", ["budget=30m"] if why.startswith("figures") else []
    )
    found = [why_all_is_measured(suite, len(suites) > 1) for suite in suites.values()]
    assert all(why in each for each in found) and all(bool(each) == bool(why) for each in found)


def test_what_the_command_says_counts_more_than_the_suite(tmp_path: Path) -> None:
    plain, limited = (read_suite(write_suite(tmp_path), sets) for sets in ([], ["budget=10m"]))
    assert [measures_until_decided(RunRequest("s.yaml"), s) for s in (plain, limited)] == [False, True]
    for said in (True, False):
        assert measures_until_decided(RunRequest("s.yaml", until_decided=said), limited) is said
        assert measures_until_decided(RunRequest("s.yaml", until_decided=said), plain) is said
    assert not measures_until_decided(RunRequest("s.yaml", smoke=True), limited), (
        "a trial run is of all parts"
    )
    assert not measures_until_decided(RunRequest("s.yaml", dataset="a"), limited)

"""Recommenders beside the most popular items, and logs that leave little to compare by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from harness.analysis.criteria import goal_of, limits_of
from harness.analysis.index import RecordIndex
from harness.analysis.popular import doubts_of_log, most_popular, not_surely_better
from harness.analysis.sanity import senseless
from harness.record import Record, Trial
from harness.results import Baseline, Estimate, Row, Tradeoff
from harness.suite.schema import Suite

SUITE = Suite.model_validate(
    {
        "name": "films", "task": "recommendation", "data": {"name": "ml_100k"},
        "candidates": {"a": {"retrieval": {"model": "ease"}}},
        "decision": {"objective": "maximize ndcg@10"},
    }
)  # fmt: skip
GOAL = goal_of(SUITE)
POPULAR = {"ndcg@10": 0.06, "recall@100": 0.4}


def row(value: float, low: float, high: float, **more: Estimate) -> Row:
    return Row("a/torch", "a", "torch", {"ndcg@10": Estimate(value, low, high), **more})


def barred(one: Row, *constraints: str, popular: dict[str, float] = POPULAR) -> dict[int, str]:
    decision = SUITE.decision.model_copy(update={"constraints": constraints})
    limits = limits_of(SUITE.model_copy(update={"decision": decision}))
    return dict(
        senseless(Tradeoff((one,), ("ndcg@10",), {}, baseline=Baseline(popular=popular)), limits, GOAL)
    )


def index(*evaluations: dict[str, Any]) -> RecordIndex:
    plain = {
        "protocol": {"split": "global_time", "mask_seen": True},
        "users": 100,
        "eligible_items": 50,
        "stages": {},
    }
    trial = Trial("score", "a", {"of": "a"}, runtime="torch", seed=0)
    records = [Record(trial, "finished", facts={"evaluation": {**plain, **told}}) for told in evaluations]
    return cast(RecordIndex, SimpleNamespace(score={("a", None): records}))


def test_who_is_surely_worse_than_the_most_popular_items_must_not_be_chosen() -> None:
    assert barred(row(0.05, 0.045, 0.055)) == {
        0: "ndcg@10 0.05 is worse than the 0.06 of the most popular items"
    }
    assert not barred(row(0.05, 0.045, 0.065)), "not surely"
    assert not barred(row(0.06, 0.05, 0.07)), "they are it"
    assert not barred(row(0.05, 0.045, 0.055), popular={}), "nobody measured it"


@pytest.mark.parametrize(("alike", "is_out"), [(0.99, True), (0.0, False)])
def test_a_candidate_that_is_the_most_popular_items_is_compared_with_user_by_user(
    alike: float, is_out: bool
) -> None:
    """Both are .01 apart, and each is known to ± .012: users that all serve alike tell them apart."""
    random = np.random.default_rng(0)
    common, own = random.standard_normal((4000, 1)), random.standard_normal((4000, 2))
    draws = [0.05, 0.06] + 0.006 * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own)
    low, high = (0.038, 0.062) if is_out else (0.039, 0.0599)
    rows = (row(0.05, low, high), row(0.06, 0.048, 0.072))
    table = Tradeoff(rows, ("ndcg@10",), {"ndcg@10": draws}, baseline=Baseline(popular=POPULAR))
    assert set(senseless(table, (), GOAL)) == ({0} if is_out else set())


def test_a_second_runtime_of_the_most_popular_items_is_them_too() -> None:
    """.05996 beside .06, of answers that are nearly the same: surely less, by next to nothing."""
    noise = 0.006 * np.random.default_rng(0).standard_normal((4000, 1))
    draws = {"ndcg@10": np.hstack([0.06 + noise, 0.05996 + noise, 0.0598 + noise])}
    rows = (row(0.06, 0.048, 0.072), row(0.05996, 0.048, 0.072), row(0.0598, 0.048, 0.072))
    table = Tradeoff(rows, ("ndcg@10",), draws, baseline=Baseline(popular=POPULAR))
    assert set(senseless(table, (), GOAL)) == {2}, "a third of a percent less is another"


def test_who_finds_more_of_what_a_limit_asks_for_may_be_chosen_though_its_order_is_worse() -> None:
    poor = row(0.05, 0.045, 0.055, **{"recall@100": Estimate(0.5, 0.48, 0.52)})
    assert barred(poor) and not barred(poor, "recall@100 >= 0.45")
    assert not barred(poor, "catalog_coverage@10 >= 0.1"), "of which nobody measured what they reach"


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.07, 0.055, 0.085, True),
        (0.05, 0.04, 0.065, True),
        (0.08, 0.07, 0.09, False),
        (0.06, 0.05, 0.07, False),  # the most popular items themselves
    ],
)
def test_a_choice_that_is_not_shown_to_beat_the_most_popular_items_says_so(
    value: float, low: float, high: float, said: bool
) -> None:
    baseline = Baseline(popular=POPULAR)
    table = Tradeoff((row(value, low, high),), ("ndcg@10",), {}, baseline=baseline)
    found = not_surely_better(table, 0, GOAL)
    assert len(found) == said
    beside = Tradeoff((table.rows[0], row(0.06, 0.05, 0.07)), ("ndcg@10",), {}, baseline=baseline)
    assert not not_surely_better(beside, 0, GOAL), "the table compares them user by user"
    if said:
        assert found[0].startswith(
            "the most popular items, shown to everybody, reach ndcg@10 0.06: a/torch is"
        )
        assert "popularity: {retrieval: {model: popularity}}" in found[0]


def test_the_most_popular_items_are_a_mean_over_seeds() -> None:
    assert most_popular(index({"popular": {"ndcg@10": 0.1}}, {"popular": {"ndcg@10": 0.2}}, {})) == {
        "ndcg@10": pytest.approx(0.15)
    }
    assert most_popular(index({})) == {}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"test_events_seen_before": 0.55},
            "55% of the test part's choices are of items that their user had",
        ),
        (
            {"warm_and_cold": {"warm": {"users": 2}, "cold": {"users": 98}}},
            "98% of the 100 users asked about have no past",
        ),
        (
            {"asked_events_of_new_items": 0.4},
            "40% of the choices asked for are of items that nobody had chosen",
        ),
        ({"test_events_seen_before": 0.1, "asked_events_of_new_items": 0.1}, ""),
        ({"warm_and_cold": {"warm": {"users": 70}, "cold": {"users": 30}}}, ""),
    ],
)
def test_a_log_that_leaves_little_to_compare_by_says_so_with_a_cure(told: dict[str, Any], said: str) -> None:
    found = list(doubts_of_log(index(told, told)))
    assert len(found) == bool(said)
    if said:
        assert found[0].startswith(said)

"""What held-out users say, beside lists and loops, of a log with repeats, ties and idle users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.datasets.interactions import Events, Interactions, Protocol, Users, plain_catalogue
from harness.tasks.recommendation.asking import all_scores, user_requests
from harness.tasks.recommendation.evaluation import Evaluation, evaluate
from harness.tasks.recommendation.fitting import LogParts, cut_data, fit_pipeline
from harness.tasks.recommendation.loop import FitSettings
from harness.tasks.recommendation.pipeline import Pipeline

USERS = 80
SETTINGS = FitSettings(epochs=1, batch_size=64, lr=0.01)


def _messy(items: int, protocol: Protocol, events: int = 2500) -> Interactions:
    """Popular items are chosen again and again, of 12 items most by everybody; whole days, so times tie."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, items + 1) ** 0.8
    user = rng.integers(0, USERS, events).astype(np.int32)
    item = rng.choice(items, events, p=share / share.sum()).astype(np.int32)
    time = np.sort(rng.integers(0, 40, events).astype(float))
    stars = rng.integers(1, 6, events).astype(np.float32)
    log = Events(user, item, time, np.zeros(events, bool), np.full(events, -1), rating=stars)
    people = Users(np.arange(USERS), np.full(USERS, -1, np.int32))
    return Interactions(plain_catalogue(np.arange(items)), people, log, protocol)


def _judged(
    items: int, protocol: Protocol, retrieval: dict[str, Any]
) -> tuple[LogParts, Pipeline, Evaluation]:
    parts = cut_data(_messy(items, protocol), 0.1, 0)
    pipeline = fit_pipeline(parts, retrieval, None, SETTINGS, lambda _: None).pipeline
    return parts, pipeline, evaluate(pipeline, parts, 0)


def _by_hand(
    parts: LogParts, pipeline: Pipeline
) -> tuple[list[int], dict[str, list[float]], list[list[int]]]:
    """Users who can be asked, metric → value of each, and what each is shown; by lists, ten items each."""
    protocol, past = parts.data.protocol, parts.past
    least = protocol.relevant_from or 0
    scores = all_scores(
        pipeline.retriever, user_requests(np.arange(USERS), parts.cut.deploy), pipeline.history
    )
    values: dict[str, list[float]] = {
        name: [] for name in ("ndcg@10", "recall@10", "recall@100", "mrr@10", "tie_gap")
    }
    users, shown = [], []
    for user in range(USERS):
        seen = {
            i for u, i, r in zip(past.user, past.item, past.rating, strict=True) if u == user and r >= least
        }
        seen = seen if protocol.mask_seen else set()
        test = zip(parts.test.user, parts.test.item, parts.test.rating, strict=True)
        wanted = {i for u, i, r in test if u == user and r >= least} - seen
        if not wanted:
            continue
        allowed = [i for i in range(scores.shape[1]) if i not in seen]
        order = sorted(allowed, key=lambda i: (-scores[user, i], pipeline.ties[i]))
        lucky = sorted(allowed, key=lambda i: (-scores[user, i], i not in wanted))
        unlucky = sorted(allowed, key=lambda i: (-scores[user, i], i in wanted))
        ranks = [rank for rank, item in enumerate(order, 1) if item in wanted]
        users.append(user)
        shown.append(order[:10])
        values["ndcg@10"].append(_ndcg(order, wanted))
        values["recall@10"].append(len(wanted & set(order[:10])) / len(wanted))
        values["recall@100"].append(len(wanted & set(order[:100])) / len(wanted))
        values["mrr@10"].append(1 / ranks[0] if ranks[0] <= 10 else 0.0)
        values["tie_gap"].append(_ndcg(lucky, wanted) - _ndcg(unlucky, wanted))
    return users, values, shown


def _ndcg(order: list[int], wanted: set[int]) -> float:
    found = sum(1 / np.log2(rank + 1) for rank, item in enumerate(order[:10], 1) if item in wanted)
    return float(found / sum(1 / np.log2(rank + 1) for rank in range(1, min(10, len(wanted)) + 1)))


MODELS: Mapping[str, dict[str, Any]] = {
    "popularity": {"model": "popularity"},
    "item_knn": {"model": "item_knn", "neighbours": 8},
    "ease": {"model": "ease", "l2": 20.0},
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("items", [60, 12])
@pytest.mark.parametrize(
    "protocol",
    [
        Protocol("random", 0.2),
        Protocol("leave_one_out", relevant_from=4.0),
        Protocol("global_time", 0.2, mask_seen=False),
        Protocol("random_events", 0.2),
    ],
    ids=lambda protocol: protocol.split,
)
def test_every_figure_is_that_of_lists_and_loops(protocol: Protocol, items: int, model: str) -> None:
    parts, pipeline, found = _judged(items, protocol, MODELS[model])
    users, values, shown = _by_hand(parts, pipeline)
    assert found.users.tolist() == users
    luck = values.pop("tie_gap")
    for metric, wanted in values.items():
        np.testing.assert_allclose(found.scores[metric], wanted, atol=1e-12)
    assert found.facts.tie_gap == pytest.approx(np.mean(luck), abs=1e-12), "of what may be answered alone"
    every = [item for answer in shown for item in answer]
    assert found.measures["catalog_coverage@10"] == len(set(every)) / items
    past = np.bincount(parts.past.item, minlength=items) + 1
    assert found.facts.novelty_bits_at_10 == pytest.approx(-np.log2(past[every] / past.sum()).mean())
    count = np.bincount(every, minlength=items)
    apart = np.abs(count[:, None] - count[None]).mean()
    assert found.facts.gini_at_10 == pytest.approx(apart / (2 * count.mean()))
    popular = found.facts.popular
    if model == "popularity" and popular:
        for metric in values:
            assert popular[metric] == found.measures[metric], "the baseline is that candidate"


def test_the_most_popular_items_are_judged_beside_every_candidate_and_new_items_are_counted() -> None:
    protocol = Protocol("global_time", 0.2)
    popular = _judged(60, protocol, MODELS["popularity"])[2]
    parts, _, found = _judged(60, protocol, MODELS["ease"])
    assert found.facts.popular == popular.facts.popular and found.facts.popular
    assert found.facts.popular["ndcg@10"] == popular.measures["ndcg@10"]
    late = parts.data.events.item == 7
    parts = replace(
        parts, past=parts.past.rows(parts.past.item != 7), train=parts.train.rows(parts.train.item != 7)
    )
    assert late.any()
    pipeline = fit_pipeline(parts, MODELS["ease"], None, SETTINGS, lambda _: None).pipeline
    told = evaluate(pipeline, parts, 0).facts
    seen = set(zip(parts.past.user.tolist(), parts.past.item.tolist(), strict=True))
    asked = [(u, i) for u, i in zip(parts.test.user.tolist(), parts.test.item.tolist(), strict=True)]
    asked = [pair for pair in asked if pair not in seen]
    share = np.mean([i not in {j for _, j in seen} for _, i in asked])
    assert share > 0 and told.asked_events_of_new_items == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("model", ["item_knn", "ease"])
def test_scores_are_those_of_the_papers_formulas(model: str) -> None:
    parts, pipeline, _ = _judged(60, Protocol("random", 0.2), MODELS[model])
    learnt, known = (np.zeros((USERS, 60)) for _ in range(2))
    learnt[parts.train.user, parts.train.item] = 1
    known[parts.past.user, parts.past.item] = 1
    gram = learnt.T @ learnt
    if model == "ease":
        inverse = np.linalg.inv(gram + 20 * np.eye(60))
        weights = np.eye(60) - inverse / np.diag(inverse)
    else:
        norms = np.sqrt(np.diag(gram))
        alike = gram / (np.outer(norms, norms) + 10) * (1 - np.eye(60))
        nearest = np.argsort(-alike, axis=1, kind="stable")[:, :8]
        weights = np.zeros((60, 60))
        np.put_along_axis(weights, nearest, np.take_along_axis(alike, nearest, 1), 1)
        weights = weights.T
    found = all_scores(pipeline.retriever, user_requests(np.arange(USERS), 40.0), pipeline.history)
    np.testing.assert_allclose(found, known @ weights, atol=3e-6)  # of which 1e-6 breaks ties by popularity


def test_luck_among_what_was_seen_is_no_luck() -> None:
    """Everybody has had the ten best, all else is scored alike: what an answer holds is luck alone."""
    items = 40
    user = np.repeat(np.arange(20), 11).astype(np.int32)
    item = np.concatenate([[*range(10), 10 + u] for u in range(20)]).astype(np.int32)
    time = np.tile([*np.zeros(10), 1.0], 20)
    order = np.argsort(time, kind="stable")
    log = Events(user, item, time, np.zeros(220, bool), np.full(220, -1)).rows(order)
    data = replace(
        _messy(items, Protocol("leave_one_out")),
        events=log,
        users=Users(np.arange(20), np.full(20, -1, np.int32)),
    )
    parts = cut_data(data, 0.0, 0)
    pipeline = fit_pipeline(parts, {"model": "popularity"}, None, SETTINGS, lambda _: None).pipeline
    found = evaluate(pipeline, parts, 0)
    assert found.facts.tie_gap == 1.0
    assert found.facts.warning is not None

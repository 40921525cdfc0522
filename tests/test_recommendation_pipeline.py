"""Retrievers, indexes, rankers and the pipeline: small worlds in which the right answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from harness.analysis.predictions import predictions_of, score_examples
from harness.codec import to_json
from harness.datasets import interactions_csv, mock_shop
from harness.datasets.interactions import Events, Interactions, Protocol, Users, plain_catalogue
from harness.datasets.shop.outcomes import examination
from harness.planning.tuning import Attempt
from harness.protocols import Job
from harness.record import DataError, RecordError, Trial, TrialError
from harness.tasks.recommendation import fitting, task
from harness.tasks.recommendation.asking import page_requests, user_requests
from harness.tasks.recommendation.evaluation import evaluate, validation_ndcg
from harness.tasks.recommendation.features import FEATURES, Knowledge, describe, estimate_examination
from harness.tasks.recommendation.fitting import FittedPipeline, cut_data, fit_pipeline
from harness.tasks.recommendation.history import Codes, History, Requests
from harness.tasks.recommendation.index_quality import index_quality
from harness.tasks.recommendation.loop import FitSettings
from harness.tasks.recommendation.pipeline import Pipeline
from harness.tasks.recommendation.ranking.fit import Ranker, Slates, _weights
from harness.tasks.recommendation.retrieval import INDEXED, RETRIEVERS, options
from harness.tasks.recommendation.retrieval.index import (
    Index,
    build_index,
    exact_search,
    index_one_way,
    load_index,
    with_effort_for,
)

SHOP = {"items": 300, "users": 150, "impressions": 30_000, "days": 14}
QUICK = FitSettings(epochs=2, batch_size=256, lr=0.01)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setenv("HARNESS_DATA", str(tmp_path_factory.mktemp("data")))
    torch.set_num_threads(1)
    yield
    patch.undo()


def _shares(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(n,) of each row's exact answers those that were found, by their codes."""
    return np.array([np.isin(e, f).mean() for f, e in zip(found, exact, strict=True)])


def _two_tastes(users: int = 60, each: int = 12, items: int = 40, seed: int = 0) -> Interactions:
    """Even users choose among the first half of the items, odd ones among the second."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), each).astype(np.int32)
    half = items // 2
    item = np.concatenate([rng.permutation(half)[:each] + half * (u % 2) for u in range(users)]).astype(
        np.int32
    )
    events = Events(user, item, rng.random(len(user)) * 50, np.zeros(len(user), bool), np.full(len(user), -1))
    events = events.rows(np.argsort(events.time, kind="stable"))
    people = Users(np.arange(users) + 1000, np.full(users, -1, np.int32))
    return Interactions(plain_catalogue(np.arange(items) + 7), people, events, Protocol("random", 0.2, True))


def _fit(
    data: Interactions, retrieval: dict[str, Any], ranking: dict[str, Any] | None = None
) -> FittedPipeline:
    for model in (retrieval["model"], (ranking or {}).get("model")):
        if model in options._NEEDS:
            pytest.importorskip(options._NEEDS[model][0])
    settings = replace(QUICK, epochs=15)
    return fit_pipeline(cut_data(data, 0.1, 0), retrieval, ranking, settings, lambda _: None)


@pytest.fixture(scope="module")
def shop_fit() -> FittedPipeline:
    parts = cut_data(mock_shop.load(**SHOP), 0.1, 0)
    retrieval = {"model": "two_tower", "dim": 16, "index": "flat", "candidates": 60}
    return fit_pipeline(parts, retrieval, {"model": "transformer"}, QUICK, lambda _: None)


@pytest.mark.parametrize("model", [name for name in RETRIEVERS if name != "popularity"])
def test_a_retriever_learns_who_likes_what_and_never_answers_what_was_seen(model: str) -> None:
    data = _two_tastes()
    pipeline = _fit(data, {"model": model, "candidates": 10}).pipeline
    found = pipeline.answer(user_requests(np.arange(60), 60.0)).ranked
    right = (found >= 20) == (np.arange(60)[:, None] % 2 == 1)
    assert (
        right[found >= 0].mean() > 0.9 if model != "matrix_factorization" else right[found >= 0].mean() > 0.75
    )
    rows, seen = pipeline.history.seen(np.arange(60))
    past = {(int(r), int(i)) for r, i in zip(rows, seen, strict=True)}
    assert not past & {(u, int(i)) for u in range(60) for i in found[u] if i >= 0}


def test_popularity_answers_the_most_chosen() -> None:
    data = _two_tastes()
    pipeline = _fit(replace(data, protocol=Protocol("random", 0.2, False)), {"model": "popularity"}).pipeline
    counts = np.bincount(pipeline.history.item[:], minlength=40)
    top = pipeline.answer(user_requests(np.array([0]), 60.0)).ranked[0, :5]
    assert counts[top].min() >= np.sort(counts)[-8]


@pytest.mark.parametrize("model", RETRIEVERS)
def test_a_fitted_pipeline_comes_back_from_disk_without_pickle_and_answers_the_same(
    model: str, tmp_path: Path
) -> None:
    data = _two_tastes()
    pipeline = _fit(data, {"model": model, "candidates": 15}, {"model": "logistic"}).pipeline
    pipeline.save(tmp_path)
    again = Pipeline.load(tmp_path)
    requests = user_requests(np.array([3, 4, -1]), 60.0)
    np.testing.assert_array_equal(pipeline.answer(requests).ranked, again.answer(requests).ranked)
    assert {p.suffix for p in tmp_path.iterdir()} <= {".json", ".npz", ".npy", ".faiss"}


@pytest.mark.parametrize("model", RETRIEVERS)
def test_unknown_users_and_empty_histories_get_ten_different_items(model: str) -> None:
    pipeline = _fit(_two_tastes(), {"model": model, "candidates": 20}).pipeline
    for request in ({"user": "nobody"}, {}, {"user": None, "session": []}, {"session": ["no such item"]}):
        answer = pipeline.answer(pipeline.read([request])).ranked[0, :10]
        assert len(set(answer.tolist())) == 10 and answer.min() >= 0


@pytest.mark.parametrize("model", RETRIEVERS)
def test_a_catalogue_smaller_than_the_candidates_is_answered_whole(model: str) -> None:
    data = replace(_two_tastes(items=40), protocol=Protocol("random", 0.2, False))
    pipeline = _fit(data, {"model": model, "candidates": 500}).pipeline
    answer = pipeline.answer(user_requests(np.array([1]), 60.0)).ranked[0]
    assert sorted(answer[answer >= 0].tolist()) == list(range(40))


def test_the_clicks_of_the_visit_move_the_answer_of_an_unknown_user() -> None:
    pipeline = _fit(_two_tastes(), {"model": "two_tower", "dim": 16, "candidates": 10}).pipeline
    ids = pipeline.item_ids
    answers = pipeline.answer(
        pipeline.read([{"session": ids[lo : lo + 6].tolist()} for lo in (0, 20)])
    ).ranked
    assert (answers[0] < 20).mean() > 0.7 < (answers[1] >= 20).mean()


def test_the_same_seed_fits_the_same_pipeline(shop_fit: FittedPipeline) -> None:
    parts = cut_data(mock_shop.load(**SHOP), 0.1, 0)
    retrieval = {"model": "two_tower", "dim": 16, "index": "flat", "candidates": 60}
    again = fit_pipeline(parts, retrieval, {"model": "transformer"}, QUICK, lambda _: None).pipeline
    for name, array in shop_fit.pipeline.retriever.arrays().items():
        np.testing.assert_allclose(array, again.retriever.arrays()[name], atol=1e-5, err_msg=name)


def test_what_is_not_on_sale_is_not_recommended(shop_fit: FittedPipeline) -> None:
    pipeline = shop_fit.pipeline
    found = pipeline.answer(user_requests(np.arange(150), float(pipeline.settings["now"]) + 2)).ranked
    assert pipeline.eligible[found[found >= 0]].all()
    assert (pipeline.retire[found[found >= 0]] > pipeline.settings["now"] + 2).all()


@pytest.mark.parametrize("ranker", ["logistic", "wide_and_deep", "transformer"])
@pytest.mark.parametrize("bias", ["none", "feature", "ipw"])
def test_every_ranker_orders_the_candidates_and_only_them(ranker: str, bias: str) -> None:
    parts = cut_data(mock_shop.load(**SHOP), 0.1, 0)
    spec = {"model": ranker, "position_bias": bias, "epochs": 10}
    fit = fit_pipeline(parts, {"model": "item_knn", "candidates": 30}, spec, QUICK, lambda _: None)
    answer = fit.pipeline.answer(user_requests(np.arange(5), parts.cut.deploy))
    np.testing.assert_array_equal(np.sort(answer.candidates, axis=1), np.sort(answer.ranked, axis=1))
    assert not np.array_equal(answer.candidates, answer.ranked)
    assert fit.curves["ranker"][-1]["validation_score"] > 0.5


def test_a_price_tilt_raises_the_price_of_what_is_shown(shop_fit: FittedPipeline) -> None:
    pipeline = shop_fit.pipeline
    assert pipeline.ranker is not None
    tilted = replace(
        pipeline, ranker=replace(pipeline.ranker, spec={**pipeline.ranker.spec, "price_weight": 2.0})
    )
    requests = user_requests(np.arange(50), float(pipeline.settings["now"]))
    plain, dear = (
        p.knowledge.log_price[p.answer(requests).ranked[:, :10]].mean() for p in (pipeline, tilted)
    )
    assert dear > plain + 0.2


def test_a_ranker_that_optimizes_margin_shows_what_earns_more_and_is_clicked_less(
    shop_fit: FittedPipeline,
) -> None:
    pipeline = shop_fit.pipeline
    assert pipeline.ranker is not None
    requests = user_requests(np.arange(150), float(pipeline.settings["now"]))
    ranker = replace(pipeline.ranker, spec={**pipeline.ranker.spec, "optimize": "margin"})
    tilted = replace(pipeline, ranker=ranker)
    worth, clicks = [], []
    for one in (pipeline, tilted):
        answer = one.answer(requests)
        facts = describe(one.knowledge, one.history, requests, answer.candidates, answer.scores)
        assert one.ranker is not None
        page = np.argsort(-one.ranker.score(facts), axis=1)[:, :10]
        worth.append(np.take_along_axis(facts.log_worth, page, 1).mean())
        clicks.append(np.take_along_axis(one.ranker.logits(facts), page, 1).mean())
    assert worth[1] > worth[0] + 0.2 and clicks[1] < clicks[0]


def test_what_a_click_is_worth_is_recovered_from_the_log() -> None:
    shop = mock_shop.load(**{**SHOP, "impressions": 200_000})
    truth, _ = mock_shop.truth(**{**SHOP, "impressions": 200_000})
    known = Knowledge.of(shop.catalogue, shop.users, shop.events, shop.impressions, 14.0)
    price = np.exp(truth.log_price) * truth.margin
    quality = 1 / (1 + np.exp(2.2 - 0.6 * truth.quality)) / (1 + np.exp(0.8 - 0.5 * truth.quality))
    assert np.corrcoef(known.log_worth, np.log(price * quality))[0, 1] > 0.9


def test_optimizing_margin_without_margins_is_an_error_with_a_cure() -> None:
    with pytest.raises(ValueError, match="needs items with price and margin"):
        _fit(_two_tastes(), {"model": "popularity"}, {"model": "logistic", "optimize": "margin"})


def _repeats(data: Interactions) -> Interactions:
    """Every event once more a while later, as of users who come back for what they know."""
    twice = np.concatenate([np.arange(len(data.events))] * 2)
    events = data.events.rows(twice)
    later = events.time + np.repeat([0.0, 20.0], len(data.events))
    events = replace(events, time=later).rows(np.argsort(later, kind="stable"))
    return replace(data, events=events)


def test_a_ranker_never_learns_from_choices_that_it_may_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[Any] = []
    learn = fitting.fit_ranker
    monkeypatch.setattr(fitting, "fit_ranker", lambda *a: taught.append(a[1]) or learn(*a))  # type: ignore[func-returns-value]
    _fit(_repeats(_two_tastes()), {"model": "item_knn", "candidates": 20}, {"model": "logistic"})
    (lessons,) = taught
    score = lessons.facts.numbers[..., FEATURES.index("retrieval_score")]
    assert lessons.clicked.any() and score[lessons.clicked].min() > -10


def test_a_ranker_whose_every_lesson_was_seen_before_is_an_error_with_a_cure() -> None:
    data = _two_tastes(users=4, each=2)
    only = replace(data, events=data.events.rows(np.tile(np.arange(len(data.events)), 40)))
    only = replace(only, events=replace(only.events, time=np.sort(only.events.time)))
    with pytest.raises(ValueError, match=r"nothing to learn from.*mask_seen: false"):
        _fit(only, {"model": "popularity", "candidates": 20}, {"model": "logistic"})


def test_what_mask_seen_leaves_out_of_the_answers_is_not_asked_for() -> None:
    data = _repeats(_two_tastes())
    parts = cut_data(data, 0.1, 0)
    pipeline = _fit(data, {"model": "item_knn", "candidates": 40}).pipeline
    found = evaluate(pipeline, parts, 0)
    repeats = pipeline.history.holds(parts.test.user, parts.test.item)
    assert 0 < repeats.mean() < 1
    assert found.facts.test_events_seen_before == pytest.approx(repeats.mean(), abs=1e-4)
    assert found.facts.test_events_not_on_sale == 0
    assert found.measures["candidate_recall"] == 1.0  # all that is left of the catalogue was answered
    seen = replace(pipeline, settings={**pipeline.settings, "mask_seen": False})
    assert evaluate(seen, parts, 0).facts.test_events_seen_before == 0


def test_a_validation_part_of_repeats_alone_chooses_no_epoch() -> None:
    parts = cut_data(_two_tastes(), 0.1, 0)
    again = replace(parts, validation=parts.train)
    assert fitting._retrieval_validator(again, 0) is None
    assert fitting._retrieval_validator(parts, 0) is not None


def _needs(kind: str) -> None:
    if library := options.LIBRARIES.get(kind):
        pytest.importorskip(library, reason=f"{library} is not here: pip install -e '.[ann]'")


@pytest.mark.parametrize("kind", options.INDEXES)
def test_an_index_finds_the_largest_inner_products(kind: str, tmp_path: Path) -> None:
    _needs(kind)
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(3000, 16)) * rng.uniform(0.2, 2, (3000, 1))).astype(np.float32)
    items = np.flatnonzero(rng.random(3000) < 0.8)
    queries = rng.normal(size=(20, 16)).astype(np.float32)
    exact = items[np.argsort(-(queries @ vectors[items].T), axis=1)[:, :10]]
    index = build_index(vectors, items, options.read_index(kind), 0, 1)
    found, products = index.search(queries, 10)
    recall = _shares(found, exact).mean()
    assert recall == 1.0 if kind == "flat" else recall > {"ivf": 0.6, "ivf_pq": 0.3}.get(kind, 0.8)
    assert (np.diff(products, axis=1) <= 1e-4).all()
    if kind != "ivf_pq":
        np.testing.assert_allclose(
            products, np.take_along_axis(queries @ vectors.T, found, 1), rtol=1e-3, atol=1e-3
        )
    index.save(tmp_path / "i")
    spec = {"kind": kind, "build": index.spec.build, "query": index.spec.query, "sweep": ()}
    np.testing.assert_array_equal(
        load_index(tmp_path / "i", items, spec, 16, 1).search(queries, 10)[0], found
    )
    if index.spec.query:
        name = next(iter(index.spec.query))
        wider = _shares(index.asked(**{name: 500}).search(queries, 10)[0], exact).mean()
        assert wider >= recall  # built once, asked another way


GRAPHS = ("hnsw", "hnswlib", "usearch")


def _clustered(n: int = 4000, dim: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, dim) vectors in 40 clusters, and 300 queries like them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, dim))
    draw = lambda m: (centres[rng.integers(0, 40, m)] + 0.7 * rng.normal(size=(m, dim))).astype(np.float32)  # noqa: E731
    return draw(n), draw(300)


SEARCHED: dict[str, Any] = {
    **{kind: {kind: {"m": 4, "ef_search": 10}} for kind in GRAPHS},
    "ivf": {"ivf": {"nlist": 40, "nprobe": 2}},
    "refined codes": {"ivf_pq": {"nlist": 40, "nprobe": 2, "subquantizers": 4, "bits": 4, "refine": 2}},
}


@pytest.mark.parametrize("name", SEARCHED)
def test_an_answer_does_not_depend_on_who_else_is_in_the_batch(name: str) -> None:
    """One of them has seen 700 items, for which so many more are searched; the others must not gain by it."""
    _needs(next(iter(SEARCHED[name])))
    rng = np.random.default_rng(0)
    seen = [700, *[1 + u % 9 for u in range(1, 60)]]
    user = np.repeat(np.arange(60), seen).astype(np.int32)
    item = np.concatenate([rng.permutation(2000)[:each] for each in seen]).astype(np.int32)
    none = np.zeros(len(user))
    events = Events(user, item, np.arange(len(user)) / 100, none > 0, none.astype(int) - 1)
    people = Users(np.arange(60), np.full(60, -1, np.int32))
    data = Interactions(plain_catalogue(np.arange(2000)), people, events, Protocol("random", 0.1, True))
    retrieval = {"model": "matrix_factorization", "dim": 16, "init_std": 1.0, "index": SEARCHED[name]}
    pipeline = _fit(data, {**retrieval, "candidates": 10}).pipeline
    asked = user_requests(np.arange(60), 50.0)
    alone = np.concatenate([pipeline.answer(asked.rows(slice(u, u + 1))).ranked for u in range(60)])
    np.testing.assert_array_equal(pipeline.answer(asked).ranked, alone)


@pytest.mark.parametrize("kind", [*GRAPHS, "ivf"])
def test_the_effort_chosen_for_a_recall_is_the_least_that_reaches_it_for_other_queries_too(kind: str) -> None:
    _needs(kind)
    vectors, queries = _clustered()
    items = np.arange(len(vectors))
    learned, asked = queries[:150], queries[150:]
    small = {} if kind == "ivf" else {"m": 8, "ef_construction": 40}
    spec = options.read_index({kind: {"recall": 0.9, **small}})
    index = build_index(vectors, items, spec, 0, 1, learned, k=20)
    effort = next(iter(index.spec.query.values()))
    name = next(iter(index.spec.query))

    def recalls(by: np.ndarray, value: int) -> np.ndarray:
        exact = np.argsort(-(by @ vectors.T), axis=1)[:, :20]
        return _shares(index.asked(**{name: value}).search(by, 20)[0], exact)

    def surely(value: int) -> float:
        found = recalls(learned, value)
        return float(found.mean() - 1.645 * found.std(ddof=1) / 150**0.5)

    assert surely(effort) >= 0.9
    assert effort == (20 if name == "ef_search" else 1) or surely(effort - 1) < 0.9
    assert recalls(asked, effort).mean() == pytest.approx(recalls(learned, effort).mean(), abs=0.05)


def test_the_recall_wanted_is_reached_for_all_users_in_about_nineteen_of_twenty_choices() -> None:
    """The effort is chosen by 200 of 2,000 users, twenty times: 5 or more too low have a chance of .003."""
    rng = np.random.default_rng(3)
    vectors, _ = _clustered()
    everybody = (vectors[:2000] + 0.7 * rng.normal(size=(2000, 16))).astype(np.float32)
    items = np.arange(len(vectors))
    spec = options.read_index({"hnsw": {"m": 8, "ef_construction": 40}})
    index = index_one_way(vectors, items, spec, 0, 1, lift=True)
    exact = exact_search(everybody, vectors, items, 20)
    true: dict[int, float] = {}
    too_low = 0
    for _ in range(20):
        some = rng.permutation(len(everybody))[:200]
        chosen = with_effort_for(index, 0.95, everybody[some], replace(exact, items=exact.items[some]))
        effort = chosen.spec.query["ef_search"]
        if effort not in true:
            true[effort] = float(exact.recall(chosen.search(everybody, 20)[0]).mean())
        too_low += true[effort] < 0.95
    assert too_low < 5
    assert max(true.values()) < 0.97, "and no more effort is spent than that takes"


@pytest.mark.parametrize("validation", [0.1, 0.0])
def test_an_index_is_chosen_by_users_as_they_come_some_of_them_new(validation: float) -> None:
    """Half of the users came only of late: they are asked for without a past, as tomorrow's new ones."""
    data = _two_tastes(users=60)
    late = data.events.user >= 30
    times = np.where(late, 40 + data.events.time / 10, data.events.time * 0.8)
    events = replace(data.events, time=times).rows(np.argsort(times, kind="stable"))
    data = replace(data, events=events, protocol=Protocol("global_time", 0.05, True))
    parts = cut_data(data, validation, 0)
    asked: list[np.ndarray] = []

    class Watching:
        def encode(self, requests: Requests, history: History) -> np.ndarray:
            asked.append(np.stack([requests.user, history.counts(requests.user)], 1))
            return np.zeros((len(requests), 2))

    fitting._index_queries(Watching(), parts, parts.past, parts.cut.deploy, 0)
    users, known = asked[0].T
    if validation:
        assert set(users.tolist()) == set(parts.validation.user.tolist())
        assert 0.2 < (known == 0).mean() < 1
    else:
        assert set(users.tolist()) == set(parts.past.user.tolist()) and (known > 0).all()


def test_a_recall_that_no_effort_reaches_is_an_error_with_a_cure() -> None:
    vectors, queries = _clustered(600)
    coarse = {"ivf_pq": {"nlist": 4, "subquantizers": 2, "bits": 4, "recall": 0.99}}
    with pytest.raises(
        TrialError, match=r"reaches a recall of 0\.\d+ with nprobe \d+, not 0\.99: ask for less"
    ):
        build_index(vectors, np.arange(600), options.read_index(coarse), 0, 1, queries, k=20)


@pytest.mark.parametrize("kind", ["flat", *GRAPHS])
@pytest.mark.parametrize("lift", [False, True])
def test_an_index_that_grew_answers_new_items_and_old_ones(kind: str, lift: bool) -> None:
    _needs(kind)
    vectors, queries = _clustered()
    longest = int(np.argmax((vectors**2).sum(1)))
    vectors[[0, longest]] = vectors[[longest, 0]]  # a longer one that comes later would be stored too short
    items = np.random.default_rng(1).permutation(9000)[: len(vectors)]
    grown = index_one_way(vectors[:3200], items[:3200], options.read_index(kind), 0, 1, lift=lift)
    grown = grown.with_inserted(vectors[3200:], items[3200:], 1)
    found, _ = grown.search(queries, 10)
    exact = items[np.argsort(-(queries @ vectors.T), axis=1)[:, :10]]
    assert _shares(found, exact).mean() > (0.999 if kind == "flat" else 0.9 if lift else 0.4)
    assert 0.1 < np.isin(found, items[3200:]).mean() < 0.3


def test_items_with_one_vector_are_as_good_as_each_other() -> None:
    """108 products in 37 variants each: 100 answers end among the variants of one of them."""
    rng = np.random.default_rng(0)
    products = rng.normal(size=(108, 8)).astype(np.float32)
    items = rng.permutation(5000)[: 108 * 37]
    vectors, queries = np.repeat(products, 37, axis=0), rng.normal(size=(50, 8)).astype(np.float32)
    exact = exact_search(queries, vectors, items, 100)
    best = np.argsort(-(queries @ products.T), axis=1)[:, :4]
    variants = items.reshape(108, 37)[:, rng.permutation(37)]
    others = variants[best[:, :3]].reshape(50, -1)[:, :100]
    assert (exact.recall(others) == 1).all() and (exact.recall(others[:, :90]) == 0.9).all()
    assert _shares(others, exact.items).mean() < 0.97
    twice = np.repeat(variants[best[:, 0]], 2, axis=1)  # of 37 variants 74 answers
    assert (exact.recall(variants[best[:, 3]]) == 0).all() and (exact.recall(twice) <= 0.37).all()
    nobody = np.full((50, 30), -1)
    assert (exact.recall(np.hstack([nobody, others[:, :70]])) == 0.7).all()


@pytest.mark.parametrize("kind", ["flat", "ivf", *GRAPHS])
def test_a_filtered_search_answers_what_is_allowed_and_most_of_it(kind: str) -> None:
    _needs(kind)
    vectors, queries = _clustered()
    items = np.arange(len(vectors)) + 5
    allowed = np.random.default_rng(2).random(len(items)) < 0.1
    index = index_one_way(vectors, items, options.read_index(kind), 0, 1, lift=True)
    wide = index.asked(**dict.fromkeys(index.spec.query, 200))
    found, products = wide.search(queries, 10, allowed)
    assert set(found[found >= 0].tolist()) <= set(items[allowed].tolist())
    exact = items[allowed][np.argsort(-(queries @ vectors[allowed].T), axis=1)[:, :10]]
    assert _shares(found, exact).mean() > 0.9
    assert (np.diff(products, axis=1) <= 1e-4).all()


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_filter_that_leaves_fewer_items_than_are_asked_for_leaves_places_empty(kind: str) -> None:
    _needs(kind)
    vectors, queries = _clustered(500)
    allowed = np.zeros(500, bool)
    allowed[[3, 77, 400]] = True
    index = index_one_way(vectors, np.arange(500), options.read_index(kind), 0, 1, lift=True)
    found, products = index.asked(ef_search=500).search(queries[:20], 10, allowed)
    assert (np.sort(found, axis=1)[:, -3:] == [3, 77, 400]).all() and (found[:, 3:] == -1).all()
    assert np.isneginf(products[:, 3:]).all() and np.isfinite(products[:, :3]).all()


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_is_the_same_whatever_the_threads(kind: str) -> None:
    _needs(kind)
    vectors, queries = _clustered(2000)
    found = [
        index_one_way(vectors, np.arange(2000), options.read_index(kind), 0, threads, lift=False)
        .asked(ef_search=12)
        .search(queries, 10)[0]
        for threads in (1, 3)
    ]
    np.testing.assert_array_equal(*found)


def test_an_index_is_judged_as_asked_after_insertions_and_under_a_filter() -> None:
    """Exact search is known to lose nothing by either; a graph's figures are recomputed by hand."""
    data = _two_tastes(users=120, items=400, each=30)
    index = {"hnsw": {"m": 4, "ef_construction": 10, "recall": 0.5, "inserts": 0.2, "filter": 0.25}}
    pipeline = _fit(
        data, {"model": "matrix_factorization", "dim": 8, "candidates": 20, "index": index}
    ).pipeline
    requests, launched = user_requests(np.arange(120), 60.0), np.arange(400.0)
    facts = index_quality(pipeline, requests, launched)
    assert facts.wanted_recall == 0.5 and facts.inserted and facts.filtered and pipeline.index
    queries, vectors = pipeline.encode(requests), pipeline.retriever.item_vectors()
    exact = pipeline.index.items[np.argsort(-(queries @ vectors[pipeline.index.items].T), axis=1)[:, :20]]
    assert facts.recall == pytest.approx(_shares(pipeline.index.search(queries, 20)[0], exact).mean())
    assert facts.curve[0].recall_low < facts.recall < facts.curve[0].recall_high  # type: ignore[operator]
    assert facts.inserted.share == pytest.approx(0.2, abs=0.01)
    assert facts.inserted.kept == pytest.approx(facts.inserted.recall / facts.recall)
    assert facts.inserted.kept_low < facts.inserted.kept < facts.inserted.kept_high
    assert facts.filtered.share == pytest.approx(0.25, abs=0.08) and 0 < facts.filtered.recall <= 1


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"hnsw": {"recall": 95}}, "must lie between 0 and 1, for instance 0.9, not 95"),
        ({"hnsw": {"recall": 0.9, "ef_search": 64}}, "recall chooses ef_search: give one of the two"),
        ({"flat": {"inserts": 0.2}}, "answers exactly: leave out inserts"),
        ({"ivf": {"filters": 0.2}}, "did you mean 'filter'"),
    ],
)
def test_a_share_that_an_index_cannot_take_is_an_error_with_a_cure(index: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options.read_index(index)


def test_an_index_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"index hnswlib needs hnswlib: pip install .*\[ann\]"):
        options.read_index("hnswlib")
    assert options.read_index("hnsw").kind == "hnsw"


def _recalls(vectors: np.ndarray, queries: np.ndarray, kind: str) -> tuple[Index, float]:
    items = np.arange(len(vectors))
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :50]
    asked, learned = queries[:100], queries[100:]
    index = build_index(vectors, items, options.read_index({kind: {}}), 0, 1, learned, k=50)
    return index, float(_shares(index.search(asked, 50)[0], exact[:100]).mean())


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_vectors_of_unlike_length_are_indexed_as_they_are(kind: str) -> None:
    """As matrix factorization gives them: popular items are long, in no common direction."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(4000, 16)) * rng.lognormal(0, 0.5, (4000, 1))).astype(np.float32)
    index, recall = _recalls(vectors, rng.normal(size=(300, 16)).astype(np.float32), kind)
    assert not index.lifted
    assert index.recall_by_way["plain"] > index.recall_by_way["lifted"] + 0.05
    assert recall == pytest.approx(index.recall_by_way["plain"], abs=0.05)


def test_vectors_that_share_a_direction_no_user_asks_for_are_lifted() -> None:
    """As two towers can give them: plain inner products lead a graph to the wrong neighbours."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, 16))
    vectors[:, 0] = 3 * rng.lognormal(0, 0.5, 4000)
    queries = rng.normal(size=(300, 16))
    queries[:, 0] = 0
    index, recall = _recalls(vectors.astype(np.float32), queries.astype(np.float32), "hnsw")
    assert index.lifted
    assert index.recall_by_way["lifted"] > index.recall_by_way["plain"] + 0.3
    assert recall == pytest.approx(index.recall_by_way["lifted"], abs=0.05)


def test_codes_that_are_ranked_again_by_their_vectors_lose_less(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(3000, 16)) * rng.uniform(0.2, 2, (3000, 1))).astype(np.float32)
    queries, items = rng.normal(size=(20, 16)).astype(np.float32), np.arange(3000)
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    recalls = {}
    for refine in (0, 12):
        kind = {"ivf_pq": {"nlist": 16, "subquantizers": 4, "bits": 6, "nprobe": 16, "refine": refine}}
        index = build_index(vectors, items, options.read_index(kind), 0, 1)
        found, products = index.search(queries, 10)
        recalls[refine] = _shares(found, exact).mean()
        index.save(tmp_path / "i")
        spec = {"kind": "ivf_pq", "build": index.spec.build, "query": index.spec.query, "sweep": ()}
        np.testing.assert_array_equal(
            load_index(tmp_path / "i", items, spec, 16, 1).search(queries, 10)[0], found
        )
    np.testing.assert_allclose(
        products, np.take_along_axis(queries @ vectors.T, found, 1), rtol=1e-3, atol=1e-3
    )
    assert recalls[12] > 0.9 > recalls[0] + 0.2


def test_a_flat_index_equals_exact_search_at_every_rank() -> None:
    rng = np.random.default_rng(1)
    vectors, queries = (rng.normal(size=(n, 8)).astype(np.float32) for n in (200, 5))
    found, _ = build_index(vectors, np.arange(200), options.read_index("flat"), 0, 1).search(queries, 250)
    np.testing.assert_array_equal(found[:, :200], np.argsort(-(queries @ vectors.T), axis=1))
    assert (found[:, 200:] == -1).all()


def test_an_index_that_needs_more_items_says_so() -> None:
    with pytest.raises(TrialError, match="nlist 64 needs as many items"):
        build_index(
            np.eye(10, dtype=np.float32), np.arange(10), options.read_index({"ivf": {"nlist": 64}}), 0, 1
        )


@pytest.mark.parametrize(
    ("retrieval", "ranking", "message"),
    [
        (None, None, "needs retrieval"),
        ({"model": "two_towers"}, None, "did you mean 'two_tower'"),
        ({"model": "two_tower", "dims": 3}, None, "did you mean 'dim'"),
        ({"model": "two_tower", "index": {"hsnw": {}}}, None, "did you mean 'hnsw'"),
        ({"model": "two_tower", "index": {"hnsw": {"nprobe": 3}}}, None, "it takes m, ef_construction"),
        ({"model": "ease", "index": "flat"}, None, "has no index"),
        ({"model": "two_tower", "candidates": 5}, None, "10 or more"),
        ({"model": "two_tower"}, {"model": "wide_n_deep"}, "did you mean 'wide_and_deep'"),
        ({"model": "two_tower"}, {"model": "logistic", "position_bias": "yes"}, "none, feature or ipw"),
        ({"model": "two_tower"}, {"model": "logistic", "optimize": "revenue"}, "clicks or margin"),
        ({"model": "two_tower", "sampled_negatives_for_scoring": 100}, None, "has no"),
    ],
)
def test_a_wrong_candidate_says_what_is_wrong_and_the_cure(
    retrieval: Any, ranking: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        options.check_candidate(retrieval, ranking)


def test_the_tables_of_options_name_the_same_models_as_the_registries() -> None:
    assert set(options._MODELS["retrieval"]) == set(RETRIEVERS)
    assert set(options._INDEXED) == INDEXED


def test_examination_is_recovered_from_the_log() -> None:
    shown = mock_shop.load(items=300, users=200, impressions=200_000, days=14).impressions
    assert shown is not None
    np.testing.assert_allclose(estimate_examination(shown), examination(10), atol=0.15)


def test_features_know_nothing_of_what_came_later() -> None:
    data = mock_shop.load(**SHOP)
    assert data.impressions is not None
    early = data.events.rows(data.events.time < 6)
    late = data.events.rows(data.events.time >= 6)
    shown = data.impressions.rows(data.impressions.time < 6)
    known = Knowledge.of(data.catalogue, data.users, early, shown, 6.0)
    history = History.of(early, len(data.users))
    before = np.bincount(early.item, minlength=len(data.catalogue))
    assert np.corrcoef(known.items[:, 0], np.log1p(before))[0, 1] > 0.999
    items = np.arange(20)[None]
    facts = describe(known, history, user_requests(late.user[:1], 6.0), items, np.zeros((1, 20)))
    assert np.isfinite(facts.numbers).all()
    recent, _ = history.recent(user_requests(late.user[:1], 6.0), 20)
    assert set(recent[recent >= 0].tolist()) <= set(early.item[early.user == late.user[0]].tolist())


def test_a_page_knows_the_clicks_of_earlier_pages_of_its_visit_and_no_later_ones() -> None:
    shown = mock_shop.load(**SHOP).impressions
    assert shown is not None
    pages = np.unique(shown.request)
    requests = page_requests(shown, pages)
    for row in range(0, len(pages), 97):
        mine = shown.session == shown.session[np.searchsorted(shown.request, pages[row])]
        earlier = mine & (shown.request < pages[row]) & shown.clicked
        clicks = requests.session[row]
        assert clicks[clicks >= 0].tolist() == shown.item[earlier].tolist()[-10:]


def test_recent_items_end_with_those_of_the_visit() -> None:
    events = Events(
        np.array([0, 0, 1]), np.array([5, 6, 7]), np.array([1.0, 2.0, 3.0]), np.zeros(3, bool), np.full(3, -1)
    )
    history = History.of(events, 3)
    requests = Requests(np.array([0, 2, -1]), np.zeros(3), np.array([[-1, 9], [-1, -1], [3, 4]]))
    items, in_visit = history.recent(requests, 4)
    assert items.tolist() == [[-1, 5, 6, 9], [-1, -1, -1, -1], [-1, -1, 3, 4]]
    assert in_visit.tolist() == [[False, False, False, True], [False] * 4, [False, False, True, True]]


def test_requests_to_serve_are_of_users_at_random_and_not_of_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids count up: the first hundred were there from the start, the last are new in the test part."""
    log = pd.DataFrame({"user": np.repeat(np.arange(1, 401), 5), "item": np.arange(2000) % 31})
    log["time"] = 1_700_000_000 + 3600 * (log.index // 5 // 4) + 86400 * 20 * (log.index % 5 == 4)
    log.to_csv(tmp_path / "log.csv", index=False)
    data = {"name": "interactions_csv", "args": {"path": str(tmp_path / "log.csv")}}
    spec = _spec(data, {"model": "ease"})
    parts = task.load_parts(spec)
    monkeypatch.setattr(task, "EXAMPLES", 100)
    users = [request["user"] for request in task.examples(spec)]
    assert len(set(users)) == 100
    assert np.mean(users) == pytest.approx(parts.data.users.ids[np.unique(parts.test.user)].mean(), abs=40)
    assert users == [request["user"] for request in task.examples(spec)]


def test_an_id_that_a_client_sends_as_a_float_is_that_whole_number() -> None:
    codes = Codes(np.array([7, 12]))
    sent = [12, "12", 12.0, np.float64(12), 12.5, float("nan"), "x", None]
    assert [codes.get(one) for one in sent] == [1, 1, 1, 1, -1, -1, -1, -1]
    assert Codes(np.array(["007", "12.0"])).get(12.0) == 1
    assert Codes(np.array(["007", "12.0"])).get(7.0) == -1


def _write_csv(path: Path, rows: int = 400, **columns: Any) -> Path:
    rng = np.random.default_rng(0)
    frame = {
        "user": [f"user {i}" for i in rng.integers(0, 25, rows)],
        "item": [f"B{i:03}" for i in rng.integers(0, 40, rows)],
        "time": pd.to_datetime(rng.integers(1_700_000_000, 1_703_000_000, rows), unit="s", utc=True).astype(
            str
        ),
    } | columns
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


def _job(folder: Path, spec: dict[str, Any], kind: Any, needs: dict[str, Path]) -> Job:
    folder.mkdir()
    return Job(Trial(kind, "x", spec, runtime=spec.get("runtime")), folder, needs, lambda _: None)


def _spec(
    data: dict[str, Any], retrieval: dict[str, Any], ranking: dict[str, Any] | None = None
) -> dict[str, Any]:
    training = {"epochs": 2, "batch_size": 128, "optimizer": {"lr": 0.01}}
    return {
        "candidate": "x", "task": "recommendation", "model": "", "args": {}, "training": training, "seed": 0,
        "train_size": None, "data": {"validation": 0.1, "seed": 0, **data},
        "retrieval": retrieval, "ranking": ranking,
    }  # fmt: skip


def _run(tmp_path: Path, spec: dict[str, Any]) -> tuple[Any, Any, Path]:
    trained = task.train(_job(tmp_path / "train", spec, "train", {}))
    spec = {**spec, "fitted": "t", "runtime": "torch"}
    scored = task.score(_job(tmp_path / "score", spec, "score", {"t": tmp_path / "train"}))
    return trained, scored, tmp_path / "score"


def test_an_own_log_with_text_ids_and_unsorted_times_and_missing_prices_goes_all_the_way(
    tmp_path: Path,
) -> None:
    prices = [None if i % 3 else 9.5 for i in range(400)]
    path = _write_csv(tmp_path / "log.csv", price=prices, event=["click"] * 390 + ["view"] * 10)
    spec = _spec({"name": "interactions_csv", "args": {"path": str(path)}},
                 {"model": "two_tower", "dim": 8, "candidates": 100}, {"model": "wide_and_deep"})  # fmt: skip
    _, scored, folder = _run(tmp_path, spec)
    assert {m.metric for m in scored.measurements} >= {"ndcg@10", "recall@100", "catalog_coverage@10"}
    predict = task.load_variant(spec, folder / "artifact", 1, "cpu")
    requests = task.examples(spec)
    assert isinstance(requests[0]["user"], str)
    answer = predict(requests)
    assert answer.shape == (len(requests), 10)
    assert set(predict.stages) == {"encode", "search", "features", "rank"}  # type: ignore[attr-defined]
    np.testing.assert_array_equal(predict(requests[:1])[0], answer[0])


def test_the_shop_is_scored_offline_and_online_with_a_row_per_user_and_per_session(tmp_path: Path) -> None:
    index = {"ivf": {"nlist": 16, "nprobe": 2, "sweep": [1, 16]}}
    retrieval = {"model": "two_tower", "dim": 8, "candidates": 50, "index": index}
    spec = _spec({"name": "mock_shop", "args": SHOP}, retrieval, {"model": "logistic"})
    trained, scored, folder = _run(tmp_path, spec)
    values = {m.metric: m.value for m in scored.measurements}
    assert 0 < values["ctr"] < 0.2 and values["revenue_per_session_usd"] > 0
    rows = pd.read_parquet(folder / "predictions.parquet")
    assert rows["id"].is_unique
    assert rows["ndcg@10"].mean() == pytest.approx(values["ndcg@10"])
    assert rows.loc[rows.unit == "session", "ctr"].mean() == pytest.approx(values["ctr"], rel=1e-5)
    curve = scored.facts.evaluation.index.curve
    assert [row.nprobe for row in curve] == [2, 1, 16] and curve[2].recall == pytest.approx(1.0)
    assert [row["nprobe"] for row in scored.facts.online.price_of_recall] == [2, 1, 16]
    took = scored.facts.evaluation.stage_milliseconds
    assert took["calls"] > 10 and min(took[stage] for stage in ("encode", "search", "features", "rank")) > 0
    assert set(to_json(scored.facts.online.off_policy)) >= {"truth", "ips", "snips", "doubly_robust"}
    assert trained.facts.index.build_seconds > 0
    assert (tmp_path / "train" / "history.csv").read_text().startswith("stage,epoch")


def test_two_candidates_of_a_shop_are_compared_on_the_same_sessions(tmp_path: Path) -> None:
    from harness.tasks.recommendation import online

    paths = {}
    for model in ("popularity", "item_knn"):
        (tmp_path / model).mkdir()
        spec = _spec({"name": "mock_shop", "args": SHOP}, {"model": model, "candidates": 20})
        paths[model] = _run(tmp_path / model, spec)[2] / "online.npz"
    experiments = online.verdicts(paths["popularity"], paths, 2000, np.random.default_rng(0))
    assert experiments["popularity"].lifts[0].truth == 0
    assert experiments["item_knn"].lifts[0].truth != 0


def test_what_a_shop_takes_is_known_as_well_as_its_users_are_and_not_as_their_visits(tmp_path: Path) -> None:
    """109 users make 482 visits; by the plain sums over users."""
    spec = _spec({"name": "mock_shop", "args": SHOP | {"impressions": 60_000}}, {"model": "item_knn"})
    folder = _run(tmp_path, spec)[2]
    run = SimpleNamespace(read_bytes=lambda name: (folder / Path(name).name).read_bytes())
    kept = pd.read_parquet(folder / "predictions.parquet")
    visits = kept[kept.unit == "session"].assign(user=np.load(folder / "online.npz")["user"])
    predictions = predictions_of(run)("score")
    for metric in ("ctr", "margin_per_session_usd"):
        found = score_examples(metric, predictions)
        assert found is not None and len(found.values) == visits.user.nunique() < len(visits) / 2
        assert found.values.mean() == pytest.approx(visits[metric].mean())
        error = found.values.std(ddof=1) / len(found.values) ** 0.5
        off = (visits[metric] - visits[metric].mean()).groupby(visits.user).sum()
        by_users = (off**2).sum() ** 0.5 / len(visits)
        assert 0.97 * by_users < error < 1.25 * by_users  # wider for users with many visits
        assert error > 1.2 * visits[metric].std() / len(visits) ** 0.5
    np.savez(folder / "online.npz", user=np.arange(3))
    with pytest.raises(RecordError, match="damaged.*it has 3 visits where predictions.parquet has"):
        predictions_of(run)("score")
    alone = score_examples("ndcg@10", predictions)
    users = kept[kept.unit == "user"].sort_values("id")
    assert alone is not None and np.allclose(alone.values, users["ndcg@10"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("split", "shown"), [("global_time", 3.0), ("leave_one_out", 9.0)])
def test_an_item_is_described_by_nothing_of_the_test_part(tmp_path: Path, split: str, shown: float) -> None:
    rows = [("u", "a", day, 1.0 + 2 * (day >= 3) + 6 * (day >= 19)) for day in range(20)]
    rows += [("v", "late", 19, 5.0), ("u", "late", 19.5, 7.0)]
    frame = pd.DataFrame(rows, columns=["user", "item", "time", "price"])
    frame["time"] *= 86400
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "log.csv", index=False)
    data = interactions_csv.load(path=str(tmp_path / "log.csv"), split=split, test=0.1)  # type: ignore[arg-type]
    prices = dict(zip(data.catalogue.ids.tolist(), data.catalogue.price.tolist(), strict=True))
    assert prices == {"a": shown, "late": 5.0 if split == "global_time" else 7.0}


def test_a_runtime_that_cannot_run_pipelines_says_which_can(tmp_path: Path) -> None:
    spec = {**_spec({"name": "mock_shop", "args": SHOP}, {"model": "popularity"}), "runtime": "onnx-int8"}
    with pytest.raises(TrialError, match="runs on torch"):
        task.score(_job(tmp_path / "s", spec, "score", {}))


def test_a_log_with_one_event_is_an_error_with_a_cure(tmp_path: Path) -> None:
    path = _write_csv(tmp_path / "log.csv", rows=1)
    spec = _spec({"name": "interactions_csv", "args": {"path": str(path)}}, {"model": "popularity"})
    with pytest.raises(DataError, match="longer log"):
        task.train(_job(tmp_path / "t", spec, "train", {}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,thing,time\n1,2,3\n", "no column item; it has user, thing, time"),
        ("user,item,time\n", "no rows"),
        ("", "cannot|can be read"),
        ("user,item,time\n1,2,1700000000000\n", r"1700000000000 lies in the year 55\d\d\d: divide millisec"),
        ("user,item,time\n1,2,yesterday\n", "neither unix seconds nor ISO 8601"),
        ("user,item,time\n1,,3\n", ":2: no item"),
        ("user,item,time\n1,2,\n", ":2: no time"),
        ("user,item,time,event\n1,2,3,view\n", "every row is a view"),
    ],
)
def test_a_log_that_cannot_be_read_says_where_and_why(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        interactions_csv.load(path=str(tmp_path / "log.csv"))


def test_a_data_set_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not recommendation data"):
        task.load_parts({"data": {"name": "digits"}})


class _Elsewhere(torch.nn.Module):
    """A network on another device, which has no values here: it sees only where its inputs are."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(1, device="meta"))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        assert {each.device for each in inputs} == {self.weight.device}
        return torch.zeros(inputs[0].shape[:2])


def test_a_ranker_is_validated_and_weighted_where_its_network_is(shop_fit: FittedPipeline) -> None:
    pipeline = shop_fit.pipeline
    requests = user_requests(np.arange(4), 14.0)
    items = np.tile(np.arange(6), (4, 1))
    facts = describe(pipeline.knowledge, pipeline.history, requests, items, np.zeros((4, 6)))
    assert Ranker({"model": "logistic"}, 1, _Elsewhere()).logits(facts).shape == (4, 6)
    lists = Slates(facts, np.ones((4, 6), bool), np.zeros((4, 6), np.int64))
    weights = _weights(lists, np.ones(10), "ipw", "meta")
    assert weights is not None and weights.device.type == "meta"


@pytest.mark.parametrize("split", ["global_time", "leave_one_out"])
def test_a_search_of_a_recommender_is_told_its_end_to_end_score(tmp_path: Path, split: str) -> None:
    path = _write_csv(tmp_path / "log.csv", rows=800)
    data = {"name": "interactions_csv", "args": {"path": str(path), "split": split}}
    spec = _spec(data, {"model": "two_tower", "dim": 8, "candidates": 40}, {"model": "logistic"})
    job = _job(tmp_path / "search", spec, "train", {})
    outcome = Attempt(job.trial, {"optimizer.lr": 0.01}).concluded(task.train(job))
    assert 0 < outcome.facts.tuning.score < 1


def test_the_validation_score_knows_nothing_of_the_validation_part(shop_fit: FittedPipeline) -> None:
    parts = cut_data(mock_shop.load(**SHOP), 0.1, 0)
    later = replace(parts, past=parts.train, test=parts.train)  # what is not to be looked at
    retrieval = {"model": "two_tower", "index": "flat", "candidates": 60}
    scores = [validation_ndcg(shop_fit.pipeline, each, retrieval, 0, 1) for each in (parts, later)]
    assert scores[0] == scores[1] and 0 < scores[0]["ndcg@10"] < 1
    nothing = replace(parts, validation=parts.validation.rows(np.zeros(len(parts.validation), bool)))
    assert validation_ndcg(shop_fit.pipeline, nothing, retrieval, 0, 1) == {}

"""Retrievers and rankers after published ones: each beside an independent computation of what is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from harness.datasets.interactions import Events, Interactions, Users, plain_catalogue
from harness.tasks.recommendation import served
from harness.tasks.recommendation.asking import user_requests
from harness.tasks.recommendation.features import FEATURES, RECENT, Facts
from harness.tasks.recommendation.history import History, Requests
from harness.tasks.recommendation.ranking.fit import Slates, fit_ranker, load_ranker, within_list_auc
from harness.tasks.recommendation.retrieval import implicit_als, lightgcn, options, sasrec
from harness.tasks.recommendation.retrieval.base import Lesson, interaction_matrix
from tests.test_recommendation_pipeline import QUICK, _two_tastes


def _lesson(data: Interactions, epochs: int = 5, **settings: Any) -> Lesson:
    chosen = replace(QUICK, epochs=epochs, **settings)
    return Lesson(data.catalogue, data.users, data.events, False, 60.0, chosen)


def test_implicit_als_ends_where_the_weighted_squares_have_no_slope() -> None:
    """The loss is written out over all pairs of users and items, as in the paper."""
    pytest.importorskip("implicit")
    lesson = _lesson(_two_tastes(users=30, each=8))
    l2, alpha = 2.0, 3.0
    fitted = implicit_als.fit(lesson, dim=6, l2=l2, alpha=alpha, sweeps=500)
    history = History.of(lesson.events, len(lesson.users))
    items = fitted.item_vectors().astype(float)
    users = fitted.encode(user_requests(np.arange(30), 60.0), history).astype(float)
    chosen = interaction_matrix(lesson).toarray()
    confidence = 1 + alpha * chosen
    error = confidence * (users @ items.T - chosen)
    assert np.abs(error @ items + l2 * users).max() < 1e-3, "users are the best ones given the items"
    assert np.abs(error.T @ users + l2 * items).max() < 2e-2, "and items given the users"
    assert np.abs(error @ items).max() > 1, "the slope of the loss alone is far from 0"


def test_implicit_als_answers_a_visit_as_if_it_had_been_the_past() -> None:
    pytest.importorskip("implicit")
    lesson = _lesson(_two_tastes())
    fitted = implicit_als.fit(lesson, dim=8, l2=1.0)
    history = History.of(lesson.events, len(lesson.users))
    mine = history.item[history.starts[3] : history.starts[4]]
    visit = Requests(np.array([-1]), np.array([60.0]), mine[None])
    np.testing.assert_allclose(
        fitted.encode(visit, history), fitted.encode(user_requests(np.array([3]), 60.0), history), rtol=1e-4
    )


def test_lightgcn_smooths_by_powers_of_the_normalised_graph() -> None:
    rng = np.random.default_rng(0)
    chosen = sp.csr_matrix((rng.random((7, 5)) < 0.4).astype(np.float32))
    network = lightgcn.Network(chosen, dim=3, layers=3, init_std=1.0)
    graph = np.block([[np.zeros((7, 7)), chosen.toarray()], [chosen.toarray().T, np.zeros((5, 5))]])
    root = np.diag(1 / np.sqrt(np.maximum(graph.sum(1), 1)))
    step = root @ graph @ root
    table = network.table.weight.detach().numpy()
    wanted = sum(np.linalg.matrix_power(step, power) @ table for power in range(4)) / 4
    with torch.inference_mode():
        found = torch.cat(network()).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def _cycle(users: int = 80, items: int = 30, length: int = 12, seed: int = 0) -> Interactions:
    """Each user takes the items in turn, from a place of their own: the last one alone tells the next."""
    rng = np.random.default_rng(seed)
    item = (rng.integers(0, items, (users, 1)) + np.arange(length)) % items
    user = np.repeat(np.arange(users), length).astype(np.int32)
    time = np.tile(np.arange(length, dtype=float), users)
    events = Events(
        user, item.ravel().astype(np.int32), time, np.zeros(len(user), bool), np.full(len(user), -1)
    )
    people = Users(np.arange(users), np.full(users, -1, np.int32))
    return replace(_two_tastes(), catalogue=plain_catalogue(np.arange(items)), users=people, events=events)


@pytest.mark.parametrize("negatives", [4096, 20])
def test_sasrec_foretells_the_next_item_of_an_order_and_of_a_visit(negatives: int) -> None:
    data = _cycle()
    lesson = _lesson(data, epochs=15, batch_size=128)
    fitted = sasrec.fit(lesson, dim=32, max_history=12, dropout=0.0, negatives=negatives)
    history = History.of(data.events, len(data.users))
    scores = fitted.encode(user_requests(np.arange(80), 20.0), history) @ fitted.item_vectors().T
    last = history.item[history.starts[1:] - 1]
    assert (scores.argmax(1) == (last + 1) % 30).mean() > 0.9
    visits = Requests(np.full(20, -1), np.full(20, 20.0), np.stack([np.arange(20), np.arange(1, 21)], 1))
    scores = fitted.encode(visits, history) @ fitted.item_vectors().T
    assert (scores.argmax(1) == np.arange(2, 22)).mean() > 0.9


def test_sasrec_knows_nothing_of_what_comes_later_and_ignores_empty_places() -> None:
    torch.manual_seed(0)
    encoder = sasrec.SequenceEncoder(num_items=20, length=8, dim=16, depth=2, heads=2, dropout=0.0).eval()
    items = np.array([[3, 4, 5, 6, 7], [3, 4, 5, 9, 11]])
    with torch.inference_mode():
        found = encoder(torch.from_numpy(served.tokens_of(items)))
        padded = encoder(
            torch.from_numpy(served.tokens_of(np.pad(items, ((0, 0), (2, 0)), constant_values=-1)))
        )
    torch.testing.assert_close(found[0, :4], found[1, :4])  # the start and the three that they share
    assert (found[0, 4] - found[1, 4]).abs().max() > 0.01
    torch.testing.assert_close(padded[:, 2:], found)


def test_sasrec_computes_the_attention_that_is_written_down() -> None:
    """One layer, in NumPy, by the formulas of the paper with normalisation before each part."""
    torch.manual_seed(1)
    encoder = sasrec.SequenceEncoder(num_items=9, length=4, dim=6, depth=1, heads=2, dropout=0.0).eval()
    torch.nn.init.normal_(encoder.place, std=0.5)
    w = {name: value.detach().numpy().astype(float) for name, value in encoder.state_dict().items()}
    tokens = served.tokens_of(np.array([[2, 0, 8]]))

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        spread = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return (x - x.mean(-1, keepdims=True)) / spread * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["items.weight"][tokens[0]] + w["place"]
    q, k, v = np.split(linear(norm(x, "layers.0.attention_norm"), "layers.0.qkv"), 3, axis=1)
    mixed = np.empty_like(x)
    for place in range(4):
        for head in (slice(0, 3), slice(3, 6)):
            likeness = np.exp(k[: place + 1, head] @ q[place, head] / np.sqrt(3))
            mixed[place, head] = likeness / likeness.sum() @ v[: place + 1, head]
    x = x + linear(mixed, "layers.0.out")
    hidden = torch.nn.functional.gelu(torch.from_numpy(linear(norm(x, "layers.0.mlp.0"), "layers.0.mlp.1")))
    x = x + linear(hidden.numpy(), "layers.0.mlp.4")
    with torch.inference_mode():
        found = encoder(torch.from_numpy(tokens)).numpy()[0]
    np.testing.assert_allclose(found, norm(x, "norm"), atol=1e-5)


def _slates(lists: int, length: int, seed: int) -> tuple[Slates, np.ndarray]:
    """Lists in which the sign of two features' product decides, which no sum of features can tell."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(lists, length, len(FEATURES))).astype(np.float32)
    good = numbers[..., 0] * numbers[..., 1] > 0
    position = np.tile(np.arange(length), (lists, 1))
    clicked = rng.random((lists, length)) < np.where(good, 0.7, 0.1)
    none = np.zeros((lists, RECENT))
    facts = Facts(
        numbers, np.zeros((lists, length), np.int64), none.astype(np.int64), none.astype(np.float32),
        none.astype(np.float32), np.zeros((lists, length)),
    )  # fmt: skip
    return Slates(facts, clicked, position), good


def _fitted(spec: dict[str, Any], lists: Slates, validation: Slates | None = None) -> Any:
    examination = 0.6 ** np.arange(lists.clicked.shape[1])
    return fit_ranker(spec, lists, validation, examination, 1, replace(QUICK, epochs=10), lambda _: None)


def test_lambdamart_orders_what_no_weighted_sum_can_and_comes_back_from_its_arrays() -> None:
    pytest.importorskip("lightgbm")
    lessons, _ = _slates(600, 10, 0)
    asked, good = _slates(200, 10, 1)
    trees = _fitted({"model": "lambdamart", "min_leaf": 20}, lessons, _slates(200, 10, 2)[0])
    linear = _fitted({"model": "logistic"}, lessons)
    assert within_list_auc(trees.score(asked.facts), good) > 0.9
    assert within_list_auc(linear.score(asked.facts), good) < 0.6
    again = load_ranker(trees.spec, 1, trees.arrays())
    np.testing.assert_array_equal(trees.score(asked.facts), again.score(asked.facts))
    assert len(trees.curve) >= 10 and trees.curve[0]["epoch"] == 1


def test_lambdamart_is_what_lightgbm_s_own_ranker_learns_from_the_same_rows() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    lessons, _ = _slates(100, 8, 0)
    asked, _ = _slates(20, 8, 1)
    ours = _fitted({"model": "lambdamart", "trees": 20, "position_bias": "none"}, lessons)
    theirs = lightgbm.LGBMRanker(
        n_estimators=20, learning_rate=0.05, min_child_samples=50, n_jobs=1, verbose=-1, force_row_wise=True
    )
    theirs.fit(lessons.facts.numbers.reshape(800, -1), lessons.clicked.ravel().astype(int), group=[8] * 100)
    wanted = theirs.booster_.predict(asked.facts.numbers.reshape(160, -1)).reshape(20, 8)
    np.testing.assert_allclose(ours.score(asked.facts), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("stage", "given", "message"),
    [
        ("ranking", {"optimize": "margin"}, "optimize: margin needs a ranker of log-odds"),
        ("ranking", {"price_weight": 0.5}, "price_weight needs a ranker of log-odds"),
        ("ranking", {"epochs": 3}, "has no epochs: write trees"),
        ("ranking", {"tree": 3}, "did you mean 'trees'"),
        ("retrieval", {"alfa": 3}, "did you mean 'alpha'"),
    ],
)
def test_what_a_model_cannot_do_is_refused_with_the_cure(stage: str, given: Any, message: str) -> None:
    for package in ("lightgbm", "implicit"):
        pytest.importorskip(package)
    stages = {"retrieval": {"model": "implicit_als"}, "ranking": {"model": "lambdamart"}}
    stages[stage] = {**stages[stage], **given}
    with pytest.raises(ValueError, match=message):
        options.check_candidate(stages["retrieval"], stages["ranking"])


@pytest.mark.parametrize(
    ("retrieval", "ranking", "message"),
    [
        ("implicit_als", "none", r"retrieval model implicit_als needs implicit: pip install .*\[als\]"),
        ("ease", "lambdamart", r"ranking model lambdamart needs lightgbm: pip install .*\[boosting\]"),
    ],
)
def test_a_model_whose_library_is_missing_names_the_extra(
    retrieval: str, ranking: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=message):
        options.check_candidate({"model": retrieval}, {"model": ranking})

"""A recommender of one's own as a candidate: fitted once, kept as arrays, refused with the cure."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harness.planning.trials import plan_trials
from harness.reading import read_suite
from harness.record import SuiteError, TrialError
from harness.tasks.recommendation.asking import user_requests
from harness.tasks.recommendation.pipeline import Pipeline
from tests.test_recommendation_pipeline import _fit, _two_tastes

SUITE = (
    "name: own\ntask: recommendation\ndata: {name: ml_100k}\n"
    'candidates:\n  mine: {retrieval: {model: "mine:Mine", args: {weight: 2.0}}}\n'
    "decision: {objective: maximize ndcg@10}\n"
)
SOURCE = "class Mine:\n    def __init__(self, *, weight=1.0): ...\n    def fit(self, log): ...\n"


class Parity:
    """Knows the truth of the two tastes: even users like the first half of the items."""

    def __init__(self, *, sign: float = 1.0) -> None:
        self.sign = sign

    def fit(self, log: Any) -> None:
        assert len(log.user) == len(log.item) == len(log.rating) == len(log.time)
        assert log.user_ids[0] == 1000 and (log.num_users, log.num_items) == (60, 40)
        self.num_items = log.num_items

    def embed_items(self) -> np.ndarray:
        return np.where(np.arange(self.num_items) < 20, -1.0, 1.0)[:, None]

    def embed_users(self, users: np.ndarray) -> np.ndarray:
        return self.sign * np.where(users % 2, 1.0, -1.0)[:, None]


class Scorer(Parity):
    embed_users = None  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> Any:
        if name == "embed_users":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def score(self, users: np.ndarray) -> np.ndarray:
        return np.asarray(Parity.embed_users(self, users) @ self.embed_items().T)


class Broken(Parity):
    def embed_items(self) -> np.ndarray:
        return np.full((self.num_items, 1), np.nan)


class Short(Parity):
    def embed_users(self, users: np.ndarray) -> np.ndarray:
        return np.zeros((len(users) - 1, 1))


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mine_of_a_test")
    module.__file__ = "mine_of_a_test.py"
    for kind in (Parity, Scorer, Broken, Short):
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "mine_of_a_test", module)


@pytest.mark.parametrize(
    "retrieval",
    [
        {"model": "mine_of_a_test:Parity"},
        {"model": "mine_of_a_test:Parity", "index": {"hnsw": {"m": 8}}},
        {"model": "mine_of_a_test:Scorer"},
    ],
)
def test_what_it_knows_is_answered_and_comes_back_from_disk_without_its_code(
    retrieval: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = _fit(_two_tastes(), {**retrieval, "candidates": 10}).pipeline
    requests = user_requests(np.arange(60), 60.0)
    found = pipeline.answer(requests).ranked
    first = found[:, :5]  # each has eight or so left of the half that they like
    assert ((first >= 20) == (np.arange(60)[:, None] % 2 == 1)).all()
    pipeline.save(tmp_path)
    monkeypatch.delitem(sys.modules, "mine_of_a_test")
    again = Pipeline.load(tmp_path)
    np.testing.assert_array_equal(found, again.answer(requests).ranked)
    nobody = again.answer(again.read([{"user": "nobody"}])).ranked[0]
    assert len(set(nobody.tolist())) == 10


def test_its_arguments_reach_it() -> None:
    turned = {"model": "mine_of_a_test:Parity", "args": {"sign": -1.0}, "candidates": 10}
    found = _fit(_two_tastes(), turned).pipeline.answer(user_requests(np.arange(60), 60.0)).ranked[:, :5]
    assert ((found >= 20) == (np.arange(60)[:, None] % 2 == 0)).all()


@pytest.mark.parametrize(
    ("model", "extra", "message"),
    [
        ("Broken", {}, "embed_items gave NaN"),
        ("Short", {}, r"embed_users gave an array of shape \(59, 1\), not \(60, 1\)"),
        ("Parity", {"args": {"sine": 1}}, "sine"),
        ("Scorer", {"index": "flat"}, "has no index: leave out index"),
        ("Parti", {}, "no function 'Parti', did you mean Parity"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_the_reason(
    model: str, extra: dict[str, Any], message: str
) -> None:
    with pytest.raises((TrialError, ValueError), match=message):
        _fit(_two_tastes(), {"model": f"mine_of_a_test:{model}", **extra})


def test_a_suite_is_checked_without_running_it_and_the_code_counts_in_the_ids(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE)
    with pytest.raises(SuiteError, match="there is no module `mine`"):
        read_suite(file)
    (tmp_path / "mine.py").write_text(SOURCE.replace("weight", "wait"))
    with pytest.raises(SuiteError, match=r"suite.yaml:5: .*weight"):
        read_suite(file)
    (tmp_path / "mine.py").write_text(SOURCE)
    before = [t.id for t in plan_trials(read_suite(file)) if t.kind == "train"]
    (tmp_path / "mine.py").write_text(SOURCE + "    def score(self, users): ...\n")
    after = [t.id for t in plan_trials(read_suite(file)) if t.kind == "train"]
    assert before != after
    file.write_text(SUITE.replace("weight: 2.0}", "weight: 2.0}, neighbours: 3"))
    with pytest.raises(SuiteError, match="arguments of your own function stand under args"):
        read_suite(file)

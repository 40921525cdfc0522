"""Ranking metrics equal ir-measures, ties are broken by seed and their luck is measured."""

from __future__ import annotations

import inspect

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks.recommendation import metrics as m
from harness.tasks.recommendation.order import rank_all


def _random_case(seed: int, users: int = 40, items: int = 60) -> tuple[np.ndarray, m.Relevant]:
    rng = np.random.default_rng(seed)
    answers = np.argsort(rng.random((users, items)), axis=1)[:, :20]
    chosen = rng.random((users, items)) < rng.choice([0.0, 0.02, 0.2, 0.6], (users, 1))
    return answers, m.relevant_items(*np.nonzero(chosen), num_rows=users)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 5, 10, 20])
def test_metrics_equal_ir_measures(seed: int, k: int) -> None:
    answers, relevant = _random_case(seed)
    hit, counts = m.hits(answers, relevant), relevant.counts
    asked = {
        ir_measures.nDCG @ k: m.ndcg(hit, counts, k),
        ir_measures.R @ k: m.recall(hit, counts, k),
        ir_measures.RR @ k: m.reciprocal_rank(hit, counts, k),
    }
    rows = np.repeat(np.arange(len(relevant)), counts)
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, i in zip(rows, relevant.items, strict=True)]
    run = [
        ir_measures.ScoredDoc(str(u), str(i), -r) for u, row in enumerate(answers) for r, i in enumerate(row)
    ]
    theirs = {(x.measure, int(x.query_id)): x.value for x in ir_measures.iter_calc(list(asked), qrels, run)}
    assert len(theirs) == len(asked) * (counts > 0).sum()
    for measure, ours in asked.items():
        assert np.isnan(ours[counts == 0]).all()
        for user in np.flatnonzero(counts):
            assert ours[user] == pytest.approx(theirs[measure, user], abs=1e-9)


def test_ndcg_of_a_worked_example() -> None:
    """Hits at ranks 1 and 3 of 3 relevant: (1 + 1/2) / (1 + 1/log2(3) + 1/2)."""
    value = m.ndcg(np.array([[True, False, True]]), np.array([3]), 10)
    assert value[0] == pytest.approx(1.5 / (1.5 + 1 / np.log2(3)), abs=1e-15)


def test_an_answer_that_names_an_item_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        m.hits(np.array([[1, 1]]), m.relevant_items(np.array([0]), np.array([1]), 1))


def test_empty_slots_are_never_relevant() -> None:
    relevant = m.relevant_items(np.array([0, 1]), np.array([0, 59]), 2)
    assert m.hits(np.array([[0, -1], [-1, -1]]), relevant).tolist() == [[True, False], [False, False]]


def test_no_function_samples_negatives() -> None:
    for name, function in inspect.getmembers(m, inspect.isfunction):
        assert not {"negatives", "samples", "candidates"} & set(inspect.signature(function).parameters), name


@given(st.integers(0, 10_000), st.integers(1, 70))
@settings(max_examples=40, deadline=None)
def test_rank_all_is_a_full_sort_with_ties_by_seed(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (3, 60)).astype(float)
    scores[:, rng.integers(60)] = -np.inf
    ties = m.tie_keys(60, seed)
    for row, answer in zip(scores, rank_all(scores, k, ties), strict=True):
        full = [i for i in sorted(range(60), key=lambda i: (-row[i], ties[i])) if row[i] > -np.inf]
        assert answer.tolist() == (full + [-1] * 70)[:k][: min(k, 59)] + [-1] * max(0, k - 59)


def test_a_constant_scorer_is_found_out_by_its_tie_gap() -> None:
    relevant = m.relevant_items(np.arange(5), np.arange(5), 5)
    assert m.tie_gap(np.zeros((5, 50)), relevant, 10) == 1.0 > m.TIE_GAP_WARNING
    assert m.tie_gap(np.random.default_rng(0).random((5, 50)), relevant, 10) == 0.0


def test_a_diverged_model_is_an_error_and_not_a_ranking() -> None:
    with pytest.raises(ValueError, match="NaN"):
        rank_all(np.full((1, 4), np.nan), 2, m.tie_keys(4, 0))


def test_coverage_gini_and_novelty_of_worked_examples() -> None:
    answers = np.array([[0, 1], [0, 2], [0, -1]])
    assert m.coverage(answers, 10, 2) == 0.3
    assert m.coverage(answers, 10, 1) == 0.1
    assert m.gini(np.array([1, 1, 1, 1])) == 0.0
    assert m.gini(np.array([0, 0, 0, 4])) == 0.75
    assert m.novelty(np.array([[1]]), np.array([5, 1]), 1) == 2.0  # (1 + 1) / (6 + 2)

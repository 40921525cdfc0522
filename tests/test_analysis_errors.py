"""Slices, worst errors, disagreements, temperature and threshold, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar

from harness.analysis import errors
from harness.metrics import quality


def two(*positive: float) -> np.ndarray:
    p = np.array(positive)
    return np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("It isn't good.", ("negation",)),
        ("Never dull, but long", ("negation", "contrast")),
        ("A notable button", ()),
        ("Can it be worse?", ("question",)),
        ("", ()),
    ],
)
def test_words_that_turn_a_sentence_are_seen_as_whole_words(text: str, tags: tuple[str, ...]) -> None:
    assert errors.text_tags(text) == tags


def test_every_text_is_in_one_slice_of_length_and_on_one_side_of_each_tag() -> None:
    texts = ["word " * n for n in range(1, 60)] + ["not good but short?"] * 5
    slices = errors.text_slices(texts)
    by_length = [mask for name, mask in slices.items() if "words" in name]
    assert np.sum(by_length, axis=0).tolist() == [1] * len(texts)
    for tag in ("negation", "contrast", "question"):
        assert (slices[tag] ^ slices[f"no {tag}"]).all() and slices[tag].sum() == 5
    assert "question" not in errors.large_enough(slices) and "no question" in errors.large_enough(slices)


def test_own_columns_become_slices_by_value_or_by_quarter() -> None:
    columns = {"source": np.array(["a", "b"] * 50), "rating": np.arange(100.0)}
    slices = errors.column_slices(columns)
    assert slices["source = a"].sum() == 50
    assert [slices[f"rating, quarter {q} of 4"].sum() for q in (1, 2, 3, 4)] == [25] * 4
    assert not errors.column_slices({"name": np.array([f"n{i}" for i in range(100)])})


def test_the_worst_errors_are_the_surest_wrong_answers() -> None:
    p, targets = two(0.9, 0.2, 0.99, 0.6, 0.97), np.array([0, 0, 0, 0, 1])
    assert errors.worst_errors(p, targets).tolist() == [2, 0, 3]
    assert errors.worst_errors(p, targets, most=1).tolist() == [2]


def test_a_label_is_doubtful_where_all_candidates_are_sure_against_it() -> None:
    targets = np.array([0, 0, 0])
    answers = [two(0.95, 0.95, 0.6), two(0.9, 0.1, 0.7)]
    assert errors.doubtful_labels(answers, targets).tolist() == [True, False, False]
    assert not errors.doubtful_labels(answers[:1], targets).any()


def test_mcnemar_equals_that_of_statsmodels() -> None:
    random = np.random.default_rng(3)
    targets = random.integers(0, 2, 300)
    first, second = two(*random.random(300)), two(*random.random(300))
    first[:40, :] = np.eye(2)[targets[:40]]
    found = errors.compare_answers(first, second, targets)
    a, b = first.argmax(1) == targets, second.argmax(1) == targets
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert (len(found.only_first), len(found.only_second)) == (table[0][1], table[1][0])
    gaps = errors.right_share(first, targets) - errors.right_share(second, targets)
    assert (np.diff(gaps[found.only_first]) <= 0).all() and (np.diff(gaps[found.only_second]) >= 0).all()
    assert errors.compare_answers(first, first, targets).p_value == 1.0


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_taken_away_is_found_again(temperature: float) -> None:
    random = np.random.default_rng(0)
    honest = np.exp(random.normal(0, 1.5, (20_000, 3)))
    honest /= honest.sum(1, keepdims=True)
    targets = (random.random(len(honest))[:, None] > honest.cumsum(1)).sum(1)
    spoilt = errors.at_temperature(honest, 1 / temperature)
    found = errors.fit_temperature(spoilt, targets)
    assert found == pytest.approx(temperature, rel=0.06)
    mended = errors.at_temperature(spoilt, found)
    assert (mended.argmax(1) == spoilt.argmax(1)).all()
    if temperature > 1:
        assert quality.ece(mended, targets) < 0.02 < quality.ece(spoilt, targets)


def test_the_threshold_is_the_best_of_all_and_f1_equals_that_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    targets = random.integers(0, 2, 200)
    positive = np.round(np.clip(random.normal(0.3 + 0.2 * targets, 0.2), 0, 1), 2)
    chosen = errors.best_threshold(positive, targets)
    every = [f1_score(targets, positive >= t) for t in np.linspace(0, 1, 1001)]
    assert f1_score(targets, positive >= chosen) == pytest.approx(max(every), abs=1e-12)
    assert errors.f1_at(positive, targets, chosen) == pytest.approx(max(every), abs=1e-12)
    assert errors.f1_at(np.zeros(3), np.zeros(3, int), 0.5) == 0.0

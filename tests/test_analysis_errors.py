"""Slices, gaps, worst errors, disagreements and temperature, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from harness.analysis import errors
from harness.kinds import quality


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
        ("A “comedy”, of course...", ("sarcasm marker",)),
        ("What a mess, oh, well", ("sarcasm marker",)),
        ("The so-called plot isn't", ("negation", "sarcasm marker")),
        ("He said of the course 'no", ("negation",)),
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
        assert slices[tag].tolist() == [False] * 59 + [True] * 5
    assert not slices["sarcasm marker"].any()
    assert "question" not in errors.large_enough(slices) and "11 to 20 words" not in errors.large_enough(
        slices
    )
    assert "more than 30 words" in errors.large_enough(slices)


def test_rare_words_are_those_of_fewer_than_three_training_texts_and_cut_into_even_thirds() -> None:
    known = errors.texts_with(["a film, a good film", "A FILM", "the film", "good story"])
    assert known["film"] == 3 and known["good"] == 2 and known["a"] == 2
    assert errors.rare_words("Film of a good xylophone, 2nd: film", known) == ("of", "xylophone", "a", "good")
    slices = errors.rare_word_slices(np.array([0, 0, 1, 1, 2, 5]))
    assert {name: mask.sum() for name, mask in slices.items()} == {
        "no rare word": 2, "1 rare word": 2, "2 rare words or more": 2,
    }  # fmt: skip
    assert list(errors.rare_word_slices(np.zeros(9, int))) == ["no rare word", "a rare word or more"]
    assert list(errors.rare_word_slices(np.arange(9))) == ["0 to 2 rare words", "3 to 5 rare words",
                                                          "6 rare words or more"]  # fmt: skip


def test_the_kind_of_example_that_separates_two_candidates_is_found_with_how_far() -> None:
    random = np.random.default_rng(5)
    hard = np.arange(600) % 3 == 0
    masks = {"hard": hard, "easy": ~hard, "half": np.arange(600) % 2 == 0}
    first = random.random((3, 600)) < np.where(hard, 0.5, 0.8)
    second = random.random((3, 600)) < 0.85
    found = errors.gaps(first, second, masks)
    assert [gap.name for gap in found] == ["hard", "half"], "a complement is asked once"
    gap = found[0]
    assert gap.count == 200 and gap.p_value < 0.005 < found[1].p_value
    assert gap.inside.low < -0.35 < gap.inside.high and gap.outside.low < -0.05 < gap.outside.high
    assert gap.excess.value == pytest.approx(gap.inside.value - gap.outside.value, abs=1e-12)
    assert gap.excess.low < -0.3 < gap.excess.high


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_no_kind_separates_two_candidates_one_is_blamed_in_five_of_a_hundred_runs(seeds: int) -> None:
    # Of 200 runs more than 20 are blamed with a probability of 0.1 % if the true rate is 5 %.
    random = np.random.default_rng(seeds)
    blamed = 0
    for _ in range(200):
        masks = {f"kind {k}": random.random(300) < 0.3 for k in range(6)}
        hardness = random.uniform(0.4, 1, 300)
        first, second = (random.random((seeds, 300)) < hardness - less for less in (0.1, 0.0))
        blamed += min(gap.p_value for gap in errors.gaps(first, second, masks)) < 0.05
    assert blamed <= 20


def test_own_columns_become_slices_by_value_or_by_quarter() -> None:
    columns = {"source": np.array(["a", "b"] * 50), "rating": np.arange(100.0)}
    slices = errors.column_slices(columns)
    assert slices["source = a"].sum() == 50
    quarters = ("below 24.8", "24.8 to 49.5", "49.5 to 74.2", "from 74.2 up")
    assert [slices[f"rating {name}"].sum() for name in quarters] == [25] * 4
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


def test_rows_of_one_group_are_one_witness() -> None:
    """30 owners of ten rows that are all answered alike: McNemar's test of the rows tells equals apart in
    half of 200 worlds; of groups more than 20 would be with a probability of 0.1 %, were it one in twenty."""
    random = np.random.default_rng(11)
    groups, told = np.repeat(np.arange(30), 10), np.zeros(3, dtype=int)
    for _ in range(200):
        first, second = (two(*np.repeat(random.random(30), 10)) for _ in range(2))
        targets = np.zeros(300, dtype=int)
        kinds = {"kind": np.repeat(random.random(30) < 0.4, 10)}
        right = [(p.argmax(1) == targets)[None] for p in (first, second)]
        told += [
            errors.compare_answers(first, second, targets).p_value < 0.05,
            errors.compare_answers(first, second, targets, groups).p_value < 0.05,
            min(gap.p_value for gap in errors.gaps(*right, kinds, groups)) < 0.05,
        ]
    assert told[0] > 70 and max(told[1:]) <= 20


def test_a_kind_that_one_group_has_alone_is_not_asked_of() -> None:
    groups = np.repeat(np.arange(5), 20)
    right = np.random.default_rng(0).random((2, 1, 100)) < 0.7
    masks = {"one owner": groups == 0, "two owners": groups < 2}
    assert [gap.name for gap in errors.gaps(*right, masks, groups)] == ["two owners"]
    assert {gap.name for gap in errors.gaps(*right, masks)} == set(masks)


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


def test_an_answer_of_0_is_the_epsilon_of_its_format_at_any_temperature() -> None:
    """As in the log loss; as 1e-12 it looked mended by whatever brought it nearer to what the loss clips."""
    sure = np.array([[1.0, 0.0]], dtype=np.float32)
    epsilon = float(np.finfo(np.float32).eps)
    assert errors.at_temperature(sure, 1.0)[0, 1] == pytest.approx(epsilon, rel=1e-5)
    assert errors.at_temperature(sure, 2.0)[0, 1] == pytest.approx(epsilon**0.5, rel=1e-3)

"""A mean over classes is known no better than its smallest class, nor average precision than its positives:
by simulation, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import beta, norm

from harness.analysis.compare import _paired
from harness.analysis.example_draws import Behind, example_draws, paired_examples
from harness.analysis.folds import behind_parts
from harness.analysis.predictions import Predictions, Scores, score_examples
from harness.analysis.small_classes import few_of_a_class
from harness.analysis.stats import two_way_difference
from harness.kinds.quality import average_precision

WORLDS = 150


def interval(scores: Scores, rng: np.random.Generator) -> tuple[float, float]:
    drawn = example_draws([scores.values[None]], np.zeros(1, int), rng, 801, True, [behind_parts([scores])])
    low, high = np.quantile(np.clip(drawn[:, 0] + scores.values.mean(), 0, 1), [0.025, 0.975])
    return float(low), float(high)


def answers(rows: int, rare: int, found: float, false: float, rng: np.random.Generator) -> Predictions:
    """Of two classes, the rare one found and called with these probabilities."""
    targets = rng.permutation(np.arange(rows) < rare).astype(int)
    said = rng.random(rows) < np.where(targets == 1, found, false)
    sure = 0.5 + rng.random(rows) / 2
    yes = np.where(said, sure, 1 - sure)
    return Predictions(np.arange(rows), targets, np.stack([1 - yes, yes], 1))


@pytest.mark.parametrize("found", [0.1, 0.9])
@pytest.mark.parametrize("rare", [6, 15])
def test_intervals_hold_where_a_class_has_few_examples(rare: int, found: float) -> None:
    """.41 to .81 of them did. A true coverage of .95 gives less than .88 in one of 5,000 such tests."""
    rng = np.random.default_rng(0)
    truth = (found + 1 - 0.001) / 2
    held = 0
    for _ in range(WORLDS):
        scores = score_examples("balanced_accuracy", answers(300, rare, found, 0.001, rng))
        assert scores is not None
        low, high = interval(scores, rng)
        held += low - 1e-9 <= truth <= high + 1e-9
    assert held / WORLDS >= 0.88


def test_all_six_missed_may_be_found_by_a_half_elsewhere() -> None:
    targets = np.arange(600) < 6
    said = np.arange(600) == 599
    predictions = Predictions(np.arange(600), targets.astype(int), np.stack([~said, said], 1).astype(float))
    scores = score_examples("balanced_accuracy", predictions)
    assert scores is not None
    low, high = interval(scores, np.random.default_rng(0))
    assert 0.30 < low < 0.40 and 0.60 < high < 0.70
    # By hand: 2 of 10 and 595 of 598, each class's own variance less what its number makes of it.
    few = 0.2 * 0.8 / 6 / 1.06
    many = (593 + 2) / 598 * (3 / 598) / 594 / 6.94
    found = few_of_a_class("balanced_accuracy", predictions.outputs, predictions.targets)
    assert found.variance == pytest.approx((few + many) / 4, rel=1e-9) and found.answers == 12


def test_a_label_with_one_example_leaves_its_f1_open() -> None:
    """Right or wrong by one row: .65 (0.62 to 0.68) was said of it, and named before one who was right."""
    rng = np.random.default_rng(1)
    targets = (rng.random((60, 3)) < [0.5, 0.4, 0.0]).astype(int)
    targets[7, 2] = 1
    outputs = targets * 0.8 + 0.1
    outputs[7, 2] = 0.1
    outputs[8, 2] = 0.2
    scores = score_examples("label_f1_macro", Predictions(np.arange(60), targets, outputs))
    assert scores is not None and scores.values.mean() == pytest.approx(2 / 3)
    low, high = interval(scores, rng)
    assert low < 0.5 and high > 0.85


def test_a_part_in_which_no_label_is_there_or_called_has_nothing_to_vary() -> None:
    nothing = np.zeros((12, 3))
    outputs = nothing + np.linspace(0.1, 0.2, 12)[:, None]
    assert few_of_a_class("label_f1_macro", outputs, nothing.astype(int)).variance == 0.0


def test_rows_of_one_owner_are_one_and_constant_answers_are_known() -> None:
    targets, outputs = np.arange(100) < 20, np.full((100, 2), 0.5)
    outputs[:, 0] -= np.linspace(-0.1, 0.1, 100)
    outputs[:, 1] = 1 - outputs[:, 0]
    alone = few_of_a_class("recall_macro", outputs, targets.astype(int))
    owned = few_of_a_class("recall_macro", outputs, targets.astype(int), np.arange(100) // 10)
    assert (alone.answers, owned.answers) == (40.0, 4.0) and owned.variance > 2 * alone.variance
    assert few_of_a_class("recall_macro", np.full((100, 2), 0.5), targets.astype(int)).variance == 0.0
    assert few_of_a_class("accuracy", outputs, targets.astype(int)).variance == 0.0


def ranked(rows: int, rare: int, apart: float, rng: np.random.Generator) -> Predictions:
    """Of two classes, the rare one so many standard deviations ahead."""
    targets = rng.permutation(np.arange(rows) < rare).astype(int)
    yes = ndtr(rng.standard_normal(rows) + apart * targets)
    return Predictions(np.arange(rows), targets, np.stack([1 - yes, yes], 1))


@pytest.mark.parametrize("apart", [1.5, 3.0, 4.5])
@pytest.mark.parametrize("rare", [5, 10, 20])
def test_intervals_of_average_precision_hold_where_positives_are_few(rare: int, apart: float) -> None:
    """.42 to .96 of them did. A true coverage of .95 gives less than .88 in one of 5,000 such tests."""
    rng = np.random.default_rng(0)
    whole = ranked(200_000, 200 * rare, apart, np.random.default_rng(1))
    truth = average_precision(whole.outputs[:, 1], whole.targets == 1)
    held = 0
    for _ in range(WORLDS):
        scores = score_examples("pr_auc", ranked(1000, rare, apart, rng))
        assert scores is not None
        low, high = interval(scores, rng)
        held += low - 1e-9 <= truth <= high + 1e-9
    assert held / WORLDS >= 0.88


def test_average_precision_of_many_classes_is_known_no_better_than_by_the_fewest_of_one() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [490, 500, 10])
    outputs = rng.random((1000, 3)) + np.eye(3)[targets] * [[0.5, 0.5, 3.0]]
    few = few_of_a_class("pr_auc", outputs, targets)
    found = [average_precision(outputs[:, c], targets == c) for c in range(3)]
    assert found[2] == 1.0 and few.answers == 30.0
    # By hand: 12 of 14, and the others' by their own number.
    shares = [(f * n + 2) / (n + 4) for f, n in zip(found, (490, 500, 10), strict=True)]
    each = [s * (1 - s) / n / (1 + n / 100) for s, n in zip(shares, (490, 500, 10), strict=True)]
    assert few.variance == pytest.approx(sum(each) / 9)
    labels = few_of_a_class("mean_average_precision", outputs, np.eye(3, dtype=int)[targets])
    assert (labels.answers, labels.variance) == (few.answers, pytest.approx(few.variance))
    owned = few_of_a_class("pr_auc", outputs, targets, np.arange(1000) // 5)
    assert owned.answers == 6.0 and owned.variance > 3 * few.variance


def test_average_precision_of_one_positive_has_no_interval_and_decides_nothing() -> None:
    """With three seeds it had an interval over seeds alone: 0.5 of one example was known to a hair."""
    targets = (np.arange(200) == 7).astype(int)
    yes = np.linspace(0.1, 0.6, 200) + 0.395 * targets
    scores = score_examples("pr_auc", Predictions(np.arange(200), targets, np.stack([1 - yes, yes], 1)))
    assert scores is not None and scores.note == "not estimable (too few positive examples)"
    low, high = interval(scores, np.random.default_rng(0))
    assert low < 0.1 and high > 0.9


def test_a_difference_of_average_precision_by_few_positives_holds_the_true_one() -> None:
    """`compare` took the plain jackknife: of 3 to 10 positives its 95 % intervals held the truth in .70 to
    .94 of worlds."""
    rng = np.random.default_rng(0)
    targets = (np.arange(300) < 3).astype(int)

    def scored(apart: float, shared: np.ndarray) -> Scores:
        noise = 0.7 * shared + np.sqrt(1 - 0.7**2) * rng.standard_normal(300)
        answer = 1 / (1 + np.exp(2 - apart * targets - noise))
        found = score_examples(
            "pr_auc", Predictions(np.arange(300), targets, np.stack([1 - answer, answer], 1))
        )
        assert found is not None
        return found

    worlds = []
    for _ in range(150):
        shared = rng.standard_normal(300)
        worlds.append((scored(2.0, shared), scored(0.5, shared)))
    truth = float(np.mean([a.values.mean() - b.values.mean() for a, b in worlds]))
    plain = [two_way_difference(a.values[None], b.values[None]) for a, b in worlds]
    kept = [_paired([a], [b]) for a, b in worlds]
    plain_share, share = (np.mean([i.low <= truth <= i.high for i in found]) for found in (plain, kept))
    assert plain_share < 0.85 and share > 0.9


def test_a_difference_is_as_wide_as_both_its_sides_and_what_is_the_same_in_both_is_one_luck() -> None:
    flat, odd = np.full((1, 20), 0.9), np.linspace(0.0, 1.0, 20)[None]
    least = 0.01
    behind = Behind(20, least, 5.0)
    assert paired_examples(flat, flat, (behind, behind)).variance == 0.0
    other = paired_examples(flat, flat - 0.2, (behind, behind))
    assert other.variance == pytest.approx(2 * least), "two constants are no certainty"
    own = float(odd.var(ddof=1)) / 20
    assert own < least
    assert paired_examples(flat, odd, (behind, behind)).variance == pytest.approx(2 * least)
    assert paired_examples(odd, -odd, (behind, behind)).variance == pytest.approx(4 * least)
    nothing = Behind()
    plain = paired_examples(odd, flat, (nothing, nothing))
    assert (plain.variance, plain.df) == (pytest.approx(own), 19)


@pytest.mark.parametrize(
    ("area", "positives", "negatives"), [(0.999, 42, 71), (0.99, 10, 300), (0.9, 42, 71)]
)
def test_an_area_near_its_end_is_worth_as_many_answers_as_its_smaller_class_has(
    area: float, positives: int, negatives: int
) -> None:
    """No area varies by more than a share of so many (Birnbaum): of .999 with 42 and 71 examples intervals
    began at .74 in the middle of such worlds, at .34 in one of twenty, and a limit of .9 was not kept."""
    rng, held, lows = np.random.default_rng(3), 0, []
    for _ in range(60):
        scores = np.r_[rng.normal(norm.ppf(area) * 2**0.5, 1, positives), rng.normal(0, 1, negatives)]
        sure = (scores - scores.min()) / np.ptp(scores) * 0.98 + 0.01
        targets = np.r_[np.ones(positives, int), np.zeros(negatives, int)]
        found = Predictions(np.arange(len(sure)), targets, np.column_stack([1 - sure, sure]))
        told = score_examples("roc_auc", found)
        assert told is not None and told.few.answers == positives
        if told.note:
            continue
        noise = example_draws(
            [told.values[None]],
            np.zeros(1, int),
            np.random.default_rng(1),
            1000,
            True,
            [behind_parts([told])],
        )
        low, high = np.quantile(told.values.mean() + noise[:, 0], [0.025, 0.975])
        lows.append(low)
        held += low <= area <= high
    assert held >= 0.9 * len(lows)
    # The lower limit of Clopper and Pearson of so many answers, all but none wrong.
    exact = beta(positives - 0.5, 1.5).ppf(0.025)
    assert np.median(lows) > (exact if area > 0.95 else 0.75) - 0.02

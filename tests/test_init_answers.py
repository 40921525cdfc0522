"""What `init` takes for the answer, and what it says of columns beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.datasets import tabular_csv
from tests.first_suites import First, sales, subjects


def test_answers_are_known_by_the_end_of_their_column(first: First) -> None:
    rng = np.random.default_rng(4)
    n = 300
    frame = pd.DataFrame({
        "hotel": rng.choice(["city", "sea"], n), "is_canceled": rng.integers(0, 2, n),
        "previous_cancelled": rng.integers(0, 3, n), "kind": rng.choice(["group", "single"], n),
    })  # fmt: skip
    frame.to_csv("bookings.csv", index=False)
    assert first("bookings.csv")[2]["data"]["target"] == "is_canceled"
    frame["Attrition"], frame["years"] = frame.pop("is_canceled"), rng.integers(0, 40, n)
    frame.to_csv("staff.csv", index=False)
    assert first("staff.csv")[2]["data"]["target"] == "Attrition"


def test_texts_beside_other_columns_say_how_few_of_their_words_count(first: First) -> None:
    rng = np.random.default_rng(5)
    words = np.array([f"w{i}" for i in range(300)])
    frame = pd.DataFrame({
        "shop": rng.choice(["a", "b"], 200), "review": [" ".join(rng.choice(words, 12)) for _ in range(200)],
        "label": rng.choice(["good", "bad"], 200),
    })  # fmt: skip
    frame.to_csv("reviews.csv", index=False)
    said = first("reviews.csv")[1]
    assert "the 100 commonest words: `--set text=review` compares models that read it" in said
    frame["title"] = frame.review.str[::-1]
    frame.to_csv("pairs.csv", index=False)
    assert "'review' and 'title' hold texts" in first("pairs.csv")[1]
    frame.drop(columns="label").assign(score=rng.normal(3, 1, 200).round(2)).to_csv("sts.csv", index=False)
    assert "none holds one against the other" in first("sts.csv", "--target", "score")[1]


def test_counts_that_are_taken_as_classes_are_said_with_the_way_to_predict_an_amount(first: First) -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"age": rng.normal(50, 9, 400).round(1), "claims": rng.poisson(1.5, 400)})
    frame.to_csv("claims.csv", index=False)
    code, said, _ = first("claims.csv")
    assert code == 0 and f"whole numbers from 0 to {frame.claims.max()} are taken as classes" in said
    code, said, suite = first("claims.csv", "--set", "kind=number")
    assert code == 0 and suite["task"] == "tabular_regression" and "are taken as classes" not in said


def test_a_price_beside_sales_is_not_what_is_predicted(first: First) -> None:
    frame = sales(3, 60)
    frame.insert(2, "price", np.random.default_rng(9).normal(5, 1, len(frame)).round(2))
    frame.to_csv("sales.csv", index=False)
    assert first("sales.csv")[2]["data"]["target"] == "sales"
    frame.drop(columns="sales").to_csv("prices.csv", index=False)
    assert first("prices.csv")[2]["data"]["target"] == "price"


def test_names_of_rows_that_begin_alike_are_told_as_what_may_belong_together(first: First) -> None:
    frame = subjects(12, lambda i: f"S{i:02d}", rows=6)
    frame.insert(0, "name", [f"phon_R01_{s}_{i % 6 + 1}" for i, s in enumerate(frame.pop("subject"))])
    frame.to_csv("voices.csv", index=False)
    code, said, _ = first("voices.csv")
    assert code == 0 and "names in 'name' have 12 beginnings of 6.0 rows each" in said
    frame["name"] = [f"FL-{i:05d}" for i in range(len(frame))]
    frame.to_csv("flats.csv", index=False)
    assert "beginnings" not in first("flats.csv")[1]


@pytest.mark.parametrize(
    ("target", "others", "are_answers"),
    [
        ("y_ad", ("y_spam", "y_rude"), True), ("target_2", ("target_1", "target_3"), True),
        ("y", ("y_lag1", "y_mean"), False), ("target_price", ("target_mean", "y_old"), False),
        ("y_0", ("y_1", "y_2"), False), ("sales", ("sales_1", "price"), False),
    ],
)  # fmt: skip
def test_answers_that_are_called_alike_are_not_predicted_from_each_other(
    target: str, others: tuple[str, ...], are_answers: bool, first: First
) -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(200, 2)).round(3), columns=["a", "b"])
    for name in (*others, target):
        frame[name] = (frame.a + rng.normal(size=200)).round(2)
    frame.to_csv("several.csv", index=False)
    code, said, _ = first("several.csv", "--target", target)
    assert code == 0, said
    assert ("are labels of the same rows, not known when one predicts: left out" in said) == are_answers
    by_hand = tabular_csv.notes(path="several.csv", target=target)
    assert any("which by their names are answers as it is" in note for note in by_hand) == are_answers

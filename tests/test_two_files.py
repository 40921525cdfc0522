"""A training and a test file that write a column in two ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.first_suites import First


@pytest.mark.parametrize("kind", ["commas", "words", "answers"])
def test_a_column_that_the_test_file_writes_in_another_way_is_told_as_that(kind: str, first: First) -> None:
    rng = np.random.default_rng(10)
    frame = pd.DataFrame(
        {"income": rng.normal(50, 9, 200).round(1), "sex": rng.choice(["male", "female"], 200)}
    )
    frame["churn"] = np.where(frame.income + 9 * (frame.sex == "male") > 55, "yes", "no")
    test = frame[150:].copy()
    if kind == "commas":
        test["income"] = test.income.map(lambda v: str(v).replace(".", ","))
    elif kind == "words":
        test["sex"] = (test.sex == "male").astype(int)
    else:
        test["churn"] = (test.churn == "yes").astype(int)
    Path("bank").mkdir()
    frame[:150].to_csv("bank/train.csv", index=False)
    test.to_csv("bank/test.csv", index=False)
    code, said, _ = first("bank")
    assert code == 2 and "is written in two ways" in said and "missing" not in said
    assert ("say which label is which" in said) == (kind == "answers")
    if kind == "answers":
        labels = 'labels={"1": "yes", "0": "no"}'
        code, said, suite = first("bank", "--set", "kind=classes", "--set", labels)
        assert code == 0 and suite["task"] == "tabular_classification", said

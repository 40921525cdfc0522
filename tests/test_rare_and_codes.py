"""Classes of few rows, and codes that a spreadsheet has shortened."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.datasets.rare import cut_off
from harness.datasets.splits import hash_split
from tests.first_suites import First


def test_a_rare_class_whose_rows_equal_others_is_learnt_and_no_mistake() -> None:
    keys, targets = np.arange(100) // 2, np.zeros(100, np.int64)
    _, tested = hash_split(keys, targets, 0.2)
    targets[tested[0]] = 1  # one row, whose twin is of the other class
    train, test = cut_off(keys, targets, 0.2)
    assert set(targets[test]) <= set(targets[train]) and len(train) + len(test) == 100
    assert not set(keys[train]) & set(keys[test])


def test_of_few_owners_one_at_least_is_tested_on() -> None:
    """Each owner has its own usual answer: by strata of answers nobody was cut off."""
    for owners in range(3, 9):
        keys = np.repeat(np.arange(owners), 50)
        train, test = cut_off(keys, keys.copy().astype(np.int64) + 10 * (np.arange(len(keys)) % 2), 0.2)
        assert len(train) and len(test)


def test_codes_that_a_spreadsheet_has_shortened_are_no_classes_of_their_own(first: First) -> None:
    rng = np.random.default_rng(8)
    pd.DataFrame({"a": rng.normal(size=200), "kind": rng.choice(["1", "01", "2"], 200)}).to_csv(
        "k.csv", index=False
    )
    code, said, _ = first("k.csv")
    assert code == 2 and "are one number, written in several ways" in said
    code, said, _ = first("k.csv", "--set", 'labels={"01": "01", "1": "1"}')
    assert code == 0 and "3 classes" in said

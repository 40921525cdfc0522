"""Numbers that 32 or 64 bits do not hold: read whole, or refused; never other numbers in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.semi_supervised import LabelSpreading
from sklearn.tree import DecisionTreeClassifier

from harness.datasets import tabular_csv
from harness.datasets.encoding import How, fit_table
from harness.exported.estimator import class_answers
from harness.models.fitted import Scaling
from harness.protocols import Split, Task
from harness.record import DataError
from harness.serving.child import inputs_hash
from harness.tasks.estimators import fit_estimator

LARGE = 2**60
IDS = [LARGE, LARGE + 1, LARGE + 7, LARGE + 300]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def table(folder: Path, ending: str = "csv", **columns: Any) -> Path:
    frame = pd.DataFrame({"row": np.arange(60) / 4, **columns})
    path = folder / f"t.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labels_beyond_2_to_the_53_stay_apart(tmp_path: Path, ending: str) -> None:
    """Three of these four are one float."""
    data = tabular_csv.load(path=str(table(tmp_path, ending, y=IDS * 15)), target="y")
    assert data.task.class_names == tuple(map(str, IDS))
    assert np.bincount(np.concatenate([data.train.targets, data.test.targets])).tolist() == [15] * 4


def test_a_target_of_numbers_beyond_2_to_the_53_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'y' has whole numbers beyond 2\^53"):
        tabular_csv.load(path=str(table(tmp_path, y=[LARGE + i for i in range(60)])), target="y")


@pytest.mark.parametrize("start, step", [(1.7e9, 3.5), (123_456_789.25, 1.0), (-8e12, 1e3)])
def test_a_target_that_32_bits_round_away_is_refused_and_the_cure_reads_it(
    tmp_path: Path, start: float, step: float
) -> None:
    exact = start + step * np.arange(60)
    with pytest.raises(DataError, match=r"32 bits.*subtract (-?[\d.e+]+) from it"):
        tabular_csv.load(path=str(table(tmp_path, y=exact)), target="y")
    data = tabular_csv.load(path=str(table(tmp_path, y=exact - exact.min())), target="y")
    assert len(np.unique(np.concatenate([data.train.targets, data.test.targets]))) == 60


@pytest.mark.parametrize("value", [0.1, 1e12, 16_777_217.0])
def test_a_target_that_is_always_the_same_loses_nothing(tmp_path: Path, value: float) -> None:
    data = tabular_csv.load(path=str(table(tmp_path, y=[value] * 60)), target="y", kind="number")
    assert len(np.unique(data.train.targets)) == 1


@pytest.mark.parametrize("start, step", [(1.7e9, 3.5), (1.7e12, 1e3), (-4e8, 0.5)])
def test_a_column_of_near_numbers_far_from_0_tells_them_apart(start: float, step: float) -> None:
    """Seconds since 1970 within an hour: in 32 bits they are two values, half of the answers wrong."""
    exact = start + step * np.random.default_rng(0).permutation(60)
    targets = (exact > np.median(exact)).astype(np.int64)
    rows = np.zeros(60, [("at", "f8")])
    rows["at"] = exact
    task = Task("tabular_classification", 2, ("no", "yes"), (1,), columns=("number",))
    part = Split(rows, targets, np.arange(60))
    for holes in (False, True):
        learnt, numbers = fit_table(part, task, How(keeps_holes=holes), 0)
        assert len(np.unique(numbers)) == 60
        assert learnt.encode(rows).tolist() == numbers.tolist()
        tree = DecisionTreeClassifier(max_depth=1).fit(numbers, targets)
        assert tree.score(numbers, targets) == 1


def test_a_column_that_32_bits_hold_is_given_as_it_is() -> None:
    rows = np.zeros(60, [("at", "f8")])
    rows["at"] = 1e6 + np.arange(60)
    rows["at"][3] = np.nan
    task = Task("tabular_regression", columns=("number",), input_shape=(1,))
    learnt, numbers = fit_table(Split(rows, np.zeros(60), np.arange(60)), task, How(), 0)
    assert learnt.steps == ({"column": "at", "as": "number", "if_missing": 1_000_030.0, "marks": True},)
    assert numbers[:2, 0].tolist() == [1e6, 1e6 + 1]


def test_numbers_that_a_parquet_file_calls_categories_are_categories(tmp_path: Path) -> None:
    shop = pd.Categorical([7, 20, 1_000, 20] * 15)
    path = table(tmp_path, "parquet", shop=shop, y=["a", "b"] * 30)
    data = tabular_csv.load(path=str(path), target="y")
    assert data.task.columns == ("number", "category")
    assert set(data.train.inputs["shop"]) == {"7", "20", "1000"}
    again = tabular_csv.load(path=str(path), test_path=str(path), target="y")
    assert again.task.columns == ("number", "category")


def test_a_target_of_bytes_is_refused_with_a_cure_for_targets(tmp_path: Path) -> None:
    path = table(tmp_path, "parquet", y=[b"x", b"z"] * 30)
    with pytest.raises(DataError, match="'y' holds lists or bytes: write one text or number a row"):
        tabular_csv.load(path=str(path), target="y")


def test_true_and_false_beside_1_and_0_name_the_cure(tmp_path: Path) -> None:
    path = table(tmp_path, y=["True", "False", "1", "0"] * 15)
    with pytest.raises(DataError, match="write 1 and 0 for true and false"):
        tabular_csv.load(path=str(path), target="y")
    with pytest.raises(DataError, match='write `labels: {"True": "1"}`'):
        tabular_csv.load(path=str(path), target="y", kind="classes")


def test_a_label_of_its_own_in_every_row_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, y=[f"id {i}" for i in range(60)])
    with pytest.raises(DataError, match="has another label in each of its 60 rows"):
        tabular_csv.load(path=str(path), target="y")


@pytest.mark.parametrize(
    "estimator", [GaussianNB(), LabelSpreading(gamma=2.0)], ids=lambda e: type(e).__name__
)
def test_estimators_that_need_64_bits_get_them(estimator: Any) -> None:
    """On images whose edges hardly vary GaussianNB's rows summed to 1 ± .37 in 32 bits, LabelSpreading's were
    NaN; what is expected is scikit-learn on float64 rows."""
    images, labels = load_digits(return_X_y=True)
    scaled = ((images - images.mean()) / images.std()).astype(np.float32)
    task = Task("tabular_classification", 10, tuple("0123456789"), (64,))
    train = Split(scaled[:400], labels[:400], np.arange(400))
    scaling = Scaling((0.0,) * 64, (1.0,) * 64)
    fitted = fit_estimator(estimator, train, None, task, scaling)
    answers = class_answers(fitted.model, scaled[400:], fitted.classes, 10)
    exact = clone(estimator).fit(scaled[:400].astype(float), labels[:400])
    assert np.abs(answers - exact.predict_proba(scaled[400:].astype(float))).max() < 1e-6
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-6


def test_rows_of_a_table_have_the_hash_of_their_cells_not_of_their_addresses() -> None:
    def rows(city: str) -> np.ndarray:
        made = np.zeros(3, [("at", "M8[s]"), ("city", "O"), ("size", "f8")])
        made["city"] = ["".join(list(city)), None, "Ulm"]  # a new text each time
        return made

    assert inputs_hash(rows("Bonn am Rhein")) == inputs_hash(rows("Bonn am Rhein"))
    assert inputs_hash(rows("Bonn am Rhein")) != inputs_hash(rows("Bonn an Rhein"))

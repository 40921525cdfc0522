"""An audit finds what was planted, and is content with what is clean."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from harness.datasets import DATASETS
from harness.datasets.audit import Finding, audit
from harness.datasets.duplicates import near_duplicates, plain_words
from harness.datasets.features import thumbnails
from harness.protocols import Dataset, Split, Task

IMAGES = Task("image_classification", 2, ("dark", "light"), (1, 8, 8))


def findings(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    module = types.ModuleType("audited")
    key = str(id(dataset))
    vars(module).update(load=lambda: dataset, task=lambda: dataset.task, checksum=lambda: key)
    monkeypatch.setitem(DATASETS, "audited", "audited")
    monkeypatch.setitem(sys.modules, "audited", module)
    return {finding.check: finding for finding in audit("audited")}


def images(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Dark images of class 0 and light ones of class 1, with noise."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    pixels = rng.normal(80 + 90 * targets[:, None, None, None] + shift, 30, (n, 1, 8, 8))
    return pixels.clip(0, 255).astype(np.uint8), targets


def image_data(n: int = 400, shift: float = 0.0) -> tuple[Split, Split]:
    train, test = images(n, 0), images(n // 4, 1, shift)
    return Split(*train, np.arange(n)), Split(*test, np.arange(n // 4))


def test_clean_data_has_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(Dataset(IMAGES, *image_data()), monkeypatch)
    assert {finding.level for finding in found.values()} == {"good"}
    assert found["imbalance"].message == "each class has 200 training rows"


def test_leaked_and_nearly_leaked_images_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = image_data()
    test.inputs[:6] = train.inputs[:6]
    test.inputs[10:15] = np.clip(train.inputs[20:25].astype(int) * 0.5 + 3, 0, 255)  # darker copies
    found = findings(Dataset(IMAGES, train, test), monkeypatch)
    assert found["equal rows in train and test"].figures["train_test"] == 6
    assert found["equal rows in train and test"].level == "warning"
    assert set(found["equal rows in train and test"].rows) == set(range(6))
    assert set(found["near duplicates in train and test"].rows) == set(range(10, 15))


def test_wrong_labels_are_among_the_first_rows_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = image_data()
    wrong = [3, 50, 51, 120, 333]
    train.targets[wrong] = 1 - train.targets[wrong]
    found = findings(Dataset(IMAGES, train, test), monkeypatch)["doubtful labels"]
    assert set(wrong) <= set(found.rows[:8])


def test_equal_images_with_other_labels_contradict(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = image_data()
    train.inputs[1] = train.inputs[0]
    assert findings(Dataset(IMAGES, train, test), monkeypatch)["contradicting labels"].figures == {"rows": 1}


def test_imbalance_and_missing_classes_are_said_with_their_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = image_data()
    train.targets[:] = 0
    train.targets[:8] = 1
    test.targets[:] = 0
    found = findings(Dataset(IMAGES, train, test), monkeypatch)
    assert "always saying dark is right in 98%" in found["imbalance"].message
    assert "balanced_accuracy" in found["imbalance"].message
    assert found["classes"].message == "no row of light in test"


def test_test_data_from_elsewhere_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(Dataset(IMAGES, *image_data(shift=70)), monkeypatch)["drift from train to test"]
    assert found.level == "warning" and found.figures["auc"] > 0.7


def test_a_column_that_gives_the_answer_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(300) % 2
    table = rng.normal(size=(300, 3)).astype(np.float32)
    table[:, 2] = -targets + rng.normal(0, 0.01, 300)
    task = Task("tabular_classification", 2, ("no", "yes"), (3,))
    split = Split(table, targets, np.arange(300))
    found = findings(Dataset(task, split, split), monkeypatch)
    assert found["giveaway column"].figures["column"] == 2


def test_texts_that_differ_in_case_or_a_word_nearly_equal() -> None:
    task = Task("text_classification", 2, ("a", "b"))
    known = [
        "The plot was good, but the characters are uncompelling and the dialogue is not great",
        "A masterpiece of wit!",
        "",
    ]
    asked = [
        "the plot was GOOD but the characters are uncompelling, and the dialogue is not so great",
        "a masterpiece of wit",
        "an entirely different sentence",
        "?!",
    ]
    assert near_duplicates(asked, known, task).tolist() == [0, 1, -1, 2]
    assert plain_words("It's  GREAT…") == "it s great"


def test_tables_nearly_equal_to_four_digits() -> None:
    known = np.array([[1.0, 0.0], [12341.0, -3e-7]], np.float32)
    asked = np.array([[1.00001, 0.0], [12342.0, -3.0001e-7], [1.01, 0.0]], np.float32)
    assert near_duplicates(asked, known, Task("tabular_regression", input_shape=(2,))).tolist() == [0, 1, -1]


def test_thumbnails_average_blocks() -> None:
    image = np.zeros((1, 1, 4, 4), np.uint8)
    image[0, 0, :2, :2] = 100
    assert thumbnails(image, 2).tolist() == [[[100.0, 0.0], [0.0, 0.0]]]
    assert thumbnails(np.full((2, 3, 5, 7), 9, np.uint8), 3).shape == (2, 3, 3)


def test_a_log_of_interactions_is_described_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item,time\nann,a,2024-01-01\nann,b,2024-01-01\nbob,a,2024-01-02\ncy,a,2024-01-03\n")
    assert main(["data", "audit", "interactions_csv", "--set", f"path={log}"]) == 0
    out = capsys.readouterr().out
    assert "size: 3 users, 2 items, 4 events in 2.0 days; 66.67% of all pairs" in out
    assert "note     short histories: 67% of the users have at most one event" in out
    assert "tied times: 50% of the events" in out and "pages" not in out


def test_a_log_with_impressions_tells_of_pages_and_visits(capsys: pytest.CaptureFixture[str]) -> None:
    small = [f"--set={size}" for size in ("items=200", "users=60", "impressions=5000", "seed=8")]
    assert main(["data", "audit", "mock_shop", *small, "--json"]) == 0
    found = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert {"size", "popularity", "pages", "visits"} <= set(found)
    assert 0 < found["size"]["figures"]["ctr"] < 0.1
    assert main(["data", "audit", "mock_shop", "--set=items=5"]) == 2
    assert "items of at least 100" in capsys.readouterr().err

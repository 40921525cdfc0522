"""An audit finds what was planted, and is content with what is clean."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.cli.main import main
from harness.datasets import DATASETS
from harness.datasets.audit import Finding, audit
from harness.datasets.audit.overlap import _beyond_common, _owns
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


def test_a_cheap_model_that_is_hardly_better_than_luck_doubts_no_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = image_data()
    train.targets[:] = np.random.default_rng(5).permutation(train.targets)
    found = findings(Dataset(IMAGES, train, test), monkeypatch)["doubtful labels"]
    assert found.level == "good" and not found.rows
    assert "too little to doubt a label by" in found.message


def test_equal_images_with_other_labels_contradict(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = image_data()
    train.inputs[1] = train.inputs[0]
    found = findings(Dataset(IMAGES, train, test), monkeypatch)["contradicting labels"]
    assert found.figures == {"rows": 2, "sets": 1, "wrong_at_least": 1}


def test_contradictions_are_counted_by_rows_and_by_labels_that_must_be_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, test = image_data()
    train.inputs[[2, 4, 6, 1]] = train.inputs[0]  # labels 0, 0, 0, 0, 1
    test.inputs[3], test.inputs[2] = train.inputs[10], train.inputs[10]  # labels 1, 0, 0
    found = findings(Dataset(IMAGES, train, test), monkeypatch)["contradicting labels"]
    assert found.figures == {"rows": 8, "sets": 2, "wrong_at_least": 2}
    assert set(found.rows[:2]) == {1, 3}, "the ones in the minority come first"
    assert "99.60% of all rows" in found.message  # 2 of 500


def test_imbalance_and_missing_classes_are_said_with_their_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = image_data()
    train.targets[:] = 0
    train.targets[:8] = 1
    test.targets[:] = 0
    found = findings(Dataset(IMAGES, train, test), monkeypatch)
    assert "always saying dark is right in 98%" in found["imbalance"].message
    assert "balanced_accuracy" in found["imbalance"].message
    assert found["classes"].message == "no row of light in test"


def test_of_many_rare_classes_the_rarest_are_named_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = tuple(f"c{i}" for i in range(12))
    inputs, targets = images(24, 0)[0], np.arange(24) % 12
    few = np.r_[np.arange(11), np.arange(5)]  # none of c11, two of c0 to c4
    task = Task("image_classification", 12, names, (1, 8, 8))
    data = Dataset(task, Split(inputs, targets, np.arange(24)), Split(inputs[:16], few, np.arange(16)))
    found = findings(data, monkeypatch)
    assert "rows of c5 (1), c6 (1), c7 (1), c8 (1), c9 (1), c10 (1), c0 (2), c1 (2) and 3 more: their" in (
        found["few rows"].message
    )


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


# ------------------------------------------------------------------------------------- leaks in own files


def leaky(kind: str) -> tuple[dict[str, np.ndarray], str]:
    """A table with one column that tells the answer, and that column's name."""
    rng = np.random.default_rng(7)
    n = 600
    x = rng.normal(size=(n, 3)).round(4)
    y = rng.integers(0, 3, n)
    price = (100 + 10 * x[:, 0] + rng.normal(0, 8, n)).round(2)
    plain = {"a": x[:, 0] + 0.3 * y, "b": x[:, 1]}
    three = np.array(["home", "ward", "icu"])
    if kind == "a number with tax":
        return {
            "a": x[:, 0],
            "b": x[:, 1],
            "price_with_tax": (price * 1.19).round(2),
            "y": price,
        }, "price_with_tax"
    if kind == "codes of three classes":
        return {**plain, "ward_code": np.array([11, 47, 30])[y], "y": three[y]}, "ward_code"
    if kind == "a reason in words":
        reason, answer = np.array(["none", "churn"])[y % 2], np.array(["no", "yes"])[y % 2]
        return {**plain, "closed_reason": reason, "y": answer}, "closed_reason"
    if kind == "filled in for one class alone":
        filled = np.where(y == 2, rng.normal(size=n).round(2).astype(str), "")
        return {**plain, "bed_days": filled, "y": three[y]}, "bed_days"
    if kind == "filled in for high prices alone":
        filled = np.where(price > np.median(price), rng.normal(size=n).round(2).astype(str), "")
        return {"a": x[:, 0], "b": x[:, 1], "bonus": filled, "y": price}, "bonus"
    if kind == "an index of a sorted file":
        y = np.sort(y)
        return {"": np.arange(n), "a": x[:, 0] + 0.3 * y, "b": x[:, 1], "y": three[y]}, "Unnamed: 0"
    if kind == "a sum of two":
        net = rng.normal(50, 30, n).round(2)
        return {"a": x[:, 0], "net": net, "tax": (price - net).round(2), "y": price}, "net"
    assert kind == "a difference of two"
    due = rng.normal(50, 30, n).round(2)
    return {**plain, "due": due, "paid": due - y % 2, "y": np.array(["late", "in time"])[y % 2]}, "due"


@pytest.mark.parametrize(
    "kind",
    ["a number with tax", "codes of three classes", "a reason in words", "filled in for one class alone",
     "filled in for high prices alone", "an index of a sorted file", "a sum of two", "a difference of two"],
)  # fmt: skip
def test_a_column_that_is_known_only_afterwards_is_named(kind: str, tmp_path: Path) -> None:
    table, column = leaky(kind)
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    found = audit("tabular_csv", {"path": str(tmp_path / "t.csv"), "target": "y"})
    warned = [f for f in found if f.level == "warning"]
    assert len(warned) == 1, [f.message for f in warned]
    assert column in warned[0].message


def test_a_strong_column_of_an_easy_problem_is_no_leak(tmp_path: Path) -> None:
    """Petal width tells setosa without an error, and so do the sepals: nobody wrote it afterwards."""
    from sklearn.datasets import load_iris

    iris = load_iris(as_frame=True)
    iris.frame.assign(target=iris.target_names[iris.target]).to_csv(tmp_path / "iris.csv", index=False)
    found = audit("tabular_csv", {"path": str(tmp_path / "iris.csv"), "target": "target"})
    assert not {f.check for f in found if f.level == "warning"} - {"equal rows in train and test"}


def test_rows_of_other_seconds_are_no_near_duplicates() -> None:
    rows = np.empty(200, dtype=[("at", "f8"), ("level", "f8")])
    rows["at"], rows["level"] = 1_700_000_000 + 86_400.0 * np.arange(200), np.arange(200) % 7
    task = Task("tabular_regression", 0, (), (2,), columns=("number", "number"))
    known = _beyond_common(rows[1::2], rows[1::2])
    assert (near_duplicates(_beyond_common(rows[::2], rows[1::2]), known, task) < 0).all()
    again = rows[1::2].copy()
    again["level"] *= 1 + 1e-6
    assert (near_duplicates(_beyond_common(again, rows[1::2]), known, task) == np.arange(100)).all()
    plain = np.stack([rows["at"], rows["level"]], axis=1)
    apart = (_beyond_common(part, plain[1::2]) for part in (plain[::2], plain[1::2]))
    assert (near_duplicates(*apart, task) < 0).all()


@pytest.mark.parametrize("name", ["unit", "engine_no", "Well", "unit_price", "wellness"])
def test_engines_and_wells_are_owners_and_what_one_costs_is_none(name: str) -> None:
    assert _owns(name, np.repeat(np.arange(20), 5)) == (name in ("unit", "engine_no", "Well"))


def test_patients_in_both_parts_are_named_where_a_model_remembers_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(60), 8)
    made = rng.normal(size=(60, 4))[patient] + rng.normal(0, 0.05, (480, 4))
    ill = rng.integers(0, 2, 60)[patient]
    frame = pd.DataFrame(made, columns=list("abcd")).assign(patient=[f"P{p:03d}" for p in patient], y=ill)
    frame.to_csv(tmp_path / "t.csv", index=False)
    args = {"path": str(tmp_path / "t.csv"), "target": "y", "features": list("abcd")}
    found = {f.check: f for f in audit("tabular_csv", args)}["owners in train and test"]
    assert found.level == "warning" and "write `group: patient`" in found.message
    assert found.figures["seen"] > 0.95 and found.figures["new"] < 0.7
    kept_apart = audit("tabular_csv", {**args, "group": "patient"})
    assert "owners in train and test" not in {f.check for f in kept_apart}


def test_a_shifted_column_is_named_as_what_drifts(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name, shift in (("train", 0.0), ("test", 1.5)):
        frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=["age", "weight", "height"])
        frame.assign(age=frame.age + shift, y=rng.integers(0, 2, 400)).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    args = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv"), "target": "y"}
    found = {f.check: f for f in audit("tabular_csv", args)}["drift from train to test"]
    assert found.level == "warning" and found.figures["columns"] == ["age"]


def test_rows_measured_again_are_near_duplicates(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    train, test = rng.normal(size=(300, 6)), rng.normal(size=(100, 6))
    test[:7] = train[20:27] + rng.normal(0, 1e-3, (7, 6))
    for name, rows in (("train", train), ("test", test)):
        pd.DataFrame(rows, columns=list("abcdef")).assign(y=rng.integers(0, 2, len(rows))).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    args = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv"), "target": "y"}
    found = {f.check: f for f in audit("tabular_csv", args)}["near duplicates in train and test"]
    assert found.level == "warning" and set(found.rows) == set(range(300, 307))


def test_a_word_or_a_spot_that_marks_a_class_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    words = np.array([f"w{i}" for i in range(60)])
    targets = np.arange(400) % 2
    texts = [" ".join(rng.choice(words, 12)) + (" resolved" if t else "") for t in targets]
    task = Task("text_classification", 2, ("open", "done"))
    texts_split = Split(texts, targets, np.arange(400))
    found = findings(Dataset(task, texts_split, texts_split), monkeypatch)["giveaway word"]
    assert found.figures["word"] == "resolved"
    pixels = rng.integers(0, 200, (400, 1, 8, 8)).astype(np.uint8)
    pixels[targets == 1, 0, 7, 7] = 255
    images_split = Split(pixels, targets, np.arange(400))
    spot = findings(Dataset(IMAGES, images_split, images_split), monkeypatch)["giveaway spot"]
    assert (spot.figures["row"], spot.figures["column"]) == (7 / 8, 7 / 8)


def test_rows_of_rare_words_are_not_equal_because_the_numbers_made_of_them_are(tmp_path: Path) -> None:
    """Orders of goods that hardly anybody else ordered were one row: all test rows were said to stand in the
    training part, with labels that contradict each other."""
    rng = np.random.default_rng(3)
    syllables = [a + b for a in "bdfgklmnprstvw" for b in "aeiou"]
    words = ["".join(rng.choice(syllables, 4)) for _ in range(800)]
    goods = [f"one {a} and one {b}" for a, b in zip(words[:400], words[400:], strict=True)]
    frame = pd.DataFrame({"goods": goods, "paid": np.arange(400) % 2, "late": rng.choice(["y", "n"], 400)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = {f.check: f for f in audit("tabular_csv", {"path": str(tmp_path / "t.csv"), "target": "late"})}
    assert found["equal rows in train and test"].level == "good"
    assert found["near duplicates in train and test"].level == "good"
    assert "contradicting labels" not in found
    frame.loc[::4, "goods"] = "one of these and one of those"
    frame.to_csv(tmp_path / "u.csv", index=False)
    found = {f.check: f for f in audit("tabular_csv", {"path": str(tmp_path / "u.csv"), "target": "late"})}
    assert found["contradicting labels"].message.startswith("100 rows equal another one")

"""Own tables and the small ones of scikit-learn."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.datasets import moments, splits
from harness.datasets.parts import Parts, load_parts, task_info
from harness.record import DataError
from harness.tasks import raw


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "cache"))


def table(path: Path, n: int = 100, **columns: Any) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"size": rng.normal(size=n), "age": rng.integers(0, 90, n), "kind": ["x", "y"] * (n // 2)}
    )
    frame["bought"] = np.where(rng.random(n) < 0.3, "yes", "no")
    frame = frame.assign(**columns)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def load(path: Path, **args: Any) -> Any:
    return load_parts({"name": "tabular_csv", "args": {"path": str(path), "target": "bought", **args}}, None)


def numbers(parts: Parts, **spec: Any) -> Parts:
    """The parts as a linear model gets them."""
    return raw.as_numbers({"model": "sklearn:LogisticRegression", "args": {}, "seed": 0, **spec}, parts)[0]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_is_read_with_one_column_per_category(tmp_path: Path, name: str) -> None:
    parts = load(table(tmp_path / name))
    assert parts.task.name == "tabular_classification" and parts.task.class_names == ("no", "yes")
    assert parts.task.columns == ("number", "number", "category") and parts.train.inputs.dtype.names == (
        "size",
        "age",
        "kind",
    )
    assert parts.task == task_info("tabular_csv", {"path": str(tmp_path / name), "target": "bought"})
    found = numbers(parts)
    assert found.task.input_shape == (4,)  # size, age, kind x, kind y
    assert found.train.inputs.dtype == np.float32
    assert np.all(found.train.inputs[:, 2] + found.train.inputs[:, 3] == 1)


def test_two_targets_of_one_file_are_two_data_sets(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    assert load(path).task.name == "tabular_classification"
    assert load(path, target="size").task.name == "tabular_regression"
    assert load(path, target="age").task.name == "tabular_regression"  # more than 20 whole numbers
    assert load(path, target="age", kind="classes").task.num_classes > 20


def test_holes_are_filled_with_the_training_median_and_marked(tmp_path: Path) -> None:
    size = np.arange(100.0)
    size[::10] = np.nan
    parts = numbers(load(table(tmp_path / "t.csv", size=size), features=["size"]))
    assert parts.task.input_shape == (2,)
    everything = np.concatenate([parts.train.inputs, parts.validation.inputs, parts.test.inputs])
    assert np.isfinite(everything).all()
    filled = everything[everything[:, 1] == 1][:, 0]
    assert len(filled) == 10 and len(set(filled.tolist())) == 1


def test_rows_of_a_group_and_equal_rows_stay_together(tmp_path: Path) -> None:
    group = np.arange(100) // 5
    parts = load(table(tmp_path / "t.csv", customer=group), group="customer")
    sides = [set(group[split.ids].tolist()) for split in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 20
    assert len(parts.task.columns) == 3  # the group is not predicted from
    twice = pd.concat([pd.read_csv(tmp_path / "t.csv")] * 2)
    twice.to_csv(tmp_path / "twice.csv", index=False)
    assert set(load(tmp_path / "twice.csv").facts.duplicates.values()) == {0}


def test_a_test_file_is_the_test_part_and_columns_are_kept_to_slice_by(tmp_path: Path) -> None:
    first, second = table(tmp_path / "t.csv"), table(tmp_path / "u.csv", 20)
    parts = load(first, test_path=str(second), columns=["age"], features=["size"])
    assert parts.test.ids.tolist() == list(range(100, 120))
    assert parts.test.columns["age"].tolist() == pd.read_csv(second)["age"].tolist()


def test_an_encoding_and_a_separator_can_be_named(tmp_path: Path) -> None:
    frame = pd.read_csv(table(tmp_path / "t.csv")).replace({"x": "größe"})
    frame.to_csv(tmp_path / "latin.csv", index=False, encoding="latin-1", sep=";")
    parts = load(tmp_path / "latin.csv", encoding="latin-1", separator=";")
    assert len(parts.task.columns) == 3


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        (b"", {}, "is empty: it needs a line of column names"),
        (b"a,bought\n", {}, "has no rows under its column names"),
        (b"a,b\n1,2\n", {}, r"has no column 'bought'; it has 'a', 'b'"),
        (b"a,boght\n1,2\n", {}, r"has no column 'bought', did you mean 'boght'\?"),
        (b"a,bought\n1,yes\n2,yes\n", {}, "has one class, 'yes': a classifier needs two"),
        (b"a,bought\n1,yes\n2,\n3,no\n", {}, r"has no value in 1 of 3 rows \(rows 2\): fill them in"),
        (b"a,bought\n1,yes\n2,no,3,4\n", {}, "cannot read .* as a table"),
        (b"a,bought\n\xff,yes\n2,no\n", {}, r"is not utf-8: byte 0xff at .* encoding: latin-1"),
        (b"a,bought\n1,yes\n2,no\n", {"encoding": "utf-9"}, "no encoding is called 'utf-9'"),
        (b"a,bought\n1,yes\n2,no\n", {"kind": "number"}, "is not a number, for instance 'yes'"),
        (b"a,bought\n1,yes\n2,no\n", {"kind": "numbr"}, "kind is 'numbr', write auto, classes or number"),
        (b"a,bought\n1,yes\n2,no\n", {"test": 0.0}, "test is 0.0: write a share between 0 and 1"),
        (b"bought\nyes\nno\n", {}, "has no column to predict from"),
        (b"PAR1 no parquet", {"path": "t.parquet"}, "cannot read .* as a table"),
        (
            b"a,bought\n" + b"".join(b"text %d,%s\n" % (i, (b"yes", b"no")[i % 2]) for i in range(40)),
            {},
            "column 'a' is text of 40 different values",
        ),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    tmp_path: Path, content: bytes, args: dict[str, Any], message: str
) -> None:
    path = tmp_path / args.pop("path", "t.csv")
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(path, **args)


def test_scikit_learns_tables_are_scikit_learns() -> None:
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

    references = {
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "diabetes": load_diabetes(return_X_y=True, scaled=False),
        "digits": load_digits(return_X_y=True),
    }
    for name, (inputs, targets) in references.items():
        parts = load_parts({"name": name}, None)
        for split in (parts.train, parts.validation, parts.test):
            found = split.inputs.reshape(len(split), -1).astype(np.float64)
            if name == "digits":
                found = np.round(found * 16 / 255)
            assert np.allclose(found, inputs[split.ids]) and np.allclose(split.targets, targets[split.ids])


@pytest.mark.parametrize("value", ["inf", "-inf", "1e300"])
def test_a_target_that_is_no_finite_number_names_its_rows(tmp_path: Path, value: str) -> None:
    path = table(tmp_path / "t.csv", price=[str(i) for i in range(98)] + [value, "1.5"])
    with pytest.raises(DataError, match=r"'price' is infinite, or beyond 3e38, in rows 99: drop these rows"):
        load(path, target="price")


def test_a_number_that_32_bits_cannot_hold_is_an_error_with_a_cure(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", price=np.append(np.arange(99.0), 1e300))
    with pytest.raises(
        DataError, match=r"'price' has numbers beyond 3e38, for instance 1e\+300: leave it out"
    ):
        load(path)


@pytest.mark.parametrize("word", ["now", "today"])
def test_words_for_the_present_are_no_moments(tmp_path: Path, word: str) -> None:
    """pandas reads them by its clock, whatever the pattern."""
    assert moments.days_of_texts([word]) is None and moments.days_of_texts([word, "2024/01/31"]) is None
    with pytest.raises(moments.UnclearTimeError, match=f"'{word}' does not fit"):
        moments.days_of_texts(["2024/01/31", word], "%Y/%m/%d")
    path = table(tmp_path / "t.csv", since=["2024/01/31"] * 99 + [word])
    with pytest.raises(DataError, match=f"'since' holds dates .* and also '{word}': write `missing"):
        load(path)


def test_rows_are_ranked_by_the_hash_of_their_keys_as_these_are_written() -> None:
    keys = np.array([0, 7, 2**64 - 1], dtype=np.uint64)
    ranks = [int(sha256(str(key).encode()).hexdigest()[:16], 16) for key in keys.tolist()]
    assert splits._ranks(keys).tolist() == splits._ranks([str(key) for key in keys]).tolist() == ranks

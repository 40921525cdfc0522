"""The parts that all candidates share: stratified, nested, disjoint, the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis import errors
from harness.datasets import DATASETS, catalog
from harness.datasets.catalog import load_dataset
from harness.datasets.duplicates import row_hashes
from harness.datasets.parts import Parts, checksum, load_parts, task_info, verify
from harness.datasets.splits import blocks_of, hash_split, split_rows, strata, stratified_order, take
from harness.protocols import Dataset, Split, Task
from harness.record import DataError
from harness.streams import generator

DIGITS: dict[str, Any] = {"name": "digits", "args": {}, "validation": 0.1, "seed": 0}


def test_digits_are_cut_into_disjoint_stratified_parts() -> None:
    parts = load_parts(DIGITS, None)
    train, validation, test = (
        set(split.ids.tolist()) for split in (parts.train, parts.validation, parts.test)
    )
    assert len(train) + len(validation) + len(test) == 1797
    assert not train & validation and not (train | validation) & test
    for name, split in (("train", parts.train), ("validation", parts.validation), ("test", parts.test)):
        shares = np.bincount(split.targets, minlength=10) / len(split)
        assert np.abs(shares - 0.1).max() < 0.015, name
    assert parts.train.inputs.dtype == np.uint8 and parts.train.inputs.shape[1:] == (1, 8, 8)
    assert parts.train.inputs.max() == 255


def test_smaller_training_sets_are_part_of_larger_ones_and_share_validation_and_test() -> None:
    parts: dict[int | None, Parts] = {size: load_parts(DIGITS, size) for size in (20, 100, 1000, None)}
    ids = {size: set(p.train.ids.tolist()) for size, p in parts.items()}
    assert ids[20] < ids[100] < ids[1000] < ids[None]
    assert [len(ids[size]) for size in (20, 100, 1000)] == [20, 100, 1000]
    for p in parts.values():
        assert np.array_equal(p.validation.ids, parts[None].validation.ids)
        assert np.array_equal(p.test.ids, parts[None].test.ids)
    assert np.bincount(parts[100].train.targets).tolist() == pytest.approx([10] * 10, abs=1)


def test_the_seed_of_the_suite_decides_the_split_and_the_test_part_stays() -> None:
    one, two = load_parts(DIGITS, 100), load_parts({**DIGITS, "seed": 1}, 100)
    assert set(one.train.ids.tolist()) != set(two.train.ids.tolist())
    assert np.array_equal(one.test.ids, two.test.ids)


def test_another_process_gets_the_same_rows() -> None:
    code = (
        "from harness.datasets.parts import load_parts; import sys; "
        f"p = load_parts({DIGITS!r}, 50); print(p.train.ids.tolist(), p.validation.ids.tolist()); "
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts = load_parts(DIGITS, 50)
    assert done.stdout.strip() == f"{parts.train.ids.tolist()} {parts.validation.ids.tolist()}"


def test_parts_are_kept_for_the_next_trial_of_the_process() -> None:
    assert load_parts(DIGITS, 60) is load_parts(dict(DIGITS), 60)


def test_a_part_that_was_not_asked_for_is_not_there() -> None:
    parts = load_parts(DIGITS, None, parts=("test",))
    assert len(parts.test) == 359
    with pytest.raises(AssertionError, match="part train was not loaded"):
        _ = parts.train


@pytest.mark.parametrize(
    ("change", "size", "message"),
    [
        ({}, 5000, r"train size 5000 is more than the 1294 rows .* write at most 1294"),
        ({}, 0, "train size 0: write a positive number"),
        ({"validation": 1.0}, None, "validation is 1.0: write a share"),
        ({"name": "digit"}, None, "unknown data set 'digit', did you mean digits"),
        ({"args": {"siz": 3}}, None, "data set digits has no argument 'siz': it takes none"),
        ({"checksum": "0" * 16}, None, "has changed since the run was planned"),
        ({"name": "image_folder", "args": {"pth": "x"}}, None, "no argument 'pth', did you mean path"),
        ({"name": "image_folder"}, None, "needs the argument 'path': write it under data.args"),
    ],
)
def test_a_wrong_request_names_its_cure(change: dict[str, Any], size: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_parts({**DIGITS, **change}, size)


def test_facts_count_classes_and_sizes() -> None:
    facts = load_parts(DIGITS, 100).facts
    assert facts.sizes == {"train": 100, "validation": 144, "test": 359}
    assert sum(facts.class_counts["train"].values()) == 100
    assert facts.classes_missing_in_train == ()
    assert load_parts(DIGITS, 4).facts.classes_missing_in_train != ()


def test_equal_examples_in_two_parts_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    whole = Split(images, np.arange(40) % 2, np.arange(40))
    test = take(whole, np.array([0, 1, 2]))
    use(monkeypatch, Dataset(Task("image_classification", 2, ("a", "b"), (1, 1, 1)), whole, test))
    found = load_parts({"name": "fake", "validation": 0.5}, None).facts.duplicates
    assert found["train_validation"] == 0
    assert found["train_test"] + found["validation_test"] == 3


def test_groups_do_not_straddle_training_and_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.repeat(np.arange(30), 7)
    whole = Split(np.zeros((210, 2), np.float32), np.arange(210) % 3, np.arange(210), groups)
    use(monkeypatch, Dataset(Task("tabular_classification", 3, ("a", "b", "c"), (2,)), whole, whole))
    parts = load_parts({"name": "fake", "validation": 0.2}, None)
    assert parts.train.groups is not None and parts.validation.groups is not None
    assert not set(parts.train.groups.tolist()) & set(parts.validation.groups.tolist())
    assert len(parts.validation) == 42


def use(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Make `fake` a data set that is this one."""
    import types

    from harness.datasets import parts

    module = types.ModuleType("fake_dataset")
    vars(module).update(load=lambda: dataset, task=lambda: dataset.task, checksum=lambda: str(id(dataset)))
    monkeypatch.setitem(DATASETS, "fake", "fake_dataset")
    monkeypatch.setitem(sys.modules, "fake_dataset", module)
    parts._cut.cache_clear()
    catalog._load.cache_clear()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=200),
    st.integers(0, 2**31),
)
def test_every_prefix_of_a_stratified_order_is_stratified(labels: list[int], seed: int) -> None:
    values = np.array(labels)
    order = stratified_order(values, generator(seed, "split"))
    assert sorted(order.tolist()) == list(range(len(values)))
    shares = np.bincount(values, minlength=5) / len(values)
    for m in range(1, len(values) + 1):
        counts = np.bincount(values[order[:m]], minlength=5)
        # A class' place wanders by one row of its own and by the rounding of the four others.
        assert np.abs(counts - shares * m).max() <= 5


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=2, max_size=120),
    st.floats(0.0, 0.9),
    st.booleans(),
)
def test_a_split_loses_no_row_and_breaks_no_group(
    rows: list[tuple[int, int]], share: float, grouped: bool
) -> None:
    labels, groups = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    rest, part = split_rows(labels, groups if grouped else None, share, generator(0, "split"))
    assert sorted([*rest.tolist(), *part.tolist()]) == list(range(len(rows)))
    if grouped:
        assert not set(groups[rest].tolist()) & set(groups[part].tolist())
        assert len(rest) > 0
    elif share > 0:
        assert len(part) >= 1 and len(rest) >= 1


def test_a_hash_split_moves_no_row_when_rows_are_added_elsewhere() -> None:
    keys = [f"row {i}" for i in range(300)]
    targets = np.array([i % 3 for i in range(300)])
    _, part = hash_split(keys, targets, 0.2)
    _, again = hash_split([*keys, "one more"], np.append(targets, 0), 0.2)
    assert len(set(part.tolist()) ^ set(again.tolist())) <= 2
    assert np.bincount(targets[part]).tolist() == [20, 20, 20]


def test_equal_keys_go_to_the_same_side() -> None:
    keys = [f"row {i % 50}" for i in range(200)]
    rest, part = hash_split(keys, np.zeros(200, np.int64), 0.3)
    assert not {keys[i] for i in rest} & {keys[i] for i in part}


def test_a_numeric_target_is_stratified_by_its_deciles() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert np.bincount(strata(values)).tolist() == [100] * 10
    parts = load_parts({"name": "diabetes", "validation": 0.3}, None)
    assert parts.task.num_classes == 0 and parts.train.targets.dtype == np.float32
    spread = parts.train.targets.std()
    assert abs(parts.train.targets.mean() - parts.validation.targets.mean()) < spread * 0.15


def test_checksums_differ_between_data_sets_and_are_quick() -> None:
    assert len({checksum(name) for name in ("digits", "breast_cancer", "diabetes", "fashion_mnist")}) == 4
    assert task_info("fashion_mnist").input_shape == (1, 28, 28)
    assert verify("digits") == {}


def test_hashes_of_texts_and_of_arrays_tell_rows_apart() -> None:
    assert len(set(row_hashes(["a", "b", "a", "", "\0", "\ud800"]).tolist())) == 5
    assert len(set(row_hashes(np.array([[1, 2], [1, 2], [2, 1]])).tolist())) == 2


def test_every_data_set_describes_itself() -> None:
    for name in DATASETS:
        module = catalog.dataset_module(name)
        assert isinstance(module.DESCRIPTION, str) and "\n" not in module.DESCRIPTION
        assert all(len(file.sha256) == 64 and file.places for file in getattr(module, "FILES", ()))


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits"])
def test_rows_that_are_said_without_loading_are_the_rows_that_are_loaded(name: str) -> None:
    loaded = catalog.load_dataset(name)
    assert catalog.known_rows(name) == (len(loaded.train), len(loaded.test))
    assert catalog.known_rows("tabular_csv", {"path": "x.csv"}) is None


@pytest.mark.parametrize("names", ["{}", "customer {}", "{:08}"])
def test_a_giant_group_is_in_no_small_part(names: str) -> None:
    sizes = [800, *[50] * 4]
    keys = [names.format(group) for group, size in enumerate(sizes) for _ in range(size)]
    targets = np.zeros(1000, np.int64)
    assert len(hash_split(keys, targets, 0.2)[1]) == 200
    groups = np.repeat(np.arange(5), sizes)
    for seed in range(10):
        assert len(split_rows(targets, groups, 0.2, generator(seed, "split"))[1]) == 200


def test_two_giants_are_divided_one_to_each_side() -> None:
    keys = ["a"] * 50 + ["b"] * 40
    rest, part = hash_split(keys, np.zeros(90, np.int64), 0.1)
    assert (len(rest), len(part)) == (50, 40)


def test_the_order_of_the_rows_changes_no_hash_split() -> None:
    rng = np.random.default_rng(0)
    keys = np.array([f"author {i}" for i in rng.integers(0, 40, 300)])
    targets = rng.integers(0, 3, 300)  # authors of several classes
    order = rng.permutation(300)
    _, part = hash_split(keys.tolist(), targets, 0.2)
    _, again = hash_split(keys[order].tolist(), targets[order], 0.2)
    assert sorted(order[again].tolist()) == part.tolist()


def test_arguments_of_the_wrong_kind_are_refused_all_at_once_and_with_a_list_where_one_is_meant() -> None:
    """A text was taken for the list of its letters, a word for a number was a traceback."""
    wrong = {"path": "t.csv", "target": "y", "missing": "n/a", "features": "age", "decimal": 5, "labell": 1}
    with pytest.raises(DataError) as caught:
        load_dataset("tabular_csv", wrong)
    assert caught.value.mistakes == (
        'data set tabular_csv: missing is "n/a", which is no `Sequence[str | float]`: write it as a list, '
        '`["n/a"]`',
        'data set tabular_csv: features is "age", which is no `Sequence[str]`: write it as a list, `["age"]`',
        "data set tabular_csv: decimal is 5, which is no `str`",
        "data set tabular_csv has no argument 'labell', did you mean labels?",
    )


def test_arguments_given_from_python_may_be_tuples(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 7},{'ny'[i % 2]}\n" for i in range(60)))
    args: Any = {"path": str(tmp_path / "t.csv"), "target": "y", "features": ("a", "b")}
    assert load_dataset("tabular_csv", args).task.input_shape == (2,)


def days(folder: Path, count: int, shops: int = 1) -> dict[str, Any]:
    """A table with a row for each day and shop, cut by time."""
    rng = np.random.default_rng(0)
    day = pd.date_range("2023-01-01", periods=count).strftime("%Y-%m-%d").repeat(shops)
    frame = pd.DataFrame({"day": day, "shop": list(range(shops)) * count, "promo": rng.normal(size=len(day))})
    frame.assign(sales=rng.normal(size=len(day))).sample(frac=1, random_state=0).to_csv(folder / "days.csv")
    args = {"path": str(folder / "days.csv"), "target": "sales"}
    return {"name": "tabular_csv", "args": args, "split": {"by": "time", "column": "day"}, "seed": 0}


@pytest.mark.parametrize(
    ("count", "shops", "blocks"), [(500, 1, 15), (2000, 1, 20), (5000, 1, 30), (90, 4, 15)]
)
def test_of_what_is_cut_by_time_blocks_of_neighbouring_times_are_units(
    count: int, shops: int, blocks: int, tmp_path: Path
) -> None:
    test = load_parts(days(tmp_path, count, shops), None).test
    assert test.groups is not None and test.order is not None
    assert len(np.unique(test.groups)) == blocks
    by_time = test.groups[np.argsort(test.order, kind="stable")]
    assert (np.diff(by_time) != 0).sum() == blocks - 1, "a block is of times beside each other"
    assert all(len(np.unique(test.groups[test.order == time])) == 1 for time in np.unique(test.order))
    sizes = np.unique(test.groups, return_counts=True)[1]
    assert sizes.max() <= sizes.min() + shops


def test_of_fewer_than_fifteen_test_times_rows_stay_the_units(tmp_path: Path) -> None:
    test = load_parts(days(tmp_path, 60, 4), None).test
    assert test.groups is not None and len(np.unique(test.groups)) == len(test) == 48


def test_whose_rows_belong_together_stays_the_users_word_also_where_time_cuts(tmp_path: Path) -> None:
    data = days(tmp_path, 60, 4)
    test = load_parts({**data, "args": {**data["args"], "group": "shop"}}, None).test
    assert test.groups is not None and len(np.unique(test.groups)) == 4


def test_intervals_over_blocks_hold_the_truth_of_a_series_where_rows_do_not() -> None:
    rng, held = np.random.default_rng(1), {"rows": 0, "blocks": 0}
    for _ in range(300):
        left = rng.normal(size=220)
        for day in range(1, len(left)):
            left[day] = 0.8 * left[day - 1] + 0.6 * left[day]
        losses = np.abs(left[None, 100:])
        for how, groups in (("rows", None), ("blocks", blocks_of(np.arange(120)))):
            found = errors.difference(losses, np.full_like(losses, np.sqrt(2 / np.pi)), groups)
            held[how] += found.low <= 0 <= found.high
    assert held["rows"] < 0.72 * 300 and held["blocks"] > 0.84 * 300
